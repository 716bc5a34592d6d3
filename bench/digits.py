"""Notebook 07's digits, from three seeds, by the marks of its judge."""

import statistics

import torch
from trainers import seeded

import tutorial_lib as lib
from tutorial_lib import Trainer, VDenoiser, latent

STEPS, N_LATENT, WEIGHT = 4000, 32, 0.3
BARS = {"accuracy": ">= 0.96", "sure": ">= 0.85", "frechet": "<= 0.45", "nearest": ">= 0.9 x real"}


def marks(seed, train, held_out, schedule):
    """The marks of 1000 generated digits and of real ones, everything made anew from a seed."""
    g = seeded(seed)
    autoencoder = latent.Autoencoder(N_LATENT, generator=g)
    Trainer(
        autoencoder,
        train.image,
        latent.reconstruction_loss,
        batch_size=64,
        learning_rate=lambda step: 3e-3 * (1 - (step - 1) / 2000),
        average=False,
        generator=g,
    ).train(steps=2000, name="autoencoder")
    z = autoencoder.encode(train.image)
    noisy = z.repeat(10, 1)
    noisy += 0.2 * z.std(0) * torch.randn(noisy.shape, generator=g)
    scaler = lib.Standardizer.fit(noisy)
    trainer = Trainer(
        VDenoiser(N_LATENT, schedule, 256, n_classes=10, generator=g),
        scaler.transform(noisy),
        schedule,
        batch_size=512,
        label=train.label.repeat(10),
        t_weight=schedule.alpha_bar.sqrt(),
        learning_rate=lambda step: 3e-3 * (1 - step / (STEPS + 1)),
        generator=g,
    )
    trainer.train(steps=STEPS, name="diffusion")
    denoise = [lib.Guided(trainer.denoiser, y, WEIGHT) for y in range(10)]
    z0 = [lib.sample(d, schedule, 100, generator=g) for d in denoise]
    judge = latent.Judge(train, held_out, generator=g)
    made = judge(autoencoder.decode(scaler.inverse(torch.cat(z0))), held_out.take(100).label)
    seen, unseen = judge(*train), judge(*held_out.take(100))
    return made, latent.Marks(seen.accuracy, seen.sure, unseen.frechet, unseen.nearest)


def test_digits_from_three_seeds(schedule, record):
    train, held_out = lib.digits()
    rows = [marks(seed, train, held_out, schedule) for seed in range(3)]
    for name, bar in BARS.items():
        made, real = ([getattr(m, name) for m in column] for column in zip(*rows))
        each = ", ".join(f"{value:.3f}" for value in made)
        figure = f"{statistics.mean(made):.3f} ({each})"
        record(f"digits, {name}: real {statistics.mean(real):.3f}", figure, bar)
        if name == "frechet":
            assert max(made) < 2 * statistics.mean(real)
        else:
            assert min(made) > 0.9 * statistics.mean(real)
