"""The forward process: one jump and many steps agree, and known noise can be taken out again."""

import pytest
import torch
from chance import assert_law, mixture_cdf
from diffusers import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from tutorial_lib import (
    NoiseSchedule,
    diffuse,
    diffuse_step,
    predict_eps,
    predict_x0,
    score_from_eps,
)

ONE, NONE = torch.ones(1, 1), torch.zeros(1, 1)


@given(st.integers(2, 100), st.floats(1e-4, 0.1), st.floats(0.1, 0.9))
def test_steps_carry_mean_and_variance_as_the_jump_does(n_steps, beta_min, beta_max):
    schedule = NoiseSchedule.linear(n_steps, beta_min, beta_max)
    mean, variance = 1.0, 0.0
    for t in range(1, n_steps + 1):
        scale = diffuse_step(schedule, ONE, t, NONE).item()
        mean *= scale
        variance = scale**2 * variance + diffuse_step(schedule, NONE, t, ONE).item() ** 2
        assert diffuse(schedule, ONE, t, NONE).item() == pytest.approx(mean, rel=1e-4, abs=1e-30)
        assert diffuse(schedule, NONE, t, ONE).item() ** 2 == pytest.approx(variance, rel=1e-3)


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


def test_diffuse_is_diffusers_add_noise(schedule, generator):
    ddpm = DDPMScheduler(200, trained_betas=schedule.beta[1:].tolist())
    x0, eps = torch.randn(2, 200, 3, generator=generator)
    t = torch.arange(1, 201)
    witness = ddpm.add_noise(x0, eps, t - 1)  # diffusers counts steps from 0
    assert torch.allclose(diffuse(schedule, x0, t, eps), witness, atol=1e-5)


def test_the_variance_of_standardised_data_is_preserved(schedule):
    for t in (1, 17, 200):
        scale, noise = diffuse(schedule, ONE, t, NONE), diffuse(schedule, NONE, t, ONE)
        assert (scale**2 + noise**2).item() == pytest.approx(1, abs=1e-6)


def test_t_0_returns_clean_data(schedule, generator):
    x0, eps = torch.randn(2, 5, 2, generator=generator)
    assert torch.equal(diffuse(schedule, x0, 0, eps), x0)


@pytest.mark.parametrize("function", [diffuse, diffuse_step, predict_x0, predict_eps])
def test_int_and_tensor_t_agree(function, schedule, generator):
    x, eps = torch.randn(2, 4, 2, generator=generator)
    t = [1, 200, 3, 77]
    rows = function(schedule, x, torch.tensor(t), eps)
    for i, one in enumerate(t):
        assert torch.equal(function(schedule, x[[i]], one, eps[[i]]), rows[[i]])
        assert torch.equal(function(schedule, x[[i]], torch.tensor(one), eps[[i]]), rows[[i]])


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 99))
def test_what_was_mixed_can_be_taken_apart(n, n_dim, seed):
    schedule, g = NoiseSchedule.linear(), torch.Generator().manual_seed(seed)
    x0, eps = torch.randn(2, n, n_dim, generator=g)
    t = torch.randint(1, 61, (n,), generator=g)
    xt = diffuse(schedule, x0, t, eps)
    assert torch.allclose(predict_x0(schedule, xt, t, eps), x0, atol=1e-4)
    assert torch.allclose(predict_eps(schedule, xt, t, x0), eps, atol=1e-3)


def test_the_score_of_one_point_is_that_of_the_normal_law_around_it(schedule, generator):
    x0, eps = torch.randn(2, 5, 2, generator=generator)
    t = torch.tensor([1, 20, 80, 150, 200])
    xt = diffuse(schedule, x0, t, eps).requires_grad_()
    alpha_bar = schedule.alpha_bar[t, None]
    mean, std = alpha_bar.sqrt() * x0, (1 - alpha_bar).sqrt()
    log_density = torch.distributions.Normal(mean, std).log_prob(xt).sum()
    score = torch.autograd.grad(log_density, xt)[0]
    assert torch.allclose(score_from_eps(schedule, t, eps), score, rtol=1e-3)


@pytest.mark.parametrize("function", [diffuse, diffuse_step, predict_x0, predict_eps])
def test_inputs_are_left_alone(function, schedule, generator):
    x, eps = torch.randn(2, 4, 2, generator=generator)
    t = torch.tensor([1, 2, 3, 4])
    kept = x.clone(), t.clone(), eps.clone()
    function(schedule, x, t, eps)
    assert all(torch.equal(a, b) for a, b in zip(kept, (x, t, eps), strict=True))


BAD_T = [
    (-1, ValueError, "got -1"),
    (201, ValueError, "got 201"),
    (torch.tensor([1, 2, 3, 201]), ValueError, "got 201"),
    (torch.tensor([1, 2, 3, -1]), ValueError, "got -1"),
    (torch.tensor([1, 2, 3]), ValueError, r"shape \(4,\)"),
    (torch.ones(4, 1, dtype=torch.int64), ValueError, r"shape \(4,\)"),
    (True, TypeError, "int"),
    (1.0, TypeError, "int"),
    ("1", TypeError, "int"),
    (None, TypeError, "int"),
    (torch.ones(4), TypeError, "int"),
    (torch.tensor(1.0), TypeError, "int"),
    (torch.ones(4, dtype=torch.bool), TypeError, "int"),
    (torch.tensor(True), TypeError, "int"),
]


@pytest.mark.parametrize("function", [diffuse, diffuse_step, predict_x0, predict_eps])
@pytest.mark.parametrize("t, error, message", BAD_T)
def test_t_must_be_an_integer_in_range(function, t, error, message, schedule):
    with pytest.raises(error, match=f"^t must .*{message}"):
        function(schedule, torch.zeros(4, 1), t, torch.zeros(4, 1))


@pytest.mark.parametrize("function", [diffuse_step, predict_x0, predict_eps])
@pytest.mark.parametrize("t", [0, torch.tensor([1, 0, 2, 3])])
def test_only_diffuse_takes_t_0(function, t, schedule):
    with pytest.raises(ValueError, match=r"t must lie in 1\.\.200, got 0"):
        function(schedule, torch.zeros(4, 1), t, torch.zeros(4, 1))


@pytest.mark.parametrize("t", [1000, torch.tensor([1, 2, 3, 1000])])
def test_where_nothing_of_x0_is_left_it_cannot_be_predicted(t):
    x, schedule = torch.ones(4, 1), NoiseSchedule.linear(1000)
    assert schedule.alpha_bar[1000] == 0 < schedule.alpha_bar[900]
    assert predict_x0(schedule, x, 900, x).isfinite().all()
    with pytest.raises(ValueError, match=r"t must lie where alpha_bar\[t\] is above 0"):
        predict_x0(schedule, x, t, x)


@pytest.mark.parametrize("t", [0, 201, 1.5])
def test_score_checks_t(t, schedule):
    with pytest.raises((ValueError, TypeError), match="t must"):
        score_from_eps(schedule, t, torch.zeros(4, 1))


@pytest.mark.parametrize("function", [diffuse, diffuse_step, predict_x0, predict_eps])
@pytest.mark.parametrize("shape", [(4,), (1, 1), (4, 2), (1, 4)])
def test_shapes_that_would_broadcast_are_refused(function, shape, schedule):
    with pytest.raises(ValueError, match=r"same shape, got \(4, 1\) and "):
        function(schedule, torch.zeros(4, 1), 1, torch.zeros(shape))


@pytest.mark.parametrize("function", [diffuse, diffuse_step, predict_x0, predict_eps])
@pytest.mark.parametrize("what", [[[0.0]], 0.0, None])
def test_what_is_no_tensor_is_named(function, what, schedule):
    with pytest.raises(TypeError, match=r"^\w+ must be a tensor, got a (list|float|NoneType)"):
        function(schedule, torch.zeros(4, 1), 1, what)
    with pytest.raises(TypeError, match=r"^\w+ must be a tensor, got a (list|float|NoneType)"):
        function(schedule, what, 1, torch.zeros(4, 1))


@pytest.mark.parametrize("function", [diffuse, diffuse_step, predict_x0, predict_eps])
def test_a_number_of_steps_is_no_schedule(function):
    x = torch.zeros(4, 1)
    with pytest.raises(TypeError, match="schedule must be a NoiseSchedule, got 200"):
        function(200, x, 3, x)
    with pytest.raises(TypeError, match="schedule must be a NoiseSchedule, got 200"):
        score_from_eps(200, 3, x)


INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_t_may_be_of_any_integer_type(dtype, schedule, generator):
    """uint8 would count as a mask, and with T + 1 rows nothing would fail."""
    x0, eps = torch.randn(2, 201, 1, generator=generator)
    t = torch.full((201,), 5)
    assert torch.equal(diffuse(schedule, x0, t.to(dtype), eps), diffuse(schedule, x0, t, eps))
