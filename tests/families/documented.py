"""Modules that the developers' guide writes out."""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "doc" / "development"


@contextmanager
def documented(name):
    """Import a module of the guide under a name of its own, and forget it in the end."""
    module_name = f"documented_{name}"
    spec = importlib.util.spec_from_file_location(module_name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[module_name]
