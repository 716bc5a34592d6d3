"""Answers to the exercises of notebook 01."""

import numpy as np
import torch
from scipy.stats import energy_distance

from tutorial_lib import metrics
from tutorial_lib.checks.setting import TRUTH

W1 = metrics.wasserstein


def triangle(n):
    return torch.rand(n, 2).sum(1, keepdim=True) + 2


def triangle_density(x):
    return (1 - (x[:, 0] - 3).abs()).clamp(min=0)


def judge(generate, data):
    return W1(generate(data[::2]), data[1::2])


def split_by_luck(permutation):
    def my_judge(generate, data):
        order = torch.as_tensor(permutation(len(data)))
        return W1(generate(data[order[:700]]), data[order[700:]])

    return my_judge


def both_ways(generate, data):
    """Each half once to learn from and once to judge by."""
    a, b = data[:500], data[500:]
    return (W1(generate(a), b) + W1(generate(b), a)) / 2


RIGHT = {
    "band_of_40000": [0.0101],
    "smallest_shift": [0.02, torch.tensor(0.018), torch.tensor(0.035)],
    "own_density": [
        (triangle, triangle_density),
        (triangle, lambda x: triangle_density(x).double()),
    ],
    "judge": [
        judge,
        lambda generate, data: W1(generate(data[:600]), data[800:]),  # some rows are not used
        lambda generate, data: torch.tensor(W1(generate(data[500:]), data[:500])),
        split_by_luck(torch.randperm),
        split_by_luck(np.random.permutation),
        both_ways,
        lambda generate, data: energy_distance(generate(data[::2])[:, 0], data[1::2, 0]),
    ],
}
WRONG = {
    "band_of_40000": [(0.02, "10 000 points"), (0.005, "1/n"), (0.08, "too large")],
    "smallest_shift": [(0.05, "smaller ones"), (0.005, "could be chance"), (-0.02, "its size")],
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
    "judge": [
        (lambda generate, data: W1(generate(data[::2]), data[::2]), "hands back its training data"),
        (lambda generate, data: W1(generate(data), data), "from all data"),
        (lambda generate, data: W1(data[::2], data[1::2]), "never calls generate"),
        (lambda generate, data: W1(generate(data[:500]), data), "too good a mark"),
        (lambda generate, data: W1(generate(data[:750]), data[250:]), "too good a mark"),
        (lambda generate, data: W1(generate(data[:600]), data[500:]), "too good a mark"),
        (lambda generate, data: W1(generate(data[:600]), data[599:]), "too good a mark"),
        (
            lambda generate, data: W1(generate(data[::2]), TRUTH.quantiles(500)),
            "there is no truth at hand",
        ),
        (
            lambda generate, data: judge(generate, data) - W1(data[::2], data[1::2]),
            "what is added to it, or taken off?",
        ),
        (
            lambda generate, data: judge(generate, data) - W1(generate(data[::2]), data[::2]),
            "is off by 1 everywhere gets -0.01",
        ),
        (lambda generate, data: 2 * judge(generate, data), "is off by 1 everywhere gets"),
        (lambda generate, data: judge(lambda x: generate(x + 1), data), "some rows of data"),
        (lambda generate, data: float(len(generate(data[:0]))), "some rows of data"),
        (lambda generate, data: judge(lambda x: generate(x[:, 0])[:, None], data), "some rows of"),
        (lambda generate, data: judge(generate, data.mul_(2)), "changes a tensor"),
    ],
}
