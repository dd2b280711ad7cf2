"""Steps of optimisers on a flat vector of parameters, in place."""

import math

import numpy as np

from skem.kernels.jit import each, kernel

ADAM, MOMENTUM = range(2)

# The decay rates and the epsilon of the paper.
FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8
VELOCITY_DECAY = 0.9


@kernel
def take_step(kind, parameters, gradient, first, second, learning_rate, step):
    """Take step number ``step`` (1, 2, ...) of Adam, or of descent with momentum.

    Adam is algorithm 1 of Kingma & Ba (2015), with both bias corrections in the rate and epsilon
    (section 2 of the paper, last paragraph); the momentum is Nesterov's (Sutskever et al. 2013).

    Parameters
    ----------
    kind : int
        ``ADAM`` or ``MOMENTUM``.
    parameters, gradient, first, second : ndarray of shape (n,), all of one dtype
        For Adam, ``first`` and ``second`` are the running means of the gradient and of its square;
        for momentum, ``first`` is the velocity, and ``second`` is not looked at.
    learning_rate : float
    step : int
    """
    number = parameters.dtype.type
    if kind == ADAM:
        root = math.sqrt(1.0 - math.pow(SECOND_DECAY, float(step)))
        rate = number(learning_rate * root / (1.0 - math.pow(FIRST_DECAY, float(step))))
        epsilon = number(EPSILON * root)
        decay_first, decay_second = number(FIRST_DECAY), number(SECOND_DECAY)
        new_first, new_second = number(1) - decay_first, number(1) - decay_second
        for i in each(parameters.size):
            m = decay_first * first[i] + new_first * gradient[i]
            v = decay_second * second[i] + new_second * gradient[i] * gradient[i]
            first[i] = m
            second[i] = v
            parameters[i] -= rate * m / (np.sqrt(v) + epsilon)
    else:
        decay, rate = number(VELOCITY_DECAY), number(learning_rate)
        for i in each(parameters.size):
            v = decay * first[i] - rate * gradient[i]
            first[i] = v
            parameters[i] += decay * v - rate * gradient[i]
