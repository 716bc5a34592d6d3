"""Notebook 07's digits by the marks of its judge: three seeds, and pixels by what is asked for."""

import statistics

import torch
from torch import Tensor
from trainers import seeded

import tutorial_lib as lib
from tutorial_lib import Trainer, VDenoiser, latent
from tutorial_lib.loss import NoiseLoss

STEPS, N_LATENT, WEIGHT = 3500, 32, 0.3
BARS = {
    "accuracy": ">= 0.96",
    "sure": ">= 0.85",
    "frechet": "<= 0.42",
    "copies": "<= 0.56",
    "nearest": ">= 0.9 x real",
}


class CleanDenoiser(VDenoiser):
    """What its layers put out is the clean data."""

    def forward(self, xt, t, label=None):
        return lib.predict_eps(self.schedule, xt, t, self.output(xt, t, label))


def train(network, x0, label, loss, steps, g, batch_size=256):
    trainer = Trainer(
        network,
        x0,
        loss,
        label=label,
        batch_size=batch_size,
        learning_rate=lambda step: 3e-3 * (1 - step / (steps + 1)),
        generator=g,
    )
    trainer.train(steps=steps, name="diffusion")
    return trainer.denoiser


def draw(denoiser, schedule, n, g) -> tuple[Tensor, Tensor]:
    """n of each digit, and which they are."""
    label = torch.arange(10).repeat_interleave(n)
    return lib.sample(lib.Guided(denoiser, label, WEIGHT), schedule, 10 * n, generator=g), label


def marks(seed, digits, held_out, schedule):
    """The marks of 1000 generated digits and of real ones, everything made anew from a seed."""
    g = seeded(seed)
    autoencoder = latent.Autoencoder(N_LATENT, generator=g)
    Trainer(
        autoencoder,
        digits.image,
        latent.reconstruction_loss,
        batch_size=64,
        learning_rate=lambda step: 3e-3 * (1 - (step - 1) / 2000),
        average=False,
        generator=g,
    ).train(steps=2000, name="autoencoder")
    noise_loss = NoiseLoss(schedule, schedule.alpha_bar.sqrt())

    def blurred_loss(network, z0, label, generator):
        eps = torch.randn(z0.shape, generator=generator)
        return noise_loss(network, z0 + 0.25 * eps, label, generator=generator)

    z = autoencoder.encode(digits.image)
    scaler = lib.Standardizer.fit(z)
    network = VDenoiser(N_LATENT, schedule, 256, n_classes=10, generator=g)
    denoiser = train(network, scaler.transform(z), digits.label, blurred_loss, STEPS, g)
    z0, label = draw(denoiser, schedule, 100, g)
    judge = latent.Judge(digits, held_out, generator=g)
    made = judge(autoencoder.decode(scaler.inverse(z0)), label)
    seen, unseen = judge(*digits), judge(*held_out.take(100))
    real = latent.Marks(seen.accuracy, seen.sure, unseen.frechet, 0.5, unseen.nearest)
    return made, real


def test_digits_from_three_seeds(schedule, record):
    digits, held_out = lib.digits()
    rows = [marks(seed, digits, held_out, schedule) for seed in range(3)]
    for name, bar in BARS.items():
        made, real = ([getattr(m, name) for m in column] for column in zip(*rows))
        each = ", ".join(f"{value:.3f}" for value in made)
        figure = f"{statistics.mean(made):.3f} ({each})"
        record(f"digits, {name}: real {statistics.mean(real):.3f}", figure, bar)
        if name == "frechet":
            assert max(made) < 2 * statistics.mean(real)
        elif name == "copies":
            assert max(made) < 0.65
        else:
            assert min(made) > 0.9 * statistics.mean(real)


def test_pixels_by_what_the_network_is_asked_for(schedule, record):
    """The same network, pixels and steps of 512 rows, asked for v and for x0."""
    digits, held_out = lib.digits()
    judge = latent.Judge(digits, held_out, generator=seeded())
    std, mean = torch.std_mean(digits.image)
    x0 = (digits.image - mean) / std
    noise_loss = NoiseLoss(schedule, schedule.alpha_bar.sqrt())

    def clean_loss(network, x0, label, generator):
        t, eps = noise_loss.draw_t_and_eps(x0, generator)
        label = torch.where(torch.rand(len(x0), generator=generator) < 0.1, -1, label)
        x0_hat = network.output(lib.diffuse(schedule, x0, t, eps), t, label)
        return (x0_hat - x0).square().mean()

    asked = {"v": (VDenoiser, noise_loss), "x0": (CleanDenoiser, clean_loss)}
    for steps in (90, 270, 900):
        accuracy = {}
        for name, (kind, loss) in asked.items():
            g = seeded(1)
            network = kind(784, schedule, 256, n_classes=10, generator=g)
            denoiser = train(network, x0, digits.label, loss, steps, g, batch_size=512)
            x, label = draw(denoiser, schedule, 50, g)
            made = judge((x * std + mean).clamp(0, 1), label)
            accuracy[name] = made.accuracy
            figure = f"{made.accuracy:.2f}, sure {made.sure:.2f}, FD {made.frechet:.1f}"
            record(f"pixels asked for {name}, {steps} steps: accuracy", figure, "a comparison")
        assert accuracy["x0"] > accuracy["v"] + 0.1
