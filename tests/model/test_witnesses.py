"""Other people's code as witnesses: diffusers, SciPy and scikit-learn, on random schedules."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from scipy.spatial import distance as pairs
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from strategies import DTYPES, SEEDS, mixtures, schedules
from trainers import seeded

from tutorial_lib import (
    ExactDenoiser,
    NoiseSchedule,
    Standardizer,
    diffuse,
    diffuse_step,
    predict_eps,
    predict_x0,
    sample,
    sample_ddim,
    score_from_eps,
)
from tutorial_lib.metrics import sliced_wasserstein, total_variation, wasserstein

# ---- diffusers -----------------------------------------------------------------------------------


def in_double(scheduler, schedule):
    """A scheduler of diffusers with our values of beta, calculating in float64.

    In float32 its way through x0 loses all digits where alpha_bar is tiny.
    """
    scheduler.betas = schedule.beta[1:].double()
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    scheduler.one = scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return scheduler


def some_denoiser(xt, t):
    return torch.sin(3 * xt + t) + 0.1 * xt


def assert_near(ours, witness):
    scale = witness.abs().max().item() + 1
    torch.testing.assert_close(ours.double(), witness.double(), rtol=1e-3, atol=1e-4 * scale)


VARIANCES = {"fixed_large": "sigma", "fixed_small": "sigma_posterior"}


@pytest.mark.parametrize("variance", VARIANCES)
@given(schedule=schedules(), n_dim=st.integers(1, 3), seed=SEEDS)
def test_every_step_of_a_chain_is_that_of_diffusers(variance, schedule, n_dim, seed):
    ddpm = DDPMScheduler(schedule.n_steps, variance_type=variance, clip_sample=False)
    ddpm = in_double(ddpm, schedule)
    sigma, options = getattr(schedule, VARIANCES[variance]), {"n_dim": n_dim, "trajectory": True}
    path = sample(some_denoiser, schedule, 20, sigma=sigma, generator=seeded(seed), **options)
    g = seeded(seed)
    assert torch.equal(torch.randn(20, n_dim, generator=g), path[-1])
    for t in range(schedule.n_steps, 0, -1):
        xt = path[t]
        # diffusers draws the same noise, from the same generator, but in xt's precision.
        witness = ddpm.step(some_denoiser(xt, t), t - 1, xt, generator=g).prev_sample
        assert_near(path[t - 1], witness)


@given(st.integers(1, 12), st.integers(1, 6), st.data())
def test_every_jump_of_ddim_is_that_of_diffusers(jumps, length, data):
    steps = max(2, jumps * length)
    jumps = steps // length
    schedule = data.draw(schedules(steps, steps))
    ddim = DDIMScheduler(steps, clip_sample=False, set_alpha_to_one=True)
    ddim.set_timesteps(jumps)
    ddim = in_double(ddim, schedule)
    g = seeded(data.draw(SEEDS))
    path = sample_ddim(some_denoiser, schedule, 20, jumps, n_dim=2, trajectory=True, generator=g)
    for k in range(jumps, 0, -1):
        xt, t = path[k], k * length
        witness = ddim.step(some_denoiser(xt, t), t - 1, xt, eta=0).prev_sample
        assert_near(path[k - 1], witness)


@given(schedules(), SEEDS)
def test_noise_score_and_velocity_are_those_of_diffusers(schedule, seed):
    ddpm = in_double(DDPMScheduler(schedule.n_steps), schedule)
    x0, eps = torch.randn(2, schedule.n_steps, 2, generator=seeded(seed))
    t = torch.arange(1, schedule.n_steps + 1)
    xt = diffuse(schedule, x0, t, eps)
    assert_near(xt, ddpm.add_noise(x0.double(), eps.double(), t - 1))
    # v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0, so eps = sqrt(alpha_bar) v + sqrt(..) xt.
    v = ddpm.get_velocity(x0.double(), eps.double(), t - 1)
    alpha_bar = schedule.alpha_bar[t, None]
    assert_near(alpha_bar.sqrt() * v + (1 - alpha_bar).sqrt() * xt, eps)


# ---- the forward process in float64, from nothing but beta ---------------------------------------


@given(schedules(low=1e-4), DTYPES, SEEDS)
def test_chain_jump_and_the_ways_between_eps_x0_and_score_are_the_formulas(schedule, dtype, seed):
    beta = schedule.beta.double().numpy()
    alpha_bar = np.cumprod(1 - beta)
    x0, eps, noise = torch.randn(3, schedule.n_steps, 2, generator=seeded(seed), dtype=dtype)
    t = torch.arange(1, schedule.n_steps + 1)
    share, beta_t = alpha_bar[1:, None], beta[1:, None]
    a, b, c = (v.double().numpy() for v in (x0, eps, noise))
    xt = share**0.5 * a + (1 - share) ** 0.5 * b
    np.testing.assert_allclose(diffuse(schedule, x0, t, eps), xt, rtol=1e-4, atol=1e-3)
    step = (1 - beta_t) ** 0.5 * a + beta_t**0.5 * c
    np.testing.assert_allclose(diffuse_step(schedule, x0, t, noise), step, rtol=1e-4, atol=1e-5)
    score = -b / (1 - share) ** 0.5
    np.testing.assert_allclose(score_from_eps(schedule, t, eps), score, rtol=1e-3)
    # There and back. What float32 loses on the way is multiplied by 1 / sqrt(alpha_bar).
    ours = diffuse(schedule, x0, t, eps)
    lost = 1e-5 / share**0.5 * (np.abs(b).max() + np.abs(a).max())
    assert (np.abs(predict_x0(schedule, ours, t, eps).double().numpy() - a) < lost).all()
    lost = 1e-5 / (1 - share) ** 0.5 * (np.abs(b).max() + np.abs(a).max())
    assert (np.abs(predict_eps(schedule, ours, t, x0).double().numpy() - b) < lost).all()


@given(schedules(low=1e-4))
def test_variance_is_preserved_and_the_two_choices_of_sigma_are_in_order(schedule):
    beta = schedule.beta.double()
    alpha_bar = (1 - beta).cumprod(0)
    np.testing.assert_allclose(schedule.alpha_bar, alpha_bar, rtol=1e-6, atol=1e-40)
    np.testing.assert_allclose(schedule.sigma, beta.sqrt(), rtol=1e-6)
    # Bayes: 1 / variance = alpha / beta + 1 / (1 - alpha_bar before).
    posterior = 1 / ((1 - beta[2:]) / beta[2:] + 1 / (1 - alpha_bar[1:-1]))
    np.testing.assert_allclose(schedule.sigma_posterior[2:] ** 2, posterior, rtol=1e-5)
    ones, none = torch.ones(schedule.n_steps, 1), torch.zeros(schedule.n_steps, 1)
    t = torch.arange(1, schedule.n_steps + 1)
    parts = diffuse(schedule, ones, t, none), diffuse(schedule, none, t, ones)
    np.testing.assert_allclose(parts[0] ** 2 + parts[1] ** 2, ones, atol=1e-6)


# ---- the sampler with an exact denoiser recovers any mixture -------------------------------------

SERIES = NoiseSchedule.linear(n_steps=200, beta_min=1e-4, beta_max=0.2)
DIRECTIONS = {1: [[1.0]], 2: [[1, 0], [0, 1], [0.8, 0.6], [-0.6, 0.8]]}


def recover(mixture, n: int, seed: int, **options) -> float:
    """The least p-value of the samples' coordinates along each direction (Kolmogorov-Smirnov)."""
    x = sample(ExactDenoiser(mixture, SERIES), SERIES, n, generator=seeded(seed), **options)
    weight, mean, std = mixture.weight.numpy(), mixture.mean.numpy(), mixture.std.numpy()
    p_values = []
    for u in np.array(DIRECTIONS[mixture.n_dim]):
        at, width = mean @ u, (std**2 @ u**2) ** 0.5

        def cdf(v, at=at, width=width):
            return stats.norm.cdf(v[:, None], at, width) @ weight

        p_values.append(stats.kstest(x.double().numpy() @ u, cdf).pvalue)
    return min(p_values)


@settings(max_examples=30)
@given(st.integers(1, 2).flatmap(mixtures), SEEDS)
def test_the_sampler_recovers_any_mixture(mixture, seed):
    """200 steps leave distribution functions up to 0.02 apart, less than chance does at n = 500.

    An honest sampler with that error fails at p < 1e-8 less often than once in 1e5 mixtures.
    """
    assert recover(mixture, 500, seed) > 1e-8


def test_too_little_noise_would_be_noticed(mixture):
    assert recover(mixture, 500, 0) > 1e-4
    assert recover(mixture, 500, 0, sigma=SERIES.beta) < 1e-8


# ---- mixtures, standardisation and metrics -------------------------------------------------------


@given(st.integers(1, 3).flatmap(mixtures), SEEDS)
def test_densities_and_shares_are_those_of_scikit_learn(mixture, seed):
    model = GaussianMixture(len(mixture.weight), covariance_type="diag")
    model.weights_, model.means_ = mixture.weight.numpy(), mixture.mean.numpy()
    model.covariances_ = mixture.std.numpy() ** 2
    model.precisions_cholesky_ = 1 / mixture.std.numpy()
    x = torch.randn(9, mixture.n_dim, generator=seeded(seed), dtype=torch.float64)
    np.testing.assert_allclose(mixture.density(x).log(), model.score_samples(x), rtol=1e-8)
    shares = mixture.component_log_density(x).softmax(1)
    np.testing.assert_allclose(shares, model.predict_proba(x), atol=1e-9)


@given(st.integers(2, 30), st.integers(1, 3), DTYPES, SEEDS)
def test_standardising_is_that_of_scikit_learn_up_to_n_minus_1(n, n_dim, dtype, seed):
    x = 3 * torch.randn(n, n_dim, generator=seeded(seed), dtype=dtype) - 7
    ours, theirs = Standardizer.fit(x), StandardScaler().fit(x.double())
    correction = ((n - 1) / n) ** 0.5
    tolerance = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(
        ours.transform(x), correction * theirs.transform(x.double()), **tolerance
    )
    np.testing.assert_allclose(ours.inverse(ours.transform(x)), x, **tolerance)


def clouds(n_dim: int):
    return st.tuples(st.integers(1, 40), SEEDS).map(
        lambda drawn: np.random.default_rng(drawn[1]).standard_normal((2, drawn[0], n_dim))
    )


def cheapest_pairing(x, y) -> float:
    """The mean distance of the cheapest pairing of two samples: what Wasserstein-1 is."""
    costs = pairs.cdist(x, y)
    return costs[optimize.linear_sum_assignment(costs)].mean()


@given(clouds(1))
def test_wasserstein_is_the_cheapest_pairing(xy):
    x, y = xy
    assert wasserstein(x, y) == pytest.approx(cheapest_pairing(x, y), abs=1e-9)
    assert wasserstein(x, np.repeat(y, 3)) == pytest.approx(wasserstein(x, y), abs=1e-9)


@given(clouds(2), st.integers(1, 9))
def test_sliced_wasserstein_is_the_mean_of_cheapest_pairings_and_less_than_the_whole(xy, slices):
    x, y = xy
    turns = np.exp(1j * np.pi * np.arange(slices) / slices)
    each = [
        cheapest_pairing(*(v[:, :1] * u.real + v[:, 1:] * u.imag for v in (x, y))) for u in turns
    ]
    ours = sliced_wasserstein(x, y, n_directions=slices)
    assert ours == pytest.approx(np.mean(each), abs=1e-9)
    assert ours <= cheapest_pairing(x, y) + 1e-9


@given(clouds(2), st.integers(1, 9), st.floats(0.1, 3))
def test_total_variation_is_that_of_the_counts_of_scipy(xy, bins, limit):
    def cells(v):
        counts, *_ = stats.binned_statistic_dd(
            v, None, "count", bins=bins, range=[(-limit, limit)] * 2
        )
        return np.append(counts.ravel(), len(v) - counts.sum()) / len(v)

    x, y = xy
    expected = pairs.cityblock(cells(x), cells(y)) / 2
    assert total_variation(x, y, bins=bins, limit=limit) == pytest.approx(expected, abs=1e-9)
