"""The whole path through the public names, as a notebook takes it."""

import pytest
import torch
from trainers import seeded

import tutorial_lib as lib
from tutorial_lib import latent, loss, oracle


def test_from_data_to_samples():
    g = seeded()
    x = lib.gaussian_mixture(1000, generator=g)
    scaler = lib.Standardizer.fit(x)
    x0 = scaler.transform(x)
    schedule = lib.NoiseSchedule.linear(n_steps=200, beta_min=1e-4, beta_max=0.2)
    assert schedule.beta.shape == schedule.alpha.shape == schedule.sigma.shape == (201,)
    t, eps = torch.randint(0, 201, (1000,), generator=g), torch.randn(1000, 1, generator=g)
    xt = lib.diffuse(schedule, x0, t, eps)
    assert lib.diffuse_step(schedule, xt, 1, eps).shape == xt.shape == (1000, 1)

    denoiser = lib.Denoiser(n_dim=1, n_steps=200, n_hidden=16)
    trainer = lib.Trainer(denoiser, x0, schedule, generator=g)
    trainer.train(steps=2)
    steps = list(trainer.run(seconds=1e-3))
    assert [step.index for step in steps] == list(range(3, len(steps) + 3))
    assert all(step.loss > 0 for step in steps)

    z = lib.sample(trainer.denoiser, schedule, 100, generator=g)
    assert scaler.inverse(z).shape == (100, 1)
    path = lib.sample(denoiser, schedule, 10, trajectory=True)
    assert path.shape == (201, 10, 1)
    assert lib.sample(lambda xt, t: 0.1 * xt, schedule, 7, n_dim=1, generator=g).shape == (7, 1)


MANY = torch.zeros(784)
LONG = lib.NoiseSchedule.linear(2000, 1e-4, 0.99)  # alpha_bar is 0 in the end


@pytest.mark.parametrize(
    "call",
    [
        lambda: lib.Standardizer(MANY, MANY),
        lambda: lib.Standardizer.fit(torch.zeros(9, 784)),
        lambda: lib.Mixture(MANY, MANY[:, None], MANY[:, None]),
        lambda: lib.NoiseSchedule(MANY),
        lambda: loss.NoiseLoss(LONG, -torch.ones(2001)),
        lambda: lib.predict_x0(LONG, MANY[:, None], torch.full((784,), 2000), MANY[:, None]),
        lambda: lib.Denoiser(1, 200)(MANY[:, None], 3, MANY.long()),
        lambda: lib.diffuse(LONG, MANY[:, None], MANY.long() - 1, MANY[:, None]),
    ],
)
def test_a_message_is_short_however_much_was_given(call):
    with pytest.raises(ValueError) as caught:
        call()
    assert len(str(caught.value)) < 300


def test_with_another_default_precision_all_goes_on_as_before(schedule, mixture):
    torch.set_default_dtype(torch.float64)
    try:
        x0 = lib.gaussian_mixture(200, generator=seeded())
        assert x0.dtype == lib.spiral(9).dtype == lib.ramp(9).dtype == torch.float32
        denoiser = lib.Denoiser(1, 200, 8, generator=seeded())  # in float64, then
        trainer = lib.Trainer(denoiser, x0, schedule, generator=seeded())
        trainer.train(steps=2)
        assert lib.sample(trainer.denoiser, schedule, 9).dtype == torch.float64
        exact = lib.ExactDenoiser(mixture, schedule)
        assert oracle.excess_loss(denoiser, exact, 5) > 0
        assert oracle.denoising_loss(denoiser, schedule, x0, 5)[0] > 0
        train, held_out = lib.digits()
        assert latent.Judge(train, held_out, steps=2)(*held_out.take(1)).nearest > 0
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_network_in_double_precision_has_the_excess_of_its_twin(exact):
    network = lib.Denoiser(1, 200, 16, generator=seeded())
    single = oracle.excess_loss(network, exact, 5)
    assert oracle.excess_loss(network.double(), exact, 5) == pytest.approx(single, rel=1e-5)
