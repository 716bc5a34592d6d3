"""Training: an interrupt keeps the step under way whole, and the run can go on."""

import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import torch
from trainers import interrupt_once, make, same


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


def test_after_an_interrupt_the_denoiser_is_usable():
    trainer = make()
    interrupt_once(trainer, "optimizer", step=1)
    with pytest.raises(KeyboardInterrupt):
        list(trainer.run(steps=9))
    assert trainer.denoiser(torch.zeros(3, 1), 1).isfinite().all()


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


def test_the_handler_is_put_back_after_each_step_and_after_an_error():
    trainer = make()
    for _ in trainer.run(steps=2):
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    trainer.network.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(trainer.run(steps=1))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_in_force_decides_what_an_interrupt_does():
    received, trainer = [], make()
    signal.signal(signal.SIGINT, lambda *_: received.append(1))
    interrupt_once(trainer, "forward", step=2)
    try:
        list(trainer.run(steps=3))
    except KeyboardInterrupt:
        pytest.fail("a KeyboardInterrupt that nobody raised")  # it would stop pytest itself
    assert received == [1] and len(trainer.losses) == 3


def test_the_systems_own_handler_decides_too():
    """It ends the process. Scripts that are to be ended without a traceback ask for it."""
    code = """
        import signal
        from tutorial_lib.training import interrupts_held
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            print("the block is done")
        print("lost")
    """
    run = subprocess.run(
        [sys.executable, "-u", "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout == "the block is done\n" and run.returncode == -signal.SIGINT


def test_it_trains_in_another_thread_too():
    trainer, undisturbed = make(), make()
    thread = threading.Thread(target=lambda: list(trainer.run(steps=3)))
    thread.start()
    thread.join()
    list(undisturbed.run(steps=3))
    assert same(trainer, undisturbed)


def test_an_interrupt_is_not_lost_to_an_error_in_the_same_step():
    trainer = make()

    def both(*_):
        signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError

    trainer.network.register_forward_pre_hook(both)
    with pytest.raises(KeyboardInterrupt) as caught:
        list(trainer.run(steps=1))
    assert isinstance(caught.value.__context__, ZeroDivisionError)
