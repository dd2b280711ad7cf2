"""``skem cluster --dask``: Parquet files that need not fit into memory, written part by part."""

import os
import shutil
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from sklearn.pipeline import Pipeline

from skem import EMGaussianMixture, EMMixture
from skem.cli.files import ADDED, check_target
from skem.cli.messages import CommandError, Progress, count, joined, note, one_line, quoted, require
from skem.cli.mixed import MixedFeatures
from skem.cli.mixed_model import MixedModel, Units
from skem.cli.model import Model, Scores
from skem.cli.report import CRITERIA, criterion_grid, criterion_table
from skem.cli.saving import SUFFIX, save_model
from skem.cli.search import Compilation, Fit
from skem.mixture._grid import list_types

__all__ = ["cluster_parts"]

Mixture: TypeAlias = EMGaussianMixture | EMMixture

# Options that do not go with --dask, what they are by default, and why.
_IN_MEMORY: dict[str, tuple[Any, str]] = {
    "top": (None, "--top sorts all rows"),
    "drop_missing": (False, "--drop-missing is not needed: missing cells are left out of the sums"),
    "scale": (True, "--no-scale is not needed: the columns are taken as they stand"),
    "sep": (None, "--sep is for text, and only Parquet files are read"),
    "header": (True, "--no-header is for text, and only Parquet files are read"),
    "comment": (None, "--comment is for text, and only Parquet files are read"),
}


def cluster_parts(arguments: Namespace) -> None:
    """Fit mixtures to Parquet files by Dask, choose one, and write the files with their clusters.

    Parameters
    ----------
    arguments : Namespace
        The parsed command line.

    Raises
    ------
    CommandError
        If an option does not go with ``--dask``, the input is bad or nothing can be written.
    """
    _refuse_options(arguments)
    frame = _read(arguments.table)
    declared = _declare(frame, arguments)
    numbers_named = _choose_columns(frame, arguments, [name for _, own in declared for name in own])
    columns = [*numbers_named, *(name for _, own in declared for name in own)]
    columns = [name for name in frame.columns if name in columns] if declared else columns
    weight = arguments.weight_column
    if weight is not None:
        _find(frame, weight, arguments.table)
    # As Arrow's types the columns are there in two thirds of the time; what is written keeps its
    # own.
    numbers = _read(arguments.table, dtype_backend="pyarrow")
    weights = None if weight is None else numbers[weight]
    makers = _list_models(arguments, numbers_named, declared)
    fits, mixtures = _fit_all(arguments, makers, numbers[columns], weights)
    criterion = CRITERIA[arguments.criterion]
    best = _choose(fits)
    model = _make_model(mixtures[best], tuple(columns))
    parts = frame.to_delayed()
    n_rows = _write(parts, model, arguments.output)
    if arguments.save is not None:
        save_model(model, arguments.save)
    rows = count(n_rows, "row")
    several = len({fit.covariance_type for fit in fits}) > 1
    tabulate = criterion_grid if several else criterion_table
    print(f"{arguments.table}: {rows}, {_say_contents(model)}")
    print(f"\n{tabulate(fits, fits[best], criterion)}\n\n{model.summary()}")
    if arguments.output is not None:
        print(f"\nWrote {rows} in {count(len(parts), 'file')} to {arguments.output}")
    if arguments.save is not None:
        print(f"Saved the model to {arguments.save}")


def _refuse_options(arguments: Namespace) -> None:
    """Refuse, before any work, what does not go with parts, and targets that can't be written."""
    for name, (default, reason) in _IN_MEMORY.items():
        if getattr(arguments, name) != default:
            raise CommandError(f"{reason}; leave it out with --dask")
    if arguments.criterion == "cv":
        raise CommandError("--criterion cv needs the rows in memory; with --dask: bic, icl or aic")
    if arguments.save is not None:
        require("skops.io")
        check_target(arguments.save, SUFFIX)
    if arguments.output is not None and Path(arguments.output).exists():
        raise CommandError(
            f"{arguments.output}: exists already; with --dask, name a directory to be made, for "
            "one Parquet file for each part"
        )


def _read(pattern: str, **options: Any) -> Any:
    """Read files as a data frame of Dask, one part after the other."""
    try:
        import dask.dataframe as dd
    except ImportError as error:
        raise CommandError('--dask needs Dask: pip install "skem[dask]"') from error
    try:
        frame = dd.read_parquet(pattern, **options)
    except (OSError, ValueError) as error:
        raise CommandError(f"{pattern}: cannot be read as Parquet: {one_line(error)}") from error
    if not len(frame.columns):
        raise CommandError(f"{pattern}: cannot be read as Parquet: there are no such files")
    taken = next((name for name in ADDED if name in frame.columns), None)
    if taken is not None:
        raise CommandError(f"{pattern}: already has a column {taken!r}; rename it")
    return frame


def _find(frame: Any, name: str, pattern: str) -> str:
    if name not in frame.columns:
        listed = joined(map(quoted, map(str, frame.columns)))
        raise CommandError(f"{pattern}: no column {name!r}; it has {listed}")
    return name


def _declare(frame: Any, arguments: Namespace) -> list[tuple[str, list[str]]]:
    """Return the kinds that the user declared, and the columns of each."""
    pattern, home = arguments.table, dict[str, str]()
    apart = {*arguments.exclude, arguments.weight_column}
    for kind, names in arguments.kind:
        for name in names:
            _find(frame, name, pattern)
            if name in home:
                raise CommandError(
                    f"{pattern}: column {name!r} is in --kind {home[name]} and --kind {kind}"
                )
            if name in apart:
                raise CommandError(
                    f"{pattern}: column {name!r} is in --kind {kind} and to be left out"
                )
            if arguments.columns is not None and name not in arguments.columns:
                raise CommandError(
                    f"{pattern}: column {name!r} is in --kind {kind}, but not in --columns"
                )
            home[name] = kind
    kinds = dict.fromkeys(home.values())
    return [(kind, [name for name in home if home[name] == kind]) for kind in kinds]


def _choose_columns(frame: Any, arguments: Namespace, declared: Sequence[str]) -> list[str]:
    """Return the columns that the user named, or the numeric ones, without declared ones."""
    pattern = arguments.table
    exclude = [_find(frame, name, pattern) for name in arguments.exclude]
    left_out = {*exclude, arguments.weight_column}
    if arguments.columns is not None:
        columns = [_find(frame, name, pattern) for name in arguments.columns]
        twice = sorted(left_out.intersection(columns))
        if twice:
            raise CommandError(f"{pattern}: column {twice[0]!r} is to be used and to be left out")
        return [name for name in columns if name not in declared]
    left_out.update(declared)
    numeric = [name for name, dtype in frame.dtypes.items() if dtype.kind in "iuf"]
    columns = [name for name in numeric if name not in left_out]
    if not columns and not declared:
        listed = joined(map(quoted, map(str, frame.columns)))
        raise CommandError(f"{pattern}: no numeric column among {listed}")
    others = [name for name in frame.columns if name not in {*columns, *left_out}]
    if others:
        named = joined(map(quoted, map(str, others)))
        note(f"{pattern}: columns left out, not numbers: {named}")
    return columns


def _list_models(
    arguments: Namespace, numbers: Sequence[str], declared: Sequence[tuple[str, list[str]]]
) -> list[tuple[str, Callable[[int], Mixture]]]:
    """Return the name of each model, and what makes its mixture of k components."""
    shared: dict[str, Any] = {
        "n_init": arguments.n_init,
        "reg_covar": arguments.reg_covar,
        "random_state": arguments.seed,
        "n_jobs": arguments.jobs,
    }
    types = list_types(arguments.covariance_type, len(numbers)) if numbers else [""]
    if not declared:
        shared["init_params"] = "hierarchical" if arguments.n_init == 1 else "auto"
        return [(one, partial(EMGaussianMixture, covariance_type=one, **shared)) for one in types]
    made: list[tuple[str, Callable[[int], Mixture]]] = []
    for one in types:
        blocks = [(one, list(numbers))] if numbers else []
        made.append((one, partial(EMMixture, columns=[*blocks, *declared], **shared)))
    return made


def _fit_all(
    arguments: Namespace,
    makers: Sequence[tuple[str, Callable[[int], Mixture]]],
    rows: Any,
    weights: Any,
) -> tuple[list[Fit], list[Mixture]]:
    """Fit one mixture after the other: each uses all workers."""
    low, high = arguments.k
    cells = [(name, make, k) for name, make in makers for k in range(low, high + 1)]
    fits, mixtures = [], []
    with Progress(len(cells)) as progress, Compilation(progress):
        for done, (name, make, k) in enumerate(cells):
            progress.show(done, f"fitting k = {k}" + (f", {name}" if len(makers) > 1 else ""))
            mixture = make(k)
            mixtures.append(mixture)
            fits.append(_fit(mixture, name, arguments.criterion, rows, weights))
    return fits, mixtures


def _make_model(mixture: Mixture, columns: tuple[str, ...]) -> Model | MixedModel:
    if isinstance(mixture, EMMixture):
        return MixedModel(mixture, columns, Units(np.zeros(len(columns)), np.ones(len(columns))))
    del mixture.feature_names_in_  # a model scores arrays
    return Model(Pipeline([("mixture", mixture)]), columns)


def _say_contents(model: Model | MixedModel) -> str:
    if isinstance(model, MixedModel):
        return model.contents
    covariance_type = model.pipeline[-1].covariance_type
    return f"{count(len(model.columns), 'column')}, {covariance_type}"


def _fit(mixture: Mixture, kind: str, criterion: str, rows: Any, weights: Any) -> Fit:
    """Fit a mixture, and say how it went; what it warned of is shown with the criterion."""
    k, begin = mixture.n_components, perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            mixture.fit(rows, sample_weight=weights)
            value = float(getattr(mixture, criterion)(rows, sample_weight=weights))
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
            seconds = perf_counter() - begin
            return Fit(kind, k, np.nan, 0, False, False, seconds, failure=one_line(error))
    said = [one_line(warning.message) for warning in caught]
    return Fit(
        kind,
        k,
        value,
        mixture.n_iter_,
        mixture.converged_,
        any(" collapsed (" in text for text in said),
        perf_counter() - begin,
        tuple(text.partition(": ")[0] for text in said),
    )


def _choose(fits: list[Fit]) -> int:
    """Return the place of the best fit, of those without collapsed components if there are any."""
    whole = [place for place, fit in enumerate(fits) if not fit.failure]
    if not whole:
        raise CommandError(f"no fit succeeded: {fits[0].failure}")
    sound = [place for place in whole if not fits[place].collapsed]
    return min(sound or whole, key=lambda place: fits[place].value)


def _write(parts: Sequence[Any], model: Model | MixedModel, output: str | None) -> int:
    """Write each part with its rows' clusters, all of them or none; return the number of rows."""
    from dask.base import compute
    from dask.delayed import delayed

    directory = None
    if output is not None:
        path = Path(output)
        directory = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if directory is not None:
            directory.mkdir()
        jobs = [
            delayed(_write_part)(part, model, directory, number)
            for number, part in enumerate(parts)
        ]
        n_rows = sum(compute(*jobs))
        if directory is not None:
            directory.rename(output or "")
    except OSError as error:
        raise CommandError(f"{output}: cannot be written: {one_line(error)}") from error
    finally:
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
    return n_rows


def _score(part: Any, model: Model | MixedModel) -> Scores:
    rows = part[list(model.columns)]
    if isinstance(model, Model):
        return model.score(rows.to_numpy(np.float64))
    cells = pa.Table.from_pandas(rows, preserve_index=False)
    return model.score(MixedFeatures(model.columns, cells, None, np.ones(len(part), dtype=bool)))


def _write_part(part: Any, model: Model | MixedModel, directory: Path | None, number: int) -> int:
    """Score a part, write it, and count its rows; runs where the rows lie."""
    if len(part):
        added = _score(part, model)._asdict()
    else:
        added = dict(zip(ADDED, (np.zeros(0, np.int64), np.zeros(0), np.zeros(0)), strict=True))
    if directory is not None:
        part.assign(**added).to_parquet(directory / f"part-{number:05}.parquet")
    return len(part)
