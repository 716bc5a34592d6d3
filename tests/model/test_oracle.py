"""The exact denoisers, and the loss that no network can get below.

Against finite differences, Bayes by quadrature, Monte Carlo, closed forms and each other.
"""

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import integrate, stats

from tutorial_lib import (
    DataDenoiser,
    ExactDenoiser,
    Mixture,
    NoiseSchedule,
    diffuse,
)
from tutorial_lib.oracle import denoising_loss, excess_loss, optimal_loss

T_VALUES = [1, 5, 20, 50, 95, 120, 200]
XT = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]


def log_q(mixture, alpha_bar: float, x: np.ndarray) -> np.ndarray:
    """log q(xt) at the points x (n, n_dim), written with scipy alone."""
    parts = [
        stats.norm.logpdf(x, alpha_bar**0.5 * m, (alpha_bar * s**2 + 1 - alpha_bar) ** 0.5).sum(1)
        + np.log(w)
        for w, m, s in zip(
            *(v.numpy() for v in (mixture.weight, mixture.mean, mixture.std)), strict=True
        )
    ]
    return np.logaddexp.reduce(parts)


@pytest.mark.parametrize("t", T_VALUES)
@pytest.mark.parametrize("law", ["mixture", "mixture_2d"])
def test_exact_denoiser_is_the_gradient_of_log_q(law, t, schedule, request):
    mixture = request.getfixturevalue(law)
    x = torch.cartesian_prod(*[XT[:, 0]] * mixture.n_dim).view(-1, mixture.n_dim)
    alpha_bar, h = schedule.alpha_bar[t].item(), 1e-5
    eps = ExactDenoiser(mixture, schedule)(x, t).numpy()
    for column, step in enumerate(h * np.eye(mixture.n_dim)):
        x_up, x_down = x.numpy() + step, x.numpy() - step
        score = (log_q(mixture, alpha_bar, x_up) - log_q(mixture, alpha_bar, x_down)) / (2 * h)
        # The difference quotient is off by h^2/6 times a third derivative, and by rounding / h.
        assert np.allclose(eps[:, column], -((1 - alpha_bar) ** 0.5) * score, atol=1e-7)


@pytest.mark.parametrize("t", T_VALUES)
@pytest.mark.parametrize("xt", [-2.5, -0.4, 0.1, 1.7])
def test_posterior_is_bayes_by_quadrature(xt, t, exact):
    x0 = np.linspace(-6, 6, 200_001)
    alpha_bar = exact.schedule.alpha_bar[t].item()
    joint = np.exp(log_q(exact.mixture, 1.0, x0[:, None]))
    joint *= stats.norm.pdf(xt, alpha_bar**0.5 * x0, (1 - alpha_bar) ** 0.5)
    bayes = joint / integrate.trapezoid(joint, x0)
    posterior = exact.posterior(xt, t)
    density = posterior.density(torch.from_numpy(x0)[:, None]).numpy()
    assert np.abs(density - bayes).max() < 1e-5 * bayes.max()
    mean = integrate.trapezoid(bayes * x0, x0)
    assert (posterior.weight @ posterior.mean).item() == pytest.approx(mean, abs=1e-6)


def test_data_denoiser_of_one_point_finds_the_noise(schedule, generator):
    x0, eps = torch.tensor([[0.3, -1.2]]), torch.randn(4, 2, generator=generator)
    t = torch.tensor([3, 40, 120, 200])
    xt = diffuse(schedule, x0.expand(4, 2), t, eps)
    assert torch.allclose(DataDenoiser(x0, schedule)(xt, t), eps, atol=1e-3)


@pytest.mark.parametrize("n, n_data, parts", [(1030, 9, [512, 512, 6]), (5, 2**25, [2, 2, 1])])
def test_rows_are_compared_with_the_data_a_few_at_a_time(n, n_data, parts, schedule, generator):
    """512 rows, or fewer where that would take more than 512 MB."""
    data = torch.zeros(1, 1).expand(n_data, 1)  # takes no memory of its own
    xt, rows = torch.randn(n, 1, generator=generator), []
    denoiser = DataDenoiser(data, schedule)
    denoiser._part = lambda x, alpha_bar: rows.append(len(x)) or x
    denoiser(xt, 5)
    assert rows == parts


@pytest.mark.parametrize("law", ["mixture", "mixture_2d"])
@pytest.mark.parametrize("oracle", [ExactDenoiser, lambda m, s: DataDenoiser(m.mean.float(), s)])
def test_int_and_tensor_t_agree_and_dtype_is_kept(oracle, law, schedule, request, generator):
    mixture = request.getfixturevalue(law)
    denoiser = oracle(mixture, schedule)
    xt = torch.randn(3, mixture.n_dim, generator=generator)
    rows = denoiser(xt, torch.tensor([1, 77, 200]))
    assert rows.shape == xt.shape and rows.dtype == torch.float32
    for i, t in enumerate([1, 77, 200]):
        assert torch.allclose(denoiser(xt[[i]], t), rows[[i]], atol=1e-6)


@pytest.mark.parametrize("shift", [0, 10, 100])
def test_data_far_from_the_origin_are_denoised_as_exactly(shift, schedule, generator):
    data = torch.randn(500, 2, generator=generator) + shift
    eps = torch.randn(100, 2, generator=generator)
    xt = diffuse(schedule, data[:100], 1, eps)
    alpha_bar = schedule.alpha_bar[1].double()
    signal, noise = (v.sqrt() for v in (alpha_bar, 1 - alpha_bar))
    origins, noisy = signal * data.double(), xt.double()
    share = torch.distributions.Normal(origins, noise).log_prob(noisy[:, None]).sum(2).softmax(1)
    right = (noisy - share @ origins) / noise
    assert torch.allclose(DataDenoiser(data, schedule)(xt, 1), right.float(), atol=1e-5)


# ---- the floor of the loss -----------------------------------------------------------------------


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


@pytest.mark.parametrize("t", [1, 3])
def test_optimal_loss_of_components_of_very_different_widths(t):
    """Far apart, each component has a loss of its own, known in closed form."""
    schedule, std = NoiseSchedule.linear(20, 1e-7, 0.02), torch.tensor([[1e-4], [1.0]]).double()
    exact = ExactDenoiser(Mixture([0.5, 0.5], [[-50.0], [50.0]], std), schedule)
    alpha_bar = schedule.alpha_bar[t].double()
    signal = alpha_bar * std.square()
    right = (signal / (signal + 1 - alpha_bar)).mean()
    assert optimal_loss(exact, t) == pytest.approx(float(right), abs=1e-6)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("t", [-1, 201])
def test_a_t_that_is_none_is_refused_wherever_it_comes_in(t, exact):
    x0 = torch.zeros(3, 1)
    for call in (
        lambda: exact.posterior(0.0, t),
        lambda: optimal_loss(exact, t),
        lambda: excess_loss(exact, exact, t),
        lambda: denoising_loss(exact, exact.schedule, x0, t),
    ):
        with pytest.raises(ValueError, match=rf"t must lie in \d\.\.200, got {t}"):
            call()


@pytest.mark.parametrize("shape", [(3,), (3, 2), (0, 1)])
def test_xt_must_have_the_data_s_dimension(shape, exact):
    for denoiser in (exact, DataDenoiser(torch.zeros(2, 1), exact.schedule)):
        with pytest.raises(ValueError, match=r"xt must have shape \(n, 1\), got"):
            denoiser(torch.zeros(shape), 1)


def test_what_is_for_one_dimension_says_so(mixture_2d, schedule):
    exact = ExactDenoiser(mixture_2d, schedule)
    for call in (lambda: exact.posterior(0.0, 1), lambda: optimal_loss(exact, 1)):
        with pytest.raises(ValueError, match=r"must have shape \(n, 2\), got shape \(\d+, 1\)"):
            call()


def test_data_must_be_a_matrix(schedule):
    with pytest.raises(ValueError, match=r"data must have shape \(n, n_dim\), got shape \(5,\)"):
        DataDenoiser(torch.zeros(5), schedule)


def test_a_prediction_of_another_shape_is_refused(exact):
    def flat(xt, t):
        return xt[:, 0]

    for judge in (
        lambda: excess_loss(flat, exact, 5),
        lambda: denoising_loss(flat, exact.schedule, torch.randn(9, 1), 5),
    ):
        with pytest.raises(ValueError, match="eps_hat must have the same shape, got"):
            judge()
