"""The floor under covariances, and maxima above it against numerical optimisation."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skem.families import floor
from skem.families.constrained import CONSTRAINED_ORIENTATIONS, CONSTRAINED_VARIANCES

# Numbers of components and features.
SIZES = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3)]


def problem(k, d, seed):
    """Scatter matrices, counts and a floor that some of the covariances are below."""
    rng = np.random.default_rng([k, d, seed])
    count = rng.uniform(5.0, 50.0, k)
    roots = rng.standard_normal((k, d, d)) * np.exp(rng.standard_normal((k, 1, d)))
    scatter = count[:, None, None] * (roots @ np.swapaxes(roots, 1, 2))
    root = rng.standard_normal((d, d))
    return scatter, count, 0.5 * root @ root.T + 0.1 * np.eye(d)


def loss(scatter, count, covariances):
    """Minus twice the log likelihood of rows about their means, but for a constant."""
    log_det = np.linalg.slogdet(covariances)[1]
    return float(
        count @ log_det + np.trace(np.linalg.inv(covariances) @ scatter, axis1=1, axis2=2).sum()
    )


def searched(least, size, seed, constraints=()):
    """Minimise without derivatives known, from several starts."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(2):
        start = rng.standard_normal(size)
        if constraints:
            options = {"ftol": 1e-13, "maxiter": 2000}
            result = minimize(
                least, start, method="SLSQP", constraints=constraints, options=options
            )
            broken = np.abs(constraints[0]["fun"](result.x)).max(initial=0.0)
            found.append(result.fun if broken < 1e-7 else np.inf)
        else:
            found.append(minimize(least, start, method="BFGS", options={"gtol": 1e-8}).fun)
    return min(found)


# --- the floor ------------------------------------------------------------------------------


def test_why_a_quarter_of_the_squared_step():
    # Mass that a normal density has on the recorded values, at worst.
    offsets = np.linspace(0.0, 1.0, 101)[:, None]
    lattice = np.arange(-30, 31) + offsets
    for variance, mass in ((1.0 / 12.0, 1.389), (0.25, 1.014)):
        density = np.exp(-0.5 * np.square(lattice) / variance) / np.sqrt(2.0 * np.pi * variance)
        assert density.sum(axis=1).max() == pytest.approx(mass, abs=1e-3)


@pytest.mark.core
@pytest.mark.parametrize("seed", range(5))
def test_the_floor_is_below_both(seed):
    rng = np.random.default_rng(seed)
    d = 4
    root = rng.standard_normal((d, d))
    covariance = root @ root.T + 1e-3 * np.eye(d)
    variances = 10.0 ** rng.uniform(-6.0, 1.0, d)
    found = floor.lower_of(variances, covariance)
    ratio = np.linalg.eigvals(np.linalg.solve(covariance, found)).real
    assert ratio.max() < 1.0
    width = np.sqrt(variances)
    assert np.linalg.eigvalsh(found / width / width[:, None]).max() < 1.0
    # What is common to both to first order is the floor's: nothing larger is below both.
    gaps = np.linalg.eigvalsh(covariance - found).min(), (variances - np.diag(found)).min()
    assert min(gaps) < 1e-6 * covariance.max()
    # The covariance itself is above it, to the bit.
    assert floor.lift(covariance[None], found)[0] is not None
    np.testing.assert_array_equal(floor.lift(covariance[None], found)[0], covariance)


def test_a_floor_along_the_features():
    variances, covariance = np.array([0.2, 5.0]), np.diag([1.0, 3.0])
    wanted = np.array([0.2, 3.0])
    np.testing.assert_allclose(floor.lower_of(variances, covariance), np.diag(wanted), rtol=2e-8)
    found = floor.least_variances(variances, np.diag(covariance))
    np.testing.assert_allclose(found, wanted, rtol=2e-8)


# --- matrices -------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(("k", "d"), SIZES)
def test_matrices_above_the_floor(k, d):
    scatter, count, least = problem(k, d, 0)
    found = floor.lift(scatter / count[:, None, None], least)
    assert np.linalg.eigvalsh(found - least).min() > -1e-12 * found.max()
    root = np.linalg.cholesky(least)

    def unpack(z):
        above = z.reshape(-1, d, d)
        return root @ (np.eye(d) + above @ np.swapaxes(above, 1, 2)) @ root.T

    wanted = searched(lambda z: loss(scatter, count, unpack(z)), k * d * d, 0)
    assert loss(scatter, count, found) == pytest.approx(wanted, rel=1e-9)
    assert loss(scatter, count, found) <= wanted + 1e-9 * abs(wanted)


@pytest.mark.core
@pytest.mark.parametrize(("k", "d"), SIZES)
def test_volumes_of_one_matrix_above_the_floor(k, d):
    scatter, count, least = problem(k, d, 1)
    found = CONSTRAINED_ORIENTATIONS["="](scatter, count, "VE", scatter, least)
    assert np.linalg.eigvalsh(found - least).min() > -1e-9 * found.max()
    one = found / np.linalg.det(found)[:, None, None] ** (1 / d)
    np.testing.assert_allclose(one, np.broadcast_to(one[:1], one.shape), atol=1e-9 * one.max())
    root = np.linalg.cholesky(least)

    def unpack(z):
        above = z[k:].reshape(d, d)
        return (1.0 + z[:k, None, None] ** 2) * (root @ (np.eye(d) + above @ above.T) @ root.T)

    wanted = searched(lambda z: loss(scatter, count, unpack(z)), k + d * d, 1)
    assert loss(scatter, count, found) <= wanted + 1e-9 * abs(wanted)


@pytest.mark.core
@pytest.mark.parametrize(("k", "d"), SIZES[:4])
def test_matrices_of_one_volume_above_the_floor(k, d):
    scatter, count, least = problem(k, d, 2)
    found = CONSTRAINED_ORIENTATIONS["*"](scatter, count, "EV", scatter, least)
    assert np.linalg.eigvalsh(found - least).min() > -1e-9 * found.max()
    log_det = np.linalg.slogdet(found)[1]
    np.testing.assert_allclose(log_det, log_det[0], atol=1e-9)
    root = np.linalg.cholesky(least)

    def unpack(z):
        above = z.reshape(-1, d, d)
        return root @ (np.eye(d) + above @ np.swapaxes(above, 1, 2)) @ root.T

    def apart(z):
        log_det = np.linalg.slogdet(unpack(z))[1]
        return log_det[1:] - log_det[0]

    constraints = [{"type": "eq", "fun": apart}] if k > 1 else []
    wanted = searched(lambda z: loss(scatter, count, unpack(z)), k * d * d, 2, constraints)
    assert np.isfinite(wanted)
    assert loss(scatter, count, found) <= wanted + 1e-6 * abs(wanted)


# --- variances ------------------------------------------------------------------------------


def equations(parts, k, d):
    """Return what is zero of log variances of a structure, flat."""

    def same(x):
        return (x[1:] - x[:1]).ravel()

    def same_shape(x):
        shape = x - x[:, :1]
        return (shape[1:] - shape[:1])[:, 1:].ravel()

    def same_volume(x):
        return x[1:].mean(axis=1) - x[0].mean()

    function = {"EE": same, "VE": same_shape, "EV": same_volume}.get(parts)
    if function is None or function(np.zeros((k, d))).size == 0:
        return []
    return [{"type": "eq", "fun": lambda x: function(x.reshape(k, d))}]


# Older versions of SciPy warn of what they mend themselves.
@pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")
@pytest.mark.core
@pytest.mark.parametrize("parts", CONSTRAINED_VARIANCES)
@pytest.mark.parametrize(("k", "d"), SIZES)
@pytest.mark.parametrize("alike", [True, False])
def test_variances_above_the_floor(parts, k, d, alike):
    scatter, count, floor_matrix = problem(k, d, 3)
    spectra = np.diagonal(scatter, axis1=1, axis2=2).copy()
    spectra[0, 0] = 0.0
    least = np.tile(np.diagonal(floor_matrix), (k, 1))
    if not alike:
        least *= np.exp(np.random.default_rng(0).standard_normal((k, d)))

    def value(x):
        x = x.reshape(k, d)
        return float((count[:, None] * x + spectra * np.exp(-x)).sum())

    def slope(x):
        return (count[:, None] - spectra * np.exp(-x.reshape(k, d))).ravel()

    bottom = np.log(least)
    wanted = minimize(
        value,
        np.full(k * d, bottom.max() + 1.0),
        jac=slope,
        bounds=[(b, None) for b in bottom.ravel()],
        constraints=equations(parts, k, d),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 2000},
    ).fun
    found = CONSTRAINED_VARIANCES[parts](spectra, count, least)
    assert (found >= least * (1.0 - 1e-12)).all()
    for equation in equations(parts, k, d):
        np.testing.assert_allclose(equation["fun"](np.log(found).ravel()), 0.0, atol=1e-9)
    assert value(np.log(found)) <= wanted + 1e-9 * count.sum()


def test_components_of_single_rows_are_at_the_floor():
    nothing, least = np.zeros((3, 13)), np.full((3, 13), 1e-6)
    for rule in CONSTRAINED_VARIANCES.values():
        found = rule(nothing, np.ones(3), least)
        np.testing.assert_allclose(found, least, rtol=1e-6)


# --- axes of each component's own, or in common ----------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(
    ("orientation", "parts"), [("V", "EE"), ("V", "VE"), ("E", "EV"), ("E", "VV")]
)
@pytest.mark.parametrize(("k", "d"), SIZES)
def test_turned_axes_are_never_worse(orientation, parts, k, d):
    scatter, count, least = problem(k, d, 4)
    covariances = np.tile(np.trace(least) * np.eye(d), (k, 1, 1))
    before = np.inf
    for turn in range(4):
        moved = scatter * (1.0 + 0.1 * np.cos(turn + np.arange(k)))[:, None, None]
        at_first = loss(moved, count, covariances)
        covariances = CONSTRAINED_ORIENTATIONS[orientation](moved, count, parts, covariances, least)
        before = loss(moved, count, covariances)
        assert before <= at_first + 1e-9 * abs(at_first)
        values, axes = np.linalg.eigh(covariances)
        along = np.einsum("kij,il,klj->kj", axes, least, axes)
        assert (values >= along * (1.0 - 1e-6)).all()


@pytest.mark.parametrize("parts", ["EE", "VE", "EV", "VV"])
def test_axes_of_the_floor(parts):
    # Where all axes are the floor's own, the matrices are those of the variances.
    k, d = 3, 3
    rng = np.random.default_rng(0)
    count, spectra = rng.uniform(5.0, 50.0, k), np.sort(rng.uniform(0.0, 2.0, (k, d)))
    spectra *= count[:, None]
    least = np.array([0.5, 0.6, 0.7])
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    scatter = axes @ (spectra[:, :, None] * np.eye(d)) @ axes.T
    floor_matrix = axes @ np.diag(least) @ axes.T
    rule = CONSTRAINED_VARIANCES[parts]
    variances = rule(spectra, count, np.tile(least, (k, 1)))
    wanted = axes @ (variances[:, :, None] * np.eye(d)) @ axes.T
    # Common axes with one shape are one matrix, or one for all.
    for orientation in ("V", "E") if parts in ("EV", "VV") else ("V",):
        found = CONSTRAINED_ORIENTATIONS[orientation](scatter, count, parts, scatter, floor_matrix)
        np.testing.assert_allclose(found, wanted, atol=1e-7)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_component_of_hardly_a_row_has_a_volume():
    # Nothing but the floor says how large it is; it is not to run away, nor to move the others.
    spectra = np.array([[3.0, 1.0], [2.0, 4.0], [0.0, 0.0]])
    count, least = np.array([10.0, 20.0, 1e-14]), np.full((3, 2), 0.01)
    found = CONSTRAINED_VARIANCES["VE"](spectra, count, least)
    without = CONSTRAINED_VARIANCES["VE"](spectra[:2], count[:2], least[:2])
    assert np.isfinite(found).all()
    assert (found >= least).all()
    np.testing.assert_allclose(found[:2], without, rtol=1e-6)


@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 5)])
def test_covariances_above_a_floor(k, d):
    rows = np.random.default_rng(0).standard_normal((k, 3 * d, d))
    covariances = np.einsum("kni,knj->kij", rows, rows)
    least = min(np.linalg.eigvalsh(matrix)[0] for matrix in covariances)
    assert floor.is_above(covariances, 0.99 * least * np.eye(d))
    assert not floor.is_above(covariances, 1.01 * least * np.eye(d))
    assert floor.is_above(covariances[0], 0.99 * least * np.eye(d))


def test_variances_of_components_of_hardly_a_row_are_numbers():
    # Under a wide floor the equations of a step are singular to rounding: its solution is NaN.
    rng = np.random.default_rng(166)
    k, d = int(rng.integers(1, 12)), int(rng.integers(1, 9))
    count = rng.gamma(rng.choice([0.05, 0.5, 5.0]), 1.0, k) + rng.choice([1e-12, 1e-4, 1.0])
    count *= 10.0 ** rng.uniform(-3, 4)
    spectra = count[:, None] * rng.gamma(rng.choice([0.02, 0.3, 3.0]), 1.0, (k, d))
    spectra *= 10.0 ** rng.uniform(-4, 3)
    spectra[rng.random((k, d)) < 0.1] = 0.0
    least = np.tile(10.0 ** rng.uniform(-3, 2, d), (k, 1))
    if rng.random() < 0.5:
        least = least * 10.0 ** rng.uniform(-1, 1, (k, d))

    def loss_of(variances):
        return float((count[:, None] * np.log(variances) + spectra / variances).sum())

    with np.errstate(all="ignore"):  # as compiled code, which does not warn
        found = CONSTRAINED_VARIANCES["VE"](spectra, count, least)
    assert (found >= least * (1 - 1e-12)).all()
    # One shape for all may also be that of one volume for all.
    assert loss_of(found) <= loss_of(CONSTRAINED_VARIANCES["EE"](spectra, count, least))
