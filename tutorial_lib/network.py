"""The network of the series: a plain MLP that predicts the noise in xt, and a sharper variant."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from tutorial_lib._silent import brief, check_index
from tutorial_lib.schedule import NoiseSchedule

CHUNK = 1000  # rows that go through the layers together on a CPU


class MLP(nn.Module):
    """Three hidden ReLU layers on points x and on what else they are told; the output is like x.

    n_dim: dimension of x. n_hidden: width. n_told: how many numbers they are told beside x.
    frequencies: for each number k in it, sin(k x) and cos(k x) are inputs, too (Tancik et al.
    2020): with them the output can follow fine detail in x. `generator` makes the initial weights
    reproducible; without it PyTorch's global one is used.
    """

    def __init__(
        self,
        n_dim: int,
        n_hidden: int,
        n_told: int,
        *,
        frequencies: Sequence[float] = (),
        generator: Generator | None = None,
    ):
        super().__init__()
        self.n_dim, self.n_hidden = n_dim, n_hidden
        self.frequencies = tuple(map(float, frequencies))
        n_inputs = n_dim * (1 + 2 * len(self.frequencies)) + n_told
        with torch.device("meta"):  # the weights are drawn below, once
            self.layers = nn.Sequential(
                nn.Linear(n_inputs, n_hidden),
                nn.ReLU(inplace=True),
                nn.Linear(n_hidden, n_hidden),
                nn.ReLU(inplace=True),
                nn.Linear(n_hidden, n_hidden),
                nn.ReLU(inplace=True),
                nn.Linear(n_hidden, n_dim),
            )
        draw_weights(self.layers, generator)

    def through_layers(self, x: Tensor, *told: Tensor) -> Tensor:
        """What the layers put out, (n, n_dim), for x (n, n_dim) and columns of other numbers."""
        waves = [wave(k * x) for k in self.frequencies for wave in (torch.sin, torch.cos)]
        inputs = torch.cat([x, *waves, *told], dim=1)
        if torch.is_grad_enabled() or inputs.device.type != "cpu":
            return self.layers(inputs)
        # Without gradients a few rows at a time: what lies between the layers fits a CPU's cache.
        return torch.cat([self.layers(rows) for rows in inputs.split(CHUNK)])


class Denoiser(MLP):
    """Three hidden ReLU layers on (xt, scaled time); the output estimates eps.

    n_steps: T >= 2. n_classes: how many kinds of data there are, if the network is told the kind by
    a label: one more input for each class, 1 for the right one and 0 for the others. n_dim,
    n_hidden, frequencies, generator: see `MLP`.
    """

    def __init__(
        self, n_dim: int, n_steps: int, n_hidden: int = 128, *, n_classes: int = 0, **options
    ):
        super().__init__(n_dim, n_hidden, 1 + n_classes, **options)
        self.n_steps, self.n_classes = n_steps, n_classes

    def extra_repr(self) -> str:
        return (
            f"n_dim={self.n_dim}, n_steps={self.n_steps}, n_hidden={self.n_hidden}, "
            f"frequencies={self.frequencies}, n_classes={self.n_classes}"
        )

    def forward(self, xt: Tensor, t: int | Tensor, label: int | Tensor | None = None) -> Tensor:
        """eps_hat (n, n_dim) for xt (n, n_dim) and t, an int or (n,) integers, in 1..T.

        label: the class of each row, an int or (n,) integers in 0..n_classes-1; -1, or no label at
        all, is for rows of an unknown class. Raises ValueError or TypeError for a t or a label
        that does not fit.
        """
        return self.output(xt, t, label)

    def output(self, xt: Tensor, t: int | Tensor, label: int | Tensor | None = None) -> Tensor:
        """What the layers themselves put out, (n, n_dim); the arguments are those of `forward`."""
        t = check_index("t", t, len(xt), 1, self.n_steps)
        column = torch.as_tensor(self.scaled_time(t)).to(xt).view(-1, 1).expand(len(xt), 1)
        told = [column]
        if self.n_classes or label is not None:
            told.append(self._one_hot(xt, label))
        return self.through_layers(xt, *told)

    def scaled_time(self, t: int | Tensor) -> float | Tensor:
        """t in 1..T mapped linearly to [-1/2, 1/2], the range that suits a network's input."""
        return (t - 1) / (self.n_steps - 1) - 0.5

    def _one_hot(self, xt: Tensor, label: int | Tensor | None) -> Tensor:
        """The inputs that stand for the label: (n, n_classes)."""
        if label is None:
            return xt.new_zeros(len(xt), self.n_classes)
        if not self.n_classes:
            raise ValueError(f"label is for a network with classes, got {brief(label)} without any")
        label = check_index("label", label, len(xt), -1, self.n_classes - 1)
        label = torch.as_tensor(label, device=xt.device).expand(len(xt))
        return (label[:, None] == torch.arange(self.n_classes, device=xt.device)).to(xt)


class VDenoiser(Denoiser):
    """The same layers predict v instead of eps, and eps_hat follows from v and xt.

    v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 (Salimans & Ho 2022, section 4). If the
    standardised data were a Gaussian cloud, the best eps_hat would be sqrt(1 - alpha_bar) xt and
    the best v_hat zero: v is what the network has to add to that. As its time the network is told
    how noisy xt is. The arguments are those of `Denoiser`, with the schedule in place of its number
    of steps.
    """

    def __init__(self, n_dim: int, schedule: NoiseSchedule, n_hidden: int = 128, **options):
        super().__init__(n_dim, schedule.n_steps, n_hidden, **options)
        self.schedule = schedule
        log_snr = schedule.alpha_bar.cpu().double().logit(eps=1e-12)  # finite where alpha_bar is 0
        log_noise = (-0.5 * log_snr).float().to(schedule.beta.device)
        self.register_buffer("alpha_bar", schedule.alpha_bar, persistent=False)
        self.register_buffer("log_noise", log_noise, persistent=False)

    def forward(self, xt: Tensor, t: int | Tensor, label: int | Tensor | None = None) -> Tensor:
        """eps_hat (n, n_dim) for xt (n, n_dim) and t in 1..T, as `Denoiser` gives it."""
        v_hat = self.output(xt, t, label)
        alpha_bar = self.alpha_bar[torch.as_tensor(t).long()].view(-1, 1)  # (1, 1) or (n, 1)
        return (1 - alpha_bar).sqrt() * xt + alpha_bar.sqrt() * v_hat

    def scaled_time(self, t: int | Tensor) -> Tensor:
        """A quarter of the log of noise over signal, sqrt((1 - alpha_bar) / alpha_bar), at t.

        It rises from -1.15 to 2.69 over t = 1..T of the series' schedule, fastest at small t,
        where the best answer changes fastest (c_noise in Karras et al. 2022, table 1).
        """
        return self.log_noise[t] / 4


class Guided(nn.Module):
    """A denoiser (xt, t) -> eps_hat for data of one class, to sample from.

    denoiser: one that was trained with labels. label: as in `Denoiser.forward`. weight: how far
    to go beyond the answer with the label, away from the one without (classifier-free guidance,
    Ho & Salimans 2022, eq. 6); 0 takes the answer as it is.
    """

    def __init__(self, denoiser: Denoiser, label: int | Tensor, weight: float = 0.0):
        super().__init__()
        self.denoiser, self.label, self.weight = denoiser, label, weight
        self.n_dim, self.n_steps = denoiser.n_dim, denoiser.n_steps
        if hasattr(denoiser, "schedule"):
            self.schedule = denoiser.schedule

    def forward(self, xt: Tensor, t: int | Tensor) -> Tensor:
        """eps_hat (n, n_dim) for xt (n, n_dim) and t in 1..T, as `Denoiser` gives it."""
        with_label = self.denoiser(xt, t, self.label)
        if self.weight == 0:
            return with_label
        return (1 + self.weight) * with_label - self.weight * self.denoiser(xt, t)


def draw_weights(network: nn.Module, generator: Generator | None) -> None:
    """Give weights to a network of linear and convolution layers that was made on "meta".

    They follow PyTorch's own initial law, uniform on +-1/sqrt(n_in), but come from `generator`.
    """
    network.to_empty(device=torch.empty(0).device)  # the default, or that of `with torch.device`
    for layer in network.modules():
        if parameters := list(layer.parameters(recurse=False)):
            bound = layer.weight[0].numel() ** -0.5
            for parameter in parameters:
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
