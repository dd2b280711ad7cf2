"""What ``import skem`` gives, and what it leaves for later."""

import json
import pkgutil
import subprocess
import sys

import pytest

import skem

PACKAGES = [
    "datasets",
    "display",
    "em",
    "families",
    "impute",
    "inference",
    "mixture",
    "outliers",
    "vae",
]


def run(code):
    """Return what a fresh interpreter prints as JSON."""
    command = [sys.executable, "-c", f"import json, sys; sys.path[:0] = {sys.path}; {code}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.core
def test_import_is_light():
    """Nothing outside the standard library, and no module of our own but the version."""
    added = run(
        "before = set(sys.modules); import skem; print(json.dumps(sorted({*sys.modules} - before)))"
    )
    assert [name for name in added if name.startswith("skem")] == ["skem", "skem._version"]
    foreign = {name.partition(".")[0] for name in added} - sys.stdlib_module_names
    assert foreign == {"skem"}


@pytest.mark.core
def test_numba_is_imported_by_the_first_fit():
    """Importing mixtures, and making one, takes next to no longer than scikit-learn does."""
    code = "import skem.mixture as m; m.EMGaussianMixture(3); print(json.dumps([*sys.modules]))"
    assert {"numba", "llvmlite"}.isdisjoint(run(code))


@pytest.mark.core
@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_imported_when_asked_for(name):
    code = f"import skem; print(json.dumps(['skem.{name}' in sys.modules, skem.{name}.__name__]))"
    assert run(code) == [False, f"skem.{name}"]


def test_dir_has_all_that_is_public():
    assert {*PACKAGES, *skem.__all__} == set(dir(skem))
    assert set(PACKAGES) <= {module.name for module in pkgutil.iter_modules(skem.__path__)}


def test_every_public_name_is_found():
    for name in skem.__all__:
        assert getattr(skem, name) is not None
    with pytest.raises(AttributeError, match="'skem' has no attribute 'nothing'"):
        skem.nothing  # noqa: B018
