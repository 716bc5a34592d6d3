"""Training: draw rows of data, make their loss small with Adam, keep an average of the weights."""

import copy
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from tqdm import tqdm

from tutorial_lib._interrupts import interrupts_held
from tutorial_lib._random import draw
from tutorial_lib._silent import check_finite, check_same_schedule
from tutorial_lib.loss import NoiseLoss
from tutorial_lib.schedule import NoiseSchedule


class RunningMean:
    """A network whose weights are a mean over those of `latest`, the last tenth of steps most.

    Polynomial-decay averaging (Shamir & Zhang 2013, section 4, with eta = 8).
    """

    def __init__(self, latest: nn.Module):
        self.network = copy.deepcopy(latest)
        self._pairs = list(zip(self.network.parameters(), latest.parameters()))  # slow, so but once
        self._buffers = list(zip(self.network.buffers(), latest.buffers()))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after step 1, 2, ... in; the first time whole, to forget the start."""
        for mean, latest in self._pairs:
            mean.lerp_(latest, 9 / (step + 8))
        for ours, latest in self._buffers:
            ours.copy_(latest)


class Step(NamedTuple):
    """One training step. index: 1, 2, ... over the trainer's life. loss: its batch's mean."""

    index: int
    loss: float


class Trainer:
    """Trains `network` on random rows of x0 with Adam (Ho et al. 2020, algorithm 1).

    network: is trained in place, where it is and in its precision, float32 or float64. x0: (n, ...)
    its data, for a schedule (n, n_dim) in standardised units. objective: what is to become small. A
    NoiseSchedule stands for the error of the predicted noise, see `NoiseLoss`; else it is a
    function loss(network, *rows, generator=...) -> a number, for rows of x0, and of label.

    batch_size: rows in a step. learning_rate: a number, or a function of the step's index (1, 2,
    ...). t_weight: see `NoiseLoss`. average: keep a running mean of the weights as well. label: an
    int or (n,) integers, the class of each row of x0. generator: source of every random number.

    Raises ValueError or TypeError where x0, the schedule, t_weight or the precision does not fit.
    """

    def __init__(
        self,
        network: nn.Module,
        x0: Tensor,
        objective: NoiseSchedule | Callable[..., Tensor],
        *,
        batch_size: int = 1024,
        learning_rate: float | Callable[[int], float] = 3e-3,
        t_weight: Tensor | None = None,
        average: bool = True,
        label: int | Tensor | None = None,
        generator: Generator | None = None,
    ):
        rate = 0.0 if callable(learning_rate) else learning_rate
        self.optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
        weights = next(network.parameters())
        if weights.dtype not in (torch.float32, torch.float64):  # Adam's steps vanish in others
            raise TypeError(f"network must be in float32 or float64, got {weights.dtype}")
        x0 = x0.detach().to(weights)  # NumPy's data are float64, and may be too large for float32
        check_finite(x0=x0)
        self.data = [x0]
        if label is not None:
            self.data.append(torch.as_tensor(label, device=x0.device).expand(len(x0)))
        if isinstance(objective, NoiseSchedule):
            check_same_schedule(network, objective)
            objective = NoiseLoss(objective.to(x0.device), t_weight)
        elif t_weight is not None:
            raise ValueError("t_weight must be left out: this objective draws no t")
        self.network, self.objective = network, objective
        self.batch_size, self.learning_rate = batch_size, learning_rate
        self.running_mean = RunningMean(network) if average else None
        self.generator = generator
        self.losses: list[float] = []

    @property
    def denoiser(self) -> nn.Module:
        """The network to sample from: averaged weights if averaging is on."""
        return self.running_mean.network if self.running_mean else self.network

    def train(self, *, steps: int | None = None, seconds: float | None = None, name="training"):
        """`run` to the end, with a bar in text; one line stays, with the mean of the last losses.

        An interrupt ends it as it ends `run`.
        """
        recent = []
        try:
            with tqdm(desc=name, total=steps, leave=False, file=sys.stdout) as bar:
                for step in self.run(steps=steps, seconds=seconds):
                    recent = [*recent[-99:], step.loss]
                    if bar.update():
                        bar.set_postfix_str(f"loss {sum(recent) / len(recent):.3g}")
        finally:
            if recent:
                print(f"{name}: step {len(self.losses)}, loss {sum(recent) / len(recent):.3g}")

    def run(self, *, steps: int | None = None, seconds: float | None = None) -> Iterator[Step]:
        """An iterator that makes a step each time it is asked, to watch: nothing is done before.

        Give exactly one of `steps` and `seconds`; of the latter at least one step is made. Stop it
        at any time (break, interrupt, end of budget): `denoiser` is usable and the next `run`
        goes on from there. An interrupt waits until the step under way is whole. Raises
        FloatingPointError if a loss is not finite, ValueError if a learning rate is not, or falls
        below 0; the weights are then still those of the step before.
        """
        if (steps is None) == (seconds is None):
            raise ValueError(f"give one of steps and seconds, got {steps=} and {seconds=}")
        start = time.perf_counter()
        for done in itertools.count():
            if steps is not None and done >= steps:
                return
            if seconds is not None and done and time.perf_counter() - start >= seconds:
                return
            with interrupts_held():
                loss = self._step()
            yield Step(len(self.losses), loss)

    def state(self) -> dict:
        """All that a run goes on from, for `load_state`: weights, moments, losses, generator."""
        mean, generator = self.running_mean, self.generator
        return {
            "network": self.network.state_dict(),
            "mean": mean and mean.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
            "generator": generator and generator.get_state(),
        }

    def load_state(self, state: dict) -> None:
        """Go on from where another trainer, made alike, gave its `state`."""
        self.network.load_state_dict(state["network"])
        if self.running_mean:
            self.running_mean.network.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses[:] = state["losses"]
        if self.generator:
            self.generator.set_state(state["generator"])

    def _step(self) -> float:
        index, x0 = len(self.losses) + 1, self.data[0]
        there = {"device": x0.device, "generator": self.generator}
        rows = draw(torch.randint, len(x0), (self.batch_size,), **there)
        batch = [part[rows] for part in self.data]
        loss = self.objective(self.network, *batch, generator=self.generator)
        rate = self.learning_rate(index) if callable(self.learning_rate) else self.learning_rate
        if not math.isfinite(value := loss.item()):
            raise FloatingPointError(f"the loss is {value} at step {index}: training has diverged")
        if not 0 <= rate < math.inf:
            raise ValueError(f"learning_rate must be 0 or more, got {rate} at step {index}")
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.running_mean:
            self.running_mean.update(index)
        self.losses.append(value)
        return value
