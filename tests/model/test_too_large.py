"""Requests that no memory could hold are refused by name; large ones are taken in parts."""

import tracemalloc

import numpy as np
import pytest
import torch

from tutorial_lib import (
    DataDenoiser,
    Denoiser,
    Mixture,
    NoiseSchedule,
    Trainer,
    VDenoiser,
    gaussian_mixture,
    latent,
    metrics,
    ramp,
    sample,
    sample_ddim,
    scrubber,
    spiral,
    spiral_lattice,
    two_modes,
)

SHORT = NoiseSchedule.linear(20)
PLANE = np.zeros((5, 2))
WIDE = Mixture(torch.ones(1), torch.zeros(1, 1000), torch.ones(1, 1000))


def nothing(xt, t):
    return xt


HUGE = 10**9
REQUESTS = {
    "n": [
        lambda: gaussian_mixture(HUGE),
        lambda: ramp(HUGE),
        lambda: spiral(HUGE),
        lambda: spiral_lattice(HUGE),
        lambda: WIDE.sample(100_000),
        lambda: sample(nothing, SHORT, HUGE, n_dim=1),
        lambda: sample(nothing, SHORT, 10_000, n_dim=10_000),
        lambda: sample(nothing, SHORT, 5_000_000, n_dim=1, trajectory=True),
        lambda: sample_ddim(nothing, SHORT, HUGE, 5, n_dim=1),
        lambda: sample_ddim(nothing, SHORT, 5_000_000, 15, n_dim=1, trajectory=True),
        lambda: metrics.noise_band(metrics.wasserstein, np.zeros, [0.0], HUGE),
    ],
    "n_dim": [lambda: sample(nothing, SHORT, 1, n_dim=HUGE), lambda: Denoiser(HUGE, 20)],
    "m": [lambda: two_modes().quantiles(HUGE)],
    "n_steps": [lambda: NoiseSchedule.linear(HUGE), lambda: Denoiser(1, HUGE)],
    "n_latent": [lambda: latent.Autoencoder(HUGE), lambda: latent.Autoencoder(2**20)],
    "n_hidden": [
        lambda: Denoiser(1, 20, HUGE),
        lambda: Denoiser(1, 20, 10_000),
        lambda: Denoiser(10_000, 20, 5_000, frequencies=(1, 2)),
        lambda: VDenoiser(1, SHORT, 10**30),
    ],
    "batch_size": [
        lambda: Trainer(Denoiser(1, 20), torch.zeros(3, 1), SHORT, batch_size=HUGE),
        lambda: Trainer(Denoiser(1, 20), torch.zeros(3, 1), SHORT, batch_size=1_000_000),
    ],
    "chunk": [lambda: DataDenoiser(torch.zeros(3, 1), SHORT, chunk=HUGE)],
    "bins": [
        lambda: metrics.total_variation(PLANE, PLANE, bins=HUGE),
        lambda: metrics.total_variation(PLANE, PLANE, bins=10_000),
    ],
    "n_directions": [lambda: metrics.sliced_wasserstein(PLANE, PLANE, n_directions=HUGE)],
    "repeats": [lambda: metrics.noise_band(metrics.wasserstein, np.zeros, [0.0], 5, repeats=HUGE)],
}


@pytest.mark.parametrize(
    ("name", "request_it"), [(name, call) for name, calls in REQUESTS.items() for call in calls]
)
def test_a_request_that_no_memory_could_hold_is_refused(name, request_it):
    with pytest.raises(ValueError, match=rf"^{name} .*allowed"):
        request_it()


def test_usual_sizes_are_not_refused():
    NoiseSchedule.linear(1000)
    assert Denoiser(784, 1000, 2048).n_hidden == 2048
    Trainer(Denoiser(2, 20, 256), torch.zeros(3, 2), SHORT, batch_size=100_000)
    assert len(ramp(1_000_000)) == 1_000_000


def test_many_points_of_data_are_compared_in_smaller_parts(monkeypatch):
    monkeypatch.setattr("tutorial_lib.oracle.MOST", 700)
    data, xt = torch.randn(2, 100, 1, generator=torch.Generator().manual_seed(0))
    denoiser, rows = DataDenoiser(data, SHORT), []
    whole = denoiser._chunk(xt, SHORT.alpha_bar[5].expand(100, 1))
    part = denoiser._chunk
    monkeypatch.setattr(denoiser, "_chunk", lambda x, a: rows.append(len(x)) or part(x, a))
    assert torch.allclose(denoiser(xt, 5), whole, atol=1e-6)
    assert rows == [7] * 14 + [2]
    assert DataDenoiser(torch.zeros(1000, 1), SHORT).chunk == 1


def test_directions_and_frames_are_taken_one_by_one():
    x = np.zeros((50_000, 2))
    frames = np.random.default_rng(0).normal(size=(100, 50))
    for call, megabytes in [
        (lambda: metrics.sliced_wasserstein(x, x, n_directions=50), 10),
        (lambda: scrubber.bars(frames, bins=300), 10),
    ]:
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        assert peak < megabytes
