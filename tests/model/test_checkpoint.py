"""Checkpoints: what was saved comes back bit for bit, and a file is whole or changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainers import make, same, seeded

from tutorial_lib import Denoiser, NoiseSchedule, Trainer, VDenoiser, checkpoint

SCHEDULE = NoiseSchedule.linear(20)
MAKERS = {
    "plain": lambda: Denoiser(1, 9, 4, generator=seeded()),
    "waves": lambda: Denoiser(2, 7, 3, frequencies=(1, 2.5), generator=seeded()),
    "v": lambda: VDenoiser(2, SCHEDULE, 5, frequencies=(0.1,), generator=seeded()),
    "double": lambda: VDenoiser(1, SCHEDULE, 5, generator=seeded()).double(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def everything(trainer: Trainer) -> dict:
    """All that `resume_trainer` may change, as plain values."""
    state = trainer.optimizer.state_dict()["state"]
    return {
        "losses": list(trainer.losses),
        "adam": {(i, k): v.tolist() for i, part in state.items() for k, v in part.items()},
        "generator": trainer.generator.get_state().tolist(),
        "network": {k: v.tolist() for k, v in trainer.network.state_dict().items()},
        "denoiser": {k: v.tolist() for k, v in trainer.denoiser.state_dict().items()},
    }


@pytest.mark.parametrize("make_denoiser", MAKERS.values(), ids=MAKERS.keys())
def test_a_denoiser_comes_back_with_its_class_arguments_weights_and_answers(
    make_denoiser, tmp_path
):
    one, path = make_denoiser(), tmp_path / "denoiser.safetensors"
    checkpoint.save_denoiser(path, one)
    state = torch.get_rng_state()
    other = checkpoint.load_denoiser(str(path))
    assert torch.equal(torch.get_rng_state(), state)
    assert type(other) is type(one)
    for name in ("n_dim", "n_steps", "n_hidden", "frequencies"):
        assert getattr(other, name) == getattr(one, name)
    xt = torch.randn(9, one.n_dim, generator=seeded(), dtype=next(one.parameters()).dtype)
    for t in (1, one.n_steps):
        assert torch.equal(one(xt, t), other(xt, t))
    assert all(p.requires_grad for p in other.parameters())
    assert other.layers[0].weight.device.type == "cpu"
    assert {p.name for p in tmp_path.iterdir()} == {"denoiser.safetensors"}


def test_a_loaded_network_can_be_trained_on_and_does_not_hang_on_its_file(tmp_path):
    path = tmp_path / "v"
    checkpoint.save_denoiser(path, MAKERS["v"]())
    loaded, kept = checkpoint.load_denoiser(path), MAKERS["v"]()
    path.write_bytes(b"\xff" * path.stat().st_size)
    for denoiser in (loaded, kept):
        x0 = torch.randn(50, 2, generator=seeded())
        list(Trainer(denoiser, x0, SCHEDULE, generator=seeded(1)).run(steps=3))
    assert all(map(torch.equal, loaded.parameters(), kept.parameters()))


@given(st.integers(0, 8), st.integers(0, 8), st.booleans(), st.sampled_from(["plain", "v"]))
def test_a_resumed_run_equals_one_that_was_never_stopped(folder, before, after, average, kind):
    schedule = NoiseSchedule.linear(MAKERS[kind]().n_steps)

    def made():
        denoiser = MAKERS[kind]()
        x0 = torch.randn(50, denoiser.n_dim, generator=seeded(1))
        options = {"batch_size": 8, "average": average, "generator": seeded(3)}
        return Trainer(denoiser, x0, schedule, learning_rate=lambda i: 0.02 / i, **options)

    whole, first, second = made(), made(), made()
    if before + after:
        list(whole.run(steps=before + after))
    if before:
        list(first.run(steps=before))
    list(second.run(steps=5))  # whatever it was before, it is forgotten
    path = folder / "run.safetensors"
    checkpoint.save_trainer(path, first)
    checkpoint.resume_trainer(path, second)
    assert everything(second)["losses"] == whole.losses[:before]
    assert all(type(loss) is float for loss in second.losses)
    if after:
        list(second.run(steps=after))
    assert same(second, whole)
    assert second.generator.get_state().tolist() == whole.generator.get_state().tolist()


def test_saving_changes_nothing(folder):
    trainer = make()
    list(trainer.run(steps=2))
    before = everything(trainer)
    checkpoint.save_trainer(folder / "run", trainer)
    assert everything(trainer) == before


def test_without_a_generator_of_its_own_a_trainer_leaves_the_global_one_alone(tmp_path):
    trainer = make(generator=None)
    checkpoint.save_trainer(tmp_path / "run", trainer)
    state = torch.get_rng_state()
    checkpoint.resume_trainer(tmp_path / "run", trainer)
    assert torch.equal(torch.get_rng_state(), state)


def test_frequencies_may_come_from_numpy(folder):
    denoiser = Denoiser(2, 7, 3, frequencies=2 ** np.arange(3), generator=seeded())
    checkpoint.save_denoiser(folder / "numpy", denoiser)
    assert checkpoint.load_denoiser(folder / "numpy").frequencies == (1, 2, 4)


def test_a_precision_that_cannot_be_loaded_is_not_saved(folder):
    denoiser = Denoiser(1, 9, 4).to(torch.bfloat16)
    with pytest.raises(TypeError, match=r"torch.float32 or torch.float64, got torch.bfloat16"):
        checkpoint.save_denoiser(folder / "half", denoiser)
    assert not (folder / "half").exists()


def test_what_changes_no_answer_does_not_keep_a_network_from_being_saved(tmp_path):
    one, path = MAKERS["v"](), tmp_path / "v"
    one.layers[3] = one.layers[1]
    one.eval().requires_grad_(False)
    one.note = "a good one"
    vector = torch.nn.utils.parameters_to_vector(one.parameters())
    torch.nn.utils.vector_to_parameters(vector, one.parameters())  # one piece of memory
    checkpoint.save_denoiser(path, one)
    xt = torch.randn(9, 2, generator=seeded())
    assert torch.equal(checkpoint.load_denoiser(path)(xt, 3), one(xt, 3))


def test_a_run_whose_weights_have_gone_wrong_is_put_back(tmp_path):
    trainer = make()
    list(trainer.run(steps=2))
    checkpoint.save_trainer(tmp_path / "run", trainer)
    before = everything(trainer)
    trainer.network.layers[0].weight.data.fill_(torch.nan)
    trainer.losses.clear()
    checkpoint.resume_trainer(tmp_path / "run", trainer)
    assert everything(trainer) == before


def test_a_run_with_a_frozen_layer_is_resumed(tmp_path):
    whole, first, second = make(), make(), make()
    for trainer in (whole, first, second):
        trainer.network.layers[0].requires_grad_(False)
    list(whole.run(steps=5))
    list(first.run(steps=3))
    for _ in range(2):  # also one that was resumed
        checkpoint.save_trainer(tmp_path / "run", first)
        checkpoint.resume_trainer(tmp_path / "run", second)
        first = second
    list(second.run(steps=2))
    assert same(second, whole)
