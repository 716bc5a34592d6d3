"""The forward process: one jump and many steps agree, and known noise can be taken out again."""

import pytest
import torch
from chance import assert_law, mixture_cdf
from torch.distributions import Categorical, MixtureSameFamily, Normal

from tutorial_lib import (
    NoiseSchedule,
    diffuse,
    diffuse_step,
    predict_eps,
    predict_x0,
    score_from_eps,
)

ONE, NONE = torch.ones(1, 1), torch.zeros(1, 1)


@pytest.mark.parametrize("t_end", [1, 10, 40])
def test_iterated_steps_have_the_law_of_the_jump(t_end, mixture, generator):
    schedule = NoiseSchedule.linear(n_steps=40, beta_min=1e-3, beta_max=0.3)
    x0 = mixture.sample(20_000, generator=generator)
    x = x0
    for t in range(1, t_end + 1):
        x = diffuse_step(schedule, x, t, torch.randn(x.shape, generator=generator))
    law = mixture_cdf(mixture.diffused(schedule.alpha_bar[t_end]))
    assert_law(x, law)
    assert_law(diffuse(schedule, x0, t_end, torch.randn(x.shape, generator=generator)), law)


def test_t_0_returns_clean_data(schedule, generator):
    x0, eps = torch.randn(2, 5, 2, generator=generator)
    assert torch.equal(diffuse(schedule, x0, 0, eps), x0)


def test_the_score_is_the_slope_of_the_log_density_at_every_t(mixture, exact, schedule):
    """Of the diffused mixture, which torch.distributions knows and autograd differentiates."""
    weight, mean, std = mixture.weight, mixture.mean[:, 0], mixture.std[:, 0]
    xt = torch.linspace(-4, 4, 161, dtype=torch.float64)[:, None].requires_grad_()
    for t in range(1, 201):
        alpha_bar = schedule.alpha_bar[t].double()
        hump = Normal(alpha_bar.sqrt() * mean, (alpha_bar * std.square() + 1 - alpha_bar).sqrt())
        noisy = MixtureSameFamily(Categorical(weight), hump)
        (slope,) = torch.autograd.grad(noisy.log_prob(xt).sum(), xt)
        score = score_from_eps(schedule, t, exact(xt.detach(), t))
        # The root of 1 - alpha_bar is a float32 number, which is off by 6e-8 of itself at most.
        assert torch.allclose(score, slope, rtol=1e-7, atol=1e-12), t


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("function", [diffuse_step, predict_x0, predict_eps])
@pytest.mark.parametrize("t", [0, 201])
def test_only_diffuse_takes_t_0(function, t, schedule):
    x = torch.zeros(4, 1)
    for call in (lambda: function(schedule, x, t, x), lambda: score_from_eps(schedule, t, x)):
        with pytest.raises(ValueError, match=rf"t must lie in 1\.\.200, got {t}"):
            call()


@pytest.mark.parametrize("t", [1000, torch.tensor([1, 2, 3, 1000])])
def test_where_nothing_of_x0_is_left_it_cannot_be_predicted(t):
    x, schedule = torch.ones(4, 1), NoiseSchedule.linear(1000)
    assert schedule.alpha_bar[1000] == 0 < schedule.alpha_bar[900]
    assert predict_x0(schedule, x, 900, x).isfinite().all()
    with pytest.raises(ValueError, match=r"t must lie where alpha_bar\[t\] is above 0"):
        predict_x0(schedule, x, t, x)


@pytest.mark.parametrize("function", [diffuse, diffuse_step, predict_x0, predict_eps])
@pytest.mark.parametrize("shape", [(4,), (1, 1), (4, 2), (1, 4)])
def test_shapes_that_would_broadcast_are_refused(function, shape, schedule):
    message = r"^\w+ and \w+ must have the same shape, got \w+ \(4, 1\), "
    with pytest.raises(ValueError, match=message):
        function(schedule, torch.zeros(4, 1), 1, torch.zeros(shape))
