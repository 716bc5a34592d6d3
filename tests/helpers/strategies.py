"""What the property tests draw their examples from."""

import random
from contextlib import contextmanager

import numpy as np
import torch
from hypothesis import strategies as st

from tutorial_lib import Mixture, NoiseSchedule

SEEDS = st.integers(0, 10**6)
DTYPES = st.sampled_from([torch.float32, torch.float64])


def schedules(min_steps: int = 2, max_steps: int = 60, low: float = 1e-3, high: float = 0.6):
    """Any values of beta, in any order."""
    betas = st.lists(st.floats(low, high), min_size=min_steps, max_size=max_steps)
    return betas.map(lambda values: NoiseSchedule([0, *values]))


@st.composite
def mixtures(draw, n_dim: int) -> Mixture:
    """One to four components; mean 0 and variance 1 in every coordinate, as standardised data."""
    k = draw(st.integers(1, 4))
    weight = torch.tensor([draw(st.floats(0.1, 1)) for _ in range(k)], dtype=torch.float64)
    mean = torch.tensor([[draw(st.floats(-2, 2)) for _ in range(n_dim)] for _ in range(k)])
    std = torch.tensor([[draw(st.floats(0.2, 1)) for _ in range(n_dim)] for _ in range(k)])
    weight, mean, std = weight / weight.sum(), mean.double(), std.double()
    centre = weight @ mean
    scale = (weight @ (std**2 + (mean - centre) ** 2)).sqrt()
    return Mixture(weight, (mean - centre) / scale, std / scale)


@contextmanager
def no_global_random_numbers():
    """The global generators of torch, NumPy and Python are left as they were."""

    def states():
        name, keys, *rest = np.random.get_state()  # noqa: NPY002
        return torch.get_rng_state().tolist(), (name, keys.tolist(), *rest), random.getstate()

    before = states()
    yield
    assert states() == before
