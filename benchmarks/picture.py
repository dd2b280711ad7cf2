"""The run as one picture: six panels, each with its goal as a dashed line."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from benchmarks import goals

COLORS = {"full": "#0072B2", "tied": "#E69F00", "diag": "#009E73", "spherical": "#CC79A7"}
GOAL = {"color": "#B00020", "linestyle": "--", "linewidth": 1.2}


def draw(run, path):
    """Write the picture; a panel whose measurement is absent says so."""
    panels = {
        "iteration": _ratios_sklearn,
        "armadillo": _ratios_armadillo,
        "threads": _speedups,
        "share": _shares,
        "memory": _memory,
        "coldstart": _coldstart,
    }
    figure, axes = plt.subplots(2, 3, figsize=(17, 9), layout="constrained")
    for (name, panel), ax in zip(panels.items(), axes.flat, strict=True):
        result = run["sections"].get("iteration" if name == "share" else name, {})
        if not result or "skipped" in result or "failed" in result:
            reason = result.get("skipped", result.get("failed", "not in this run"))
            ax.text(0.5, 0.5, f"{name}: not measured\n({reason})", ha="center", wrap=True)
            ax.set_axis_off()
        else:
            panel(ax, result)
    info = run["machine"]
    figure.suptitle(
        f"skem {info['skem']} on {info['processor']}, {info['cores']} cores, "
        f"{run['when']}{', --quick' if run['quick'] else ''}"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _grouped_bars(ax, rows, column, label):
    """A group for each shape, a bar for each covariance type, its figure on top."""
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    types = [kind for kind in COLORS if any(row["covariance_type"] == kind for row in rows)]
    width = 0.86 / len(types)
    for i, kind in enumerate(types):
        chosen = [row for row in rows if row["covariance_type"] == kind]
        places = [shapes.index(row["shape"]) + (i - (len(types) - 1) / 2) * width for row in chosen]
        bars = ax.bar(
            places, [row[column] for row in chosen], width, label=kind, color=COLORS[kind]
        )
        ax.bar_label(bars, fmt=label, fontsize=7, rotation=90, padding=3)
    ax.set_xticks(range(len(shapes)), shapes, rotation=20)
    ax.set_xlabel("n x D x K")
    if len(types) > 1:
        ax.legend(ncols=len(types), fontsize=8, loc="upper right")


def _wanted(name):
    """What a goal wants."""
    return next(goal.wanted for goal in goals.GOALS if goal.name == name)


def _goal(ax, value, text):
    """A dashed line at the goal, named at its right end."""
    ax.axhline(value, **GOAL)
    place = ("axes fraction", "data")
    ax.annotate(text, (1.01, value), xycoords=place, color=GOAL["color"], fontsize=8, va="center")


def _times_faster(ax, rows, peer):
    _grouped_bars(ax, rows, "ratio", "%.1f")
    ax.set_yscale("log")
    # Room for the legend above; a ratio below zero (noise above the time itself) has no bar.
    ratios = [row["ratio"] for row in rows if row["ratio"] > 0]
    ax.set_ylim(0.8 * min(1.0, *ratios), 10 * max(ratios))
    ax.yaxis.set_minor_formatter("")
    ax.set_ylabel(f"{peer}'s time / skem's time (dashed: goals)")
    ax.yaxis.set_major_formatter("{x:g}")


def _ratios_sklearn(ax, result):
    _times_faster(ax, result["rows"], "scikit-learn")
    ax.axhline(result["geometric_mean"], color="black", linewidth=1)
    ax.set_title(
        f"One EM iteration against scikit-learn\n(black line: geometric mean, "
        f"{result['geometric_mean']:.1f})"
    )
    mean, each = (
        _wanted(f"EM iteration against scikit-learn, {what}")
        for what in ("geometric mean of the ratios", "every ratio")
    )
    _goal(ax, mean, f"mean:\n{mean}")
    _goal(ax, each, f"each:\n{each}")


def _ratios_armadillo(ax, result):
    _times_faster(ax, result["rows"], "Armadillo")
    ax.set_title(f"One EM iteration against Armadillo {result['rows'][0]['armadillo_version']}")
    _goal(ax, 1, "each:\nabove 1")


def _speedups(ax, result):
    _grouped_bars(ax, result["rows"], "speedup", "%.2f")
    ax.set_ylim(0, 2.8)
    ax.set_ylabel("time on 1 thread / time on 2 (dashed: goal)")
    ax.set_title("Two threads against one")
    wanted = _wanted("two threads against one, larger tables")
    _goal(ax, wanted, f"each:\n{wanted}")


def _shares(ax, result):
    rows = [row for row in result["rows"] if row["share"] is not None]
    _grouped_bars(ax, rows, "share", "%.2f")
    ax.set_ylim(0, 1.1)
    ax.set_ylabel("2nKD(D+3) flops / time / matmul speed (dashed: goal)")
    ax.set_title(
        f"Full covariance: share of the matrix-product speed\n({result['matmul_gflops']:.0f} "
        "GFLOP/s in this run)"
    )
    wanted = _wanted("share of the matrix-product speed, full, D >= 16")
    _goal(ax, wanted, f"each:\n{wanted}")


def _memory(ax, result):
    names, values, colors = [], [], []
    for row in result["rows"]:
        names.append(f"{row['program']}\nn = {row['n'] / 1e6:g} million")
        values.append(row["beyond_mib"])
        colors.append("#0072B2" if row["program"] == "skem" else "#999999")
    bars = ax.bar(names, values, color=colors)
    ax.bar_label(bars, fmt="%.0f", fontsize=8)
    ax.set_yscale("log")
    ax.set_ylim(1, 3 * max(*values, 64))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.tick_params(axis="x", labelsize=8)
    ax.set_ylabel("peak memory beyond X, MiB (dashed: goal)")
    memmap = result["memmap"]
    note = (
        "skipped"
        if "skipped" in memmap
        else f"{memmap['anonymous_mib']:.0f} MiB anonymous in all (goal: < 400)"
    )
    ax.set_title(f"Memory of a fit, D = 16, K = 20\n(4 GB memory map: {note})")
    _goal(ax, 64, "skem:\n64")


def _coldstart(ax, result):
    cold, warm, alone = (
        _wanted(name)
        for name in (
            "import skem and first fit, numba cache empty",
            "import skem and first fit over import sklearn.mixture, cache warm",
            "import skem.mixture over import sklearn",
        )
    )
    names = {
        "import\nsklearn": (result["sklearn"], None),
        "import skem\n.mixture": (result["skem.mixture"], result["sklearn"] + alone),
        "import sklearn\n.mixture": (result["sklearn.mixture"], None),
        "skem + first fit,\nwarm cache": (result["warm"]["both"], result["sklearn.mixture"] + warm),
        "skem + first fit,\nempty cache": (result["cold"]["both"], cold),
    }
    for i, (seconds, goal) in enumerate(names.values()):
        bar = ax.bar(i, seconds, color="#999999" if goal is None else "#0072B2")
        ax.bar_label(bar, fmt="%.2f", fontsize=8)
        if goal is not None:
            ax.plot([i - 0.4, i + 0.4], [goal, goal], **GOAL)
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.set_ylabel("seconds in a fresh process")
    ax.set_title("Cold start (dashed: at most)")
