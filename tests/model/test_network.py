"""The network: shapes, scaled time, and an initial state that a generator fixes."""

import math

import numpy as np
import pytest
import torch
from chance import assert_law
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tutorial_lib import Denoiser, ExactDenoiser, Mixture, NoiseSchedule, VDenoiser, diffuse


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 5), st.integers(2, 50), st.integers(1, 9), st.integers(1, 7))
def test_output_has_the_shape_of_the_input(n_dim, n_steps, n_hidden, n):
    denoiser = Denoiser(n_dim, n_steps, n_hidden, generator=seeded())
    xt = torch.randn(n, n_dim, generator=seeded())
    t = torch.randint(1, n_steps + 1, (n,), generator=seeded())
    assert denoiser(xt, t).shape == denoiser(xt, n_steps).shape == (n, n_dim)


@pytest.mark.parametrize("t, column", [(1, -0.5), (101, 0.0), (201, 0.5)])
def test_the_layers_see_xt_and_the_scaled_time(t, column):
    denoiser, seen = Denoiser(2, 201, 8, generator=seeded()), []
    denoiser.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    xt = torch.randn(3, 2, generator=seeded())
    denoiser(xt, t)
    denoiser(xt, torch.tensor([t, t, t]))
    for layers_input in seen:
        assert torch.equal(layers_input, torch.cat([xt, torch.full((3, 1), column)], dim=1))


def test_int_and_tensor_t_agree():
    denoiser, xt = Denoiser(1, 200, generator=seeded()), torch.randn(3, 1, generator=seeded())
    rows = denoiser(xt, torch.tensor([1, 77, 200]))
    for i, t in enumerate([1, 77, 200]):
        assert torch.allclose(denoiser(xt[[i]], t), rows[[i]], atol=1e-6)


@pytest.mark.parametrize("label", [None, torch.arange(9) % 3])
def test_without_gradients_rows_go_through_the_layers_in_parts(label, monkeypatch):
    monkeypatch.setattr("tutorial_lib.network.CHUNK", 4)
    denoiser, rows = Denoiser(2, 10, 8, n_classes=3, generator=seeded()), []
    denoiser.layers.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    xt, t = torch.randn(9, 2, generator=seeded()), torch.arange(1, 10)
    at_once = denoiser(xt, t, label)
    with torch.no_grad():
        in_parts = denoiser(xt, t, label)
    assert rows == [9, 4, 4, 1]
    assert torch.allclose(in_parts, at_once, atol=1e-6)


def test_time_changes_the_answer():
    denoiser, xt = Denoiser(1, 200, generator=seeded()), torch.zeros(1, 1)
    assert not torch.allclose(denoiser(xt, 1), denoiser(xt, 200), atol=1e-3)


def test_it_is_three_relu_layers_and_a_linear_one():
    denoiser, xt = Denoiser(2, 10, 5, generator=seeded()), torch.randn(4, 2, generator=seeded())
    h = torch.cat([xt, torch.full((4, 1), 0.5)], dim=1)
    *hidden, last = [m for m in denoiser.modules() if isinstance(m, torch.nn.Linear)]
    assert len(hidden) == 3
    for layer in hidden:
        h = (h @ layer.weight.T + layer.bias).clamp(min=0)
    assert torch.allclose(denoiser(xt, 10), h @ last.weight.T + last.bias, atol=1e-6)


@pytest.mark.parametrize("n_dim, n_hidden, count", [(1, 128, 33_537), (2, 256, 133_122)])
def test_number_of_parameters(n_dim, n_hidden, count):
    denoiser = Denoiser(n_dim, 200, n_hidden)
    assert sum(p.numel() for p in denoiser.parameters()) == count
    assert all(p.requires_grad for p in denoiser.parameters())


def test_defaults_are_those_of_the_series():
    assert Denoiser(n_dim=1, n_steps=200).n_hidden == 128


def test_a_generator_fixes_the_weights_and_leaves_the_global_one_alone():
    state = torch.get_rng_state()
    one, same, other = (Denoiser(1, 200, 16, generator=seeded(s)) for s in (1, 1, 2))
    assert all(map(torch.equal, one.parameters(), same.parameters()))
    assert not any(map(torch.equal, one.parameters(), other.parameters()))
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_generator_the_global_one_is_used():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        one = Denoiser(1, 200, 4)
        torch.manual_seed(3)
        same, other = Denoiser(1, 200, 4), Denoiser(1, 200, 4)
    assert all(map(torch.equal, one.parameters(), same.parameters()))
    assert not any(map(torch.equal, one.parameters(), other.parameters()))


def test_initial_weights_are_uniform_as_in_pytorch():
    denoiser = Denoiser(1, 200, 128, generator=seeded())
    for layer in (m for m in denoiser.modules() if isinstance(m, torch.nn.Linear)):
        bound = layer.in_features**-0.5
        law = stats.uniform(-bound, 2 * bound).cdf
        assert_law(torch.cat([p.detach().flatten() for p in layer.parameters()]), law)


@pytest.mark.parametrize("name", ["n_dim", "n_steps", "n_hidden"])
@pytest.mark.parametrize("value, error", [(0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_sizes_must_be_positive_integers(name, value, error):
    with pytest.raises(error, match=f"{name} must be"):
        Denoiser(**{"n_dim": 1, "n_steps": 200, "n_hidden": 4, name: value})


def test_one_step_is_too_few():
    with pytest.raises(ValueError, match="n_steps must be at least 2, got 1"):
        Denoiser(1, 1)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3), (0, 2), (4, 2, 1)])
def test_xt_must_have_the_denoisers_dimension(shape):
    with pytest.raises(ValueError, match=r"xt must have shape \(n, 2\), got shape"):
        Denoiser(2, 10, 4)(torch.zeros(shape), 1)


@pytest.mark.parametrize("xt", [torch.zeros(4, 2, dtype=torch.int64), [[0.0, 0.0]]])
def test_xt_must_be_floating_point(xt):
    with pytest.raises(TypeError, match="xt must be a floating-point tensor"):
        Denoiser(2, 10, 4)(xt, 1)


@pytest.mark.parametrize("t", [0, 11, -1, torch.tensor([1, 2, 0]), torch.tensor([1, 2])])
def test_t_out_of_range_or_of_another_length_is_refused(t):
    with pytest.raises(ValueError, match="t must"):
        Denoiser(2, 10, 4)(torch.zeros(3, 2), t)


@pytest.mark.parametrize("t", [1.0, True, torch.ones(3), torch.ones(3, dtype=torch.bool)])
def test_t_that_is_not_integer_is_refused(t):
    with pytest.raises(TypeError, match="t must be an int"):
        Denoiser(2, 10, 4)(torch.zeros(3, 2), t)


@pytest.mark.parametrize("frequencies", [(1,), (1, 2.5), (4, 2, 1)])
def test_waves_of_xt_are_inputs_between_xt_and_the_time(frequencies):
    denoiser = Denoiser(2, 10, 5, frequencies=frequencies, generator=seeded())
    seen, xt = [], torch.randn(4, 2, generator=seeded())
    denoiser.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    denoiser(xt, 10)
    waves = [wave(k * xt.numpy()) for k in frequencies for wave in (np.sin, np.cos)]
    expected = np.concatenate([xt, *waves, np.full((4, 1), 0.5)], axis=1)
    assert np.allclose(seen[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "k, error", [(0, ValueError), (-1, ValueError), (math.nan, ValueError), ("1", TypeError)]
)
def test_frequencies_must_be_positive_numbers(k, error):
    with pytest.raises(error, match="frequencies must be"):
        Denoiser(1, 10, 4, frequencies=(1, k))


@given(st.integers(1, 200), st.integers(0, 99))
def test_eps_from_v_is_the_noise_when_v_is_right(t, seed):
    """When the layers answer with the true v, the result must be the eps that made xt."""
    schedule, g = NoiseSchedule.linear(), seeded(seed)
    x0, eps = torch.randn(2, 6, 2, generator=g)
    alpha_bar = schedule.alpha_bar[t]
    denoiser = VDenoiser(2, schedule, 4, generator=g)
    v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0
    denoiser.layers.register_forward_hook(lambda *_: v)
    xt = diffuse(schedule, x0, t, eps)
    assert torch.allclose(denoiser(xt, t), eps, atol=1e-5)
    assert torch.allclose(denoiser(xt, torch.full((6,), t)), eps, atol=1e-5)


@pytest.mark.parametrize("t", [1, 50, 200])
def test_a_v_of_zero_is_exact_for_a_gaussian_cloud(t):
    schedule = NoiseSchedule.linear()
    denoiser = VDenoiser(2, schedule, 4, generator=seeded())
    torch.nn.init.zeros_(denoiser.layers[-1].weight)
    torch.nn.init.zeros_(denoiser.layers[-1].bias)
    cloud = Mixture(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 2))
    xt = torch.randn(50, 2, generator=seeded())
    assert torch.allclose(denoiser(xt, t), ExactDenoiser(cloud, schedule)(xt, t), atol=1e-5)


def test_the_v_network_has_the_weights_of_the_plain_one_and_nothing_to_save_beside_them():
    plain = Denoiser(2, 200, 8, frequencies=(1, 2), generator=seeded(3))
    other = VDenoiser(2, NoiseSchedule.linear(), 8, frequencies=(1, 2), generator=seeded(3))
    assert other.n_steps == 200
    assert other.state_dict().keys() == plain.state_dict().keys()
    assert all(map(torch.equal, plain.parameters(), other.parameters()))


@given(st.integers(1, 200))
def test_the_v_network_sees_a_quarter_of_the_log_of_noise_over_signal(t):
    schedule = NoiseSchedule.linear()
    denoiser, seen = VDenoiser(1, schedule, 4, generator=seeded()), []
    denoiser.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for given_t in (t, torch.full((3,), t)):
        denoiser(torch.zeros(3, 1), given_t)
    alpha_bar = math.prod(1 - beta for beta in schedule.beta[1 : t + 1].tolist())
    expected = math.log(math.sqrt((1 - alpha_bar) / alpha_bar)) / 4
    for inputs in seen:
        assert torch.allclose(inputs, torch.tensor([[0, expected]]).expand(3, 2), atol=1e-4)


def test_where_no_signal_is_left_the_v_network_still_answers():
    schedule = NoiseSchedule.linear(2000, 1e-4, 0.99)
    assert schedule.alpha_bar[2000] == 0
    denoiser = VDenoiser(1, schedule, 4, generator=seeded())
    assert denoiser(torch.ones(1, 1), 2000).isfinite().all()


@pytest.mark.parametrize("t", [0, 201])
def test_the_v_network_refuses_a_t_out_of_range(t):
    with pytest.raises(ValueError, match=r"t must lie in 1\.\.200"):
        VDenoiser(2, NoiseSchedule.linear(), 4)(torch.zeros(3, 2), t)


def test_made_on_another_device_it_takes_no_random_numbers_from_this_one():
    schedule, state = NoiseSchedule.linear(20), torch.get_rng_state()
    with torch.device("meta"):
        denoiser = VDenoiser(2, schedule, 8000)  # 256 MB, if it were here
    assert {p.device.type for p in denoiser.parameters()} == {"meta"}
    assert torch.equal(torch.get_rng_state(), state)


def test_points_of_another_precision_are_refused_by_name():
    with pytest.raises(TypeError, match=r"xt must be torch.float32 like the weights, got torch.fl"):
        Denoiser(2, 9, 4)(torch.zeros(3, 2, dtype=torch.float64), 1)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.uint16])
def test_the_v_network_takes_t_of_any_integer_type(dtype, schedule, generator):
    denoiser, xt = VDenoiser(1, schedule, 8, generator=generator), torch.ones(201, 1)
    t = torch.full((201,), 5)
    assert torch.equal(denoiser(xt, t.to(dtype)), denoiser(xt, t))


def test_a_size_of_eight_bits_counts_like_any_other():
    denoiser = Denoiser(np.uint8(100), 20, np.uint8(100), frequencies=[1, 2])
    assert denoiser.layers[0].weight.shape == (100, 501)
