"""From a table's rows to a network's input."""

import numpy as np

from skem.kernels.jit import each, kernel

# Values farther from the origin than this, in units of the scale, count as lying there: the
# squares and products that a network makes of them stay finite in float32 as well.
FARTHEST = 1e10


@kernel
def standardise(rows, places, origin, inverse_scale, out):
    """Write ``(rows[places] - origin) * inverse_scale`` to ``out`` (n_places, n_features).

    ``origin`` and ``inverse_scale`` (n_features,) are float64, and so is the arithmetic.
    """
    for i in range(places.size):
        row, line = rows[places[i]], out[i]
        for j in each(origin.size):
            value = (row[j] - origin[j]) * inverse_scale[j]
            line[j] = np.minimum(np.maximum(value, -FARTHEST), FARTHEST)
