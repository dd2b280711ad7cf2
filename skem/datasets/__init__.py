"""The few small tables that ship with the package."""

from skem.datasets._loaders import load_airquality, load_faithful

__all__ = ["load_airquality", "load_faithful"]
