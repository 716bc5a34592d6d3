"""Sampling beside the least that it must do: the network's matrix products."""

import time

import torch
from torch.nn.functional import linear
from trainers import seeded

from tutorial_lib import Denoiser, sample

N, REPEATS = 10_000, 12


def products(denoiser, n_steps, bias):
    """As many rows as in `sample` through the layers without all that is between them."""
    layers = [layer for layer in denoiser.layers if isinstance(layer, torch.nn.Linear)]
    pairs = [(layer.weight, layer.bias if bias else None) for layer in layers]
    rows = torch.randn(N, layers[0].in_features, generator=seeded()).split(1000)
    with torch.no_grad():
        for _ in range(n_steps):
            for x in rows:
                for weight, offset in pairs:
                    x = linear(x, weight, offset)


def test_sampling_beside_bare_products(schedule, record):
    denoiser, g = Denoiser(1, schedule.n_steps, 128, generator=seeded()), seeded()
    jobs = {
        "sample": lambda: sample(denoiser, schedule, N, generator=g),
        "products": lambda: products(denoiser, schedule.n_steps, bias=False),
        "linear layers": lambda: products(denoiser, schedule.n_steps, bias=True),
    }
    seconds = {name: [] for name in jobs}
    for _ in range(REPEATS):  # in turns: whatever slows the machine slows all of them
        for name, job in jobs.items():
            start = time.process_time()
            job()
            seconds[name].append(time.process_time() - start)
    least = {name: min(values) for name, values in seconds.items()}
    record(f"sampling {N:,} points in {schedule.n_steps} steps: CPU", f"{least['sample']:.2f} s")
    for name, bar in [("products", "<= 1.15 x"), ("linear layers", "")]:
        record(f"sampling / {name}: CPU", f"{least['sample'] / least[name]:.2f} x", bar)
    assert least["sample"] <= 2 * least["products"]
