"""The loss that no denoiser can get below: by quadrature, by Monte Carlo, and in closed form."""

import numpy as np
import pytest
import torch
from chance import assert_mean

from tutorial_lib import ExactDenoiser, Mixture, NoiseSchedule
from tutorial_lib.oracle import denoising_loss, excess_loss, optimal_loss


@pytest.mark.parametrize("t", [1, 5, 20, 50, 95, 150])
def test_optimal_loss_is_the_loss_of_the_exact_denoiser_on_fresh_data(t, exact, generator):
    x0 = exact.mixture.sample(100_000, generator=generator)
    loss, error = denoising_loss(exact, exact.schedule, x0, t, generator=generator)
    assert abs(loss - optimal_loss(exact, t)) < 4 * error < 0.02


@pytest.mark.parametrize("n_dim", [1, 3])
def test_denoising_loss_and_its_error_are_those_of_the_squared_differences(
    n_dim, schedule, generator
):
    x0 = torch.randn(40_000, n_dim, generator=generator)
    loss, error = denoising_loss(lambda x, t: 0 * x, schedule, x0, 9, generator=generator)
    assert abs(loss - 1) < 5 * error
    # The variance of eps^2 is 2, and a row's error is the mean of n_dim of them.
    assert error == pytest.approx((2 / n_dim / 40_000) ** 0.5, rel=0.05)


def test_the_loss_floor_falls_from_1_to_0(exact):
    floor = np.array([optimal_loss(exact, t) for t in range(1, 201)])
    assert floor[0] == pytest.approx(0.999, abs=0.001)
    assert 0 <= floor[119:].min() <= floor[119:].max() < 0.002
    assert (np.diff(floor) < 0).all()
    assert floor.mean() == pytest.approx(0.173, abs=0.0005)


def test_the_best_linear_predictor_stays_above_the_floor(exact):
    alpha_bar = exact.schedule.alpha_bar
    losses = []
    for t in range(1, 201):
        excess = excess_loss(lambda x, t: (1 - alpha_bar[t]).sqrt() * x, exact, t)
        losses.append(optimal_loss(exact, t) + excess)
    assert losses == pytest.approx(alpha_bar[1:].tolist(), abs=1e-5)
    assert np.mean(losses) == pytest.approx(0.196, abs=0.0005)


@pytest.mark.parametrize("t", [1, 5, 20, 50, 95, 120, 200])
def test_excess_is_0_for_the_exact_denoiser_and_all_of_eps_for_none(t, exact, generator):
    assert excess_loss(exact, exact, t) < 1e-10
    everything = excess_loss(lambda x, t: torch.zeros_like(x), exact, t)
    assert everything == pytest.approx(1 - optimal_loss(exact, t), abs=1e-12)
    xt = exact.marginal(t).sample(20_000, generator=generator)
    assert_mean(exact(xt, t).square(), everything)


def test_a_network_is_judged_without_gradients(exact, denoiser):
    assert excess_loss(denoiser, exact, 10) > 0
    assert all(p.grad is None for p in denoiser.parameters())


def test_the_floor_of_a_single_gaussian_is_closed_form():
    schedule = NoiseSchedule.linear(20)
    law = Mixture(torch.ones(1), torch.tensor([[0.7]]), torch.tensor([[0.5]]))
    for t in (1, 10, 20):
        alpha_bar = schedule.alpha_bar[t].item()
        floor = 0.25 * alpha_bar / (0.25 * alpha_bar + 1 - alpha_bar)  # Var(eps | xt)
        exact = ExactDenoiser(law, schedule)
        assert optimal_loss(exact, t) == pytest.approx(floor, abs=1e-6)


@pytest.mark.parametrize("t", [1, 3])
def test_optimal_loss_of_components_of_very_different_widths(t):
    """Far apart, each component has a loss of its own, known in closed form."""
    schedule, std = NoiseSchedule.linear(20, 1e-7, 0.02), torch.tensor([[1e-4], [1.0]]).double()
    exact = ExactDenoiser(Mixture([0.5, 0.5], [[-50.0], [50.0]], std), schedule)
    alpha_bar = schedule.alpha_bar[t].double()
    signal = alpha_bar * std.square()
    right = (signal / (signal + 1 - alpha_bar)).mean()
    assert optimal_loss(exact, t) == pytest.approx(float(right), abs=1e-6)
