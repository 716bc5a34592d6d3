"""The exact denoisers: what is refused, and with which words."""

import pytest
import torch

from tutorial_lib import DataDenoiser, ExactDenoiser, two_modes
from tutorial_lib.oracle import denoising_loss, excess_loss, optimal_loss


@pytest.mark.parametrize(
    "t, error", [(0, ValueError), (201, ValueError), (1.0, TypeError), (True, TypeError)]
)
@pytest.mark.parametrize(
    "call",
    [
        lambda exact, t: exact(torch.zeros(3, 1), t),
        lambda exact, t: DataDenoiser(torch.zeros(2, 1), exact.schedule)(torch.zeros(3, 1), t),
        lambda exact, t: exact.posterior(0.0, t),
        lambda exact, t: optimal_loss(exact, t),
        lambda exact, t: excess_loss(exact, exact, t),
        lambda exact, t: denoising_loss(exact, exact.schedule, torch.zeros(3, 1), t),
    ],
)
def test_t_must_be_an_integer_in_1_to_T(call, t, error, exact):
    with pytest.raises(error, match="t must"):
        call(exact, t)


@pytest.mark.parametrize("t", [-1, 201])
def test_marginal_refuses_t_out_of_range(t, exact):
    with pytest.raises(ValueError, match=r"t must lie in 0\.\.200"):
        exact.marginal(t)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (0, 1)])
def test_xt_must_have_the_data_s_dimension(shape, exact):
    for oracle in (exact, DataDenoiser(torch.zeros(2, 1), exact.schedule)):
        with pytest.raises(ValueError, match=r"xt must have shape \(n, 1\), got"):
            oracle(torch.zeros(shape), 1)


def test_what_is_for_one_dimension_says_so(mixture_2d, schedule):
    exact = ExactDenoiser(mixture_2d, schedule)
    with pytest.raises(ValueError, match="posterior is for 1D mixtures, this one has n_dim = 2"):
        exact.posterior(0.0, 1)
    with pytest.raises(ValueError, match="quadrature needs a 1D mixture"):
        optimal_loss(exact, 1)


@pytest.mark.parametrize("chunk, error", [(0, ValueError), (2.0, TypeError)])
def test_chunk_must_be_a_positive_integer(chunk, error, schedule):
    with pytest.raises(error, match="chunk must be"):
        DataDenoiser(torch.zeros(2, 1), schedule, chunk=chunk)


def test_data_must_be_a_matrix(schedule):
    with pytest.raises(ValueError, match="data must have shape"):
        DataDenoiser(torch.zeros(5), schedule)


def flat(xt, t):
    return xt[:, 0]


@pytest.mark.parametrize(
    "judge",
    [
        lambda exact: excess_loss(flat, exact, 5),
        lambda exact: denoising_loss(flat, exact.schedule, torch.randn(9, 1), 5),
    ],
)
def test_a_prediction_of_another_shape_is_refused(judge, exact):
    with pytest.raises(ValueError, match="shape"):
        judge(exact)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
def test_one_row_has_no_standard_error(exact):
    with pytest.raises(ValueError, match="x0"):
        denoising_loss(exact, exact.schedule, two_modes().sample(1), 5)
    loss, error = denoising_loss(exact, exact.schedule, two_modes().sample(2), 5)
    assert loss > 0 and error > 0


def test_a_number_of_steps_is_no_schedule():
    for call in (
        lambda: ExactDenoiser(two_modes(), 200),
        lambda: DataDenoiser(torch.ones(2, 1), 200),
    ):
        with pytest.raises(TypeError, match="schedule must be a NoiseSchedule, got 200"):
            call()
