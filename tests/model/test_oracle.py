"""The exact denoisers against finite differences, Bayes by quadrature and each other."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from tutorial_lib import (
    DataDenoiser,
    ExactDenoiser,
    Mixture,
    diffuse,
    predict_x0,
)

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


@pytest.mark.parametrize("t", [1, 20, 95])
def test_the_exact_eps_points_at_the_posterior_mean(t, exact):
    x0 = predict_x0(exact.schedule, XT, t, exact(XT, t))[:, 0]
    for xt, mean in zip(XT[:, 0].tolist(), x0.tolist(), strict=True):
        posterior = exact.posterior(xt, t)
        assert mean == pytest.approx((posterior.weight @ posterior.mean).item(), abs=1e-5)


@pytest.mark.parametrize("t", [5, 20, 50, 95, 200])
def test_data_denoiser_on_a_large_sample_comes_near_the_exact_one(t, exact, generator):
    data = exact.mixture.sample(100_000, generator=generator)
    xt = torch.linspace(-2, 2, 9)[:, None]
    alpha_bar = exact.schedule.alpha_bar[t].double()
    # The weighted mean over the data estimates E[x0 | xt]; its standard error, carried to eps.
    squares = (xt.double() - alpha_bar.sqrt() * data.double().T).square()
    weight = (-0.5 * squares / (1 - alpha_bar)).softmax(1)
    deviation = data.double().T - (weight @ data.double())
    error = (weight * deviation).square().sum(1, keepdim=True).sqrt()
    error *= (alpha_bar / (1 - alpha_bar)).sqrt()
    difference = (DataDenoiser(data, exact.schedule)(xt, t) - exact(xt, t)).abs()
    assert (difference < 5 * error + 1e-5).all()
    assert error.median() < 0.02


def test_data_denoiser_of_one_point_finds_the_noise(schedule, generator):
    x0, eps = torch.tensor([[0.3, -1.2]]), torch.randn(4, 2, generator=generator)
    t = torch.tensor([3, 40, 120, 200])
    xt = diffuse(schedule, x0.expand(4, 2), t, eps)
    assert torch.allclose(DataDenoiser(x0, schedule)(xt, t), eps, atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_do_not_change_the_answer(chunk, schedule, generator):
    data, xt = torch.randn(50, 2, generator=generator), torch.randn(7, 2, generator=generator)
    t = torch.tensor([1, 2, 5, 10, 50, 100, 200])
    whole = DataDenoiser(data, schedule)(xt, t)
    assert torch.allclose(DataDenoiser(data, schedule, chunk=chunk)(xt, t), whole, atol=1e-5)


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


def test_one_component_is_linear(schedule):
    denoiser = ExactDenoiser(Mixture(torch.ones(1), torch.zeros(1, 1), torch.ones(1, 1)), schedule)
    assert torch.allclose(denoiser(XT, 50), (1 - schedule.alpha_bar[50]).sqrt() * XT, atol=1e-7)


def test_marginal_goes_from_the_data_to_pure_noise(exact):
    assert torch.allclose(exact.marginal(0).std, exact.mixture.std)
    assert torch.allclose(exact.marginal(200).std, torch.ones(2, 1, dtype=torch.float64), atol=1e-6)


def test_data_in_another_precision_serve_as_well(schedule, generator):
    data, xt = torch.randn(9, 2, generator=generator), torch.randn(4, 2, generator=generator)
    single, double = (DataDenoiser(data.to(dtype), schedule) for dtype in (None, torch.float64))
    assert torch.equal(single(xt, 50), double(xt, 50))


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


def test_the_data_denoiser_answers_in_the_precision_it_is_asked_in(schedule):
    for dtype in (torch.float16, torch.float32, torch.float64):
        assert (
            DataDenoiser(torch.ones(3, 1), schedule)(torch.zeros(2, 1, dtype=dtype), 3).dtype
            == dtype
        )
