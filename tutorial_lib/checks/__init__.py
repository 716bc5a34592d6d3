"""The exercises' self-checks: is my answer right, and if not, where should I look?

    checks.diffuse_step(my_diffuse_step)

A check tests properties of an answer, such as "the variance stays 1", and returns a `Verdict`: true
if the answer is right, and shown as a sign, a sentence or two, and how many of the notebook's
checks hold. It raises nothing, whatever the answer does, and does not give the solution away.
Random numbers come from fixed generators, so an answer that draws from the generator it is given
gets the same verdict every time. There is one module for each notebook.
"""
# ruff: noqa: F401 (imported to be found here)

from .flow import heun, own_path, two_calls, walk_back
from .forward_diffusion import diffuse, jump, thousand_steps, variance_at_37
from .latent_diffusion import decoded, frechet, inputs_with_label, mix
from .network import data_denoiser, guess_at_200, origin_at_1, time_features
from .sampling import first_step_back, reverse_step, sample, short_schedule, whose_error
from .spiral import own_data, total_variation, tv_of_40000, x0_from_v
from .toy_data import band_of_40000, honest_distances, own_density, smallest_shift
from .training import denoising_loss, draw_timesteps, gaussian_floor, running_mean, training_loop
from .verdict import HOLDS

__all__ = sorted(name for checks in HOLDS.values() for name in checks)
