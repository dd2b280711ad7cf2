"""The run as Markdown, and the place in benchmarks/README.md where it goes."""

from pathlib import Path

from benchmarks import (
    acceleration,
    armadillo,
    choice,
    coldstart,
    gridsearch,
    imputation,
    iteration,
    memory,
    missing,
    outliers,
    quality,
    small,
    threads,
    vae,
    vae_tables,
    variational,
)

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

SECTIONS = {
    "iteration": (iteration, "One EM iteration against scikit-learn, 2 threads each"),
    "variational": (variational, "One variational iteration against scikit-learn, 2 threads each"),
    "armadillo": (armadillo, "One EM iteration against Armadillo, 2 threads each"),
    "quality": (quality, "The default fit against the best known"),
    "acceleration": (acceleration, "Passes over the rows with acceleration, simulated mixtures"),
    "memory": (memory, "Memory"),
    "coldstart": (coldstart, "Cold start"),
    "small": (small, "Small tables, against scikit-learn, 1 thread each"),
    "threads": (threads, "Two threads against one"),
    "vae": (vae, "Training of a variational autoencoder, batches of 128, float32"),
    "vae_tables": (vae_tables, "The default VAE on small tables, beside probabilistic PCA"),
    "choice": (choice, "The best of 126 fits, against mclust"),
    "gridsearch": (gridsearch, "Inside GridSearchCV"),
    "imputation": (imputation, "Imputation of 20 % of the cells, missing at random"),
    "outliers": (outliers, "Outliers that are known, 1 to 10 % of the rows"),
    "missing": (missing, "One EM iteration with missing cells, over the complete table"),
}


def markdown(run):
    """Machine, every table, every goal."""
    lines = [f"Measured {run['when']}{' with --quick' if run['quick'] else ''}, skem on:", ""]
    lines += [f"- {name}: {value}" for name, value in run["machine"].items()]
    for name, result in run["sections"].items():
        module, title = SECTIONS[name]
        body = f"Failed: {result['failed']}" if "failed" in result else module.markdown(result)
        lines += ["", f"### {title}", "", body, "", _circumstances(result)]
    lines += [
        "",
        "### Goals",
        "",
        "| goal | wanted | worst reached | |",
        "|---|---|---|---|",
    ]
    for verdict in run["verdicts"]:
        lines.append(
            f"| {verdict['goal']} | {verdict['wanted']} | {verdict['reached']} "
            f"| {verdict['verdict']} |"
        )
    return "\n".join(lines)


def _circumstances(result):
    """How long a measurement took, and how much else was going on."""
    others = result["others_cores"]
    return f"({result['seconds']:.0f} s; other programs used {others:.2f} cores meanwhile.)"


def misses(run):
    """One line for each goal that was not reached or not measured."""
    return [
        f"{verdict['verdict'].upper()}: {verdict['goal']}: wanted {verdict['wanted']}, "
        f"reached {verdict['reached']}"
        for verdict in run["verdicts"]
        if verdict["verdict"] != "met"
    ]


def write_readme(text):
    """Put `text` between the two comments of the README."""
    readme = README.read_text()
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(f"{README} must hold the lines {BEGIN!r} and {END!r} once each")
    before, _, rest = readme.partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
