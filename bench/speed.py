"""Sampling beside the least that it must do, and how the costs of training and sampling grow.

All times are CPU seconds of one core; what is compared is a ratio within one run.
"""

import time

import numpy as np
import torch
from torch.nn.functional import linear
from trainers import seeded

from tutorial_lib import Denoiser, NoiseSchedule, Trainer, sample

N, REPEATS = 10_000, 12
BASE = {"n": 2000, "T": 50, "width": 128, "dimension": 1}
RANGES = {
    "n": [1000, 3000, 10_000, 30_000, 100_000],
    "T": [50, 100, 200, 400, 800],
    "width": [32, 64, 128, 256, 512],
    "dimension": [1, 2, 4, 8, 16, 32, 64],
}


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


def least_seconds(job, repeats):
    """The least CPU time of some repeats, after one to warm up."""
    found = []
    for _ in range(repeats + 1):
        start = time.process_time()
        job()
        found.append(time.process_time() - start)
    return min(found[1:])


def costs(n, T, width, dimension):
    """The seconds of one training step on a batch of n, and of sampling n points."""
    g, schedule = seeded(), NoiseSchedule.linear(T)
    x0 = torch.randn(n, dimension, generator=g)
    denoiser = Denoiser(dimension, T, width, generator=g)
    trainer = Trainer(denoiser, x0, schedule, batch_size=n, generator=g)
    step = least_seconds(lambda: list(trainer.run(steps=1)), repeats=5)
    return step, least_seconds(lambda: sample(denoiser, schedule, n, generator=g), repeats=2)


def test_exponents(record):
    """How the seconds of a training step and of sampling grow with each quantity."""
    most = {"n": 1, "T": 1, "width": 2, "dimension": 1}  # as the number of multiplications grows
    for name, values in RANGES.items():
        seconds = np.transpose([costs(**BASE | {name: value}) for value in values])
        for job, found in zip(["training step", "sampling"], seconds):
            exponent = np.polyfit(np.log(values), np.log(found), 1)[0]
            what = f"{job}, {name} = {values[0]:,} to {values[-1]:,}: CPU (exponent)"
            times = " / ".join(f"{s:.2g}" for s in found)
            record(what, f"{times} s ({exponent:.2f})", f"<= {most[name]}.1")
            assert exponent <= most[name] + 0.3
