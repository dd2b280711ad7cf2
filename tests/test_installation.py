"""Installing one way and then the other in one environment leaves a package that works.

Each test makes a virtual environment that borrows the dependencies of the running one, and a
checkout in a folder named ``skem``: to Python its parent offers an empty package of that name.
pip fetches the build backend.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import skem

ROOT = Path(__file__).parents[1]
FOLDERS = ("skem", "tests")
FILES = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", ".gitignore")
EXTRAS = ("tabular", "plot", "test", "doc", "dev")

# Numba keeps what this compiles beside the installed files.
FIT = """
import numpy as np
from skem import EMGaussianMixture
EMGaussianMixture(init_params="random_from_data").fit(np.eye(9)[:, :1])
"""

pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment and a checkout beside it."""

    def __init__(self, home):
        self.home = home
        self.checkout = home / "skem"
        for folder in FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / folder, self.checkout / folder, ignore=ignored)
        for file in FILES:
            shutil.copy(ROOT / file, self.checkout)
        subprocess.run([sys.executable, "-m", "venv", home / "env"], check=True)
        self.site = Path(self.run("python", "-c", "import site; print(site.getsitepackages()[0])"))
        # Path entries in a borrowed folder are not followed: an editable skem there stays unseen.
        (self.site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, command, *arguments, folder=None):
        """Run a command of the environment; return what it prints."""
        hidden = ("PYTHON", "NUMBA")
        job = subprocess.run(
            [self.home / "env" / "bin" / command, *arguments],
            cwd=folder or self.home,
            env={name: x for name, x in os.environ.items() if not name.startswith(hidden)},
            capture_output=True,
            text=True,
        )
        assert job.returncode == 0, job.stdout + job.stderr
        return job.stdout.strip()

    def install(self, *options):
        self.run("pip", "install", "--quiet", "--no-deps", *options, ".", folder=self.checkout)

    def places(self):
        """Where skem is imported from: in the checkout's parent, in the checkout, elsewhere."""
        code = "import skem; print(skem.__version__, skem.__file__)"
        folders = (self.home, self.checkout, self.site)
        answers = [
            self.run("python", "-c", code, folder=folder).split(" ", 1) for folder in folders
        ]
        assert {version for version, _ in answers} == {skem.__version__}
        return [Path(file).parent for _, file in answers]


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path)


def test_installed_then_editable(environment):
    installed, checkout = environment.site / "skem", environment.checkout / "skem"
    environment.install()
    assert environment.places() == [installed, checkout, installed]
    environment.run("python", "-c", FIT)
    environment.install("--editable")
    assert {path.suffix for path in installed.rglob("*.*")} == {".nbi", ".nbc"}
    assert environment.places() == [checkout] * 3
    assert environment.run("skem", "--version") == f"skem {skem.__version__}"


def test_editable_then_installed(environment):
    installed, checkout = environment.site / "skem", environment.checkout / "skem"
    environment.install("--editable")
    assert environment.places() == [checkout] * 3
    environment.install()
    assert environment.places() == [installed, checkout, installed]
    assert environment.run("skem", "--version") == f"skem {skem.__version__}"


def test_distributions_have_what_they_should(environment):
    """The wheel has the package and nothing else; the other has tests and settings as well."""
    files = (environment.checkout / "skem").rglob("*.*")
    package = {path.relative_to(environment.checkout).as_posix() for path in files}
    assert {"skem/py.typed", "skem/datasets/data/faithful.csv"} <= package
    environment.run("pip", "install", "--quiet", "hatchling")
    environment.run("python", "-m", "hatchling", "build", folder=environment.checkout)

    (wheel,) = (environment.checkout / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))
    assert {name for name in names if ".dist-info/" not in name} == package
    assert f"Version: {skem.__version__}\n" in metadata
    assert all(f"Provides-Extra: {extra}\n" in metadata for extra in EXTRAS)

    (sources,) = (environment.checkout / "dist").glob("*.tar.gz")
    with tarfile.open(sources) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*package, *FILES, "tests/test_installation.py"} <= names
