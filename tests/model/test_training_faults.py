"""Training: interrupts at random moments, errors inside a step, and training that diverges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainers import make, same, seeded, weights

from tutorial_lib import (
    DataDenoiser,
    ExactDenoiser,
    NoiseSchedule,
    Trainer,
    VDenoiser,
    sample,
    sample_ddim,
    two_modes,
)

# Each SIGINT is sent to the process by another thread, some random time after training went on.
INTERRUPTED = """
import json, os, random, signal, sys, threading, time
sys.path[:0] = {paths!r}
import torch
from trainers import make, same
from tutorial_lib import checkpoint

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it
rng, go_on = random.Random({seed}), threading.Event()

def interrupt():
    for _ in range({times}):
        go_on.wait()
        go_on.clear()
        time.sleep(0.004 * rng.random())
        os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
trainer, where = make(average={average}), {{"in a step": 0, "in the loop": 0}}
for k in range({times}):
    seen = len(trainer.losses)
    try:
        go_on.set()
        for step in trainer.run(steps=10**9):
            seen = step.index
            time.sleep(0.0005)
    except KeyboardInterrupt:
        pass
    done = len(trainer.losses)
    where["in a step" if done > seen else "in the loop"] += 1
    assert seen <= done <= seen + 1
    assert all(part["step"] == done for part in trainer.optimizer.state.values())
    assert trainer.denoiser(torch.zeros(3, 1), 1).isfinite().all()
    if k % 10 == 0:
        checkpoint.save_trainer({path!r}, trainer)
        trainer = make(average={average})
        checkpoint.resume_trainer({path!r}, trainer)
whole = make(average={average})
list(whole.run(steps=done))
print(json.dumps([same(whole, trainer), done, where]))
"""


def interrupt(times: int, average: bool, path: Path, seed: int = 0) -> None:
    root = Path(__file__).parents[2]
    paths = [str(root), str(root / "tests" / "helpers")]
    code = INTERRUPTED.format(
        paths=paths, times=times, average=average, path=str(path / "run"), seed=seed
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    equal, done, where = json.loads(run.stdout)
    print(done, where)
    assert equal
    assert sum(where.values()) == times and min(where.values()) > 0


@pytest.mark.parametrize("average", [True, False])
def test_real_interrupts_lose_nothing(average, tmp_path):
    interrupt(100, average, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_real_interrupts_lose_nothing(average, seed, tmp_path):
    interrupt(1000, average, tmp_path, seed)


@given(st.integers(1, 6), st.sampled_from(["forward", "backward", "rate"]), st.booleans())
def test_an_error_inside_a_step_leaves_the_trainer_as_it_was_before_the_step(step, where, average):
    calls = []

    def fail_once(*_):
        calls.append(1)
        if len(calls) == step:
            raise RuntimeError("of the caller's own")

    trainer = make(
        average=average,
        learning_rate=lambda index: (where == "rate" and fail_once()) or 0.01 / index,
    )
    if where == "forward":
        trainer.network.layers.register_forward_hook(fail_once)
    if where == "backward":
        next(trainer.network.parameters()).register_hook(fail_once)
    before = []
    with pytest.raises(RuntimeError, match="of the caller's own"):
        for _ in trainer.run(steps=9):
            before.append((weights(trainer.network), weights(trainer.denoiser)))
    assert len(trainer.losses) == len(before) == step - 1
    if before:
        assert torch.equal(weights(trainer.network), before[-1][0])
        assert torch.equal(weights(trainer.denoiser), before[-1][1])
    assert all(part["step"] == step - 1 for part in trainer.optimizer.state.values())
    assert [s.index for s in trainer.run(steps=3)] == [step, step + 1, step + 2]
    assert weights(trainer.denoiser).isfinite().all()


def test_training_that_diverges_stops_before_the_weights_are_touched():
    trainer, seen = make(learning_rate=lambda index: 1e-3 if index < 5 else 1e30), []
    with pytest.raises(
        FloatingPointError, match=r"the loss is (inf|nan) at step \d.*learning_rate"
    ):
        for _ in trainer.run(steps=20):
            seen.append(weights(trainer.network))
    assert torch.equal(weights(trainer.network), seen[-1])
    assert len(trainer.losses) == len(seen) and torch.tensor(trainer.losses).isfinite().all()


@pytest.mark.parametrize(
    "make_denoiser",
    [
        lambda schedule: VDenoiser(1, schedule, 4, generator=seeded()),
        lambda schedule: ExactDenoiser(two_modes(), schedule),
        lambda schedule: DataDenoiser(torch.randn(9, 1, generator=seeded()), schedule),
    ],
)
def test_a_denoiser_is_not_taken_to_another_schedule_of_the_same_length(make_denoiser):
    denoiser = make_denoiser(NoiseSchedule.linear(20))
    same_values, other = NoiseSchedule.linear(20), NoiseSchedule.linear(20, beta_max=0.3)
    sample(denoiser, same_values, 3, generator=seeded())
    calls = [lambda: sample(denoiser, other, 3), lambda: sample_ddim(denoiser, other, 3, 5)]
    if isinstance(denoiser, VDenoiser):
        calls.append(lambda: Trainer(denoiser, torch.zeros(5, 1), other))
    for call in calls:
        with pytest.raises(ValueError, match=r"schedule must be the one .* beta differs"):
            call()


def test_two_trainers_share_nothing():
    one, other, alone = make(), make(generator=seeded(9)), make()
    for _ in zip(one.run(steps=5), other.run(steps=5), strict=True):
        pass
    list(alone.run(steps=5))
    assert same(one, alone)
