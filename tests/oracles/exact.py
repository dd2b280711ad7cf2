"""References in exact or extended arithmetic."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

LOG_2PI = np.log(2 * np.longdouble("3.14159265358979323846264338327950288"))


def exp(value):
    """exp of a float, correct to far beyond float64, as a Decimal."""
    with localcontext() as context:
        context.prec = 40
        return Decimal(float(value)).exp()


def ulps(value, reference):
    """How far a float64 is from a Decimal, in units of the float's last place."""
    with localcontext() as context:
        context.prec = 40
        return abs(Decimal(float(value)) - reference) / Decimal(float(np.spacing(value)))


def moments(column, weights):
    """Weighted mean and variance of a column, as fractions."""
    x = [Fraction(float(value)) for value in column]
    w = [Fraction(float(value)) for value in weights]
    total = sum(w)
    mean = sum(a * b for a, b in zip(w, x, strict=True)) / total
    variance = sum(a * (b - mean) ** 2 for a, b in zip(w, x, strict=True)) / total
    return mean, variance


def cholesky(matrix):
    """Lower Cholesky factor in long double."""
    A = np.asarray(matrix, dtype=np.longdouble)
    L = np.zeros_like(A)
    for i in range(len(A)):
        for j in range(i + 1):
            rest = A[i, j] - np.dot(L[i, :j], L[j, :j])
            L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
    return L


def log_density(X, mean, matrix):
    """log N(x_n | mean, matrix) in long double, about the mean."""
    L = cholesky(matrix)
    deviations = np.asarray(X, dtype=np.longdouble) - np.asarray(mean, dtype=np.longdouble)
    result = np.empty(len(X), dtype=np.longdouble)
    for n, deviation in enumerate(deviations):
        solved = np.zeros_like(deviation)
        for i in range(len(L)):
            solved[i] = (deviation[i] - np.dot(L[i, :i], solved[:i])) / L[i, i]
        result[n] = -np.dot(solved, solved) / 2
    return result - np.log(np.diagonal(L)).sum() - len(L) * LOG_2PI / 2


def statistics(X, resp):
    """Weight (K,), mean (K, D) and scatter (K, D, D) in long double, in two passes."""
    X = np.asarray(X, dtype=np.longdouble)
    resp = np.asarray(resp, dtype=np.longdouble)
    weight = resp.sum(axis=0)
    mean = (resp.T @ X) / weight[:, None]
    scatter = []
    for k in range(resp.shape[1]):
        deviations = X - mean[k]
        scatter.append((resp[:, k, None] * deviations).T @ deviations)
    return weight, mean, np.array(scatter)
