"""Training: draw data, timesteps and noise; predict the noise; step down the squared error."""

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from tutorial_lib._arguments import finite, integer, points, same_n_steps, same_shape
from tutorial_lib.forward import diffuse
from tutorial_lib.schedule import NoiseSchedule


class Step(NamedTuple):
    """One training step. index: 1, 2, ... over the trainer's life. loss: its batch's mean."""

    index: int
    loss: float


class Trainer:
    """Trains `denoiser` on the rows of x0 with Adam (Ho et al. 2020, algorithm 1).

    denoiser: maps (xt, t) to eps_hat, with attributes n_dim and n_steps; it is trained in place.
    x0: (n, n_dim), finite, in standardised units. learning_rate: a number, or a function of the
    step's index (1, 2, ...). average: keep a running mean of the weights, which weighs the last
    tenth or so of the steps most, and sample from that. generator: source of every random number.

    Raises ValueError or TypeError where n_dim, n_steps, x0 or a number does not fit.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        x0: Tensor,
        schedule: NoiseSchedule,
        *,
        batch_size: int = 1024,
        learning_rate: float | Callable[[int], float] = 3e-3,
        average: bool = True,
        generator: Generator | None = None,
    ):
        finite("x0", points("x0", x0, denoiser.n_dim))
        same_n_steps(denoiser.n_steps, schedule.n_steps)
        if not callable(learning_rate):
            _positive("learning_rate", learning_rate)
        self.network, self.schedule = denoiser, schedule
        self.x0 = x0.to(next(denoiser.parameters()).dtype)  # NumPy's data are float64
        self.batch_size = integer("batch_size", batch_size, 1)
        self.learning_rate, self.generator = learning_rate, generator
        self.optimizer = torch.optim.Adam(denoiser.parameters(), fused=True)
        self.average = copy.deepcopy(denoiser).requires_grad_(False) if average else None
        self.losses: list[float] = []

    @property
    def denoiser(self) -> nn.Module:
        """The network to sample from: averaged weights if averaging is on."""
        return self.network if self.average is None else self.average

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """A random batch: x0 (batch_size, n_dim), t (batch_size,) in 1..T, eps like x0."""
        n, g = self.batch_size, self.generator
        rows = torch.randint(len(self.x0), (n,), generator=g)
        t = torch.randint(1, self.schedule.n_steps + 1, (n,), generator=g)
        return self.x0[rows], t, torch.randn(n, self.x0.shape[1], generator=g)

    def run(self, *, steps: int | None = None, seconds: float | None = None) -> Iterator[Step]:
        """Train for a number of steps or of seconds, yielding after each step.

        Give exactly one of `steps` (>= 1) and `seconds` (> 0); at least one step is made. Stop it
        at any time (break, interrupt, end of budget): `denoiser` is usable and the next `run`
        goes on from there. An interrupt waits until the step under way is whole.
        """
        if (steps is None) == (seconds is None):
            raise ValueError(f"give one of steps and seconds, got {steps=} and {seconds=}")
        if steps is not None:
            integer("steps", steps, 1)
        else:
            _positive("seconds", seconds)
        return self._run(steps, seconds)

    def _run(self, steps: int | None, seconds: float | None) -> Iterator[Step]:
        start, done = time.perf_counter(), 0
        while done < steps if steps else not done or time.perf_counter() - start < seconds:
            with _interrupts_held():
                loss = self._step()
            done += 1
            yield Step(len(self.losses), loss)

    def _step(self) -> float:
        index = len(self.losses) + 1
        x0, t, eps = self.batch()
        eps_hat = self.network(diffuse(self.schedule, x0, t, eps), t)
        same_shape("eps", eps, "the denoiser's answer", eps_hat)
        loss = mse_loss(eps_hat, eps)
        rate = self.learning_rate(index) if callable(self.learning_rate) else self.learning_rate
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.average is not None:
            self._update_average(9 / (index + 8))
        self.losses.append(loss.item())
        return self.losses[-1]

    @torch.no_grad()
    def _update_average(self, weight: float) -> None:
        # Polynomial-decay averaging (Shamir & Zhang 2013, section 4, with eta = 8). The first step
        # takes the weights whole, so the mean never has to catch up with its start.
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        for mean, latest in pairs:
            mean.lerp_(latest, weight)


def _positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")


@contextmanager
def _interrupts_held():
    """Let Ctrl-C (or the notebook's stop button) wait until the block is done."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield  # interrupts go to the main thread, and not to Python if their handler is not its own
        return
    held = []
    signal.signal(signal.SIGINT, lambda *_: held.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held and callable(handler):
        handler(signal.SIGINT, None)  # Python's own raises KeyboardInterrupt
