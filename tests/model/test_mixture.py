"""Mixtures of Gaussians: density, samples, and the laws that scaling and noise turn them into."""

import numpy as np
import pytest
import torch
from chance import assert_law, assert_mean, assert_shares, mixture_cdf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tutorial_lib import Mixture, Standardizer, two_modes

N = 100_000


def test_2d_mixture_density_integrates_to_one_and_equals_scipy(mixture_2d):
    axis = torch.linspace(-6, 6, 401, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    density = mixture_2d.density(x)
    assert float(density.sum()) * (12 / 400) ** 2 == pytest.approx(1, abs=1e-9)
    law = [
        w.item() * stats.multivariate_normal(m, s**2).pdf(x)
        for w, m, s in zip(mixture_2d.weight, mixture_2d.mean, mixture_2d.std, strict=True)
    ]
    assert np.allclose(density, sum(law), rtol=1e-9)


def test_mixture_sample_follows_every_coordinate_and_each_component(mixture_2d, generator):
    x = mixture_2d.sample(N, generator=generator)
    for column in (0, 1):
        assert_law(x[:, column], mixture_cdf(mixture_2d, column))
    # The coordinates belong together: their covariance is that of the modes.
    mean = mixture_2d.weight @ mixture_2d.mean
    covariance = mixture_2d.weight @ (mixture_2d.mean - mean).prod(1)
    assert_mean((x - mean).prod(1), covariance.item())


def test_a_component_of_weight_zero_is_never_drawn(monkeypatch, generator):
    weight, mean = torch.tensor([0.0, 0.5, 0, 0.5]), torch.tensor([[9.0], [0], [9], [1]])
    law = Mixture(weight, mean, torch.full((4, 1), 0.1))
    assert law.sample(1000, generator=generator).max() < 5
    assert law.density(torch.tensor([[9.0]])).item() < 1e-12
    # Not even by the uniform numbers that fall exactly on a boundary.
    monkeypatch.setattr(torch, "rand", lambda n, generator: torch.tensor([0.0, 0.5]))
    assert law.sample(2, generator=generator).max() < 5


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


@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_diffusing_twice_multiplies_the_alpha_bars(a, b):
    law = two_modes()
    twice, once = law.diffused(a).diffused(b), law.diffused(a * b)
    assert torch.allclose(twice.mean, once.mean, atol=1e-12)
    assert torch.allclose(twice.std, once.std, atol=1e-12)


@pytest.mark.parametrize("m", [1, 2, 10, 10_000])
def test_quantiles_cut_the_law_into_equal_shares(m, mixture):
    x = mixture.quantiles(m)
    assert x.shape == (m, 1) and x.dtype == torch.float32
    shares = mixture_cdf(mixture)(x[:, 0].numpy())
    assert np.allclose(shares, (np.arange(m) + 0.5) / m, atol=1e-5)


def test_quantiles_of_components_of_very_different_widths():
    x = Mixture([0.5, 0.5], [[0.0], [0.0]], [[1.0], [1e4]]).quantiles(10_000)
    share = 0.5 * (stats.norm.cdf(1) - stats.norm.cdf(-1))  # what the wide one adds is 4e-5
    assert float((x.abs() < 1).double().mean()) == pytest.approx(share, abs=3e-4)


def test_quantiles_are_for_one_dimension(mixture_2d):
    with pytest.raises(ValueError, match="quantiles are for 1D mixtures, this one has n_dim = 2"):
        mixture_2d.quantiles(10)


@pytest.mark.parametrize("m, error", [(0, ValueError), (2.0, TypeError)])
def test_the_number_of_quantiles_is_a_positive_integer(m, error, mixture):
    with pytest.raises(error, match="m must be"):
        mixture.quantiles(m)


def test_each_of_many_components_is_drawn_with_its_weight(generator):
    weight, mean = torch.tensor([0.1, 0.4, 0.2, 0.3]), torch.tensor([[0.0], [10], [20], [30]])
    x = Mixture(weight, mean, torch.ones(4, 1)).sample(N, generator=generator)
    assert_shares((x / 10).round().flatten().int().bincount(), weight)


def test_a_component_of_weight_0_is_never_drawn(generator):
    """Also where the others sum to a little less than 1."""
    mixture = Mixture([0.9999991, 0.0], [[0.0], [9.0]], [[0.1], [0.1]])
    assert mixture.sample(4_000_000, generator=generator).max() < 2
