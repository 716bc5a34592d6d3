"""Sampling: every step against diffusers, the whole chain against a Gaussian's closed form."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from chance import assert_law, assert_mean
from diffusers import DDIMScheduler, DDPMScheduler
from scipy import stats

from tutorial_lib import ExactDenoiser, Mixture, NoiseSchedule, diffuse, sample, sample_ddim
from tutorial_lib.sampling import ddim_step, reverse_step

MEAN, STD = 0.7, 0.5
GAUSSIAN = Mixture(torch.ones(1), torch.tensor([[MEAN]]), torch.tensor([[STD]]))
SHORT = NoiseSchedule.linear(n_steps=12, beta_min=1e-3, beta_max=0.5)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "variance, sigma", [("fixed_large", "sigma"), ("fixed_small", "sigma_posterior")]
)
@pytest.mark.parametrize("t", [1, 2, 3, 10, 50, 100, 200])
def test_reverse_step_is_that_of_diffusers(t, variance, sigma, schedule):
    betas = schedule.beta[1:].tolist()
    ddpm = DDPMScheduler(200, trained_betas=betas, variance_type=variance, clip_sample=False)
    xt, eps_hat = torch.randn(2, 500, 2, generator=seeded())
    z = torch.randn(500, 2, generator=seeded(1))  # what diffusers draws from this seed
    witness = ddpm.step(eps_hat, t - 1, xt, generator=seeded(1)).prev_sample
    ours = reverse_step(schedule, xt, t, eps_hat, z, getattr(schedule, sigma))
    assert torch.allclose(ours, witness, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("jump", [1, 10, 50])
def test_ddim_step_is_that_of_diffusers(jump, schedule):
    betas = schedule.beta[1:].tolist()
    ddim = DDIMScheduler(200, trained_betas=betas, clip_sample=False, set_alpha_to_one=True)
    ddim.set_timesteps(200 // jump)
    xt, eps_hat = torch.randn(2, 500, 2, generator=seeded())
    for t in (jump, 2 * jump, 3 * jump):
        witness = ddim.step(eps_hat, t - 1, xt, eta=0).prev_sample
        ours = ddim_step(schedule, xt, t, t - jump, eps_hat)
        assert torch.allclose(ours, witness, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sigma", ["sigma", "sigma_posterior"])
def test_the_true_noise_at_t_1_leads_back_to_x0(sigma, schedule):
    x0, eps, z = torch.randn(3, 500, 2, generator=seeded())
    x1 = diffuse(schedule, x0, 1, eps)
    back = reverse_step(schedule, x1, 1, eps, z, getattr(schedule, sigma))
    assert torch.allclose(back, x0, atol=1e-5)


@pytest.mark.parametrize("t, s", [(1, 0), (60, 0), (60, 59), (60, 20)])
def test_ddim_with_the_true_noise_lands_on_the_same_path(t, s, schedule):
    x0, eps = torch.randn(2, 500, 2, generator=seeded())
    back = ddim_step(schedule, diffuse(schedule, x0, t, eps), t, s, eps)
    assert torch.allclose(back, diffuse(schedule, x0, s, eps), atol=1e-4)


def test_no_noise_is_added_at_t_1(schedule):
    xt, eps_hat, z = torch.randn(3, 5, 2, generator=seeded())
    for t, same in [(1, True), (2, False)]:
        steps = [reverse_step(schedule, xt, t, eps_hat, k * z, schedule.sigma) for k in (0, 1)]
        assert torch.equal(*steps) == same


def linear(schedule, t: int) -> tuple[float, float]:
    """a and b with eps*(x, t) = a x + b for the Gaussian above."""
    alpha_bar = schedule.alpha_bar[t].item()
    a = (1 - alpha_bar) ** 0.5 / (alpha_bar * STD**2 + 1 - alpha_bar)
    return a, -a * alpha_bar**0.5 * MEAN


@pytest.mark.parametrize("sigma", ["sigma", "sigma_posterior"])
def test_the_chain_gives_a_gaussian_its_closed_form(sigma):
    mean, variance = 0.0, 1.0
    for t in range(12, 0, -1):
        a, b = linear(SHORT, t)
        beta, alpha_bar = SHORT.beta[t].item(), SHORT.alpha_bar[t].item()
        pull = beta / (1 - alpha_bar) ** 0.5
        scale, shift = (1 - pull * a) / (1 - beta) ** 0.5, -pull * b / (1 - beta) ** 0.5
        added = getattr(SHORT, sigma)[t].item() ** 2 if t > 1 else 0
        mean, variance = scale * mean + shift, scale**2 * variance + added
    exact, n = ExactDenoiser(GAUSSIAN, SHORT), 200_000
    x = sample(exact, SHORT, n, sigma=getattr(SHORT, sigma), generator=seeded())
    assert_mean(x, mean)
    assert_mean((x - mean) ** 2, variance)
    assert_law(x, stats.norm(mean, variance**0.5).cdf)


def test_sigma_is_sqrt_beta_where_none_is_given():
    exact = ExactDenoiser(GAUSSIAN, SHORT)
    one = sample(exact, SHORT, 9, generator=seeded())
    assert torch.equal(one, sample(exact, SHORT, 9, sigma=SHORT.sigma, generator=seeded()))
    other = sample(exact, SHORT, 9, sigma=SHORT.sigma_posterior, generator=seeded())
    assert not torch.allclose(one, other, atol=0.01)


@pytest.mark.parametrize("n_steps", [1, 5, 12])
def test_ddim_maps_each_start_of_a_gaussian_by_its_closed_form(n_steps):
    stops = np.linspace(12, 0, n_steps + 1).round().astype(int).tolist()
    x = expected = torch.randn(50, 1, generator=seeded())
    for t, s in pairwise(stops):
        a, b = linear(SHORT, t)
        alpha_bar_t, alpha_bar_s = SHORT.alpha_bar[t].item(), SHORT.alpha_bar[s].item()
        eps = a * expected + b
        x0 = (expected - (1 - alpha_bar_t) ** 0.5 * eps) / alpha_bar_t**0.5
        expected = alpha_bar_s**0.5 * x0 + (1 - alpha_bar_s) ** 0.5 * eps
    exact = ExactDenoiser(GAUSSIAN, SHORT)
    path = sample_ddim(exact, SHORT, 50, n_steps, trajectory=True, generator=seeded())
    assert torch.equal(path[-1], x)
    assert torch.allclose(path[0], expected, atol=1e-5)


def test_ddim_with_all_steps_brings_a_gaussian_home(schedule):
    exact = ExactDenoiser(GAUSSIAN, schedule)
    path = sample_ddim(exact, schedule, 50, 200, trajectory=True, generator=seeded())
    # 200 jumps of finite size leave it 2 % too narrow.
    assert torch.allclose(path[0] - MEAN, STD * path[-1], rtol=0.03, atol=1e-3)


def test_the_exact_mixture_comes_out_as_the_mixture(exact):
    x = sample(exact, exact.schedule, 4000, generator=seeded())
    assert (
        (x < -0.4).float().mean() - 0.3
    ).abs() < 0.04  # five standard errors, and the step error
    assert_mean(x, 0)
    assert x.var().item() == pytest.approx(1, abs=0.1)
