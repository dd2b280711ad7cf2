"""Model files: how models are saved, and what a file must be before it is loaded."""

import copy
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skem import EMGaussianMixture, EMMixture
from skem._version import __version__
from skem.cli.files import check_source, replacing
from skem.cli.messages import CommandError, note, one_line, require
from skem.cli.mixed_model import MixedModel, Units
from skem.cli.model import Model
from skem.columns import ColumnInfo, Encoding
from skem.families import GAUSSIAN_FAMILIES, GaussianFamily
from skem.families.kinds.registry import KINDS
from skem.mixture._layout import Layout, PlacedKind

__all__ = ["SUFFIX", "load_model", "save_model"]

FORMAT, MIXED_FORMAT = "skem cluster 1", "skem cluster mixed 1"
SUFFIX = (".skops",)

# An array that a model must have: what has it, its name and its shape.
Placed: TypeAlias = tuple[Any, str, tuple[int, ...]]

# All that `save_model` writes: the types, and skops' ways to build them.
TYPES = {
    f"{kind.__module__}.{kind.__qualname__}"
    for kind in (
        *(EMGaussianMixture, Pipeline, StandardScaler, np.random.RandomState, np.ndarray),
        *(np.float64, np.float32, np.int64, np.int32, dict, list, tuple, str),
        *(EMMixture, Layout, PlacedKind, Encoding, ColumnInfo, *KINDS.values()),
    )
}
LOADERS = {
    *("ObjectNode", "RandomStateNode", "NdArrayNode", "DictNode", "ListNode", "TupleNode"),
    *("JsonNode", "TypeNode", "CachedNode"),
}


def save_model(model: Model | MixedModel, path: Path) -> None:
    """Write a model with skops, whole or not at all.

    Parameters
    ----------
    model : Model
        The model.
    path : Path
        A file whose name ends in ``.skops``.
    """
    skops = require("skops.io")
    content: dict[str, Any] = {"skem": __version__, "columns": list(model.columns)}
    if isinstance(model, Model):
        content |= {"format": FORMAT, "pipeline": model.pipeline}
    else:
        content |= {"format": MIXED_FORMAT, "mixture": _without_statistics(model.mixture)}
        content |= {"origin": model.units.origin, "scale": model.units.scale}
    with replacing(path) as temporary:
        skops.dump(content, temporary)


def load_model(path: Path) -> Model | MixedModel:
    """Read a model that `save_model` wrote.

    Nothing is built before every type in the file is known to be one that `save_model` writes;
    skops trusts by itself many more, which are refused here. What comes out must then have the
    form of a model.

    Parameters
    ----------
    path : Path
        A file whose name ends in ``.skops``.

    Returns
    -------
    Model or MixedModel

    Raises
    ------
    CommandError
        If the file is missing, damaged, holds another type, or is not a model of this command.
    """
    skops = require("skops.io")
    check_source(path, SUFFIX)
    with warnings.catch_warnings(record=True) as caught:
        try:
            refused = sorted({*_foreign(path), *skops.get_untrusted_types(file=path)} - TYPES)
            content = None if refused else skops.load(path, trusted=sorted(TYPES))
        except Exception as error:  # a damaged file can fail anywhere in zip, JSON or NumPy
            raise CommandError(f"{path}: not a readable skops file: {one_line(error)}") from error
    if refused:
        raise CommandError(f"{path}: refused: a model does not hold {', '.join(refused)}")
    for text in dict.fromkeys(one_line(warning.message) for warning in caught):
        note(f"{path}: {text}")
    return _checked(content, path)


def _foreign(path: Path) -> set[str]:
    """Name what skops would build from a file and `save_model` never writes."""
    with zipfile.ZipFile(path) as archive:
        nodes = [json.loads(archive.read("schema.json"))]
    foreign = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, dict):
            nodes += node.values()
            name = f"{node.get('__module__')}.{node.get('__class__')}"
            if "__loader__" in node and node["__loader__"] not in LOADERS:
                foreign.add(f"{name} ({node['__loader__']})")
            elif "__loader__" in node and name not in TYPES:
                foreign.add(name)
    return foreign


def _without_statistics(mixture: EMMixture) -> EMMixture:
    """Return a mixture without what only steps of `partial_fit` would need."""
    mixture = copy.copy(mixture)
    mixture._record = mixture._record._replace(statistics=None, prior=None)
    return mixture


def _checked(content: Any, path: Path) -> Model | MixedModel:
    """Return the model in a loaded file, or refuse what is not exactly a model."""
    try:
        columns = tuple(content["columns"])
        if content["format"] == FORMAT and _has_steps(content["pipeline"]):
            model = Model(content["pipeline"], columns)
            if _is_fitted(model):
                return model
        if content["format"] == MIXED_FORMAT and type(content["mixture"]) is EMMixture:
            units = Units(content["origin"], content["scale"])
            mixed = MixedModel(content["mixture"], columns, units)
            if _is_whole(mixed):
                return mixed
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        pass
    raise CommandError(f"{path}: not a model that 'skem cluster --save' wrote")


def _is_whole(model: MixedModel) -> bool:
    """Whether a model of a mixed table has all that scoring reads, as it must be."""
    mixture, k, d = model.mixture, model.mixture.n_components, len(model.columns)
    infos = mixture._layout.encoding.columns
    if type(mixture._layout) is not Layout or [info.name for info in infos] != [*model.columns]:
        return False
    shapes: list[Placed] = [(mixture, "weights_", (k,))]
    shapes += [(model.units, name, (d,)) for name in ("origin", "scale")]
    if not _are_sound(shapes, mixture.weights_, model.units.scale):
        return False
    row = pa.table([pa.nulls(1, _arrow_type(info)) for info in infos], names=list(model.columns))
    return bool(np.isfinite(mixture.score_samples(row)).all())


def _arrow_type(info: ColumnInfo) -> pa.DataType:
    values = info.categories
    if values is None:
        return pa.float64()
    return pa.array(list(values)).type


def _family(mixture: EMGaussianMixture) -> GaussianFamily:
    return GAUSSIAN_FAMILIES[mixture.covariance_type](float(mixture.reg_covar))


def _has_steps(pipeline: Pipeline) -> bool:
    steps = [(name, type(step)) for name, step in pipeline.steps]
    mixture = [("mixture", EMGaussianMixture)]
    return type(pipeline) is Pipeline and steps in (mixture, [("scale", StandardScaler), *mixture])


def _is_fitted(model: Model) -> bool:
    """Whether each array that scoring reads has the shape and the values it must have."""
    return _are_sound(_shapes(model), model.mixture.weights_, model.scale)


def _are_sound(shapes: list[Placed], weights: np.ndarray, scale: np.ndarray) -> bool:
    """Whether arrays have their shapes and finite values, weights and scales the right signs."""
    for owner, name, shape in shapes:
        array = getattr(owner, name)
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            return False
    return bool((weights >= 0).all() and (scale > 0).all())


def _shapes(model: Model) -> list[Placed]:
    """List the arrays that scoring reads, with the shapes they must have."""
    k, d = model.mixture.n_components, len(model.columns)
    square = _family(model.mixture).identity(k, d).shape
    shapes = [(model.mixture, "weights_", (k,)), (model.mixture, "means_", (k, d))]
    for name in ("covariances_", "precisions_", "precisions_cholesky_"):
        shapes.append((model.mixture, name, square))
    if model.standardised:
        shapes += [(model.pipeline["scale"], name, (d,)) for name in ("mean_", "scale_")]
    return shapes
