"""The noise schedule: every array is the paper's quantity, and `at` is the one door for t."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainers import make

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
def test_every_array_has_an_entry_for_clean_data_and_1_to_T_in_float32(schedule):
    for name in ("beta", "alpha", "alpha_bar", "sigma", "sigma_posterior"):
        values = getattr(schedule, name)
        assert values.shape == (schedule.n_steps + 1,) and values.dtype == torch.float32
        assert values[0] == (name in ("alpha", "alpha_bar")) and values.isfinite().all()


def test_the_angle_turns_data_into_noise(schedule):
    assert torch.allclose(
        schedule.angle.double().cos() ** 2, schedule.alpha_bar.double(), atol=1e-6
    )
    assert torch.allclose(schedule.angle.sin() ** 2, 1 - schedule.alpha_bar, atol=1e-6)
    assert schedule.angle[0] == 0 and schedule.angle.diff().gt(0).all()
    assert schedule.angle[-1].item() == pytest.approx(math.pi / 2, abs=1e-4)


def test_beta_rises_linearly_from_beta_min_at_1_to_beta_max_at_T():
    schedule = NoiseSchedule.linear(n_steps=5, beta_min=0.1, beta_max=0.3)
    assert schedule.n_steps == 5
    assert schedule.beta.tolist() == pytest.approx([0, 0.1, 0.15, 0.2, 0.25, 0.3], rel=1e-6)
    assert schedule.alpha.tolist() == pytest.approx([1, 0.9, 0.85, 0.8, 0.75, 0.7], rel=1e-6)
    assert schedule.sigma.square().tolist() == pytest.approx(schedule.beta.tolist(), rel=1e-6)


def test_defaults_are_those_of_the_series(schedule):
    assert torch.equal(NoiseSchedule.linear().beta, schedule.beta)
    assert [schedule.n_steps, schedule.beta[1].item(), schedule.beta[-1].item()] == pytest.approx(
        [200, 1e-4, 0.2]
    )


NOT_FROM_0_TO_1 = r"beta must be 0, then T >= 2 values between 0 and 1, got"


@pytest.mark.parametrize(
    "beta",
    [
        [0.1, 0.2, 0.3],
        [0, 0.2, 1.0],
        [0, 0, 0.1],
        [0, 0.1, -0.1],
        [0, math.nan, 0.1],
        [0, 0.1],
        [[0, 0.1, 0.2]],
        [0, 0.1, 1e-9],  # which float32 cannot tell from 0 beside 1
        [0, 0.1, 1 - 1e-9],
    ],
)
def test_beta_is_0_for_clean_data_and_inside_0_to_1_after_that(beta):
    with pytest.raises(ValueError, match=NOT_FROM_0_TO_1):
        NoiseSchedule(beta)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((1,), NOT_FROM_0_TO_1),
        ((10, 0, 0.2), NOT_FROM_0_TO_1),
        ((10, math.nan, 0.2), NOT_FROM_0_TO_1),
        ((10, 0.3, 0.2), r"beta_max must be at least beta_min = 0\.3, got 0\.2"),
    ],
)
def test_a_linear_schedule_rises_inside_0_to_1(arguments, message):
    with pytest.raises(ValueError, match=message):
        NoiseSchedule.linear(*arguments)


def test_no_gradient_goes_into_a_schedule():
    schedule = NoiseSchedule(torch.tensor([0, 0.1, 0.2, 0.3], requires_grad=True))
    trainer = make(schedule=schedule)
    assert len(list(trainer.run(steps=3))) == 3  # a graph would be used up by the first


# ---- the one door for t --------------------------------------------------------------------------

NAMES = "beta", "alpha", "alpha_bar"


@pytest.mark.parametrize("shape", [(4, 2), (4, 3, 5)])
def test_at_gives_the_constants_shaped_for_the_rows_of_x(shape, schedule):
    x, t = torch.zeros(shape), torch.tensor([1, 200, 3, 77])
    for name, one, rows in zip(NAMES, schedule.at(7, x), schedule.at(t, x), strict=True):
        assert one.shape == () and one == getattr(schedule, name)[7]
        assert rows.shape == (4, *[1] * (len(shape) - 1))
        assert torch.equal(rows.flatten(), getattr(schedule, name)[t])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_t_may_be_of_any_integer_type(dtype, schedule):
    """Bytes would count as a mask, and with T + 1 rows nothing would fail."""
    x, t = torch.zeros(201, 1), torch.full((201,), 5)
    assert all(map(torch.equal, schedule.at(t.to(dtype), x), schedule.at(t, x)))


@pytest.mark.parametrize("five", [np.int64(5), np.uint8(5), torch.tensor(5, dtype=torch.uint8)])
def test_one_integer_is_an_int_whatever_made_it(five, schedule):
    assert schedule.at(five, torch.zeros(4, 1)) == schedule.at(5, torch.zeros(4, 1))


BAD_T = [
    (0, ValueError, r"t must lie in 1\.\.200, got 0"),
    (-1, ValueError, r"t must lie in 1\.\.200, got -1"),
    (201, ValueError, "t must lie .* got 201"),
    (torch.tensor(201), ValueError, "t must lie .* got 201"),
    (torch.tensor([1, 2, 3, 201]), ValueError, "t must lie .* got 201"),
    (torch.tensor([1, 0, 2, 3]), ValueError, "t must lie .* got 0"),
    (torch.tensor([1, 2, 3]), ValueError, r"t must have shape \(4,\), got shape \(3,\)"),
    (torch.tensor([3]), ValueError, r"t must have shape \(4,\), got shape \(1,\)"),
    (torch.ones(4, 1).long(), ValueError, r"t must have shape \(4,\), got shape \(4, 1\)"),
    (torch.ones(4), TypeError, r"t must be an int .* got one of torch\.float32"),
    (torch.ones(4).bool(), TypeError, r"t must be an int .* got one of torch\.bool"),
    (1.0, TypeError, "integer"),
    (torch.tensor(1.0), TypeError, "integer"),
    (None, TypeError, "integer"),
]


@pytest.mark.parametrize("door", ["schedule", "denoiser"])
@pytest.mark.parametrize("t, error, message", BAD_T)
def test_t_is_an_integer_in_1_to_T_or_one_for_each_row(t, error, message, door, schedule, denoiser):
    """A network is not told the schedule, so it has a door of its own."""
    with pytest.raises(error, match=message):
        schedule.at(t, torch.zeros(4, 1)) if door == "schedule" else denoiser(torch.zeros(4, 1), t)


def test_clean_data_are_let_in_where_they_make_sense(schedule):
    x = torch.zeros(4, 1)
    assert [value.item() for value in schedule.at(0, x, first=0)] == [0, 1, 1]
    with pytest.raises(ValueError, match=r"t must lie in 0\.\.200, got -1"):
        schedule.at(-1, x, first=0)


def test_a_schedule_keeps_its_own_betas():
    beta = torch.tensor([0, 0.1, 0.2])
    schedule = NoiseSchedule(beta)
    beta[1] = 0.9
    assert schedule.alpha_bar.tolist() == pytest.approx([1, 0.9, 0.72])
