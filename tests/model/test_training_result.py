"""Training: the rate, the average of the weights, and what comes of it."""

import pytest
import torch
from trainers import make, seeded, weights

from tutorial_lib import Denoiser, ExactDenoiser, NoiseSchedule, Trainer
from tutorial_lib.oracle import excess_loss


def test_the_rate_may_be_a_function_of_the_step():
    asked = []
    trainer = make(learning_rate=lambda index: asked.append(index) or 0.01 / index)
    moved = []
    for _ in range(2):
        for _ in range(2):
            before = weights(trainer.network)
            list(trainer.run(steps=1))
            moved.append((weights(trainer.network) - before).abs().max().item())
    assert asked == [1, 2, 3, 4]
    assert moved[0] == pytest.approx(0.01, rel=0.01)  # Adam's first step is the rate itself
    assert moved[3] < 0.004


def test_the_rate_given_is_the_rate_used():
    trainer = make(learning_rate=0.02)
    before = weights(trainer.network)
    list(trainer.run(steps=1))
    assert (weights(trainer.network) - before).abs().max().item() == pytest.approx(0.02, rel=0.01)


def test_the_average_weighs_the_iterates_as_polynomial_decay_says():
    trainer, iterates = make(learning_rate=0.02), []
    for _ in trainer.run(steps=12):
        iterates.append(weights(trainer.network))
    mean = torch.zeros_like(iterates[0])
    for k, iterate in enumerate(iterates, start=1):
        share = (8 + 1) / (8 + k)
        for j in range(k + 1, 13):
            share *= 1 - (8 + 1) / (8 + j)
        mean += share * iterate
    assert torch.allclose(weights(trainer.denoiser), mean, atol=1e-6)
    assert not torch.allclose(mean, iterates[-1], atol=1e-3)


def test_without_averaging_the_network_itself_is_the_denoiser():
    trainer = make(average=False)
    assert trainer.denoiser is trainer.network
    assert make().denoiser is not make().network


def test_the_averaged_network_asks_for_no_gradients():
    trainer = make()
    list(trainer.run(steps=1))
    assert not any(p.requires_grad for p in trainer.denoiser.parameters())
    assert all(p.requires_grad for p in trainer.network.parameters())


def test_a_trained_network_beats_the_best_linear_predictor(mixture, schedule):
    exact, times = ExactDenoiser(mixture, schedule), range(1, 201, 6)
    x0 = mixture.sample(5000, generator=seeded())
    trainer = Trainer(
        Denoiser(1, 200, 32, generator=seeded()),
        x0,
        schedule,
        batch_size=512,
        learning_rate=1e-2,
        generator=seeded(),
    )

    def excess(denoiser):
        return sum(excess_loss(denoiser, exact, t) for t in times) / len(times)

    linear = excess(lambda x, t: (1 - schedule.alpha_bar[t]).sqrt() * x)
    untrained = excess(trainer.denoiser)
    list(trainer.run(steps=300))
    assert excess(trainer.denoiser) < linear / 2 < untrained / 10


def test_defaults_are_those_of_the_series():
    trainer = Trainer(Denoiser(1, 20, 4), torch.zeros(5, 1), NoiseSchedule.linear(20))
    assert (trainer.batch_size, trainer.learning_rate) == (1024, 3e-3)
    assert trainer.average is not None and trainer.t_weight is None
