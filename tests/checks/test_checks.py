"""The self-checks: right answers pass, and each wrong one is told what is wrong with it.

The answers are in answers/, a module for each notebook, beside which this file reads as one table.
"""

import inspect
import math
import os
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from answers import (
    flow,
    forward_diffusion,
    latent_diffusion,
    network,
    sampling,
    spiral,
    toy_data,
    training,
)
from torch import nn

import tutorial_lib as lib
from tutorial_lib import checks, metrics
from tutorial_lib.checks.setting import EXACT, SCHEDULE, TRUTH
from tutorial_lib.checks.verdict import HOLDS, Verdict

NOTEBOOKS = [toy_data, forward_diffusion, network, training, sampling, spiral, latent_diffusion]
NOTEBOOKS += [flow]
RIGHT = {name: answers for notebook in NOTEBOOKS for name, answers in notebook.RIGHT.items()}
WRONG = {name: cases for notebook in NOTEBOOKS for name, cases in notebook.WRONG.items()}
GLOBAL_LUCK = {"own_data", "own_density"}  # they draw without a generator


def judged(name, answer) -> Verdict:
    check = getattr(checks, name)
    return check(*answer) if name == "own_density" else check(answer)


def cases(table):
    return [
        pytest.param(name, answer, id=f"{name}-{k}")
        for name, answers in table.items()
        for k, answer in enumerate(answers)
    ]


# ---- right and wrong answers ---------------------------------------------------------------------


def test_every_check_has_answers_and_says_what_it_takes():
    assert RIGHT.keys() == WRONG.keys() == {*checks.__all__}
    assert all(getattr(checks, name).__doc__ for name in checks.__all__)
    assert min(map(len, WRONG.values())) >= 3


@pytest.mark.parametrize(("name", "answer"), cases(RIGHT))
def test_a_right_answer_passes(name, answer):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        verdict = judged(name, answer)
    assert verdict, verdict
    assert verdict.text.startswith("Right. ")


@pytest.mark.parametrize(("name", "case"), cases(WRONG))
def test_a_wrong_answer_is_told_what_is_wrong(name, case):
    answer, phrase = case
    verdict = judged(name, answer)
    assert verdict.kind == "wrong"
    assert phrase in verdict.text
    assert verdict.text.endswith((".", "?")) and len(verdict.text) < 300
    assert "sqrt" not in verdict.text.partition(" raised ")[0]  # no solution


@pytest.mark.parametrize("seed", range(20))
def test_honest_luck_passes(seed):
    """Right answers that draw from PyTorch's own generator, which no check can fix."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        assert checks.own_density(toy_data.triangle, toy_data.triangle_density)
        assert checks.own_data(spiral.rings)
        assert checks.sample(lambda d, s, n, g: sampling.sample(d, s, n, reseeded(g, seed)))
        assert checks.draw_timesteps(lambda n, g: training.timesteps(n, reseeded(g, seed)))


def reseeded(generator, seed):
    return torch.Generator().manual_seed(100 * generator.initial_seed() + seed)


# What each formula multiplies its parts by.
FACTORS = {
    "diffuse": (forward_diffusion.signal, forward_diffusion.noise),
    "reverse_step": (
        sampling.undo,
        lambda s, t: -sampling.undo(s, t) * sampling.share(s, t),
        lambda s, t: (t > 1) * s.sigma[t],
    ),
    "x0_from_v": (forward_diffusion.signal, lambda s, t: -forward_diffusion.noise(s, t)),
}


@pytest.mark.parametrize("t", [1, 2, 3, 17, 59, 61, 120, 199, 200])
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("name", FACTORS)
def test_a_formula_is_tried_at_every_t(name, part, t):
    """An answer that has one wrong factor, at this t alone."""

    def my_sum(s, first, now, *others):
        factors = [right(s, now) for right in FACTORS[name]]
        factors[part] = 0.5 if now is t or now == t else factors[part]
        return sum(f * x for f, x in zip(factors, (first, *others)))

    assert judged(name, my_sum).text.startswith(f"At t = {t},")


# ---- answers in other styles ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in RIGHT if callable(RIGHT[n][0])])
def test_a_right_answer_may_be_in_float64_and_have_a_gradient(name):
    one = torch.ones((), dtype=torch.float64, requires_grad=True)
    right = RIGHT[name][0]

    def in_float64(*arguments):
        value = right(*arguments)
        if isinstance(value, tuple):
            return tuple(part * one for part in value)
        whole = isinstance(value, torch.Tensor) and not value.is_floating_point()
        return value if whole else value * one

    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert judged(name, in_float64)


@pytest.mark.parametrize("name", RIGHT)
def test_another_default_precision_changes_no_verdict(name):
    torch.set_default_dtype(torch.float64)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            assert all(judged(name, answer) for answer in RIGHT[name])
            wrong = [(judged(name, answer).text, phrase) for answer, phrase in WRONG[name][:4]]
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert [text for text, phrase in wrong if phrase not in text] == []


def test_another_default_precision_may_be_chosen_before_the_import():
    code = """
import torch
torch.set_default_dtype(torch.float64)
from answers import network, sampling
from tutorial_lib import checks
for notebook in (network, sampling):
    for name, answers in notebook.RIGHT.items():
        verdict = getattr(checks, name)(answers[0])
        assert verdict, verdict
"""
    path = os.pathsep.join([str(Path(lib.__file__).parents[1]), str(Path(__file__).parent)])
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, check=True)


def test_an_answer_that_changes_the_schedule_spoils_no_later_verdict():
    for name in ("diffuse", "reverse_step"):
        for answer, _ in WRONG[name][-2:]:
            assert not judged(name, answer)
        assert judged(name, RIGHT[name][0])
    assert torch.equal(SCHEDULE.beta, lib.NoiseSchedule.linear(200, 1e-4, 0.2).beta)


# ---- answers that are none -----------------------------------------------------------------------


def raises(*arguments):
    raise KeyError("x0\nand a second line")


def misspelt(schedule, x_prev, t, eps):
    return alpah.sqrt() * x_prev  # noqa: F821


def takes_none(): ...


def stub(*arguments): ...


def nans(*arguments):
    return torch.full((3, 1), math.nan)


def endless(*arguments):
    raise ValueError("so many words " * 100)


endless.__name__ = "a_name_without_end" * 20
NONSENSE = [..., "text", True, [], {}, (1,), object(), math.nan, torch.zeros(2, 3), nn.ReLU()]
FUNCTIONS = [raises, nans, lambda: 0, lambda *_: "text", lambda *_: [1], lambda *_: SCHEDULE]


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("answer", [*NONSENSE, *FUNCTIONS, endless, print])
def test_nonsense_gets_a_sentence(name, answer, capsys):
    verdict = judged(name, [answer] * 2 if name == "own_density" else answer)
    assert not verdict
    assert verdict.text.endswith((".", "?")) and "\n" not in verdict.text
    assert "cannot be checked" not in verdict.text, verdict
    assert len(verdict.text) < 300


@pytest.mark.parametrize("name", RIGHT)
def test_stubs_are_answered_politely(name):
    verdicts = [
        getattr(checks, name)(),
        judged(name, [None] * 2 if name == "own_density" else None),
    ]
    if isinstance(RIGHT[name][0], list | tuple) and name != "own_density":
        verdicts.append(judged(name, (1.0, None)))
    assert all(verdict.text.startswith("Nothing to check yet") for verdict in verdicts)
    if callable(RIGHT[name][0]) or name == "own_density":
        verdicts.append(judged(name, [stub] * 2 if name == "own_density" else stub))
        assert verdicts[-1].text == "stub returns nothing yet."
    assert {verdict.kind for verdict in verdicts} == {"missing"}


def test_an_exception_is_named_with_its_call_and_its_line():
    text = checks.diffuse(misspelt).text
    call = "misspelt(schedule, torch.tensor([[1.0], [1.0]]), 60, torch.tensor([[0.0], [0.0]]))"
    line = inspect.getsourcelines(misspelt)[1] + 1
    assert text.startswith(
        f"{call} raised NameError: name 'alpah' is not defined, in line {line}, "
    )
    assert '"return alpah.sqrt() * x_prev' in text
    assert "raised KeyError: 'x0\\nand a second line', in line" in checks.diffuse(raises).text
    assert (
        "takes 0 positional arguments but 2 were given." in checks.honest_distances(takes_none).text
    )


def test_what_is_no_function_or_returns_no_tensor_is_named():
    assert checks.time_features(3).text.startswith("This must be a function, not a int.")
    text = checks.diffuse(lambda s, x, t, eps: "text").text
    assert text.startswith("<lambda>(schedule, torch.tensor([[1.0], [1.0]]), 60, torch.tensor(")
    assert text.endswith(" returns a str, not a tensor.")
    assert "NaN" in checks.data_denoiser(nans).text
    assert checks.band_of_40000(math.nan).text == "This is nan; a finite number is expected."


class Odd:
    """An answer on which a check itself fails."""

    @property
    def shape(self):
        raise RuntimeError(" no shape.\nand a second line ")


def test_an_answer_that_a_check_fails_on_is_not_right():
    verdict = checks.band_of_40000(Odd())
    assert not verdict
    assert verdict.text == "This answer cannot be checked: RuntimeError: no shape."


def test_a_warning_is_no_part_of_a_verdict(recwarn):
    """On the error stream of its cell it would cost the mark (nbgrader)."""

    def my_diffuse(s, x0, t, eps):
        warnings.warn("a copy of a copy", stacklevel=1)
        return forward_diffusion.diffuse(s, x0, t, eps)

    assert checks.diffuse(my_diffuse)
    assert not recwarn.list


def test_an_interrupt_is_not_swallowed():
    def stopped(*arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.diffuse(stopped)


def test_checks_leave_the_global_generators_alone():
    before = torch.get_rng_state()
    for name in RIGHT.keys() - GLOBAL_LUCK:
        judged(name, RIGHT[name][0])
    assert torch.equal(before, torch.get_rng_state())


# ---- how a verdict looks -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_holds_yet():
    for held in HOLDS.values():
        held.update(dict.fromkeys(held, False))


def test_a_verdict_has_a_sign_and_counts_the_notebooks_checks():
    assert repr(checks.band_of_40000(0.01)) == (
        "✓ Right. Four times the points, half the band. 1 of 4 checks hold so far."
    )
    assert repr(checks.smallest_shift(9)).startswith("→ That is found")
    assert repr(checks.smallest_shift(0.03)).endswith("2 of 4 checks hold so far.")
    assert repr(checks.smallest_shift(0.03)).endswith("2 of 4 checks hold so far.")
    assert repr(checks.tv_of_40000(0.04)).endswith("1 of 4 checks hold so far.")
    assert repr(checks.band_of_40000(0.02)).endswith("1 of 4 checks hold so far.")
    missing = repr(checks.smallest_shift(None))
    assert missing.startswith("○ Nothing to check yet")
    assert missing.endswith("0 of 4 checks hold so far.")


def test_a_verdict_that_is_only_asserted_does_not_count():
    """As those of the solutions, so that a learner's own answers are counted."""
    assert checks.band_of_40000(0.01)
    assert "0 of 4 checks" in repr(checks.smallest_shift(None))


class Text(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.text, self.tags = "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_html_and_text_are_twins_and_nothing_of_the_learners_is_html():
    def my_step(*arguments):
        raise ValueError("<script>alert('x')</script> & <b>")

    labels = set()
    for verdict in (
        checks.diffuse(my_step),
        checks.diffuse(stub),
        checks.variance_at_37(2.52),
    ):
        page = Text(verdict._repr_html_())
        assert page.text == repr(verdict)
        assert [tag for tag, _ in page.tags] == ["div", "b", "span"]
        labels.add(page.tags[1][1]["aria-label"])
    assert len(labels) == 3


# ---- what the checks are about -------------------------------------------------------------------


def test_the_checks_are_about_the_series(schedule, mixture):
    x = torch.linspace(-3, 3, 7)[:, None]
    assert torch.equal(SCHEDULE.beta, schedule.beta)
    assert torch.allclose(TRUTH.density(x), mixture.density(x))


def test_numbers_in_the_docstrings():
    """The bands that the predictions are compared with."""
    g = torch.Generator().manual_seed(0)
    reference = TRUTH.quantiles(10_000)
    band = metrics.noise_band(
        metrics.wasserstein, lambda n: TRUTH.sample(n, generator=g), reference, 40_000
    )
    assert 0.0095 < band.upper < 0.011
    x = lib.spiral_lattice(10**6)
    scaler = lib.Standardizer.fit(x)
    band = metrics.noise_band(
        metrics.total_variation,
        lambda n: scaler.transform(lib.spiral(n, generator=g)),
        scaler.transform(x),
        40_000,
        repeats=20,
    )
    assert 0.038 < band.median < band.upper < 0.045
    assert EXACT.posterior(1.0, 30).weight[1] > 0.99


@pytest.mark.parametrize("beta_max", [0.2, 0.4, 0.9])
def test_the_distance_without_luck_is_that_of_very_many_samples(beta_max):
    short = lib.NoiseSchedule.linear(50, 1e-4, beta_max)
    exact, n = lib.ExactDenoiser(TRUTH, short), 100_000
    z = lib.sample(exact, short, n, generator=torch.Generator().manual_seed(0))
    measured = metrics.wasserstein(z, TRUTH.quantiles(n))
    assert abs(checks.sampling._distance_without_luck(short) - measured) < 0.004
