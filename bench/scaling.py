"""How the cost of a training step and of sampling grows: a table, and .benchmarks/scaling.png."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from trainers import seeded

from tutorial_lib import Denoiser, NoiseSchedule, Trainer, plotting, sample

BASE = {"n": 2000, "T": 50, "width": 128, "dimension": 1}
RANGES = {
    "n": [1000, 3000, 10_000, 30_000, 100_000],
    "T": [50, 100, 200, 400, 800],
    "width": [32, 64, 128, 256, 512],
    "dimension": [1, 2, 4, 8, 16, 32, 64],
}
AXES = {"n": "points", "T": "steps T", "width": "width", "dimension": "dimension"}
PICTURE = Path(__file__).parents[1] / ".benchmarks" / "scaling.png"


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


@pytest.fixture(scope="module")
def seconds():
    """For each quantity that grows, the seconds of a training step and of sampling."""
    return {
        name: np.transpose([costs(**BASE | {name: value}) for value in values])
        for name, values in RANGES.items()
    }


def test_exponents(seconds, record):
    most = {"n": 1, "T": 1, "width": 2, "dimension": 1}  # as the number of multiplications grows
    for name, values in RANGES.items():
        for job, found in zip(["training step", "sampling"], seconds[name]):
            exponent = np.polyfit(np.log(values), np.log(found), 1)[0]
            what = f"{job}, {name} = {values[0]:,} to {values[-1]:,}: CPU (exponent)"
            times = " / ".join(f"{s:.2g}" for s in found)
            record(what, f"{times} s ({exponent:.2f})", f"<= {most[name]}.1")
            assert exponent <= most[name] + 0.3


def test_picture(seconds, monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", shown.append)
    alt = "Seconds against points, steps, width and dimension, beside lines of slope 1."
    with plotting.figure(2, 2, alt=alt, sharey=True) as axes:
        for ax, (name, values) in zip(axes.flat, RANGES.items()):
            for job, found in zip(["a training step", "sampling"], seconds[name]):
                ax.loglog(values, found, "o-", label=job)
            slope_1 = seconds[name][:, -1:] * values / values[-1]
            style = {"color": "black", "linewidth": 1, "label": ["slope 1", "_"]}
            ax.loglog(values, slope_1.T, "--", **style)
            ax.set_xticks(values, [f"{value:,}" for value in values])
            ax.set(xlabel=AXES[name], ylim=(3e-4, 60))
            ax.minorticks_off()
        for ax in axes[:, 0]:
            ax.set_ylabel("CPU time (s)")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(shown[0].data)
