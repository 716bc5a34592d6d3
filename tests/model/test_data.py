"""Toy data: the samples have the law that the densities say, and standardising can be undone."""

import math

import numpy as np
import pytest
import torch
from chance import assert_law, assert_mean, assert_shares
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from tutorial_lib import (
    Standardizer,
    gaussian_mixture,
    ramp,
    ramp_density,
    spiral,
    spiral_density,
    spiral_lattice,
    two_modes,
)
from tutorial_lib.metrics import sliced_wasserstein, total_variation

N = 100_000


@pytest.mark.parametrize("weight, std", [(0.3, 0.2), (0.8, 0.5)])
def test_gaussian_mixture_has_the_moments_of_its_modes(weight, std, generator):
    x = gaussian_mixture(N, weight=weight, std=std, generator=generator).double()
    mean = 0.5 - weight
    centred = x - mean
    assert_mean(x, mean)
    assert_mean(centred**2, std**2 + weight * (1 - weight))
    assert_mean(centred**3, weight * (1 - weight) * (2 * weight - 1))


def test_gaussian_mixture_defaults_are_those_of_the_series(generator):
    law = stats.norm(-0.5, 0.2).cdf, stats.norm(0.5, 0.2).cdf
    assert_law(
        gaussian_mixture(N, generator=generator), lambda x: 0.3 * law[0](x) + 0.7 * law[1](x)
    )


def test_ramp_has_the_law_of_the_smaller_of_two_uniforms(generator):
    x = ramp(N, generator=generator)
    assert_mean(x, 1 / 3)
    assert_mean((x - 1 / 3) ** 2, 1 / 18)
    assert_law(x, lambda x: 1 - (1 - np.clip(x, 0, 1)) ** 2)


def test_spiral_has_the_moments_of_its_formula(generator):
    x = spiral(N, generator=generator).double()
    assert_mean(x[:, 0], -1.3 / (9 * math.pi**2))
    assert_mean(x[:, 1], 1.3 / (3 * math.pi))
    assert_mean(x.square().sum(1), 0.65**2 + (0.65**2 + 0.15**2) / 12)


@pytest.mark.parametrize("draw, n_dim", [(gaussian_mixture, 1), (ramp, 1), (spiral, 2)])
def test_samples_are_float32_columns_that_a_generator_reproduces(draw, n_dim):
    state = torch.get_rng_state()
    one, two = (draw(17, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert one.shape == (17, n_dim) and one.dtype == torch.float32
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "density, low, high",
    [(two_modes().density, -3, 3), (two_modes(0.9, 0.5).density, -5, 5), (ramp_density, 0, 1)],
)
def test_1d_densities_integrate_to_one(density, low, high):
    value, _ = integrate.quad(lambda x: density(torch.tensor([[x]])).item(), low, high, limit=200)
    assert value == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("x", [-0.01, 1.01])
def test_ramp_density_is_zero_outside(x):
    assert ramp_density(torch.tensor([[x]])).item() == 0


def test_spiral_density_integrates_to_one():
    # Midpoints in polar coordinates, where the band's edges cost least.
    radius = (torch.arange(4000, dtype=torch.float64) + 0.5) * 1.1 / 4000
    angle = (torch.arange(400, dtype=torch.float64) + 0.5) * 2 * math.pi / 400
    r, a = torch.meshgrid(radius, angle, indexing="ij")
    x = torch.stack([r * a.cos(), r * a.sin()], dim=-1).view(-1, 2)
    total = (spiral_density(x) * r.flatten()).sum() * (1.1 / 4000) * (2 * math.pi / 400)
    assert float(total) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "draw, density", [(ramp, ramp_density), (gaussian_mixture, two_modes().density)]
)
def test_1d_samples_fill_bins_as_the_density_says(draw, density, generator):
    edges = np.linspace(-1.5, 1.5, 61)
    counts, _ = np.histogram(draw(N, generator=generator), edges)
    fine = torch.linspace(-1.5, 1.5, 6001, dtype=torch.float64)
    middle = (fine[1:] + fine[:-1]) / 2
    assert_shares(counts, density(middle[:, None]).view(60, 100).sum(1))


def test_spiral_samples_fill_cells_as_the_density_says(generator):
    x = spiral(20_000, generator=generator)
    edges = np.linspace(-1.1, 1.1, 17)
    counts, _, _ = np.histogram2d(*x.T.numpy(), bins=(edges, edges))
    axis = (torch.arange(1600) + 0.5) * 2.2 / 1600 - 1.1
    density = spiral_density(torch.cartesian_prod(axis, axis)).view(16, 100, 16, 100)
    assert_shares(counts, density.sum((1, 3)))


@pytest.mark.parametrize("n", [1000, 20_000])
def test_a_spiral_lattice_is_nearer_to_the_spiral_than_any_sample(n, generator):
    fine = spiral(1_000_000, generator=generator)
    samples = [spiral(n, generator=generator) for _ in range(5)]
    nearest = min(total_variation(x, fine, limit=1.1) for x in samples)
    assert total_variation(spiral_lattice(n), fine, limit=1.1) < 0.5 * nearest
    shadows = [sliced_wasserstein(x, fine[:50_000], n_directions=4) for x in samples]
    assert sliced_wasserstein(spiral_lattice(n), fine[:50_000], n_directions=4) < min(shadows)


def test_a_spiral_lattice_has_the_spirals_support_and_is_always_the_same():
    x = spiral_lattice(5000)
    assert x.shape == (5000, 2) and x.dtype == torch.float32
    assert torch.equal(x, spiral_lattice(5000))
    assert (spiral_density(x) > 0).float().mean() > 0.999  # the rim itself may round to either side


@given(
    n=st.integers(3, 40),
    n_dim=st.integers(1, 4),
    shift=st.floats(-100, 100),
    scale=st.floats(0.01, 100),
    seed=st.integers(0, 99),
)
def test_standardizer_gives_unit_moments_and_undoes_itself(n, n_dim, shift, scale, seed):
    g = torch.Generator().manual_seed(seed)
    x = shift + scale * torch.randn(n, n_dim, generator=g, dtype=torch.float64)
    kept = x.clone()
    scaler = Standardizer.fit(x)
    z = scaler.transform(x)
    assert np.allclose(z.numpy(), stats.zscore(x.numpy(), ddof=1), atol=1e-9)
    assert torch.allclose(scaler.inverse(z), x, atol=1e-9)
    assert torch.equal(x, kept)


def test_standardizer_columns_have_their_own_scale(generator):
    x = spiral(1000, generator=generator) * torch.tensor([1.0, 50.0])
    z = Standardizer.fit(x).transform(x)
    assert torch.allclose(z.mean(0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(z.std(0), torch.ones(2), atol=1e-5)
