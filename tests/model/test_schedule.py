"""The noise schedule: every array is the paper's quantity, indexed by t itself."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from tutorial_lib import NoiseSchedule

SCHEDULES = st.builds(
    lambda n_steps, betas: NoiseSchedule.linear(n_steps, min(betas), max(betas)),
    st.integers(2, 300),
    st.tuples(st.floats(1e-5, 0.99), st.floats(1e-5, 0.99)),
)


@given(SCHEDULES)
def test_alpha_bar_is_the_product_of_the_alphas(schedule):
    factors = [1 - beta for beta in schedule.beta.tolist()]
    for t in range(schedule.n_steps + 1):
        product = math.prod(factors[: t + 1])
        assert schedule.alpha_bar[t].item() == pytest.approx(product, rel=1e-6, abs=1e-40)


@given(SCHEDULES)
def test_index_0_is_clean_data(schedule):
    arrays = schedule.beta, schedule.alpha, schedule.alpha_bar, schedule.sigma
    assert [a[0].item() for a in arrays] == [0, 1, 1, 0]


@given(SCHEDULES)
def test_every_array_has_an_entry_for_0_to_T_in_float32(schedule):
    for name in ("beta", "alpha", "alpha_bar", "sigma", "sigma_posterior"):
        values = getattr(schedule, name)
        assert values.shape == (schedule.n_steps + 1,) and values.dtype == torch.float32
        assert values.isfinite().all()


@given(SCHEDULES)
def test_the_posterior_adds_less_noise_than_beta_and_none_at_the_last_step(schedule):
    assert schedule.sigma_posterior[:2].tolist() == [0, 0]
    assert (schedule.sigma_posterior <= schedule.sigma * (1 + 1e-6)).all()


def test_beta_rises_linearly_from_beta_min_at_1_to_beta_max_at_T():
    schedule = NoiseSchedule.linear(n_steps=5, beta_min=0.1, beta_max=0.3)
    assert schedule.n_steps == 5
    assert schedule.beta.tolist() == pytest.approx([0, 0.1, 0.15, 0.2, 0.25, 0.3], rel=1e-6)
    assert schedule.alpha.tolist() == pytest.approx([1, 0.9, 0.85, 0.8, 0.75, 0.7], rel=1e-6)
    assert schedule.sigma.square().tolist() == pytest.approx(schedule.beta.tolist(), rel=1e-6)


@given(st.integers(2, 1000), st.floats(1e-6, 1e-3), st.floats(1e-3, 0.9))
def test_each_beta_is_the_nearest_in_float32_to_the_line(n_steps, beta_min, beta_max):
    schedule = NoiseSchedule.linear(n_steps, beta_min, beta_max)
    line = np.linspace(beta_min, beta_max, n_steps)
    error = np.abs(schedule.beta[1:].double().numpy() - line)
    assert (error <= 0.5001 * np.spacing(line.astype(np.float32))).all()


def test_a_schedule_cannot_be_changed(schedule):
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.beta = schedule.beta / 2


def test_schedules_can_be_compared_and_be_keys(schedule):
    assert schedule == schedule and schedule != NoiseSchedule(schedule.beta)  # each is itself
    assert {schedule: 1}[schedule] == 1


def test_defaults_are_those_of_the_series(schedule):
    assert torch.equal(NoiseSchedule.linear().beta, schedule.beta)
    assert [schedule.n_steps, schedule.beta[1].item(), schedule.beta[-1].item()] == pytest.approx(
        [200, 1e-4, 0.2]
    )


def test_less_than_one_percent_of_the_variance_is_left_from_step_95_on(schedule):
    assert schedule.alpha_bar[94] > 0.01 > schedule.alpha_bar[95]


def test_sigma_posterior_is_diffusers_fixed_small_variance():
    schedule = NoiseSchedule.linear(n_steps=50, beta_min=1e-3, beta_max=0.2)
    ddpm = DDPMScheduler(50, trained_betas=schedule.beta[1:].tolist(), variance_type="fixed_small")
    witness = [ddpm._get_variance(t - 1).item() for t in range(2, 51)]
    assert schedule.sigma_posterior[2:].square().tolist() == pytest.approx(witness, rel=1e-3)


def test_alpha_bar_is_diffusers(schedule):
    ddpm = DDPMScheduler(200, trained_betas=schedule.beta[1:].tolist())
    assert torch.allclose(schedule.alpha_bar[1:], ddpm.alphas_cumprod, rtol=1e-4, atol=0)


def test_a_schedule_can_be_given_as_any_list_of_betas():
    schedule = NoiseSchedule([0, 0.5, 0.2, 0.5])
    assert schedule.alpha_bar.tolist() == pytest.approx([1, 0.5, 0.4, 0.2])


def test_to_keeps_the_values(schedule):
    moved = schedule.to("cpu")
    assert torch.equal(moved.alpha_bar, schedule.alpha_bar)


@pytest.mark.parametrize(
    "n_steps, error", [(1, ValueError), (0, ValueError), (True, TypeError), (20.0, TypeError)]
)
def test_n_steps_must_be_an_integer_of_at_least_2(n_steps, error):
    with pytest.raises(error, match="n_steps must be"):
        NoiseSchedule.linear(n_steps)


@pytest.mark.parametrize(
    "beta_min, beta_max",
    [(0, 0.2), (-0.1, 0.2), (0.1, 1), (0.3, 0.2), (0.1, 2), (float("nan"), 0.2)],
)
def test_betas_must_be_in_order_and_inside_0_to_1(beta_min, beta_max):
    with pytest.raises(ValueError, match=r"0 < beta_min <= beta_max < 1, got .* and "):
        NoiseSchedule.linear(10, beta_min, beta_max)


@pytest.mark.parametrize(
    "beta, message",
    [
        ([0.1, 0.2, 0.3], r"beta\[0\] must be 0"),
        ([0, 0.2, 1.0], "strictly between 0 and 1"),
        ([0, 0, 0.1], "strictly between 0 and 1"),
        ([0, float("nan"), 0.1], "strictly between 0 and 1"),
        ([0, 0.1], "T >= 2"),
        ([[0, 0.1, 0.2]], "shape"),
    ],
)
def test_beta_must_be_clean_at_0_and_inside_0_to_1_after_that(beta, message):
    with pytest.raises(ValueError, match=message):
        NoiseSchedule(torch.tensor(beta))


@pytest.mark.parametrize("betas", [(1e-9, 0.2), (1e-4, 1 - 1e-9)])
def test_betas_that_float32_cannot_tell_from_0_or_1_are_refused(betas):
    with pytest.raises(ValueError, match="beta"):
        NoiseSchedule.linear(10, *betas)


@pytest.mark.parametrize("name", ["beta_min", "beta_max"])
def test_a_beta_that_is_no_number_is_named(name):
    with pytest.raises(TypeError, match=f"{name} must be a number, got '0.1'"):
        NoiseSchedule.linear(10, **{name: "0.1"})
