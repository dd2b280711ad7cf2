"""Every figure that skem is to reach, and what a run says about them."""

import operator
import statistics
from collections.abc import Callable
from typing import NamedTuple

from benchmarks import imputation, missing, outliers

SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


class Goal(NamedTuple):
    """One figure. `figures` maps where it was measured to what was; the worst counts."""

    section: str
    name: str
    sign: str
    wanted: float
    unit: str
    figures: Callable[[dict], dict[str, float]]


def _by_row(column):
    def figures(result):
        return {
            f"{row['shape']} {row['covariance_type']}": row[column]
            for row in result.get("rows", [])
            if row[column] is not None
        }

    return figures


def _geometric_mean(result):
    return {f"{len(result['rows'])} ratios": result["geometric_mean"]}


def _memory_beyond(result):
    return {
        f"n = {row['n']}": row["beyond_mib"] for row in result["rows"] if row["program"] == "skem"
    }


def _memmap(result):
    anonymous = result["memmap"].get("anonymous_mib")
    return {} if anonymous is None else {"4 GB": anonymous}


def _trained(shape, column):
    def figures(result):
        return {
            f"{row['n_threads']} thread(s)": row[column]
            for row in result["rows"]
            if row["shape"].startswith(shape) and row[column] is not None
        }

    return figures


def _over_mlp(result):
    return {f"{row['shape']}, {row['n_threads']}": row["over_mlp"] for row in result["rows"]}


def _search(column):
    def figures(result):
        row = result["rows"][1]
        return {row["case"]: row[column]}

    return figures


def _of_table(name, figure):
    def figures(result):
        found = {row["table"]: figure(row) for row in result["rows"] if row["table"] == name}
        return {table: value for table, value in found.items() if value is not None}

    return figures


def _accelerated(column):
    """Of plain EM at a small tol, by the better of the methods in passes."""

    def figures(result):
        rows = [row for row in result["rows"] if (row["kind"], row["tol"]) == ("EM", 1e-8)]
        best = min(rows, key=lambda row: row["share_slow"])
        return {f"{best['method']}, {result['seeds']} cases": best[column]}

    return figures


def _of_fit(name, column):
    def figures(result):
        rows = {row["fit"]: row for row in result["rows"]}
        return {f"{len(result['cases'])} cases": rows[name][column]}

    return figures


def _imputed(other, tables=None):
    """RMSE of the default imputer over that of another, or of the best of all others."""

    def figures(result):
        return {
            row["table"]: row["rmse"][imputation.SKEM]
            / (
                row["rmse"][other]
                if other
                else min(v for k, v in row["rmse"].items() if k != imputation.SKEM)
            )
            for row in result["rows"]
            if tables is None or row["table"] in tables
        }

    return figures


def _time_of_imputation(result):
    return {
        row["table"]: row["seconds"][imputation.SKEM] / row["seconds"][imputation.FOREST]
        for row in result["rows"]
    }


def _intervals_off(result):
    return {f"table {i}": abs(share - 0.9) for i, share in enumerate(result["intervals"])}


def _auc_over_best(part):
    """Mean ROC-AUC of the default detector less that of the best other one."""

    def figures(result):
        rows = outliers.parts(result)[part]
        means = outliers.means(rows)
        return {f"{len(rows)} tables": means[outliers.SKEM] - outliers.best_other(means)}

    return figures


def _of_case(case, column):
    """One figure of a small table."""

    def figures(result):
        return {row["case"]: row[column] for row in result["rows"] if row["case"].startswith(case)}

    return figures


def _slowed(covariance_type, name):
    """Time of an iteration with missing cells over that of the complete table."""

    def figures(result):
        return {
            f"{row['covariance_type']}, {row['missing']}": row["ratio"]
            for row in result["rows"]
            if (row["covariance_type"], row["missing"]) == (covariance_type, name)
        }

    return figures


def _auc_where_others_see(result):
    """The default's ROC-AUC on tables where another detector is above .7."""
    return {
        row["table"]: row["auc"][outliers.SKEM]
        for row in result["rows"]
        if outliers.best_other(row["auc"]) > 0.7
    }


def _time_of_detection(result):
    """Mean time of the default's fit over IsolationForest's."""
    skem, forest = (
        sum(row["seconds"][name] for row in result["rows"])
        for name in (outliers.SKEM, outliers.FOREST)
    )
    return {f"{len(result['rows'])} tables": skem / forest}


def _vae_tables(figure):
    """A figure of each table and length of the code, by what makes it of a row."""

    def figures(result):
        return {f"{row['table']}, {row['n_latent']}": figure(row) for row in result["rows"]}

    return figures


def _largest_fall(row):
    """Of the loss of rows that were held out, where training had converged."""
    return row["largest_falls"]["held_out"] if row["largest_falls"] else 0.0


def _other_autoencoder(model, fall):
    """The largest falls of another autoencoder's loss on each table, where it had converged."""

    def figures(result):
        return {
            f"{row['table']}, {row['n_latent']}": row["largest_falls"][fall]
            for row in result["others"]
            if row["model"] == model and row["largest_falls"]
        }

    return figures


_NOT_WINE = ("iris", "diabetes", "cancer, 10 columns")


def _time_of_default(result):
    """Of the default fit over scikit-learn's, medians over the cases."""
    seconds = {row["fit"]: row["seconds"] for row in result["rows"]}
    return {f"{len(result['cases'])} cases": seconds["skem"] / seconds["scikit-learn"]}


GOALS = (
    Goal(
        "iteration",
        "EM iteration against scikit-learn, geometric mean of the ratios",
        ">=",
        25,
        "times",
        _geometric_mean,
    ),
    Goal(
        "iteration",
        "EM iteration against scikit-learn, every ratio",
        ">=",
        6,
        "times",
        _by_row("ratio"),
    ),
    Goal(
        "iteration",
        "share of the matrix-product speed, full, D >= 16",
        ">=",
        0.70,
        "",
        _by_row("share"),
    ),
    Goal(
        "variational",
        "variational iteration against scikit-learn, geometric mean of the ratios",
        ">=",
        25,
        "times",
        _geometric_mean,
    ),
    Goal(
        "variational",
        "variational iteration against scikit-learn, every ratio",
        ">=",
        6,
        "times",
        _by_row("ratio"),
    ),
    Goal(
        "armadillo",
        "EM iteration against Armadillo, every ratio",
        ">",
        1,
        "times",
        _by_row("ratio"),
    ),
    *(
        Goal(
            "quality",
            f"default fits more than 0.005 nats per row below the best known, {what}",
            "<=",
            0.05,
            "",
            _of_fit(name, "share"),
        )
        for what, name in (("likelihood", "skem"), ("variational bound", "skem, variational"))
    ),
    Goal(
        "quality",
        "median time of the default fit over scikit-learn's",
        "<=",
        1,
        "",
        _time_of_default,
    ),
    Goal(
        "acceleration",
        "passes of accelerated EM over plain EM's at tol=1e-8, slow half, geometric mean",
        "<=",
        1 / 3,
        "",
        _accelerated("share_slow"),
    ),
    Goal(
        "acceleration",
        "final bound of accelerated EM less plain EM's, mean",
        ">=",
        0,
        "nats per row",
        _accelerated("higher_by"),
    ),
    Goal("memory", "peak memory beyond X, whatever n", "<=", 64, "MiB", _memory_beyond),
    Goal("memory", "anonymous memory of a fit to a 4 GB memory map", "<", 400, "MiB", _memmap),
    Goal(
        "coldstart",
        "import skem and first fit, numba cache empty",
        "<=",
        3,
        "s",
        lambda result: {"fresh process": result["cold"]["both"]},
    ),
    Goal(
        "coldstart",
        "import skem and first fit over import sklearn.mixture, cache warm",
        "<=",
        1,
        "s",
        lambda result: {"fresh process": result["warm"]["both"] - result["sklearn.mixture"]},
    ),
    Goal(
        "coldstart",
        "import skem.mixture over import sklearn",
        "<=",
        0.3,
        "s",
        lambda result: {"fresh process": result["skem.mixture"] - result["sklearn"]},
    ),
    Goal(
        "threads", "two threads against one, larger tables", ">=", 1.7, "times", _by_row("speedup")
    ),
    *(
        Goal(
            "vae",
            f"training {shape} against PyTorch",
            ">=",
            wanted,
            "times",
            _trained(shape, "over_torch"),
        )
        for shape, wanted in (("784-400-20", 1.2), ("64-128-8", 5), ("30-64-4", 8))
    ),
    Goal("vae", "training against MLPRegressor, every ratio", ">", 1, "times", _over_mlp),
    Goal(
        "vae",
        "ELBO of held-out digits",
        ">=",
        -18.85,
        "nats",
        lambda result: {f"{result['digits']['seeds']} seeds": result["digits"]["elbo"]},
    ),
    Goal(
        "vae",
        "IWAE-500 of held-out digits",
        ">=",
        -17.85,
        "nats",
        lambda result: {f"{result['digits']['seeds']} seeds": result["digits"]["iwae"]},
    ),
    Goal(
        "choice",
        "126 fits against mclust, CPU time",
        ">",
        10,
        "times",
        _of_table("breast cancer, 10 columns", lambda row: row["ratio"]),
    ),
    *(
        Goal(
            "choice",
            f"lowest BIC of 126 fits, {table}",
            "<=",
            wanted,
            "",
            _of_table(table, lambda row: row["skem"]["bic"]),
        )
        for table, wanted in (("iris", 561.7285), ("faithful", 2314.316))
    ),
    Goal(
        "gridsearch",
        "CPU time over wall time on 2 cores",
        "<=",
        2.1,
        "",
        _search("cpu_over_wall"),
    ),
    Goal(
        "vae_tables",
        "held-out score of VAE() less PPCA's, nats per row",
        ">=",
        -0.05,
        "",
        _vae_tables(lambda row: row["vae"] - row["ppca"]),
    ),
    Goal(
        "vae_tables",
        "the same, mean of the tables",
        ">",
        0,
        "",
        lambda result: {
            "mean": statistics.mean(row["vae"] - row["ppca"] for row in result["rows"])
        },
    ),
    Goal(
        "vae_tables",
        "share of variance that VAE() explains, less PCA's",
        ">=",
        -0.02,
        "",
        _vae_tables(lambda row: row["explained"] - row["explained_by_pca"]),
    ),
    Goal(
        "vae_tables",
        "seconds of a fit",
        "<=",
        5,
        "",
        _vae_tables(lambda row: row["longest"]),
    ),
    Goal(
        "vae_tables",
        "fall of the loss after converged_, nats per row and epoch",
        "<=",
        1e-3,
        "",
        _vae_tables(_largest_fall),
    ),
    *(
        Goal(
            "vae_tables",
            f"fall of the loss of {model} after converged_, {what}",
            "<=",
            1e-3,
            "",
            _other_autoencoder(model, fall),
        )
        for model in ("InfoVAE", "CategoricalVAE", "VQVAE")
        for what, fall in (("last epochs", "held_out"), ("below the best", "below_best"))
    ),
    Goal(
        "imputation",
        "RMSE of MixtureImputer() over IterativeImputer()'s",
        "<",
        1,
        "",
        _imputed(imputation.RIDGE, _NOT_WINE),
    ),
    Goal(
        "imputation",
        "RMSE of MixtureImputer() over one Gaussian's",
        "<=",
        1.02,
        "",
        _imputed(imputation.GAUSSIAN, _NOT_WINE),
    ),
    Goal(
        "imputation",
        "RMSE of MixtureImputer() over the best other's",
        "<=",
        1.05,
        "",
        _imputed(None, ("wine",)),
    ),
    Goal(
        "imputation",
        "time of MixtureImputer() over IterativeImputer(forest)'s",
        "<",
        1,
        "",
        _time_of_imputation,
    ),
    Goal(
        "imputation",
        "hidden cells within 90 % intervals of draws, share off .9",
        "<=",
        0.03,
        "",
        _intervals_off,
    ),
    *(
        Goal(
            "outliers",
            f"mean ROC-AUC of MixtureOutlierDetector() less the best other's, {part}",
            ">=",
            0,
            "",
            _auc_over_best(part),
        )
        for part in ("all tables", "tables held out")
    ),
    Goal(
        "outliers",
        "ROC-AUC of MixtureOutlierDetector() where another's is above .7",
        ">=",
        0.5,
        "",
        _auc_where_others_see,
    ),
    Goal(
        "outliers",
        "time of MixtureOutlierDetector().fit over IsolationForest's, mean",
        "<",
        1,
        "",
        _time_of_detection,
    ),
    *(
        Goal(
            "missing",
            f"iteration with gaps over complete, {covariance_type}, {name}",
            "<=",
            wanted,
            "",
            _slowed(covariance_type, name),
        )
        for covariance_type, name, wanted in (
            ("full", missing.TENTH, 3.5),
            ("full", missing.BLOCKED, 1.7),
            ("full", missing.HALF, 12),
            ("tied", missing.HALF, 20),
            ("diag", missing.TENTH, 1.6),
            ("spherical", missing.TENTH, 2.0),
        )
    ),
    Goal(
        "small",
        "an EM iteration on iris, K = 3, full",
        "<=",
        0.04,
        "ms",
        _of_case("an EM iteration, K = 3, full", "skem"),
    ),
    Goal(
        "small",
        "default fit of iris, K = 3",
        "<=",
        5,
        "ms",
        _of_case("fit, K = 3, init_params='auto'", "skem"),
    ),
    *(
        Goal(
            "small",
            f"{name}, times scikit-learn's speed",
            ">=",
            wanted,
            "",
            _of_case(name, "ratio"),
        )
        for name, wanted in (
            ("score_samples of 150 rows", 1),
            ("predict of 150 rows", 1),
            ("GridSearchCV, 36 cells x 5 folds, init_params='auto'", 10),
        )
    ),
    Goal(
        "gridsearch",
        "runnable threads on average, 2 workers",
        "<=",
        2.1,
        "",
        _search("runnable_mean"),
    ),
)


class Verdict(NamedTuple):
    """What a run says about a goal."""

    goal: str
    wanted: str
    reached: str
    verdict: str  # met, missed or not measured


def _number(value, unit):
    return f"{value:.4g} {unit}".strip()


def judge(goal, sections):
    """Compare the worst figure with the one wanted; nothing is rounded before."""
    wanted = f"{goal.sign} {_number(goal.wanted, goal.unit)}"
    result = sections[goal.section]
    if "failed" in result:
        return Verdict(goal.name, wanted, f"failed: {result['failed']}", "missed")
    figures = {} if "skipped" in result else goal.figures(result)
    if not figures:
        return Verdict(goal.name, wanted, "none", "not measured")
    holds = SIGNS[goal.sign]
    worst = (min if goal.sign.startswith(">") else max)(figures, key=figures.get)
    reached = f"{_number(figures[worst], goal.unit)} ({worst})"
    missing = sum(not holds(figure, goal.wanted) for figure in figures.values())
    if missing and len(figures) > 1:
        reached += f"; {missing} of {len(figures)} miss it"
    return Verdict(goal.name, wanted, reached, "missed" if missing else "met")


def judge_all(sections):
    """A verdict for every goal whose measurement is in the run, in the order of `GOALS`."""
    return [judge(goal, sections) for goal in GOALS if goal.section in sections]
