"""Sampling: a Gaussian's closed form, chains and what is collected of them, what is refused.

Every single step is held against diffusers in test_witnesses.py.
"""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from chance import assert_law, assert_mean, assert_shares
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from trainers import seeded

from tutorial_lib import (
    DataDenoiser,
    Denoiser,
    ExactDenoiser,
    Guided,
    Mixture,
    NoiseSchedule,
    VDenoiser,
    diffuse,
    diffuse_step,
    sample,
    sample_ddim,
)
from tutorial_lib.sampling import ddim_chain, ddim_step, reverse_chain, reverse_step

MEAN, STD = 0.7, 0.5
GAUSSIAN = Mixture(torch.ones(1), torch.tensor([[MEAN]]), torch.tensor([[STD]]))
SHORT = NoiseSchedule.linear(n_steps=12, beta_min=1e-3, beta_max=0.5)


def test_the_true_noise_at_t_1_leads_back_to_x0(schedule):
    x0, eps, z = torch.randn(3, 500, 2, generator=seeded())
    back = reverse_step(schedule, diffuse(schedule, x0, 1, eps), 1, eps, z, schedule.sigma[1])
    assert torch.allclose(back, x0, atol=1e-5)


@pytest.mark.parametrize("t, s", [(1, 0), (60, 0), (60, 59), (60, 20)])
def test_ddim_with_the_true_noise_lands_on_the_same_path(t, s, schedule):
    x0, eps = torch.randn(2, 500, 2, generator=seeded())
    back = ddim_step(schedule, diffuse(schedule, x0, t, eps), t, s, eps)
    assert torch.allclose(back, diffuse(schedule, x0, s, eps), atol=1e-4)


@pytest.mark.parametrize("t, share", [(1, 0), (2, 1), (200, 1)])
def test_noise_is_added_sigma_t_times_but_none_at_t_1(t, share, schedule):
    xt, eps_hat, z = torch.randn(3, 5, 2, generator=seeded())
    for sigma_t in (0.3, torch.tensor(0.3)):
        bare, noisy = (reverse_step(schedule, xt, t, eps_hat, z, s) for s in (0, sigma_t))
        assert torch.allclose(noisy - bare, share * 0.3 * z, atol=1e-6)


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


# ---- where a point was before: Bayes on a grid, as notebook 05 has it ----------------------------

GRID = torch.linspace(-4, 4, 1601, dtype=torch.float64)  # (1601,), 0.005 apart
NEAR = 0.02


def where_before(exact, schedule, xt, t, s):
    """q(x[s] | xt) as shares (1601,) of GRID."""
    kept = schedule.alpha[s + 1 : t + 1].double().prod()
    likelihood = (xt - kept.sqrt() * GRID).square() / (-2 * (1 - kept))
    shares = exact.marginal(s).density(GRID[:, None]) * likelihood.exp()
    return shares / shares.sum()


def off_gaussian(shares):
    """Total variation between shares and the Gaussian of the same mean and variance."""
    mean = shares @ GRID
    variance = shares @ (GRID - mean).square()
    gaussian = ((GRID - mean).square() / (-2 * variance)).softmax(0)
    return (shares - gaussian).abs().sum() / 2


def pairs(exact, schedule, t, s):
    """x[s] and x[t] of a million points that diffuse step by step from s to t: (m, 1) each."""
    g = seeded()
    x0 = exact.mixture.sample(1_000_000, generator=g)
    x = then = diffuse(schedule, x0, s, torch.randn(x0.shape, generator=g))
    for step in range(s + 1, t + 1):
        x = diffuse_step(schedule, x, step, torch.randn(x.shape, generator=g))
    return then, x


@pytest.mark.parametrize("t, s", [(40, 39), (40, 10), (10, 9)])
def test_where_points_were_follows_bayes(t, s, exact, schedule):
    then, now = pairs(exact, schedule, t, s)
    then = then[(now + 0.6).abs() < NEAR]
    width = np.linspace(-0.6 - NEAR, -0.6 + NEAR, 9)  # the law changes across it
    weight = exact.marginal(t).density(torch.from_numpy(width)[:, None])
    shares = torch.stack([where_before(exact, schedule, xt, t, s) for xt in width])
    expected = (weight / weight.sum()) @ shares
    edges = np.linspace(-4.0025, 4.0025, 1602)[::9]  # bins of 9 places
    assert_shares(np.histogram(then, edges)[0], expected[:1593].view(177, 9).sum(1))


def test_one_step_back_is_nearly_gaussian_and_a_jump_of_thirty_is_not(exact, schedule):
    one, thirty = (where_before(exact, schedule, -0.6, 40, s) for s in (39, 10))
    assert off_gaussian(one) < 0.001 and off_gaussian(thirty) > 0.2
    slope = (thirty[1:] - thirty[:-1]).sign()
    assert (slope[1:] < slope[:-1]).sum() == 2  # two humps


@pytest.mark.parametrize("t", [2, 10, 40])
def test_a_step_by_the_exact_denoiser_leads_to_the_mean_of_where_points_were(t, exact, schedule):
    then, now = pairs(exact, schedule, t, t - 1)
    eps_hat = exact(now, t)
    left = then - reverse_step(schedule, now, t, eps_hat, torch.zeros_like(now), 0)
    assert_mean(left, 0)
    assert_mean(left * now, 0)  # and has to do with no function of x[t]
    assert_mean(left * eps_hat, 0)


@pytest.mark.parametrize("t", [2, 10, 40])
def test_the_variance_lies_between_the_two_choices(t, exact, schedule):
    """On average over x[t], for data of variance 1; between the humps it is above both."""
    x = exact.marginal(t).quantiles(200)[:, 0].tolist()
    laws = torch.stack([where_before(exact, schedule, xt, t, t - 1) for xt in [*x, -0.5]])
    variance = laws @ GRID.square() - (laws @ GRID).square()
    low, high = schedule.sigma_posterior[t] ** 2, schedule.beta[t]
    assert low < variance[:-1].mean() < high < variance[-1]


# ---- chains, and what `sample` and `sample_ddim` collect of them ---------------------------------

SEVEN = NoiseSchedule.linear(n_steps=7)
SAMPLERS = {
    "sample": sample,
    "ddim": lambda denoiser, schedule, n, **kw: sample_ddim(denoiser, schedule, n, 7, **kw),
}
both = pytest.mark.parametrize("draw", SAMPLERS.values(), ids=SAMPLERS.keys())
small = Denoiser(2, 7, 4, generator=seeded(5))


def shrink(xt, t):
    return 0.5 * xt


@pytest.mark.parametrize(
    "draw, chain, stops",
    [
        (sample, reverse_chain, [7, 6, 5, 4, 3, 2, 1, 0]),
        (partial(sample_ddim, n_steps=3), partial(ddim_chain, n_steps=3), [7, 5, 2, 0]),
    ],
)
def test_a_chain_yields_what_a_trajectory_collects_and_a_sample_is_its_end(draw, chain, stops):
    path = draw(small, SEVEN, 4, trajectory=True, generator=seeded())
    assert path.shape == (len(stops), 4, 2)
    g = seeded()
    start = torch.randn(4, 2, generator=g)
    chance = {"generator": g} if chain is reverse_chain else {}
    states = list(chain(small, SEVEN, start, **chance))
    assert [t for t, _ in states] == stops and states[0][1] is start
    assert torch.equal(torch.stack([x for _, x in states]).flip(0), path)
    assert torch.equal(draw(small, SEVEN, 4, generator=seeded()), path[0])
    assert not any(x.requires_grad for _, x in states)


@pytest.mark.parametrize("chain", [reverse_chain, lambda *args: ddim_chain(*args, 7)])
def test_a_chain_can_be_left_early_and_makes_no_step_ahead(chain):
    asked = []
    for t, _ in chain(lambda xt, t: asked.append(t) or xt, SEVEN, torch.ones(2, 1)):
        assert torch.is_grad_enabled()  # in the caller's loop, training can go on
        if t == 4:
            break
    assert asked == [7, 6, 5]
    assert torch.is_grad_enabled()


@given(st.integers(2, 300), st.data())
def test_ddim_asks_n_steps_times_evenly_from_T_down(n_steps, data):
    jumps, asked = data.draw(st.integers(1, n_steps)), []
    schedule, options = NoiseSchedule.linear(n_steps), {"n_dim": 1, "generator": seeded()}
    sample_ddim(lambda xt, t: asked.append(t) or xt, schedule, 1, jumps, **options)
    assert len(asked) == jumps and asked[0] == n_steps
    gaps = [a - b for a, b in zip(asked, [*asked[1:], 0], strict=True)]
    assert min(gaps) >= 1 and max(gaps) - min(gaps) <= 1


def test_ddim_with_thousands_of_steps_asks_at_each_once():
    asked, schedule = [], NoiseSchedule.linear(5000, 1e-4, 0.01)
    sample_ddim(lambda xt, t: asked.append(t) or xt, schedule, 1, 4999, n_dim=1, generator=seeded())
    assert len(set(asked)) == 4999


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        lambda schedule: VDenoiser(1, schedule, 4, n_classes=2),
        lambda schedule: Guided(VDenoiser(1, schedule, 4, n_classes=2), 0),
        lambda schedule: ExactDenoiser(GAUSSIAN, schedule),
        lambda schedule: DataDenoiser(torch.zeros(9, 1), schedule),
        lambda schedule: Denoiser(1, schedule.n_steps, 4),  # it knows only how many steps
    ],
)
@both
def test_a_denoiser_is_not_taken_to_another_schedule(draw, made):
    denoiser = made(NoiseSchedule.linear(7))
    draw(denoiser, SEVEN, 3, generator=seeded())  # another object, but the same values
    others = [NoiseSchedule.linear(8), NoiseSchedule.linear(7, beta_max=0.3)]
    for other in others[: 1 if type(denoiser) is Denoiser else 2]:
        with pytest.raises(ValueError, match="schedule must be the one that the denoiser"):
            draw(denoiser, other, 3)
        for chain in (reverse_chain, partial(ddim_chain, n_steps=7)):
            with pytest.raises(ValueError, match="schedule must be the one that the denoiser"):
                next(chain(denoiser, other, torch.zeros(3, 1)))


@both
def test_a_prediction_of_another_shape_is_refused(draw):
    with pytest.raises(ValueError, match=r"must have the same shape, got x \(3, 1\), .* \(3,\)"):
        draw(lambda xt, t: xt[:, 0], SEVEN, 3, n_dim=1)


SHAPES = "sigma and beta must have the same shape, got"


@pytest.mark.parametrize(
    "sigma, message",
    [
        (torch.zeros(7), SHAPES),
        (torch.zeros(1), SHAPES),
        (torch.zeros(8, 1), SHAPES),
        (0.1, SHAPES),
        (SEVEN.sigma / 0, "sigma must be finite, got 8"),
    ],
)
def test_sigma_is_a_number_for_each_t(sigma, message):
    with pytest.raises(ValueError, match=message):
        sample(shrink, SEVEN, 3, n_dim=1, sigma=sigma)


@pytest.mark.parametrize("n_steps", [0, 8])
def test_ddim_makes_1_to_T_steps(n_steps):
    with pytest.raises(ValueError, match=rf"n_steps must lie in 1\.\.7, got {n_steps}"):
        sample_ddim(shrink, SEVEN, 3, n_steps, n_dim=1)


def test_a_jump_out_of_pure_noise_is_refused():
    schedule = NoiseSchedule.linear(1000)  # alpha_bar is 0 in float32 from t = 985 on
    with pytest.raises(ValueError, match="so near t = 1000 that signal is left, got 0"):
        sample_ddim(shrink, schedule, 3, 1, n_dim=1, generator=seeded())
    assert sample_ddim(shrink, schedule, 3, 20, n_dim=1, generator=seeded()).isfinite().all()


@pytest.mark.parametrize("s", [3, 4, 7, -1])
def test_a_jump_goes_back_but_not_below_0(s):
    x = torch.ones(3, 1)
    with pytest.raises(ValueError, match=rf"s must lie in 0\.\.2, .* got {s}"):
        ddim_step(SEVEN, x, 3, s, x)


@pytest.mark.parametrize("shape", [(3,), (1, 1), (3, 2)])
def test_single_steps_refuse_shapes_that_would_broadcast(shape):
    x, other = torch.ones(3, 1), torch.ones(shape)
    for call in (
        lambda: reverse_step(SEVEN, x, 3, x, other, 0.1),
        lambda: reverse_step(SEVEN, x, 3, other, x, 0.1),
        lambda: ddim_step(SEVEN, x, 3, 1, other),
    ):
        with pytest.raises(ValueError, match="must have the same shape"):
            call()
