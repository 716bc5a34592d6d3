"""The network of the series: a plain MLP that predicts the noise in xt, and a sharper variant."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from tutorial_lib._arguments import fits, integer, points, positive, timesteps
from tutorial_lib.forward import at
from tutorial_lib.schedule import NoiseSchedule


class Denoiser(nn.Module):
    """Three hidden ReLU layers on (xt, scaled time); the output estimates eps.

    n_dim: dimension of the data. n_steps: T >= 2. n_hidden: width. frequencies: for each number k
    in it, sin(k xt) and cos(k xt) are inputs, too (Tancik et al. 2020): with them the output can
    follow fine detail in x. `generator` makes the initial weights reproducible; without it
    PyTorch's global generator is used.
    """

    def __init__(
        self,
        n_dim: int,
        n_steps: int,
        n_hidden: int = 128,
        *,
        frequencies: Sequence[float] = (),
        generator: Generator | None = None,
    ):
        super().__init__()
        self.n_dim = integer("n_dim", n_dim, 1)
        self.n_steps = integer("n_steps", n_steps, 2)
        self.n_hidden = integer("n_hidden", n_hidden, 1)
        self.frequencies = tuple(positive("each of frequencies", k) for k in frequencies)
        n_inputs = n_dim * (1 + 2 * len(self.frequencies)) + 1
        fits("n_hidden", n_hidden, n_hidden * max(n_hidden, n_inputs))
        self.layers = nn.Sequential(
            _linear(n_inputs, n_hidden, generator),
            nn.ReLU(inplace=True),
            _linear(n_hidden, n_hidden, generator),
            nn.ReLU(inplace=True),
            _linear(n_hidden, n_hidden, generator),
            nn.ReLU(inplace=True),
            _linear(n_hidden, n_dim, generator),
        )

    def scaled_time(self, t: int | Tensor) -> float | Tensor:
        """t in 1..T mapped linearly to [-1/2, 1/2], the range that suits a network's input."""
        return (t - 1) / (self.n_steps - 1) - 0.5

    def forward(self, xt: Tensor, t: int | Tensor) -> Tensor:
        """eps_hat (n, n_dim) for xt (n, n_dim) and t, an int or (n,) int64, in 1..T.

        Raises ValueError or TypeError for a shape or a t that does not fit.
        """
        points("xt", xt, self.n_dim)
        dtype = self.layers[0].weight.dtype
        if xt.dtype != dtype:
            raise TypeError(f"xt must be {dtype} like the weights, got {xt.dtype}")
        time = self.scaled_time(timesteps(t, len(xt), 1, self.n_steps))
        if isinstance(time, Tensor):
            column = time[:, None].to(xt)
        else:
            column = xt.new_full((len(xt), 1), time)
        waves = [wave(k * xt) for k in self.frequencies for wave in (torch.sin, torch.cos)]
        return self.layers(torch.cat([xt, *waves, column], dim=1))


class VDenoiser(Denoiser):
    """The same network, asked for less: it predicts v, and eps_hat follows from v and xt.

    v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 (Salimans & Ho 2022, section 4). If the
    standardised data were a Gaussian cloud, the best eps_hat would be sqrt(1 - alpha_bar) xt and
    the best v_hat zero: v is what the network has to add to that. The arguments are those of
    `Denoiser`, with the schedule instead of its number of steps.
    """

    def __init__(
        self,
        n_dim: int,
        schedule: NoiseSchedule,
        n_hidden: int = 128,
        *,
        frequencies: Sequence[float] = (),
        generator: Generator | None = None,
    ):
        super().__init__(
            n_dim, schedule.n_steps, n_hidden, frequencies=frequencies, generator=generator
        )
        self.schedule = schedule
        self.register_buffer("alpha_bar", schedule.alpha_bar, persistent=False)

    def forward(self, xt: Tensor, t: int | Tensor) -> Tensor:
        """eps_hat (n, n_dim) for xt (n, n_dim) and t in 1..T, as `Denoiser` gives it."""
        v_hat = super().forward(xt, t)
        alpha_bar = at(self.alpha_bar, t, xt)
        return (1 - alpha_bar).sqrt() * xt + alpha_bar.sqrt() * v_hat


def _linear(n_in: int, n_out: int, generator: Generator | None) -> nn.Linear:
    # PyTorch's own initial law for nn.Linear, uniform on +-1/sqrt(n_in), from our generator.
    device = torch.empty(0).device  # the default, or that of `with torch.device(...)`
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, device=device)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(n_in**-0.5), n_in**-0.5, generator=generator)
    return layer
