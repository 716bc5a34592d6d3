"""What several tests start from."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tutorial_lib import Denoiser, ExactDenoiser, Mixture, NoiseSchedule

# The same examples on every machine and in every run.
settings.register_profile("tests", deadline=None, derandomize=True, database=None, max_examples=40)
settings.register_profile("deep", settings.get_profile("tests"), max_examples=200)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The arrays here are too small to share among threads."""
    torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def schedule() -> NoiseSchedule:
    """The schedule of the series."""
    return NoiseSchedule.linear(n_steps=200, beta_min=1e-4, beta_max=0.2)


@pytest.fixture(scope="session")
def mixture() -> Mixture:
    """The series' 1D law in standardised units: `two_modes()` has mean 0.2 and variance 0.25."""
    return Mixture(
        torch.tensor([0.3, 0.7]), torch.tensor([[-1.4], [0.6]]), torch.tensor([[0.4], [0.4]])
    )


@pytest.fixture(scope="session")
def mixture_2d() -> Mixture:
    """Two unlike components in the plane, of different widths along each axis."""
    return Mixture(
        torch.tensor([0.25, 0.75]),
        torch.tensor([[-1.0, 0.5], [0.6, -0.4]]),
        torch.tensor([[0.3, 0.5], [0.8, 0.2]]),
    )


@pytest.fixture(scope="session")
def exact(mixture, schedule) -> ExactDenoiser:
    return ExactDenoiser(mixture, schedule)


@pytest.fixture
def denoiser() -> Denoiser:
    """A small untrained network for the series' schedule."""
    return Denoiser(n_dim=1, n_steps=200, n_hidden=16, generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of the whole site."""
    from tools.site import build  # imports Sphinx, which most tests need not wait for

    folder = tmp_path_factory.mktemp("made") / "site"
    build(Path(__file__).parents[2], folder)
    return folder
