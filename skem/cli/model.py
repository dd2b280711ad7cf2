"""Models: what a fit leaves behind, how it scores rows, and how it is saved and loaded."""

import json
import warnings
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skem import EMGaussianMixture
from skem._version import __version__
from skem.cli.files import check_source, replacing
from skem.cli.messages import CommandError, note, one_line, require
from skem.engine import sum_seen
from skem.families import GAUSSIAN_FAMILIES, GaussianFamily
from skem.mixture import MixtureSummary

__all__ = ["Model", "Scores", "load_model", "save_model"]

FORMAT = "skem cluster 1"
SUFFIX = (".skops",)

# All that `save_model` writes: the types, and skops' ways to build them.
TYPES = {
    f"{kind.__module__}.{kind.__qualname__}"
    for kind in (
        *(EMGaussianMixture, Pipeline, StandardScaler, np.random.RandomState, np.ndarray),
        *(np.float64, np.float32, np.int64, np.int32, dict, list, tuple, str),
    )
}
LOADERS = {
    *("ObjectNode", "RandomStateNode", "NdArrayNode", "DictNode", "ListNode", "TupleNode"),
    *("JsonNode", "TypeNode", "CachedNode"),
}


class Scores(NamedTuple):
    """What the command adds to a table, one value for each row.

    Attributes
    ----------
    cluster : ndarray of shape (n_rows,), int
        Index of the component with the largest posterior probability.
    probability : ndarray of shape (n_rows,), float
        That probability.
    log_density : ndarray of shape (n_rows,), float
        Logarithm (nats) of the mixture's density, per unit of the table's columns.
    """

    cluster: np.ndarray
    probability: np.ndarray
    log_density: np.ndarray

    def as_columns(self, scored: np.ndarray) -> pa.Table:
        """Return the scores as columns of a table of which only some rows were scored.

        Parameters
        ----------
        scored : ndarray of shape (n_rows,), bool
            Which rows of the table these are.

        Returns
        -------
        pyarrow.Table
            A column for each attribute, null where a row was not scored.
        """
        columns = {}
        for name, values in self._asdict().items():
            column = np.zeros(len(scored), dtype=values.dtype)
            column[scored] = values
            columns[name] = pa.array(column, mask=~scored)
        return pa.table(columns)


@dataclass(frozen=True)
class Model:
    """A fitted mixture with the columns that it was fitted to.

    Attributes
    ----------
    pipeline : Pipeline
        A fitted `EMGaussianMixture` named ``mixture``, after a `StandardScaler` named ``scale``
        unless the table was fitted as it stands.
    columns : tuple of str
        Names of the columns, in the order that the pipeline expects.
    """

    pipeline: Pipeline
    columns: tuple[str, ...]

    @property
    def mixture(self) -> EMGaussianMixture:
        """The fitted mixture."""
        return self.pipeline[-1]

    @property
    def standardised(self) -> bool:
        """Whether the columns are standardised first."""
        return "scale" in self.pipeline.named_steps

    @property
    def scale(self) -> np.ndarray:
        """The columns' scales, shape (n_columns,): table units per unit of the mixture."""
        if not self.standardised:
            return np.ones(len(self.columns))
        return self.pipeline["scale"].scale_

    def summary(self) -> MixtureSummary:
        """Return the mixture's summary, in the table's units and with its columns' names."""
        summary = self.mixture.summary()
        means, deviations = summary.means, summary.deviations * self.scale
        if self.standardised:
            means = self.pipeline["scale"].inverse_transform(means)
        # What is held is remarked on where fits are listed.
        return replace(summary, columns=self.columns, means=means, deviations=deviations, held=None)

    def score(self, X: np.ndarray) -> Scores:
        """Assign rows to clusters.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_columns)
            Rows in the table's units; missing cells are NaN.

        Returns
        -------
        Scores
            The columns to add. The density is that of the standardised rows divided by the
            product of the scales of the columns that a row has (change of variables), so that it
            belongs to the table's units.

        Raises
        ------
        ValueError
            If a row is too far out to be standardised.
        """
        with np.errstate(over="ignore"):  # what overflows is infinite, and the mixture says so
            probability = self.pipeline.predict_proba(X)
            log_density = self.pipeline.score_samples(X) - sum_seen(X, np.log(self.scale))
        return Scores(probability.argmax(axis=1), probability.max(axis=1), log_density)


def save_model(model: Model, path: Path) -> None:
    """Write a model with skops, whole or not at all.

    Parameters
    ----------
    model : Model
        The model.
    path : Path
        A file whose name ends in ``.skops``.
    """
    skops = require("skops.io")
    content = {
        "format": FORMAT,
        "skem": __version__,
        "columns": list(model.columns),
        "pipeline": model.pipeline,
    }
    with replacing(path) as temporary:
        skops.dump(content, temporary)


def load_model(path: Path) -> Model:
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
    Model
        The model.

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


def _checked(content: Any, path: Path) -> Model:
    """Return the model in a loaded file, or refuse what is not exactly a model."""
    try:
        if content["format"] == FORMAT and _has_steps(content["pipeline"]):
            model = Model(content["pipeline"], tuple(content["columns"]))
            if _is_fitted(model):
                return model
    except (AttributeError, KeyError, TypeError):
        pass
    raise CommandError(f"{path}: not a model that 'skem cluster --save' wrote")


def _family(mixture: EMGaussianMixture) -> GaussianFamily:
    return GAUSSIAN_FAMILIES[mixture.covariance_type](float(mixture.reg_covar))


def _has_steps(pipeline: Pipeline) -> bool:
    steps = [(name, type(step)) for name, step in pipeline.steps]
    mixture = [("mixture", EMGaussianMixture)]
    return type(pipeline) is Pipeline and steps in (mixture, [("scale", StandardScaler), *mixture])


def _is_fitted(model: Model) -> bool:
    """Whether each array that scoring reads has the shape and the values it must have."""
    for owner, name, shape in _shapes(model):
        array = getattr(owner, name)
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            return False
    return bool((model.mixture.weights_ >= 0).all() and (model.scale > 0).all())


def _shapes(model: Model) -> list[tuple[Any, str, tuple[int, ...]]]:
    """List the arrays that scoring reads, with the shapes they must have."""
    k, d = model.mixture.n_components, len(model.columns)
    square = _family(model.mixture).identity(k, d).shape
    shapes = [(model.mixture, "weights_", (k,)), (model.mixture, "means_", (k, d))]
    for name in ("covariances_", "precisions_", "precisions_cholesky_"):
        shapes.append((model.mixture, name, square))
    if model.standardised:
        shapes += [(model.pipeline["scale"], name, (d,)) for name in ("mean_", "scale_")]
    return shapes
