"""With a GPU: the same calls, and with a CPU generator nearly the same numbers as on the CPU."""

import pytest
import torch
from trainers import seeded

from tutorial_lib import (
    Denoiser,
    ExactDenoiser,
    NoiseSchedule,
    Trainer,
    VDenoiser,
    sample,
    sample_ddim,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SCHEDULE = NoiseSchedule.linear(n_steps=20)
MAKERS = {
    "eps": lambda g: Denoiser(2, 20, 16, frequencies=(1, 2), generator=g),
    "v": lambda g: VDenoiser(2, SCHEDULE, 16, generator=g),
}


def trained(make, device: str) -> Trainer:
    x0 = torch.randn(500, 2, generator=seeded(1))
    options = {"batch_size": 64, "t_weight": SCHEDULE.alpha_bar, "generator": seeded(3)}
    trainer = Trainer(make(seeded(2)).to(device), x0, SCHEDULE, **options)
    list(trainer.run(steps=20))
    return trainer


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_training_and_sampling_agree_with_the_cpu(make):
    here, there = trained(make, "cpu"), trained(make, "cuda")
    assert torch.allclose(torch.tensor(here.losses), torch.tensor(there.losses), atol=1e-3)
    for draw in (sample, lambda *a, **k: sample_ddim(*a, 10, **k)):
        z = draw(there.denoiser, SCHEDULE, 300, generator=seeded(4))
        assert z.device.type == "cuda"
        expected = draw(here.denoiser, SCHEDULE, 300, generator=seeded(4))
        assert torch.allclose(z.cpu(), expected, atol=0.02)


def test_a_generator_on_the_gpu_serves_too():
    generator = torch.Generator("cuda").manual_seed(0)
    z = sample(MAKERS["v"](seeded()).to("cuda"), SCHEDULE, 10, generator=generator)
    assert z.device.type == "cuda" and z.isfinite().all()


def test_a_callable_samples_where_its_schedule_is(mixture):
    exact = ExactDenoiser(mixture, SCHEDULE)
    assert sample(exact, SCHEDULE, 10, generator=seeded()).device.type == "cpu"
    z = sample(lambda xt, t: xt / 2, SCHEDULE.to("cuda"), 10, n_dim=1, generator=seeded())
    assert z.device.type == "cuda"
