"""Toy data: samples have the law that the densities say, and standardising can be undone."""

import math

import numpy as np
import pytest
import torch
from chance import assert_law, assert_mean, assert_shares, mixture_cdf
from scipy import integrate, stats

from tutorial_lib import (
    Mixture,
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


@pytest.mark.parametrize("options, weight, std", [((), 0.3, 0.2), ((0.8, 0.5), 0.8, 0.5)])
def test_gaussian_mixture_has_the_law_of_its_two_modes(options, weight, std, generator):
    """Without options it is the law of the series."""
    low, high = stats.norm(-0.5, std).cdf, stats.norm(0.5, std).cdf
    x = gaussian_mixture(N, **dict(zip(("weight", "std"), options)), generator=generator)
    assert_law(x, lambda x: weight * low(x) + (1 - weight) * high(x))


@pytest.mark.parametrize(
    "density", [two_modes().density, two_modes(0.9, 0.5).density, ramp_density]
)
def test_1d_densities_integrate_to_one(density):
    x = torch.linspace(-5, 5, 1_000_001, dtype=torch.float64)
    assert integrate.trapezoid(density(x[:, None]), x) == pytest.approx(1, abs=2e-5)


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


# ---- mixtures of Gaussians -----------------------------------------------------------------------


def test_mixture_sample_follows_every_coordinate_and_each_component(mixture_2d, generator):
    x = mixture_2d.sample(N, generator=generator)
    for column in (0, 1):
        assert_law(x[:, column], mixture_cdf(mixture_2d, column))
    # The coordinates belong together: their covariance is that of the modes.
    mean = mixture_2d.weight @ mixture_2d.mean
    covariance = mixture_2d.weight @ (mixture_2d.mean - mean).prod(1)
    assert_mean((x - mean).prod(1), covariance.item())


def test_standardized_mixture_is_the_law_of_transformed_samples(mixture_2d, generator):
    x = mixture_2d.sample(N, generator=generator)
    scaler = Standardizer(torch.tensor([0.5, -2.0]), torch.tensor([0.2, 3.0]))
    law = mixture_2d.standardized(scaler)
    for column in (0, 1):
        assert_law(scaler.transform(x)[:, column], mixture_cdf(law, column))
    change_of_units = mixture_2d.density(x) * scaler.std.prod()
    assert torch.allclose(law.density(scaler.transform(x).double()), change_of_units, rtol=1e-4)


@pytest.mark.parametrize("alpha_bar", [0.0, 0.3, 0.95, 1.0])
def test_diffused_mixture_is_the_law_of_noised_samples(alpha_bar, mixture, generator):
    x0 = mixture.sample(N, generator=generator)
    eps = torch.randn(N, 1, generator=generator)
    law = mixture.diffused(alpha_bar)
    assert_law(alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps, mixture_cdf(law))


@pytest.mark.parametrize("m", [1, 2, 10, 10_000])
def test_quantiles_cut_the_law_into_equal_shares(m, mixture):
    x = mixture.quantiles(m)
    assert x.shape == (m, 1) and x.dtype == torch.float32
    shares = mixture_cdf(mixture)(x[:, 0].numpy())
    assert np.allclose(shares, (np.arange(m) + 0.5) / m, atol=1e-5)


def test_a_component_of_weight_0_is_never_drawn(monkeypatch, generator):
    """Also where the others sum to a little less than 1."""
    mixture = Mixture([0.9999991, 0.0], [[0.0], [9.0]], [[0.1], [0.1]])
    assert mixture.sample(4_000_000, generator=generator).max() < 2
    # Not even by the uniform numbers that fall exactly on a boundary.
    law = Mixture([0.0, 0.5, 0, 0.5], [[9.0], [0], [9], [1]], torch.full((4, 1), 0.1))
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.tensor([0.0, 0.5]))
    assert law.sample(2, generator=generator).max() < 5


# ---- what is refused -----------------------------------------------------------------------------

SCALER = Standardizer(torch.zeros(2), torch.ones(2))
ROW, NAN, INF = torch.zeros(2), math.nan, math.inf


@pytest.mark.parametrize(
    "message, call",
    [
        (
            "every column of x must be finite and vary",
            lambda: Standardizer.fit(torch.tensor([[1.0], [NAN], [2.0]])),
        ),
        (
            "mean and std must be .* finite",
            lambda: Standardizer.fit(torch.tensor([[3e38], [2e38]])),
        ),
        ("every column of x must be", lambda: Standardizer.fit(torch.tensor([[1.0, 2], [1, 3]]))),
        # The mean of these is rounded, so that their standard deviation is not 0.
        ("every column of x must be", lambda: Standardizer.fit(torch.full((1000, 1), 123.456))),
        ("every column of x must be", lambda: Standardizer.fit(torch.zeros(5))),
        ("std positive, got", lambda: Standardizer(ROW, torch.tensor([1.0, 0.0]))),
        ("std positive, got", lambda: Standardizer(ROW, torch.tensor([1.0, -1.0]))),
        ("finite, std positive, got", lambda: Standardizer(ROW, torch.tensor([1.0, INF]))),
        (r"mean and std must be \(n_dim,\)", lambda: Standardizer(ROW, torch.ones(1))),
        (r"mean and std must be \(n_dim,\)", lambda: Standardizer(ROW[None], ROW[None] + 1)),
        (r"x must have shape \(n, 2\), got", lambda: SCALER.transform(torch.zeros(5, 1))),
        (r"z must have shape \(n, 2\), got", lambda: SCALER.inverse(torch.zeros(5, 1))),
        (r"x must have shape \(n, 2\), got", lambda: two_modes().standardized(SCALER)),
        ("too many values to unpack", lambda: ramp_density(torch.zeros(5, 2))),
        ("too many values to unpack", lambda: spiral_density(torch.zeros(5, 3))),
        (r"x must have shape \(n, 1\), got", lambda: two_modes().density(torch.zeros(5))),
        (r"alpha_bar must lie in 0\.\.1, got 1\.5", lambda: two_modes().diffused(1.5)),
        (r"alpha_bar must lie in 0\.\.1, got nan", lambda: two_modes().diffused(NAN)),
        ("a mixture must have weight .* >= 0", lambda: gaussian_mixture(5, weight=-0.1)),
        ("a mixture must have weight .* >= 0", lambda: gaussian_mixture(5, weight=NAN)),
        ("a mixture must have .* std > 0", lambda: gaussian_mixture(5, std=-1)),
        (
            "too many values to unpack",
            lambda: Mixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]]).quantiles(10),
        ),
    ],
)
def test_what_would_come_out_wrong_is_refused(message, call):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "weight, mean, std",
    [
        ([0.5, 0.6], [[0.0], [1.0]], [[1.0], [1.0]]),
        ([1.5, -0.5], [[0.0], [1.0]], [[1.0], [1.0]]),
        ([NAN, NAN], [[0.0], [1.0]], [[1.0], [1.0]]),
        ([1.0], [[0.0], [1.0]], [[1.0], [1.0]]),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0]]),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0], [0.0]]),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0], [NAN]]),
        ([0.5, 0.5], [[0.0], [INF]], [[1.0], [1.0]]),
    ],
)
def test_what_is_no_law_is_refused(weight, mean, std):
    with pytest.raises(ValueError, match=r"a mixture must have weight \(k,\), .* got \["):
        Mixture(weight, mean, std)
