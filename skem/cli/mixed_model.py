"""Models of mixed tables: what a fit leaves behind, and how it scores rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from skem import EMMixture
from skem.cli.messages import CommandError, count
from skem.cli.mixed import MixedFeatures
from skem.cli.model import Scores
from skem.columns import ColumnInfo
from skem.families import GAUSSIAN_FAMILIES
from skem.mixture import BlockSummary

__all__ = ["MixedModel", "Units", "measure", "standardise"]


@dataclass(frozen=True)
class Units:
    """How the columns of Gaussian blocks are standardised; others are taken as they stand.

    Attributes
    ----------
    origin, scale : ndarray of shape (n_columns,)
        0 and 1 for columns that are not standardised.
    """

    origin: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class MixedModel:
    """A fitted mixture of columns of every kind, with the units that it was fitted in.

    Attributes
    ----------
    mixture : EMMixture
    columns : tuple of str
    units : Units
    """

    mixture: EMMixture
    columns: tuple[str, ...]
    units: Units

    @property
    def contents(self) -> str:
        """How many columns there are, and of which kinds."""
        kinds = list(self.mixture.kinds_.values())
        scaled = ", standardised" if (self.units.scale != 1.0).any() else ""
        listed = []
        for kind in dict.fromkeys(kinds):
            words = f"Gaussian ({kind}{scaled})" if kind in GAUSSIAN_FAMILIES else kind
            listed.append(f"{kinds.count(kind)} {words}")
        return f"{count(len(kinds), 'column')}: {', '.join(listed)}"

    @property
    def infos(self) -> tuple[ColumnInfo, ...]:
        """What is known of each column."""
        infos: tuple[ColumnInfo, ...] = self.mixture._layout.encoding.columns
        return infos

    def summary(self) -> BlockSummary:
        """Return the mixture's summary, in the table's units."""
        summary = self.mixture.summary()
        places = {name: place for place, name in enumerate(self.columns)}
        profiles = []
        for profile in summary.profiles:
            if profile.deviations is not None:
                place = places[profile.column]
                origin, scale = self.units.origin[place], self.units.scale[place]
                profile = profile._replace(
                    values=profile.values * scale + origin, deviations=profile.deviations * scale
                )
            profiles.append(profile)
        return replace(summary, profiles=tuple(profiles), notes=())

    def score(self, features: MixedFeatures) -> Scores:
        """Assign rows to clusters; the density is that of the cells, in the table's units."""
        rows = standardise(features.rows, self.units)
        probability = self.mixture.predict_proba(rows)
        log_density = self.mixture.score_samples(rows) - jacobian(features, self.units)
        return Scores(probability.argmax(axis=1), probability.max(axis=1), log_density)


def measure(features: MixedFeatures, measured: Sequence[str]) -> Units:
    """Measure means and deviations of the columns that are standardised.

    Parameters
    ----------
    features : MixedFeatures
    measured : sequence of str
        Their names.
    """
    n_columns = len(features.columns)
    units = Units(np.zeros(n_columns), np.ones(n_columns))
    w = np.ones(features.rows.num_rows) if features.weights is None else features.weights
    for place, name in enumerate(features.columns):
        if name in measured:
            x = features.rows[name].to_numpy()
            seen = ~np.isnan(x) & (w > 0)
            if seen.any():
                with np.errstate(over="ignore"):
                    mean = np.average(x[seen], weights=w[seen])
                    deviation = np.sqrt(np.average(np.square(x[seen] - mean), weights=w[seen]))
                if not np.isfinite([mean, deviation]).all():
                    raise CommandError(f"column {name!r}: its values are too large")
                units.origin[place] = mean
                units.scale[place] = deviation if deviation > 0 else 1.0
    return units


def standardise(rows: pa.Table, units: Units) -> pa.Table:
    """Return rows in the units of the mixture."""
    for place, (origin, scale) in enumerate(zip(units.origin, units.scale, strict=True)):
        if (origin, scale) != (0.0, 1.0):
            values = (rows.column(place).to_numpy() - origin) / scale
            cells = pa.array(values, mask=np.isnan(values))
            rows = rows.set_column(place, rows.column_names[place], cells)
    return rows


def jacobian(features: MixedFeatures, units: Units) -> np.ndarray:
    """Return what a change to the mixture's units adds to each row's log density."""
    log_scale: np.ndarray = ~features.missing @ np.log(units.scale)
    return log_scale
