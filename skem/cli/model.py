"""Models: what a fit leaves behind, and how it scores rows."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from sklearn.pipeline import Pipeline

from skem import EMGaussianMixture
from skem.cli.messages import count
from skem.engine import sum_seen
from skem.mixture import MixtureSummary

__all__ = ["Model", "Scores"]


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
    def contents(self) -> str:
        """How many columns there are, and whether they are standardised."""
        return count(len(self.columns), "column") + (" (standardised)" if self.standardised else "")

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
