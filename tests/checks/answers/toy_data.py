"""Answers to the exercises of notebook 01."""

from fractions import Fraction

import numpy as np
import torch
from scipy import stats

from tutorial_lib import metrics
from tutorial_lib.checks.setting import TRUTH

W1 = metrics.wasserstein
REFERENCE = TRUTH.quantiles(10_000)


def triangle(n):
    return torch.rand(n, 2).sum(1, keepdim=True) + 2


def triangle_density(x):
    return (1 - (x[:, 0] - 3).abs()).clamp(min=0)


def triangle_in_numpy(n):
    return np.random.default_rng().triangular(2, 3, 4, (n, 1))


def triangle_by_loop(n):
    return torch.tensor([[2 + float(sum(torch.rand(2)))] for _ in range(n)])


def triangle_density_by_cases(points):
    rising, falling = points[:, 0] - 2, 4 - points[:, 0]
    return np.where(rising < 0, 0, np.where(falling < 0, 0, np.minimum(rising, falling)))


def distances(n, repeats):
    g = torch.Generator().manual_seed(1)
    return torch.tensor([W1(TRUTH.sample(n, generator=g), REFERENCE) for _ in range(repeats)])


def a_seed_for_each(n, repeats):
    found = []
    for k in range(repeats):
        sample = TRUTH.sample(n, generator=torch.Generator().manual_seed(k))
        found.append(W1(sample, REFERENCE))
    return found


def by_hand(how_many, times):
    """In NumPy, by the area between the two distribution functions, of another truth's units."""
    rng, x = np.random.default_rng(0), np.linspace(-4, 4, 4001)
    exact = 0.3 * stats.norm.cdf(x, -1.4, 0.4) + 0.7 * stats.norm.cdf(x, 0.6, 0.4)
    found = np.empty(times)
    for k in range(times):
        left = rng.random(how_many) < 0.3
        sample = np.where(left, -1.4, 0.6) + 0.4 * rng.standard_normal(how_many)
        cdf = np.searchsorted(np.sort(sample), x, side="right") / how_many
        found[k] = abs(cdf - exact).sum() * (x[1] - x[0])
    return found


def one_seed(n, repeats, copies=None):
    copies = copies or repeats
    found = []
    for k in range(repeats):
        g = torch.Generator().manual_seed(k // copies)
        found.append(W1(TRUTH.sample(n, generator=g), REFERENCE))
    return found


def two_samples(n, repeats):
    g = torch.Generator().manual_seed(1)
    pairs = [[TRUTH.sample(n, generator=g) for _ in range(2)] for _ in range(repeats)]
    return [W1(*pair) for pair in pairs]


def resampled(n, repeats):
    """Points of one draw, over and over."""
    g = torch.Generator().manual_seed(1)
    once = TRUTH.sample(n, generator=g)
    return [W1(once[torch.randint(n, (n,), generator=g)], REFERENCE) for _ in range(repeats)]


RIGHT = {
    "band_of_40000": [0.0101, np.float32(0.01), torch.tensor([[0.0105]]), Fraction(1, 100), 0.0095],
    "smallest_shift": [0.03, torch.tensor(0.026), torch.tensor(0.035), np.array([0.0325]), 0.0275],
    "own_density": [
        (triangle, triangle_density),
        (triangle, lambda x: triangle_density(x).double()),
        (triangle_in_numpy, lambda x: stats.triang.pdf(x[:, 0], 0.5, 2, 2)),
        (triangle_by_loop, triangle_density_by_cases),
        (lambda n: torch.randn(n, 1).double() - 1, lambda x: stats.norm.pdf(x.flatten() + 1)),
        (lambda m: 6 * torch.rand(m, 1) - 3, lambda y: (abs(y[:, 0]) <= 3) / 6),
    ],
    "honest_distances": [
        distances,
        a_seed_for_each,
        by_hand,
        lambda n, repeats: distances(n, repeats).double()[:, None],
        lambda n, repeats: tuple(distances(n, repeats).tolist()),
        lambda n, repeats: (d for d in distances(n, repeats).sort().values),
    ],
}
WRONG = {
    "band_of_40000": [(0.02, "10 000 points"), (0.005, "1/n"), (0.08, "too large")],
    "smallest_shift": [
        (0.05, "a smaller one"),
        (0.02, "more than one draw of twenty"),
        (0.005, "more than one draw of twenty"),
        (-0.03, "its size"),
    ],
    "own_density": [
        ((triangle, lambda x: 2 * triangle_density(x)), "gives 2.000"),
        ((triangle, lambda x: triangle_density(x - 0.5)), "disagree, most of all near"),
        ((lambda n: triangle(n)[:, 0], triangle_density), "where (5, 1)"),
        ((triangle, lambda x: triangle_density(x)[:, None]), "where (20001,)"),
        ((lambda n: 5 * triangle(n), triangle_density), "narrower tails"),
        ((lambda n: -5 * triangle(n), triangle_density), "narrower tails"),
        ((triangle, lambda x: torch.cos(x[:, 0])), "negative"),
        ((lambda n: torch.linspace(2, 4, n)[:, None], triangle_density), "the same points"),
    ],
    "honest_distances": [
        (one_seed, "All 300 distances are the same number"),
        (lambda n, repeats: one_seed(n, repeats, 2), "Only 150 of the 300"),
        (two_samples, "too large"),
        (resampled, "scatter"),
        (lambda n, repeats: distances(10_000, repeats), "too small"),
        (lambda n, repeats: distances(n, repeats) ** 2, "too small"),
        (lambda n, repeats: distances(n, repeats) * 0 + 0.09, "the same number"),
        (lambda n, repeats: distances(n, 10), "returns 10 numbers"),
        (lambda n, repeats: float(distances(n, repeats).median()), "300 distances are expected"),
        (lambda n, repeats: 0.1 + 1e-3 * distances(n, repeats), "scatter"),
    ],
}
