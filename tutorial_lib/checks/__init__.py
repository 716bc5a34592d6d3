"""The exercises' self-checks: is my answer right, and if not, where should I look?

    checks.diffuse_step(my_diffuse_step)

A check tests properties of an answer, such as "the variance stays 1", and returns a `Verdict`: true
if the answer is right, and shown as a sentence or two. It raises nothing, whatever the answer does,
and does not give the solution away. Random numbers come from fixed generators, so an answer that
draws from the generator it is given gets the same verdict every time.
"""

from .formulas import diffuse, diffuse_step, reverse_step, x0_from_v
from .functions import (
    data_denoiser,
    decoded,
    denoising_loss,
    draw_timesteps,
    frechet,
    judge,
    mix,
    own_data,
    own_density,
    running_mean,
    sample,
    time_features,
    total_variation,
)
from .predictions import (
    band_of_40000,
    first_step_back,
    gaussian_floor,
    guess_at_200,
    inputs_with_label,
    origin_at_1,
    short_schedule,
    smallest_shift,
    thousand_steps,
    tv_of_40000,
    variance_at_37,
)

__all__ = [
    "band_of_40000",
    "data_denoiser",
    "decoded",
    "denoising_loss",
    "diffuse",
    "diffuse_step",
    "draw_timesteps",
    "first_step_back",
    "frechet",
    "gaussian_floor",
    "guess_at_200",
    "inputs_with_label",
    "judge",
    "mix",
    "origin_at_1",
    "own_data",
    "own_density",
    "reverse_step",
    "running_mean",
    "sample",
    "short_schedule",
    "smallest_shift",
    "thousand_steps",
    "time_features",
    "total_variation",
    "tv_of_40000",
    "variance_at_37",
    "x0_from_v",
]
