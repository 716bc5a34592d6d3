"""Flows: the exact velocity against other derivations, the walk against closed forms, training."""

import math

import pytest
import torch
from scipy import integrate
from trainers import seeded

from tutorial_lib import (
    Denoiser,
    ExactDenoiser,
    Mixture,
    NoiseSchedule,
    Trainer,
    flow,
    sample,
    sample_ddim,
)
from tutorial_lib.checkpoint import resume_trainer, save_trainer
from tutorial_lib.metrics import noise_band, wasserstein
from tutorial_lib.oracle import ExactVelocity

U_VALUES = [0.01, 0.3, 0.5, 0.9, 1.0]
X = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
both = pytest.mark.parametrize("path", [flow.circle, flow.line], ids=lambda path: path.name)


def cloud(std: float) -> Mixture:
    return Mixture([1.0], [[0.0]], [[std]])


def rows(n: int, n_dim: int = 2) -> torch.Tensor:
    return torch.randn(n, n_dim, generator=seeded(1), dtype=torch.float64)


@both
def test_a_path_leads_from_the_data_to_the_noise_with_its_velocity(path):
    x0, eps = rows(6).split(3)
    assert torch.equal(path.position(x0, eps, 0), x0)
    assert torch.allclose(path.position(x0, eps, 1), eps)
    u, h = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64), 1e-5
    moved = path.position(x0, eps, u + h) - path.position(x0, eps, u - h)
    assert torch.allclose(path.velocity(x0, eps, u), moved / (2 * h), atol=1e-8)


@both
def test_one_u_for_all_rows_or_one_for_each(path):
    x0, eps = rows(8).split(4)
    u, network = torch.rand(4, generator=seeded()), flow.Velocity(2, 8, path=path).double()
    for v in (lambda x, u: path.velocity(x, eps[: len(x)], u), network, ExactVelocity(x0, path)):
        assert torch.allclose(v(x0, u)[:1], v(x0[:1], u[0].item()), atol=1e-6)
        assert torch.equal(v(x0, 0.5), v(x0, torch.full((4,), 0.5)))


@pytest.mark.parametrize("t", [1, 20, 60, 120])
@pytest.mark.parametrize("law", ["mixture", "mixture_2d"])
def test_noise_origin_and_velocity_tell_the_same(law, t, schedule, request):
    mixture = request.getfixturevalue(law)
    alpha_bar = schedule.alpha_bar[t].double()
    u = (alpha_bar.sqrt().acos() / (math.pi / 2)).item()
    x = 2 * rows(9, mixture.n_dim)
    eps = ExactDenoiser(mixture, schedule)(x, t)
    x0 = (x - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
    v = ExactVelocity(mixture, flow.circle)(x, u)
    assert torch.allclose(flow.circle.velocity(x0, eps, u), v, atol=1e-6)
    # v of Salimans & Ho is the velocity by the angle, and u = 1 is a quarter turn
    v_hat = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0
    assert torch.allclose(math.pi / 2 * v_hat, v, atol=1e-6)
    assert torch.allclose(alpha_bar.sqrt() * v_hat + (1 - alpha_bar).sqrt() * x, eps, atol=1e-6)


@both
@pytest.mark.parametrize("u", U_VALUES)
def test_the_exact_velocity_is_the_mean_over_all_origins(u, path, mixture):
    """By quadrature over x0, given x: eps = (x - a x0) / b, weighted by its density."""
    a, b, *_ = (float(c) for c in path.at(u, X[0]))
    x0 = torch.linspace(-6, 6, 200_001, dtype=torch.float64)[:, None]
    for x, v in zip(X, ExactVelocity(mixture, path)(X, u)):
        eps = (x - a * x0) / b
        weight = mixture.density(x0) * torch.exp(-0.5 * eps[:, 0].square())
        moments = weight * path.velocity(x0, eps, u)[:, 0], weight
        top, bottom = (integrate.trapezoid(m.numpy(), x0[:, 0].numpy()) for m in moments)
        assert v.item() == pytest.approx(top / bottom, abs=1e-6)


@both
def test_the_exact_velocity_carries_the_law_along(path, mixture):
    """Continuity: what the density gains at a place is what flows in (all by differences)."""
    u, h, velocity = 0.4, 1e-4, ExactVelocity(mixture, path)

    def density(x, u):
        a, b, *_ = (float(c) for c in path.at(u, x[0]))
        std = ((a * mixture.std) ** 2 + b**2).sqrt()
        return Mixture(mixture.weight, a * mixture.mean, std).density(x)[:, None]

    gain = (density(X, u + h) - density(X, u - h)) / (2 * h)
    inflow = [-density(x, u) * velocity(x, u) for x in (X + h, X - h)]
    assert torch.allclose(gain, (inflow[0] - inflow[1]) / (2 * h), atol=1e-6)


@both
def test_the_velocity_of_data_is_that_of_very_narrow_components(path):
    data = rows(5)
    narrow = Mixture(torch.full((5,), 0.2), data, torch.full((5, 2), 1e-6))
    for u in (0.1, 0.5, 1.0):
        exact = ExactVelocity(narrow, path)(rows(7), u)
        assert torch.allclose(ExactVelocity(data, path)(rows(7), u), exact, atol=1e-6)


def test_points_a_few_rows_at_a_time_give_the_same():
    data, x = rows(2**21, 1), rows(5, 1)  # so many that only two rows fit
    u = torch.linspace(0.2, 1, 5, dtype=torch.float64)
    velocity = ExactVelocity(data, flow.line)
    single = [velocity(x[[k]], u[k]) for k in range(5)]
    assert torch.allclose(velocity(x, u), torch.cat(single))


def test_euler_leaves_a_unit_gaussian_alone_on_the_circle_and_ddim_shrinks_it(schedule):
    unit = cloud(1.0)
    for calls in (1, 7):
        path = flow.sample(
            ExactVelocity(unit, flow.circle), 50, calls, trajectory=True, generator=seeded()
        )
        assert torch.allclose(path[0], path[-1], atol=1e-6)
    start = torch.randn(50, 1, generator=seeded())
    angle = schedule.alpha_bar.double().sqrt().acos()
    stops = torch.linspace(200, 0, 11).round().int()
    shrunk = (angle[stops[:-1]] - angle[stops[1:]]).cos().prod().float()
    z = sample_ddim(ExactDenoiser(unit, schedule), schedule, 50, 10, generator=seeded())
    assert shrunk < 0.9 and torch.allclose(z, shrunk * start, atol=1e-5)


@both
@pytest.mark.parametrize("order, rate", [(1, 2.0), (2, 4.0)])
def test_a_gaussian_shrinks_to_its_width_at_the_rate_of_the_order(order, rate, path):
    """x(0) = std x(1) in the limit; twice the steps have 1/2 or at most 1/4 of the error."""
    velocity, start = ExactVelocity(cloud(0.5), path), torch.randn(9, 1, generator=seeded())
    ends = [flow.sample(velocity, 9, calls, order=order, generator=seeded()) for calls in (20, 40)]
    far, near = ((end - 0.5 * start).abs().max().item() for end in ends)
    assert near < 0.05 and far / near > 0.85 * rate


@pytest.mark.parametrize(
    "path, calls, order",
    [(flow.circle, 20, 1), (flow.circle, 20, 2), (flow.line, 20, 2), (flow.line, 200, 1)],
)
def test_the_walk_with_the_exact_velocity_ends_within_chance(path, calls, order, mixture):
    g, truth = seeded(), mixture.quantiles(10_000)
    band = noise_band(wasserstein, lambda n: mixture.sample(n, generator=g), truth, 10_000)
    z = flow.sample(ExactVelocity(mixture, path), 10_000, calls, order=order, generator=g)
    assert wasserstein(z, truth) < band.upper


@pytest.mark.parametrize("order", [1, 2])
def test_calls_are_calls_whatever_the_order(order):
    seen = []

    def velocity(x, u):
        seen.append(u)
        return torch.ones_like(x)

    walked = flow.sample(velocity, 3, 4, order=order, n_dim=2, trajectory=True, generator=seeded())
    assert seen == [1, 0.75, 0.5, 0.25]
    steps = 4 // order
    assert walked.shape == (steps + 1, 3, 2)
    assert torch.equal(walked[-1], torch.randn(3, 2, generator=seeded()))  # the noise comes last
    assert torch.allclose(walked[1:] - walked[:-1], torch.tensor(1 / steps), atol=1e-6)
    z = flow.sample(velocity, 3, 4, order=order, n_dim=2, generator=seeded())
    assert torch.equal(walked[0], z)


def test_a_generator_fixes_the_sample_and_leaves_the_global_one_alone():
    state = torch.get_rng_state()
    velocity = flow.Velocity(2, 8, path=flow.line, generator=seeded())
    one, same, other = (flow.sample(velocity, 6, 3, generator=seeded(s)) for s in (1, 1, 2))
    assert one.shape == (6, 2) and not one.requires_grad
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_samples_come_in_the_precision_of_the_network():
    velocity = flow.Velocity(1, 4, path=flow.line, generator=seeded()).double()
    assert flow.sample(velocity, 3, 2, generator=seeded()).dtype == torch.float64


@both
def test_the_loss_is_the_error_of_the_velocity_over_the_whole_path(path):
    x0, seen = rows(1000, 1).float(), []

    def network(x, u):
        seen.append((x, u))
        return torch.zeros_like(x)

    loss = path(network, x0, generator=seeded())
    ((x, u),) = seen
    assert torch.equal((u * 1000).int(), torch.arange(1000).int())  # one in each thousandth
    a, b, *_ = path.at(u, x0)
    eps = (x - a * x0) / b
    assert loss.item() == pytest.approx(path.velocity(x0, eps, u).square().mean().item(), rel=1e-3)


@both
def test_with_all_data_as_references_the_exact_velocity_has_no_loss(path):
    """ExactVelocity comes to the same answer by components of no width."""
    x0 = rows(100)
    exact = ExactVelocity(x0, path)
    assert path(exact, x0, n_references=100, generator=seeded()) < 1e-8
    assert path(exact, x0, n_references=1, generator=seeded()) > 0.1
    assert 1e-3 < path(exact, x0, n_references=10, generator=seeded())


@both
def test_steadier_targets_are_finite_at_both_ends(path, monkeypatch):
    for u in (0.0, 1 - 2**-24):
        monkeypatch.setattr(torch, "rand", lambda n, u=u, **_: torch.full((n,), u))
        velocity = flow.Velocity(2, 4, path=path, generator=seeded())
        assert path(velocity, rows(8).float(), n_references=4, generator=seeded()).isfinite()


@both
def test_a_trained_velocity_comes_near_the_exact_one(path, mixture):
    g = seeded()
    network = flow.Velocity(1, 32, path=path, generator=g)
    x0 = mixture.sample(20_000, generator=g)
    trainer = Trainer(network, x0, path, learning_rate=lambda k: 1e-2 * (1 - k / 301), generator=g)
    for _ in trainer.run(steps=300):
        pass
    u = torch.rand(5000, generator=g)
    x = path.position(mixture.sample(5000, generator=g), torch.randn(5000, 1, generator=g), u)
    exact = ExactVelocity(mixture, path)(x, u)
    error = (trainer.denoiser(x, u) - exact).square().mean() / exact.square().mean()
    assert error < 0.05


def test_training_on_a_path_goes_on_from_the_disk_and_not_on_another(tmp_path):
    def trainer(path):
        network = flow.Velocity(1, 8, path=path, generator=seeded())
        return Trainer(network, rows(50, 1), path, batch_size=16, generator=seeded())

    one, same = trainer(flow.circle), trainer(flow.circle)
    list(one.run(steps=5))
    save_trainer(tmp_path / "flow.pt", one)
    resume_trainer(tmp_path / "flow.pt", same)
    assert [step.loss for step in one.run(steps=3)] == [step.loss for step in same.run(steps=3)]
    with pytest.raises(ValueError, match="network is not as in this one"):
        resume_trainer(tmp_path / "flow.pt", trainer(flow.line))


def test_waves_are_inputs_and_every_end_is_finite():
    velocity = flow.Velocity(2, 128, path=flow.line, frequencies=(1, 2, 4), generator=seeded())
    assert velocity.layers[0].in_features == 2 * 7 + 1
    for u in (0, 1, 0.0, 1.0):
        assert velocity(rows(3).float(), u).isfinite().all()


@pytest.mark.parametrize("u", [-0.1, 1.1, 20, math.nan, torch.tensor([0.5, 7.0, 0.5])])
def test_u_outside_the_path_is_refused(u):
    velocity = flow.Velocity(2, 4, path=flow.circle, generator=seeded())
    for call in (velocity, ExactVelocity(rows(4), flow.circle)):
        with pytest.raises(ValueError, match=r"u must lie in 0..1, got values from"):
            call(rows(3).float(), u)


def test_what_would_broadcast_is_refused():
    for function in (flow.line.position, flow.line.velocity):
        with pytest.raises(ValueError, match="x and eps must have the same shape"):
            function(torch.zeros(3, 1), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match="x and v must have the same shape"):
        flow.sample(lambda x, u: x[:, 0], 3, 2, n_dim=1, generator=seeded())
    with pytest.raises(ValueError, match="v and v_hat must have the same shape"):
        flow.line(lambda x, u: x[:, 0], torch.zeros(3, 1), generator=seeded())
    with pytest.raises(ValueError, match=r"law must have shape \(n, n_dim\)"):
        ExactVelocity(torch.zeros(3), flow.line)
    with pytest.raises(ValueError, match=r"x must have shape \(n, 1\)"):
        ExactVelocity(torch.zeros(3, 1), flow.line)(torch.zeros(3), 0.5)


def test_another_path_than_the_networks_is_refused():
    velocity = flow.Velocity(1, 4, path=flow.circle, generator=seeded())
    with pytest.raises(ValueError, match="path must be the network's"):
        flow.line(velocity, torch.zeros(3, 1), generator=seeded())
    flow.circle(velocity, torch.zeros(3, 1), generator=seeded())


@pytest.mark.parametrize("order, calls", [(2, 5), (3, 6), (1, 0), (2, 0), (-1, 4)])
def test_calls_that_make_no_whole_steps_are_refused(order, calls):
    with pytest.raises(ValueError, match="order must be 1 or 2 and divide calls"):
        flow.sample(lambda x, u: x, 3, calls, order=order, n_dim=1)


def test_a_velocity_is_no_denoiser_and_a_denoiser_no_velocity(mixture, schedule):
    with pytest.raises(ValueError, match=r"u must lie in 0..1"):
        sample(flow.Velocity(1, 4, path=flow.line), NoiseSchedule.linear(5), 3, generator=seeded())
    for denoiser in (Denoiser(1, 200, 4), ExactDenoiser(mixture, schedule)):
        with pytest.raises(TypeError):
            flow.sample(denoiser, 3, 4, generator=seeded())
