"""Steps of optimisers on a flat vector of parameters, in place."""

import numpy as np

from skem.kernels.jit import each, kernel


@kernel
def adam(parameters, gradient, first, second, decay_first, decay_second, rate, epsilon):
    """Take one step of Adam (Kingma & Ba 2015, algorithm 1).

    Parameters
    ----------
    parameters, gradient, first, second : ndarray of shape (n,), all of one dtype
        ``first`` and ``second`` are the running means of the gradient and of its square.
    decay_first, decay_second : float, of that dtype
    rate, epsilon : float, of that dtype
        With both bias corrections in them (section 2 of the paper, last paragraph).
    """
    one = parameters.dtype.type(1)
    new_first, new_second = one - decay_first, one - decay_second
    for i in each(parameters.size):
        m = decay_first * first[i] + new_first * gradient[i]
        v = decay_second * second[i] + new_second * gradient[i] * gradient[i]
        first[i] = m
        second[i] = v
        parameters[i] -= rate * m / (np.sqrt(v) + epsilon)


@kernel
def momentum(parameters, gradient, velocity, decay, rate):
    """Take one step of gradient descent with Nesterov's momentum (Sutskever et al. 2013)."""
    for i in each(parameters.size):
        v = decay * velocity[i] - rate * gradient[i]
        velocity[i] = v
        parameters[i] += decay * v - rate * gradient[i]
