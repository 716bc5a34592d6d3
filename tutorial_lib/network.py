"""The network of the series: a plain MLP that predicts the noise in xt."""

import torch
from torch import Generator, Tensor, nn

from tutorial_lib._arguments import integer, points, timesteps


class Denoiser(nn.Module):
    """Three hidden ReLU layers on (xt, scaled time); the output estimates eps.

    n_dim: dimension of the data. n_steps: T >= 2. n_hidden: width. `generator` makes the initial
    weights reproducible; without it PyTorch's global generator is used.
    """

    def __init__(
        self, n_dim: int, n_steps: int, n_hidden: int = 128, *, generator: Generator | None = None
    ):
        super().__init__()
        self.n_dim = integer("n_dim", n_dim, 1)
        self.n_steps = integer("n_steps", n_steps, 2)
        self.n_hidden = integer("n_hidden", n_hidden, 1)
        self.layers = nn.Sequential(
            _linear(n_dim + 1, n_hidden, generator),
            nn.ReLU(),
            _linear(n_hidden, n_hidden, generator),
            nn.ReLU(),
            _linear(n_hidden, n_hidden, generator),
            nn.ReLU(),
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
        return self.layers(torch.cat([xt, column], dim=1))


def _linear(n_in: int, n_out: int, generator: Generator | None) -> nn.Linear:
    # PyTorch's own initial law for nn.Linear, uniform on +-1/sqrt(n_in), from our generator.
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(n_in**-0.5), n_in**-0.5, generator=generator)
    return layer
