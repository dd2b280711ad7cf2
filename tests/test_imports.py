"""Imports make no circle, and point from a room to rooms below it.

All imports are read, also those inside functions and under ``TYPE_CHECKING``.
"""

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import skem

# A room may import the rooms before it, and skem's own small modules (skem/_*.py: "helpers").
LADDER = ["kernels", "engine", "scoring", "families", "columns", "inference", "mixture"]
MAY_IMPORT = {room: {"helpers", *LADDER[:height]} for height, room in enumerate(LADDER)}
MAY_IMPORT |= {
    "helpers": set(),
    "kernels": set(),
    "datasets": set(),
    "vae": {"helpers", "engine", "kernels"},
    "impute": {"helpers", *LADDER},
    "outliers": {"helpers", *LADDER},
    "em": {"helpers", *LADDER},
}
# What is on top may know all that is below; "skem" is skem/__init__.py.
MAY_IMPORT["skem"] = {*MAY_IMPORT, "display"}
MAY_IMPORT["display"] = {*MAY_IMPORT}
MAY_IMPORT["cli"] = {*MAY_IMPORT}


def module_files(root):
    """Map names of modules to their files; a package is named like its folder."""
    files = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def absolute(node, name, is_package):
    """The module that ``from ... import`` names, without leading dots."""
    if not node.level:
        return node.module
    parts = name.split(".")
    home = parts[: len(parts) - node.level + is_package]
    return ".".join([*home, *filter(None, [node.module])])


def names_imported(name, path):
    """All that a module imports: modules, and ``module.name`` for what it takes out of one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, name, path.name == "__init__.py")
            yield from (f"{source}.{alias.name}" for alias in node.names)


def own_imports(files):
    """Pairs (importer, imported) of skem's modules."""
    pairs = set()
    for name, path in files.items():
        for target in names_imported(name, path):
            if target.partition(".")[0] == "skem":
                pairs.add((name, target if target in files else target.rpartition(".")[0]))
    return pairs


def circle(pairs):
    """Modules along a circle of imports, or None."""
    graph = {}
    for importer, imported in pairs:
        graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return None


def room(name):
    """The room that a module belongs to."""
    parts = name.split(".")
    if len(parts) == 1:
        return "skem"
    return "helpers" if parts[1].startswith("_") else parts[1]


def points_up(importer, imported):
    """Whether an import leads to a room that its own may not know."""
    here, there = room(importer), room(imported)
    return here != there and there not in MAY_IMPORT[here]


FILES = module_files(Path(skem.__file__).parent)
PAIRS = own_imports(FILES)


def test_hidden_and_relative_imports_are_read(tmp_path):
    package = tmp_path / "skem"
    (package / "engine").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "engine" / "__init__.py").write_text("from . import tile")
    (package / "engine" / "tile.py").write_text("def f():\n    from ..em import EM")
    (package / "em.py").write_text("if TYPE_CHECKING:\n    import skem.engine.tile as t")
    pairs = own_imports(module_files(package))
    assert pairs == {
        ("skem.engine", "skem.engine.tile"),
        ("skem.engine.tile", "skem.em"),
        ("skem.em", "skem.engine.tile"),
    }
    assert set(circle(pairs)) == {"skem.engine.tile", "skem.em"}
    assert {pair for pair in pairs if points_up(*pair)} == {("skem.engine.tile", "skem.em")}


def test_every_room_has_its_place():
    unknown = {room(name) for name in FILES} - set(MAY_IMPORT)
    assert not unknown, "say in MAY_IMPORT what these may import"


def test_all_imports_are_of_modules_that_exist():
    assert {imported for _, imported in PAIRS} <= set(FILES)


def test_no_circle():
    assert circle(PAIRS) is None


def test_arrows_point_down():
    assert not {pair for pair in PAIRS if points_up(*pair)}


def test_kernels_import_numba_and_numpy_alone():
    allowed = {"numba", "numpy", "skem", *sys.stdlib_module_names}
    for name in filter(lambda name: room(name) == "kernels", FILES):
        foreign = {target.partition(".")[0] for target in names_imported(name, FILES[name])}
        assert foreign <= allowed, name


def test_private_names_of_scikit_learn_are_not_used():
    private = re.compile(r"sklearn(\..*)?\._[^_]")
    for name, path in FILES.items():
        assert not [x for x in names_imported(name, path) if private.match(x)], name
