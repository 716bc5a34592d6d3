"""A minimal denoising diffusion model: data, noise, network, training, sampling.

The names below are what the notebooks use all the time. The modules `flow`, `oracle`, `sampling`,
`loss`, `metrics`, `latent`, `checkpoint`, `plotting`, `scrubber` and `checks` hold more, and are
imported where they are needed: `from tutorial_lib import plotting`.
"""

from tutorial_lib.data import (
    Mixture,
    Standardizer,
    gaussian_mixture,
    ramp,
    ramp_density,
    spiral,
    spiral_density,
    spiral_lattice,
    two_modes,
)
from tutorial_lib.digits import Digits, digits
from tutorial_lib.forward import diffuse, diffuse_step, predict_eps, predict_x0, score_from_eps
from tutorial_lib.network import Denoiser, Guided, VDenoiser
from tutorial_lib.oracle import DataDenoiser, ExactDenoiser
from tutorial_lib.sampling import sample, sample_ddim
from tutorial_lib.schedule import NoiseSchedule
from tutorial_lib.training import Trainer

__all__ = [
    "DataDenoiser",
    "Denoiser",
    "Digits",
    "ExactDenoiser",
    "Guided",
    "Mixture",
    "NoiseSchedule",
    "Standardizer",
    "Trainer",
    "VDenoiser",
    "diffuse",
    "diffuse_step",
    "digits",
    "gaussian_mixture",
    "predict_eps",
    "predict_x0",
    "ramp",
    "ramp_density",
    "sample",
    "sample_ddim",
    "score_from_eps",
    "spiral",
    "spiral_density",
    "spiral_lattice",
    "two_modes",
]
