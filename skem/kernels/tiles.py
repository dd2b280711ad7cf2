"""The inner loop of a matrix product, written for the processor's registers.

A tile of the product stays in registers while the inner dimension is gone through: at each step it
needs the vectors of one row of the right factor and one number of each row of the left factor (Goto
& van de Geijn 2008, section 6). The compiler finds no such loop by itself, so it is given as vector
instructions, which it turns into those of the machine.
"""

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Rows of a tile: with four vectors a row they fill the 32 registers of AVX-512, with two the 16 of
# AVX2, and what is left holds the factors.
N_ROWS = 6


def _vectors():
    """Return the bytes of a vector, and how many vectors of a tile's row find room."""
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # not known for this kind of processor
        return 16, 2
    if features.get("avx512f"):
        return 64, 4
    return (32, 2) if features.get("avx") else (16, 2)


VECTOR_BYTES, N_VECTORS = _vectors()

_INTEGER, _PLACE = ir.IntType(64), ir.IntType(32)


class _Tile:
    """The instructions of a tile with so many vectors in a row; the last may be in use in part."""

    def __init__(self, builder, number, n_vectors, n_columns):
        self.builder = builder
        self.itemsize = 4 if isinstance(number, ir.FloatType) else 8
        self.lanes = VECTOR_BYTES // self.itemsize
        self.n_vectors = n_vectors
        self.vector = ir.VectorType(number, self.lanes)
        self.zero = ir.Constant(self.vector, None)
        places = ir.VectorType(_INTEGER, self.lanes)
        numbers = ir.Constant(places, list(range(self.lanes)))
        left = builder.sub(n_columns, _INTEGER((n_vectors - 1) * self.lanes))
        self.in_use = builder.icmp_signed("<", numbers, self.spread(left, places))

    def call(self, name, arguments, result):
        """Call one of LLVM's functions of vectors."""
        kind = f"v{self.lanes}f{8 * self.itemsize}"
        name = name.replace("*", kind)
        function_type = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, function_type, name)
        return self.builder.call(function, arguments)

    def spread(self, value, vector=None):
        """Return a vector that holds one number in all places."""
        vector = vector or self.vector
        unknown = ir.Constant(vector, ir.Undefined)
        everywhere = ir.Constant(ir.VectorType(_PLACE, self.lanes), None)
        one = self.builder.insert_element(unknown, value, _PLACE(0))
        return self.builder.shuffle_vector(one, unknown, everywhere)

    def places(self, pointer):
        """Return pointers to the vectors of a row that starts at a pointer."""
        offsets = [_INTEGER(v * self.lanes) for v in range(self.n_vectors)]
        kind = self.vector.as_pointer()
        return [self.builder.bitcast(self.builder.gep(pointer, [p]), kind) for p in offsets]

    def load(self, pointer):
        """Load a row's vectors, with zeros beyond the row's end."""
        *whole, last = self.places(pointer)
        vectors = [self.builder.load(place, align=self.itemsize) for place in whole]
        arguments = [last, _PLACE(self.itemsize), self.in_use, self.zero]
        return [*vectors, self.call("llvm.masked.load.*.p0", arguments, self.vector)]

    def store(self, vectors, pointer):
        """Store a row's vectors, up to the row's end."""
        *whole, last = self.places(pointer)
        for vector, place in zip(vectors, whole, strict=False):
            self.builder.store(vector, place, align=self.itemsize)
        arguments = [vectors[-1], last, _PLACE(self.itemsize), self.in_use]
        self.call("llvm.masked.store.*.p0", arguments, ir.VoidType())

    def emit(self, lines, step_k, b, row_b, results, n_inner, adds):
        """Write the loop over the inner dimension, and what comes before and after it."""
        builder = self.builder
        before = builder.block
        fetch, loop, done = (builder.append_basic_block(name) for name in ("fetch", "loop", "done"))
        builder.cbranch(adds, fetch, loop)
        builder.position_at_end(fetch)
        old = [self.load(result) for result in results]
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(_INTEGER)
        k.add_incoming(_INTEGER(0), before)
        k.add_incoming(_INTEGER(0), fetch)
        sums = [[builder.phi(self.vector) for _ in row] for row in old]
        right = self.load(builder.gep(b, [builder.mul(k, row_b)]))
        offset, new = builder.mul(k, step_k), []
        for line, row, fetched in zip(lines, sums, old, strict=True):
            left = self.spread(builder.load(builder.gep(line, [offset])))
            new.append([])
            for total, vector, start in zip(row, right, fetched, strict=True):
                new[-1].append(self.call("llvm.fmuladd.*", [left, vector, total], self.vector))
                total.add_incoming(self.zero, before)
                total.add_incoming(start, fetch)
                total.add_incoming(new[-1][-1], loop)
        following = builder.add(k, _INTEGER(1))
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, n_inner), loop, done)

        builder.position_at_end(done)
        for row, result in zip(new, results, strict=True):
            self.store(row, result)


@intrinsic
def tile(typing, a, at_a, step_m, step_k, b, at_b, row_b, c, at_c, row_c, shape, adds):
    """Compute a tile of a product, ``c = a b`` or ``c += a b``; for compiled code alone.

    ``a``, ``b`` and ``c`` are one-dimensional arrays of one dtype; the tile starts at their places
    ``at_...``. ``a`` goes on by ``step_m`` from row to row and by ``step_k`` along the inner
    dimension; ``b`` and ``c`` have rows of their own lengths. ``shape`` has the numbers of rows
    (up to N_ROWS), of columns (up to N_VECTORS vectors) and of steps along the inner dimension,
    none of them zero. ``adds`` says whether to add to what is there.
    """
    n = types.intp
    signature = types.void(a, n, n, n, b, n, n, c, n, n, types.UniTuple(n, 3), types.boolean)

    def generate(context, builder, signature, arguments):
        def pointer(array, at):
            made = context.make_array(signature.args[array])(context, builder, arguments[array])
            return builder.gep(made.data, [arguments[at]])

        number = context.get_data_type(signature.args[0].dtype)
        _, _, step_m, step_k, _, _, row_b, _, _, row_c, shape, adds = arguments
        n_rows, n_columns, n_inner = cgutils.unpack_tuple(builder, shape)
        # Rows that are not there are the last one again, which is then computed several times.
        lines, results = [pointer(0, 1)], [pointer(7, 8)]
        for row in range(1, N_ROWS):
            there = builder.icmp_signed("<", _INTEGER(row), n_rows)
            for pointers, step in ((lines, step_m), (results, row_c)):
                move = builder.select(there, step, _INTEGER(0))
                pointers.append(builder.gep(pointers[-1], [move]))
        b = pointer(4, 5)
        lanes = VECTOR_BYTES // (4 if isinstance(number, ir.FloatType) else 8)
        last = builder.sdiv(builder.sub(n_columns, _INTEGER(1)), _INTEGER(lanes))
        for n_vectors in range(1, N_VECTORS + 1):
            fits = builder.icmp_signed("==", last, _INTEGER(n_vectors - 1))
            with builder.if_then(fits):
                one = _Tile(builder, number, n_vectors, n_columns)
                one.emit(lines, step_k, b, row_b, results, n_inner, adds)
        return context.get_dummy_value()

    return signature, generate
