"""What a kernel that goes through a tile is to do: these added up, in this order.

In a module of its own, so that callers can name the steps without importing numba.
"""

SCORE = 1
"""Write scores."""
NORMALISE = 2
"""Turn the scores into responsibilities; only after ``SCORE``."""
SUM = 4
"""Add up statistics, with the responsibilities just made or else those of the tile."""
HARDEN = 8
"""Normalise to responsibilities of 0 and 1; only with ``NORMALISE``."""
LEVEL = 16
"""Add log weights and log densities at the centre to scores of rows with gaps."""
