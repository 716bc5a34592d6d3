"""Toy data: what is refused, and with which words."""

import numpy as np
import pytest
import torch

from tutorial_lib import (
    Denoiser,
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

SCALER = Standardizer(torch.zeros(2), torch.ones(2))


@pytest.mark.parametrize("draw", [gaussian_mixture, ramp, spiral, spiral_lattice])
@pytest.mark.parametrize(
    "n, error",
    [(0, ValueError), (-3, ValueError), (2.0, TypeError), (True, TypeError), ("5", TypeError)],
)
def test_n_must_be_a_positive_integer(draw, n, error):
    with pytest.raises(error, match=r"^n must be .*, (got|not)"):
        draw(n)


@pytest.mark.parametrize("weight", [0, 1, -0.1, 1.1, float("nan")])
def test_weight_must_lie_between_0_and_1(weight):
    with pytest.raises(ValueError, match="weight must lie strictly between 0 and 1, got"):
        gaussian_mixture(5, weight=weight)


@pytest.mark.parametrize("name", ["weight", "std"])
def test_what_is_no_number_is_named(name):
    with pytest.raises(TypeError, match=f"{name} must be a number, got '1'"):
        gaussian_mixture(5, **{name: "1"})


@pytest.mark.parametrize("std", [0, -1, float("inf"), float("nan")])
def test_std_must_be_positive_and_finite(std):
    with pytest.raises(ValueError, match="std must be positive and finite, got"):
        gaussian_mixture(5, std=std)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_fit_refuses_what_is_not_finite(value):
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN or infinite"):
        Standardizer.fit(torch.tensor([[1.0], [value], [2.0]]))


@pytest.mark.parametrize(
    "x", [torch.zeros(5, 1), torch.tensor([[1.0, 2], [1, 3]]), torch.ones(1, 2)]
)
def test_fit_refuses_a_column_that_does_not_vary(x):
    with pytest.raises(ValueError, match="every column of x must vary"):
        Standardizer.fit(x)


@pytest.mark.parametrize("value", [0.1, 1.7, 123.456])
def test_fit_refuses_a_constant_column_whose_mean_is_rounded(value):
    with pytest.raises(ValueError, match="every column of x must vary"):
        Standardizer.fit(torch.full((1000, 1), value))


@pytest.mark.parametrize(
    "x, error",
    [
        (torch.zeros(5), ValueError),
        (torch.zeros(0, 1), ValueError),
        (torch.zeros(5, 2, 1), ValueError),
        (torch.zeros(5, 1, dtype=torch.int64), TypeError),
        ([[1.0], [2.0]], TypeError),
    ],
)
def test_fit_refuses_what_is_not_a_float_matrix(x, error):
    with pytest.raises(error, match=r"x must .*\(n, n_dim\), got"):
        Standardizer.fit(x)


@pytest.mark.parametrize("call", [SCALER.transform, SCALER.inverse])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3), (2, 5, 2)])
def test_standardizer_refuses_shapes_that_would_broadcast(call, shape):
    with pytest.raises(ValueError, match=r"must have shape \(n, 2\), got shape"):
        call(torch.zeros(shape))


@pytest.mark.parametrize(
    "density, shape",
    [
        (ramp_density, (5,)),
        (ramp_density, (5, 2)),
        (spiral_density, (5, 1)),
        (two_modes().density, (5,)),
    ],
)
def test_densities_refuse_other_shapes(density, shape):
    with pytest.raises(ValueError, match=r"x must have shape \(n, [12]\), got"):
        density(torch.zeros(shape))


@pytest.mark.parametrize(
    "weight, mean, std, message",
    [
        ([0.5, 0.6], [[0.0], [1.0]], [[1.0], [1.0]], "weight must be >= 0 and sum to 1"),
        ([1.5, -0.5], [[0.0], [1.0]], [[1.0], [1.0]], "weight must be >= 0 and sum to 1"),
        ([1.0], [[0.0], [1.0]], [[1.0], [1.0]], r"weight must have shape \(k,\)"),
        ([1.0], [[]], [[]], "n_dim >= 1"),
        ([0.5, 0.5], [0.0, 1.0], [1.0, 1.0], r"mean \(k, n_dim\)"),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0]], "std must be positive and have mean's shape"),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0], [0.0]], "std must be positive"),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0], [float("nan")]], "std must be positive"),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0], [float("inf")]], "std must be finite"),
    ],
)
def test_mixture_refuses_what_is_no_law(weight, mean, std, message):
    with pytest.raises(ValueError, match=message):
        Mixture(*(torch.tensor(v) for v in (weight, mean, std)))


@pytest.mark.parametrize("mean", [float("nan"), float("inf")])
def test_mixture_refuses_means_that_are_not_finite(mean):
    with pytest.raises(ValueError, match="mean must be finite"):
        Mixture(torch.ones(1), torch.tensor([[mean]]), torch.ones(1, 1))


@pytest.mark.parametrize("alpha_bar", [-0.1, 1.5, torch.tensor([0.1, 0.2])])
def test_diffused_refuses_an_alpha_bar_that_is_no_share(alpha_bar):
    with pytest.raises(ValueError, match="alpha_bar"):
        two_modes().diffused(alpha_bar)


def test_standardized_refuses_a_scaler_of_another_dimension():
    with pytest.raises(ValueError, match="n_dim"):
        two_modes().standardized(SCALER)


def test_a_mixture_of_lists_is_that_of_tensors():
    lists = [[0.3, 0.7], [[-1.0], [2.0]], [[0.5], [0.1]]]
    one, other = Mixture(*lists), Mixture(*(torch.tensor(v, dtype=torch.float64) for v in lists))
    x = torch.linspace(-3, 3, 7)[:, None]
    assert torch.equal(one.density(x), other.density(x))


@pytest.mark.parametrize(
    "draw",
    [gaussian_mixture, ramp, spiral, lambda n, generator: Denoiser(1, 9, 4, generator=generator)],
)
@pytest.mark.parametrize("generator", [0, "0", np.random.default_rng(0)])
def test_a_seed_is_no_generator(draw, generator):
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator or None, got"):
        draw(5, generator=generator)


@pytest.mark.parametrize(
    "mean, std, error, message",
    [
        (torch.zeros(2), torch.tensor([1.0, 0.0]), ValueError, "std must be positive"),
        (torch.zeros(2), torch.tensor([1.0, -1.0]), ValueError, "std must be positive"),
        (torch.zeros(1, 2), torch.ones(1, 2), ValueError, r"of shape \(n_dim,\)"),
        (torch.zeros(2), torch.ones(1), ValueError, "mean and std must have the same shape"),
        (torch.zeros(2), torch.ones(2) / 0, ValueError, "std must be finite"),
        (torch.ones(2) / 0, torch.ones(2), ValueError, "mean must be finite"),
        ([0.0], [1.0], TypeError, "mean must be a tensor"),
    ],
)
def test_standardizer_refuses_what_cannot_be_undone(mean, std, error, message):
    with pytest.raises(error, match=message):
        Standardizer(mean, std)


def test_fit_refuses_data_whose_mean_is_too_large_for_their_precision():
    with pytest.raises(ValueError, match="must be finite"):
        Standardizer.fit(torch.tensor([[3e38], [2e38]]))
