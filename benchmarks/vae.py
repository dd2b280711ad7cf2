"""Training of a variational autoencoder: skem, PyTorch and MLPRegressor, rows per second.

And the ELBO that it ends with, on binarised digits.
"""

import statistics
import time
import warnings
from typing import NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.workload import disturbance, progress

BATCH = 128
RATE = 1e-3
THREADS = (1, 2)


class Shape(NamedTuple):
    """Widths of the encoder, the likelihood, and how many rows there are."""

    n_features: int
    n_hidden: int
    n_latent: int
    likelihood: str
    n_rows: int

    def __str__(self):
        return f"{self.n_features}-{self.n_hidden}-{self.n_latent} {self.likelihood}"


SHAPES = (
    Shape(784, 400, 20, "bernoulli", 6_400),
    Shape(64, 128, 8, "bernoulli", 25_600),
    Shape(30, 64, 4, "gaussian", 25_600),
)


def run(quick):
    """Every shape with one thread and with two, the programs taking turns; then the digits."""
    torch = _torch()
    rows = []
    for shape in SHAPES:
        for n_threads in THREADS:
            rows.append(_compare(torch, shape, n_threads, 3 if quick else 9))
            progress(f"{rows[-1]}")
    result = {"rows": rows, "digits": digits(1 if quick else 3)}
    if torch is None:
        result["without"] = "PyTorch is not installed (pip install torch==2.13.0): not compared."
    else:
        result["torch"] = torch.__version__
    return result


def _torch():
    try:
        import torch
    except ImportError:
        return None
    return torch


def _compare(torch, shape, n_threads, rounds):
    X = np.random.default_rng(0).random((shape.n_rows, shape.n_features), dtype=np.float32)
    programs = {"skem": lambda epochs: _skem(X, shape, n_threads, epochs)}
    if torch is not None:
        torch.set_num_threads(n_threads)
        programs["torch"] = lambda epochs: _train_torch(torch, X, shape, epochs)
    programs["mlp"] = lambda epochs: _mlp(X, shape, n_threads, epochs)
    for program in programs.values():
        program(1)  # compiles, not counted
    longer = max(2, round(25_600 / shape.n_rows))

    # A longer run less a shorter one: what a fit does once cancels. Minima, because other
    # programs only ever make a run longer.
    least = {name: [np.inf, np.inf] for name in programs}
    with machine.OtherPrograms() as others:
        for _ in range(rounds):
            for name, program in programs.items():
                for place, epochs in enumerate((1, 1 + longer)):
                    least[name][place] = min(least[name][place], program(epochs))
    seconds = {name: (long - short) / longer for name, (short, long) in least.items()}
    speed = {name: shape.n_rows / value for name, value in seconds.items()}
    return {
        "shape": str(shape),
        "n_threads": n_threads,
        "rows_per_second": speed,
        "over_torch": speed["skem"] / speed["torch"] if torch is not None else None,
        "over_mlp": speed["skem"] / speed["mlp"],
        "others_cores": others.cores,
    }


def _timed(fit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        fit()
        return time.perf_counter() - begin


def _skem(X, shape, n_threads, epochs):
    from skem import VAE

    vae = VAE(
        shape.n_latent,
        hidden_layer_sizes=(shape.n_hidden,),
        likelihood=shape.likelihood,
        noise_variance="shared",
        learning_rate_init=RATE,
        batch_size=BATCH,
        max_epochs=epochs,
        tol=0.0,
        n_iter_no_change=10**6,
        random_state=0,
        n_jobs=n_threads,
    )
    return _timed(lambda: vae.fit(X))


def _mlp(X, shape, n_threads, epochs):
    """scikit-learn's perceptron as a deterministic autoencoder of the same widths."""
    from sklearn.neural_network import MLPRegressor
    from threadpoolctl import threadpool_limits

    network = MLPRegressor(
        hidden_layer_sizes=(shape.n_hidden, shape.n_latent, shape.n_hidden),
        learning_rate_init=RATE,
        batch_size=BATCH,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=10**6,
        alpha=0.0,
        random_state=0,
    )
    with threadpool_limits(n_threads):
        return _timed(lambda: network.fit(X, X))


def _train_torch(torch, X, shape, epochs):
    """The same model in PyTorch: eager, fused Adam, batches by index, losses kept."""
    nn, functional = torch.nn, torch.nn.functional
    n_features, n_hidden, n_latent = shape[:3]
    encoder = nn.Sequential(
        nn.Linear(n_features, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 2 * n_latent)
    )
    decoder = nn.Sequential(
        nn.Linear(n_latent, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_features)
    )
    log_variance = nn.Parameter(torch.zeros(()))
    parameters = [*encoder.parameters(), *decoder.parameters()]
    if shape.likelihood == "gaussian":
        parameters.append(log_variance)
    optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
    table = torch.from_numpy(X)

    def loss_of(x):
        mean, log_square = encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_square) * torch.randn_like(mean)
        output = decoder(z)
        if shape.likelihood == "bernoulli":
            loss = functional.binary_cross_entropy_with_logits(output, x, reduction="sum")
        else:
            errors = torch.square(output - x).sum() * torch.exp(-log_variance)
            loss = 0.5 * (errors + x.numel() * log_variance)
        divergence = 0.5 * (mean.square() + log_square.exp() - 1 - log_square).sum()
        return (loss + divergence) / len(x)

    def fit():
        for _ in range(epochs):
            total = 0.0
            order = torch.randperm(len(table))
            for a in range(0, len(table), BATCH):
                loss = loss_of(table[order[a : a + BATCH]])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += loss.detach() * BATCH
            float(total)

    return _timed(fit)


def digits(n_seeds):
    """ELBO and importance-weighted likelihood of held-out digits, 64-128-8."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from skem import VAE

    X = (load_digits().data > 7.5).astype(np.float32)
    train, test = train_test_split(X, test_size=0.2, random_state=0)
    results = []
    for seed in range(n_seeds):
        vae = VAE(
            8,
            hidden_layer_sizes=(128,),
            learning_rate_init=1e-3,
            batch_size=128,
            max_epochs=300,
            n_iter_no_change=300,
            n_importance_samples=500,
            random_state=seed,
        )
        seconds = _timed(lambda vae=vae: vae.fit(train))
        results.append((float(vae.elbo(test).elbo.mean()), vae.score(test), seconds))
        progress(f"digits, seed {seed}: {results[-1]}")
    elbo, iwae, seconds = (statistics.fmean(column) for column in zip(*results, strict=True))
    return {"seeds": n_seeds, "elbo": elbo, "iwae": iwae, "seconds": seconds, "each": results}


def markdown(result):
    """One line for each shape and number of threads, and one for the digits."""
    lines = [
        "| network | threads | skem, rows/s | PyTorch, rows/s | ratio "
        "| MLPRegressor, rows/s | ratio | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in result["rows"]:
        speed = row["rows_per_second"]
        torch = f"{speed['torch']:.0f}" if "torch" in speed else ""
        ratio = f"{row['over_torch']:.2f}" if "torch" in speed else ""
        lines.append(
            f"| {row['shape']} | {row['n_threads']} | {speed['skem']:.0f} | {torch} | {ratio} "
            f"| {speed['mlp']:.0f} | {row['over_mlp']:.2f} | {'; '.join(disturbance(row))} |"
        )
    lines += ["", result.get("without", f"PyTorch {result.get('torch')}, eager, fused Adam.")]
    d = result["digits"]
    lines += [
        "",
        f"Binarised digits, 64-128-8, 300 epochs, {d['seeds']} seed(s): test ELBO {d['elbo']:.2f}, "
        f"IWAE-500 {d['iwae']:.2f} nats per row, {d['seconds']:.1f} s a fit.",
    ]
    return "\n".join(lines)
