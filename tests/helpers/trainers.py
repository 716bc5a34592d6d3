"""A small trainer, the same one each time, and what makes two of them equal."""

import signal

import torch

from tutorial_lib import Denoiser, NoiseSchedule, Trainer


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(n_steps: int = 20, n_hidden: int = 8, *, schedule=None, **options) -> Trainer:
    """A small trainer; the same one each time."""
    x0 = torch.randn(50, 1, generator=seeded(1))
    schedule = schedule or NoiseSchedule.linear(n_steps)
    denoiser = Denoiser(1, schedule.n_steps, n_hidden, generator=seeded(2))
    options = {"batch_size": 16, "generator": seeded(3)} | options
    return Trainer(denoiser, x0, schedule, **options)


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def same(one: Trainer, other: Trainer) -> bool:
    return one.losses == other.losses and all(
        torch.equal(weights(getattr(one, name)), weights(getattr(other, name)))
        for name in ("network", "denoiser")
    )


def interrupt_once(trainer: Trainer, where: str, step: int) -> None:
    """Raise SIGINT in the midst of the given step: in the forward pass or in the optimizer."""
    calls = []

    def hook(*_):
        calls.append(1)
        if len(calls) == step:
            signal.raise_signal(signal.SIGINT)

    if where == "forward":
        trainer.network.layers.register_forward_hook(hook)
    elif where == "backward":
        next(trainer.network.parameters()).register_hook(hook)
    else:
        trainer.optimizer.register_step_post_hook(hook)
