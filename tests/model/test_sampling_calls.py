"""Sampling: what callers rely on. Trajectories, seeds, any callable, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorial_lib import Denoiser, NoiseSchedule, sample, sample_ddim
from tutorial_lib.sampling import ddim_step, reverse_step

SHORT = NoiseSchedule.linear(n_steps=7)
SAMPLERS = {
    "sample": sample,
    "ddim": lambda denoiser, schedule, n, **kw: sample_ddim(denoiser, schedule, n, 7, **kw),
}
both = pytest.mark.parametrize("draw", SAMPLERS.values(), ids=SAMPLERS.keys())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shrink(xt, t):
    return 0.5 * xt


@both
def test_a_trajectory_is_indexed_by_t_from_the_noise_at_T_to_the_sample_at_0(draw):
    path = draw(shrink, SHORT, 4, n_dim=2, trajectory=True, generator=seeded())
    assert path.shape == (8, 4, 2)
    assert torch.equal(path[7], torch.randn(4, 2, generator=seeded()))
    assert torch.equal(path[0], draw(shrink, SHORT, 4, n_dim=2, generator=seeded()))


def test_states_of_a_trajectory_are_one_reverse_step_apart():
    path = sample(shrink, SHORT, 4, n_dim=2, trajectory=True, generator=seeded())
    g = seeded()
    torch.randn(4, 2, generator=g)
    for t in range(7, 0, -1):
        z = torch.randn(4, 2, generator=g)
        assert torch.equal(
            path[t - 1], reverse_step(SHORT, path[t], t, path[t] / 2, z, SHORT.sigma)
        )


@both
def test_the_denoiser_is_asked_at_T_down_to_1(draw):
    asked = []

    def spy(xt, t):
        asked.append(t)
        return xt

    draw(spy, SHORT, 1, n_dim=1, generator=seeded())
    assert asked == [7, 6, 5, 4, 3, 2, 1]
    assert all(type(t) is int for t in asked)


@given(st.integers(2, 300), st.data())
def test_ddim_asks_n_steps_times_evenly_from_T_down(n_steps, data):
    jumps, asked = data.draw(st.integers(1, n_steps)), []
    path = sample_ddim(
        lambda xt, t: asked.append(t) or xt,
        NoiseSchedule.linear(n_steps),
        1,
        jumps,
        n_dim=1,
        trajectory=True,
        generator=seeded(),
    )
    assert len(asked) == len(path) - 1 == jumps and asked[0] == n_steps
    gaps = [a - b for a, b in zip(asked, [*asked[1:], 0], strict=True)]
    assert min(gaps) >= 1 and max(gaps) - min(gaps) <= 1


def test_ddim_with_thousands_of_steps_asks_at_each_once():
    asked, schedule = [], NoiseSchedule.linear(5000, 1e-4, 0.01)
    sample_ddim(lambda xt, t: asked.append(t) or xt, schedule, 1, 4999, n_dim=1, generator=seeded())
    assert len(set(asked)) == 4999


@both
def test_a_generator_fixes_the_sample_and_leaves_the_global_one_alone(draw, denoiser, schedule):
    state = torch.get_rng_state()
    one, same, other = (
        draw(Denoiser(2, 7, 4, generator=seeded(5)), SHORT, 6, generator=seeded(s))
        for s in (1, 1, 2)
    )
    assert one.shape == (6, 2)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@both
def test_no_gradients_are_kept(draw):
    assert not draw(
        Denoiser(1, 7, 4, generator=seeded()), SHORT, 3, generator=seeded()
    ).requires_grad


@both
@pytest.mark.parametrize("n, error", [(0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_n_must_be_a_positive_integer(draw, n, error):
    with pytest.raises(error, match=r"^n must be"):
        draw(shrink, SHORT, n, n_dim=1)


@both
def test_a_callable_without_n_dim_needs_one(draw):
    with pytest.raises(ValueError, match="n_dim must be given"):
        draw(shrink, SHORT, 3)


@both
@pytest.mark.parametrize(
    "n_dim, n_steps, message",
    [(2, 7, "n_dim must be the denoiser's, 1, got 2"), (1, 8, "number of steps, got 8 and 7")],
)
def test_a_denoiser_made_for_something_else_is_refused(draw, n_dim, n_steps, message):
    with pytest.raises(ValueError, match=message):
        draw(Denoiser(1, n_steps, 4, generator=seeded()), SHORT, 3, n_dim=n_dim)


@pytest.mark.parametrize("shape", [(7,), (1,), (8, 1), ()])
def test_sigma_must_have_an_entry_for_each_t(shape):
    with pytest.raises(ValueError, match=r"sigma and schedule.beta must have the same shape, got"):
        sample(shrink, SHORT, 3, n_dim=1, sigma=torch.zeros(shape))


def test_sigma_must_be_finite():
    with pytest.raises(ValueError, match="sigma must be finite, got 8 NaN"):
        sample(shrink, SHORT, 3, n_dim=1, sigma=SHORT.sigma * float("nan"))


@both
def test_a_number_of_steps_is_no_schedule(draw):
    with pytest.raises(TypeError, match="schedule must be a NoiseSchedule, got 7"):
        draw(shrink, 7, 3, n_dim=1)


@pytest.mark.parametrize("n_steps, error", [(0, ValueError), (8, ValueError), (2.0, TypeError)])
def test_ddim_makes_1_to_T_steps(n_steps, error):
    with pytest.raises(error, match="n_steps must be"):
        sample_ddim(shrink, SHORT, 3, n_steps, n_dim=1)


@both
def test_n_dim_0_is_named(draw):
    with pytest.raises(ValueError, match="n_dim must be at least 1, got 0"):
        draw(shrink, SHORT, 3, n_dim=0)


@both
def test_a_prediction_of_another_shape_is_refused(draw):
    with pytest.raises(ValueError, match="shape"):
        draw(lambda xt, t: xt[:, 0], SHORT, 3, n_dim=1)


def test_single_steps_are_for_one_t():
    x, t = torch.ones(3, 1), torch.tensor([1, 2, 3])
    with pytest.raises(TypeError, match="t must be an int"):
        reverse_step(SHORT, x, t, x, x, SHORT.sigma)
    with pytest.raises(TypeError, match="t must be an int"):
        ddim_step(SHORT, x, t, 0, x)
    assert torch.equal(ddim_step(SHORT, x, t[1], 0, x), ddim_step(SHORT, x, 2, 0, x))


@pytest.mark.parametrize("t", [0, -1])
def test_single_steps_refuse_t_out_of_range(t):
    x = torch.ones(3, 1)
    with pytest.raises(ValueError, match="t must"):
        reverse_step(SHORT, x, t, x, x, SHORT.sigma)
    with pytest.raises(ValueError, match="t must"):
        ddim_step(SHORT, x, t, t - 1, x)


@pytest.mark.parametrize("sigma, error", [(SHORT.sigma[1:], ValueError), (0.1, TypeError)])
def test_a_single_step_wants_a_sigma_for_each_t(sigma, error):
    x = torch.zeros(3, 1)
    with pytest.raises(error, match="sigma"):
        reverse_step(SHORT, x, 3, x, x, sigma)


@pytest.mark.parametrize("form", [list, lambda sigma: sigma.numpy(), torch.Tensor.double])
def test_sigma_may_come_in_any_form(form):
    one, other = (
        sample(shrink, SHORT, 4, n_dim=1, sigma=sigma, generator=seeded())
        for sigma in (SHORT.sigma, form(SHORT.sigma))
    )
    assert one.dtype == other.dtype and torch.allclose(one, other)


def test_a_jump_out_of_pure_noise_is_refused():
    schedule = NoiseSchedule.linear(1000)  # alpha_bar is 0 in float32 from t = 985 on
    with pytest.raises(ValueError, match=r"alpha_bar\[1000\] / alpha_bar\[0\] must be above 0"):
        sample_ddim(shrink, schedule, 3, 1, n_dim=1, generator=seeded())
    assert sample_ddim(shrink, schedule, 3, 20, n_dim=1, generator=seeded()).isfinite().all()


@pytest.mark.parametrize("s", [3, 4, 7])
def test_a_jump_goes_back(s):
    x = torch.ones(3, 1)
    with pytest.raises(ValueError, match=f"s must be less than t = 3, got {s}"):
        ddim_step(SHORT, x, 3, s, x)


@pytest.mark.parametrize("shape", [(3,), (1, 1), (3, 2)])
def test_single_steps_refuse_shapes_that_would_broadcast(shape):
    x, other = torch.ones(3, 1), torch.ones(shape)
    for call in (
        lambda: reverse_step(SHORT, x, 3, x, other, SHORT.sigma),
        lambda: reverse_step(SHORT, x, 3, other, x, SHORT.sigma),
        lambda: ddim_step(SHORT, x, 3, 1, other),
    ):
        with pytest.raises(ValueError, match="must have the same shape"):
            call()


@both
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_samples_come_in_the_precision_of_the_network(draw, dtype):
    denoiser = Denoiser(1, 7, 4, generator=seeded()).to(dtype)
    assert draw(denoiser, SHORT, 3, generator=seeded()).dtype == dtype


@both
def test_a_seed_is_no_generator(draw):
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator or None, got 0"):
        draw(shrink, SHORT, 4, n_dim=1, generator=0)


def test_a_step_needs_a_schedule():
    x = torch.zeros(3, 1)
    for step in (
        lambda: reverse_step(7, x, 3, x, x, SHORT.sigma),
        lambda: ddim_step(7, x, 3, 2, x),
    ):
        with pytest.raises(TypeError, match="schedule must be a NoiseSchedule, got 7"):
            step()
