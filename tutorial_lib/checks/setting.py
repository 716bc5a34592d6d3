"""What the checks take from the series: its schedule, its truth, and where a schedule must end."""

import torch

from tutorial_lib.data import Standardizer, two_modes
from tutorial_lib.oracle import ExactDenoiser
from tutorial_lib.schedule import NoiseSchedule

from .verdict import need

SCHEDULE = NoiseSchedule.linear(n_steps=200, beta_min=1e-4, beta_max=0.2)
# For answers that take their constants from the notebook, not from the schedule they are given.
OTHER = NoiseSchedule.linear(n_steps=20, beta_min=0.01, beta_max=0.6)
TRUTH = two_modes().standardized(Standardizer(torch.tensor([0.2]), torch.tensor([0.5])))
EXACT = ExactDenoiser(TRUTH, SCHEDULE)


def ends_in_noise(answer, n_steps: int) -> NoiseSchedule:
    """The answer, if it is a schedule of so many steps at whose end the data are gone."""
    wrong = f"This must be a NoiseSchedule, not a {type(answer).__name__}."
    need(isinstance(answer, NoiseSchedule), wrong)
    need(answer.n_steps == n_steps, f"It has {answer.n_steps} steps; {n_steps} are asked for.")
    end = float(answer.alpha_bar[-1])
    need(
        end < 0.01,
        f"At the last step, {end:.2g} of the data's variance is left. Sampling starts from pure "
        "noise, so the noise must get there.",
    )
    return answer
