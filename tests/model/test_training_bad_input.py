"""Training: bad input is refused when it is given, not when the first step is made."""

import pytest
import torch
from trainers import make

from tutorial_lib import Denoiser, NoiseSchedule, Trainer, VDenoiser


@pytest.mark.parametrize(
    "budget, error",
    [
        ({}, ValueError),
        ({"steps": 5, "seconds": 1}, ValueError),
        ({"steps": 0}, ValueError),
        ({"steps": -1}, ValueError),
        ({"steps": 2.0}, TypeError),
        ({"steps": True}, TypeError),
        ({"seconds": 0}, ValueError),
        ({"seconds": -1}, ValueError),
        ({"seconds": float("inf")}, ValueError),
        ({"seconds": float("nan")}, ValueError),
    ],
)
def test_a_bad_budget_is_refused_before_the_first_step_is_asked_for(budget, error):
    with pytest.raises(error, match=r"steps|seconds"):
        make().run(**budget)


X0 = torch.zeros(5, 1)


@pytest.mark.parametrize(
    "x0, error, message",
    [
        (torch.tensor([[0.0], [float("nan")]]), ValueError, "x0 must be finite, got 1"),
        (torch.tensor([[0.0], [float("inf")]]), ValueError, "x0 must be finite, got 1"),
        (torch.zeros(5), ValueError, r"x0 must have shape \(n, 1\), got shape \(5,\)"),
        (torch.zeros(5, 2), ValueError, r"x0 must have shape \(n, 1\), got shape \(5, 2\)"),
        (torch.zeros(0, 1), ValueError, "x0 must have shape"),
        (torch.zeros(5, 1, dtype=torch.int64), TypeError, "x0 must be a floating-point tensor"),
        ([[0.0]], TypeError, "x0 must be a floating-point tensor"),
        (torch.full((5, 1), 1e300, dtype=torch.float64), ValueError, "x0 must be finite, got 5"),
    ],
)
def test_bad_data_are_refused_at_once(x0, error, message):
    with pytest.raises(error, match=message):
        Trainer(Denoiser(1, 20, 4), x0, NoiseSchedule.linear(20))


@pytest.mark.parametrize(
    "option, error, message",
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be positive and finite, got 0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be positive"),
        ({"learning_rate": float("inf")}, ValueError, "learning_rate must be positive"),
        ({"t_weight": torch.ones(20)}, ValueError, "t_weight and schedule.beta must have the same"),
        ({"t_weight": -torch.ones(21)}, ValueError, r"t_weight\[1\.\.T\] must be >= 0 .* -1.0"),
        ({"t_weight": [0, -1.0] + [1.0] * 19}, ValueError, r"t_weight\[1\.\.T\] must be >= 0"),
        ({"t_weight": [1.0] * 20}, ValueError, "t_weight and schedule.beta must have the same"),
        ({"t_weight": torch.eye(21)[0]}, ValueError, r"t_weight\[1\.\.T\] must be >= 0"),
        ({"t_weight": torch.ones(21) / 0}, ValueError, "t_weight must be finite"),
        ({"generator": 0}, TypeError, "generator must be a torch.Generator or None, got 0"),
    ],
)
def test_bad_options_are_refused_at_once(option, error, message):
    with pytest.raises(error, match=message):
        Trainer(Denoiser(1, 20, 4), X0, NoiseSchedule.linear(20), **option)


def test_a_schedule_of_another_length_is_refused():
    with pytest.raises(ValueError, match="number of steps, got 20 and 21"):
        Trainer(Denoiser(1, 20, 4), X0, NoiseSchedule.linear(21))


def test_a_number_of_steps_is_no_schedule():
    for call in (lambda: Trainer(Denoiser(1, 20, 4), X0, 20), lambda: VDenoiser(1, 20, 4)):
        with pytest.raises(TypeError, match="schedule must be a NoiseSchedule, got 20"):
            call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_network_of_half_precision_is_refused(dtype):
    message = f"denoiser must be in torch.float32 or torch.float64, got {dtype}"
    with pytest.raises(TypeError, match=message):
        Trainer(Denoiser(1, 20, 4).to(dtype), X0, NoiseSchedule.linear(20))


def test_data_of_another_precision_are_trained_on_or_refused_at_once():
    try:
        trainer = Trainer(Denoiser(1, 20, 4), X0.double(), NoiseSchedule.linear(20))
    except (TypeError, ValueError) as error:
        assert "x0" in str(error)
    else:
        list(trainer.run(steps=1))


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_prediction_of_another_shape_is_refused():
    class Flat(Denoiser):
        def forward(self, xt, t):
            return super().forward(xt, t)[:, 0]

    with pytest.raises(ValueError, match="shape"):
        list(Trainer(Flat(1, 20, 4), X0, NoiseSchedule.linear(20)).run(steps=1))


def test_what_has_no_weights_cannot_be_trained():
    network = torch.nn.Identity()
    network.n_dim, network.n_steps = 1, 20
    with pytest.raises(TypeError, match=r"denoiser must be in torch.float32 .* got None"):
        Trainer(network, X0, NoiseSchedule.linear(20))


def test_no_gradient_leads_back_to_what_made_the_data():
    encoder = torch.nn.Linear(3, 1)
    trainer = Trainer(Denoiser(1, 20, 4), encoder(torch.ones(5, 3)), NoiseSchedule.linear(20))
    list(trainer.run(steps=2))
    assert encoder.weight.grad is None


def test_weights_near_the_largest_number_are_weights_like_others():
    t_weight = torch.full((21,), 1e308, dtype=torch.float64)
    options = {"t_weight": t_weight, "generator": torch.Generator().manual_seed(0)}
    trainer = Trainer(Denoiser(1, 20, 4), X0, NoiseSchedule.linear(20), **options)
    assert trainer.batch()[1].unique().tolist() == list(range(1, 21))
