"""The networks: what the layers see, what comes of it, labels, guidance, initial weights."""

import math

import numpy as np
import pytest
import torch
from chance import assert_law
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from trainers import seeded

from tutorial_lib import Denoiser, ExactDenoiser, Guided, Mixture, NoiseSchedule, VDenoiser


@pytest.mark.parametrize("t, column", [(1, -0.5), (101, 0.0), (201, 0.5)])
def test_the_layers_see_xt_and_the_scaled_time(t, column):
    denoiser, seen = Denoiser(2, 201, 8, generator=seeded()), []
    denoiser.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    xt = torch.randn(3, 2, generator=seeded())
    denoiser(xt, t)
    denoiser(xt, torch.tensor([t, t, t]))
    for layers_input in seen:
        assert torch.equal(layers_input, torch.cat([xt, torch.full((3, 1), column)], dim=1))


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


def test_it_is_three_relu_layers_and_a_linear_one():
    denoiser, xt = Denoiser(2, 10, 5, generator=seeded()), torch.randn(4, 2, generator=seeded())
    h = torch.cat([xt, torch.full((4, 1), 0.5)], dim=1)
    *hidden, last = [m for m in denoiser.modules() if isinstance(m, torch.nn.Linear)]
    assert len(hidden) == 3
    for layer in hidden:
        h = (h @ layer.weight.T + layer.bias).clamp(min=0)
    assert torch.allclose(denoiser(xt, 10), h @ last.weight.T + last.bias, atol=1e-6)


def test_initial_weights_are_uniform_as_in_pytorch():
    denoiser = Denoiser(1, 200, 128, generator=seeded())
    for layer in (m for m in denoiser.modules() if isinstance(m, torch.nn.Linear)):
        bound = layer.in_features**-0.5
        law = stats.uniform(-bound, 2 * bound).cdf
        assert_law(torch.cat([p.detach().flatten() for p in layer.parameters()]), law)


@pytest.mark.parametrize("frequencies", [(1,), (1, 2.5), (4, 2, 1)])
def test_waves_of_xt_are_inputs_between_xt_and_the_time(frequencies):
    denoiser = Denoiser(2, 10, 5, frequencies=frequencies, generator=seeded())
    seen, xt = [], torch.randn(4, 2, generator=seeded())
    denoiser.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    denoiser(xt, 10)
    waves = [wave(k * xt.numpy()) for k in frequencies for wave in (np.sin, np.cos)]
    expected = np.concatenate([xt, *waves, np.full((4, 1), 0.5)], axis=1)
    assert np.allclose(seen[0], expected, atol=1e-6)


def test_the_repr_says_how_a_network_was_made():
    names = "frequencies=(1.0, 2.0), n_classes=3"
    plain = Denoiser(2, 200, 8, frequencies=(1, 2), n_classes=3)
    assert repr(plain).startswith(f"Denoiser(\n  n_dim=2, n_steps=200, n_hidden=8, {names}\n")
    assert repr(VDenoiser(1, NoiseSchedule([0, 0.1, 0.2]), 4)).startswith(
        "VDenoiser(\n  n_dim=1, n_steps=2, n_hidden=4, frequencies=(), n_classes=0\n"
    )


@given(st.integers(1, 200), st.booleans(), st.integers(0, 99))
def test_forward_makes_eps_of_what_the_layers_put_out(t, labelled, seed):
    """`output` is v_hat, and eps_hat = sqrt(alpha_bar) v_hat + sqrt(1 - alpha_bar) xt."""
    schedule, g = NoiseSchedule.linear(), seeded(seed)
    plain = Denoiser(2, 200, 8, n_classes=3, generator=g)
    v = VDenoiser(2, schedule, 8, n_classes=3, generator=g)
    xt, alpha_bar = torch.randn(5, 2, generator=g), schedule.alpha_bar[t]
    for given_t in (t, torch.full((5,), t)):
        arguments = (xt, given_t, torch.tensor([0, 1, 2, -1, 0])) if labelled else (xt, given_t)
        assert torch.equal(plain(*arguments), plain.output(*arguments))
        expected = alpha_bar.sqrt() * v.output(*arguments) + (1 - alpha_bar).sqrt() * xt
        assert torch.allclose(v(*arguments), expected, atol=1e-6)


@pytest.mark.parametrize("t", [1, 50, 200])
def test_a_v_of_zero_is_exact_for_a_gaussian_cloud(t):
    schedule = NoiseSchedule.linear()
    denoiser = VDenoiser(2, schedule, 4, generator=seeded())
    torch.nn.init.zeros_(denoiser.layers[-1].weight)
    torch.nn.init.zeros_(denoiser.layers[-1].bias)
    cloud = Mixture(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 2))
    xt = torch.randn(50, 2, generator=seeded())
    assert torch.allclose(denoiser(xt, t), ExactDenoiser(cloud, schedule)(xt, t), atol=1e-5)


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


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
def test_the_v_network_takes_t_of_any_integer_type(dtype, schedule, generator):
    denoiser, xt = VDenoiser(1, schedule, 8, generator=generator), torch.ones(201, 1)
    t = torch.full((201,), 5)
    assert torch.equal(denoiser(xt, t.to(dtype)), denoiser(xt, t))


# ---- labels and guidance -------------------------------------------------------------------------


def labelled() -> VDenoiser:
    return VDenoiser(2, NoiseSchedule.linear(), 16, n_classes=3, generator=seeded())


def test_the_label_goes_in_as_1_for_its_class_and_0_for_the_others():
    network, seen = labelled(), []
    network.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, -3:]))
    network(torch.zeros(4, 2), 1, torch.tensor([2, 0, -1, 1]))
    network(torch.zeros(1, 2), 1)
    assert torch.cat(seen).tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]]


@torch.no_grad()
@pytest.mark.parametrize("weight", [0, 0.3, 2])
def test_guidance_goes_beyond_the_answer_with_the_label_by_its_weight(weight):
    network, xt = labelled(), torch.randn(4, 2, generator=seeded(1))
    with_label, without = network(xt, 50, 2), network(xt, 50)
    expected = with_label + weight * (with_label - without)
    assert torch.allclose(Guided(network, 2, weight)(xt, 50), expected, atol=1e-6)


@pytest.mark.parametrize(
    "network, label, error, message",
    [
        (labelled(), 3, ValueError, r"label must lie in -1\.\.2, got 3"),
        (labelled(), -2, ValueError, r"label must lie in -1\.\.2, got -2"),
        (labelled(), torch.tensor([0, 3]), ValueError, r"label must lie in -1\.\.2, got 3"),
        (labelled(), torch.tensor([-2, 0]), ValueError, r"label must lie in -1\.\.2, got -2"),
        (labelled(), torch.tensor([0]), ValueError, r"label must have shape \(2,\), got"),
        (
            labelled(),
            torch.tensor([0.0, 1.0]),
            TypeError,
            "label must be an int or a tensor of integers",
        ),
        (Denoiser(2, 200, 4), 0, ValueError, "label is for a network with classes"),
        (Denoiser(2, 200, 4), -1, ValueError, "label is for a network with classes"),
    ],
)
def test_a_label_that_the_network_does_not_know_is_refused(network, label, error, message):
    for call in (lambda xt: network(xt, 1, label), lambda xt: Guided(network, label)(xt, 1)):
        with pytest.raises(error, match=message):
            call(torch.zeros(2, 2))
