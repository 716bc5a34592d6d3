"""Interrupts and errors: a step is made wholly or not at all, and the run can go on."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainers import interrupt_once, make, same, weights


@pytest.fixture(autouse=True)
def python_s_own_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("where", ["forward", "backward", "optimizer"])
def test_an_interrupt_waits_for_the_step_and_the_run_goes_on_as_if_there_had_been_none(
    where, average
):
    trainer, undisturbed = make(average=average), make(average=average)
    interrupt_once(trainer, where, step=3)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for step in trainer.run(steps=9):
            seen.append(step.index)
    assert seen == [1, 2] and len(trainer.losses) == 3
    list(trainer.run(steps=6))
    list(undisturbed.run(steps=9))
    assert same(trainer, undisturbed)


def test_an_interrupt_of_train_keeps_the_network_and_prints_the_line(capsys):
    trainer, undisturbed = make(), make()
    interrupt_once(trainer, "optimizer", step=3)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(steps=9)
    assert trainer.denoiser(torch.zeros(3, 1), 1).isfinite().all()
    assert "training: 3 steps, loss " in capsys.readouterr().out
    list(trainer.run(steps=6))
    list(undisturbed.run(steps=9))
    assert same(trainer, undisturbed)


def test_an_interrupt_in_the_callers_loop_comes_at_once():
    trainer, undisturbed = make(), make()
    with pytest.raises(KeyboardInterrupt):
        for step in trainer.run(steps=9):
            if step.index == 4:
                signal.raise_signal(signal.SIGINT)
                pytest.fail("the interrupt was held back")
    assert len(trainer.losses) == 4
    list(trainer.run(steps=5))
    list(undisturbed.run(steps=9))
    assert same(trainer, undisturbed)


def test_the_handler_in_force_decides_what_an_interrupt_does():
    received, trainer = [], make()
    signal.signal(signal.SIGINT, lambda *_: received.append(1))
    interrupt_once(trainer, "forward", step=2)
    try:
        list(trainer.run(steps=3))
    except KeyboardInterrupt:
        pytest.fail("a KeyboardInterrupt that nobody raised")  # it would stop pytest itself
    assert received == [1] and len(trainer.losses) == 3


def test_it_trains_in_another_thread_too():
    trainer, undisturbed = make(), make()
    thread = threading.Thread(target=lambda: list(trainer.run(steps=3)))
    thread.start()
    thread.join()
    list(undisturbed.run(steps=3))
    assert same(trainer, undisturbed)


# Each SIGINT is sent to the process by another thread, some random time after training went on.
INTERRUPTED = """
import json, os, random, signal, sys, threading, time
sys.path[:0] = {paths!r}
import torch
from trainers import make, same
from tutorial_lib import checkpoint

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it
rng, go_on = random.Random(0), threading.Event()

def interrupt():
    for _ in range(200):
        go_on.wait()
        go_on.clear()
        time.sleep(0.004 * rng.random())
        os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
trainer, in_a_step, in_the_loop = make(average={average}), 0, 0
for k in range(200):
    seen = len(trainer.losses)
    try:
        go_on.set()
        for step in trainer.run(steps=10**9):
            seen = step.index
            time.sleep(0.0005)
    except KeyboardInterrupt:
        pass
    done = len(trainer.losses)
    in_a_step, in_the_loop = in_a_step + done - seen, in_the_loop + 1 - done + seen
    assert seen <= done <= seen + 1
    assert all(part["step"] == done for part in trainer.optimizer.state.values())
    assert trainer.denoiser(torch.zeros(3, 1), 1).isfinite().all()
    if k % 10 == 0:
        checkpoint.save_trainer({path!r}, trainer)
        trainer = make(average={average})
        checkpoint.resume_trainer({path!r}, trainer)
whole = make(average={average})
list(whole.run(steps=done))
print(json.dumps([same(whole, trainer), in_a_step, in_the_loop]))
"""


@pytest.mark.parametrize("average", [True, False])
def test_real_interrupts_at_random_moments_lose_nothing(average, tmp_path):
    root = Path(__file__).parents[2]
    paths = [str(root), str(root / "tests" / "helpers")]
    code = INTERRUPTED.format(paths=paths, average=average, path=str(tmp_path / "run.pt"))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    equal, in_a_step, in_the_loop = json.loads(run.stdout)
    assert equal and in_a_step > 0 and in_the_loop > 0 and in_a_step + in_the_loop == 200


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
