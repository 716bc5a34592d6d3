"""The table in which all benchmarks report: each figure beside its bar."""

import pytest
import torch

import tutorial_lib as lib
from tutorial_lib import metrics

pytest_plugins = ["common", "lab"]
ROWS = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[ROWS] = []


@pytest.fixture(scope="session")
def record(pytestconfig):
    """Adds a row: what was measured, the figure, and the bar it should clear, if there is one."""

    def record(what, figure, bar=""):
        pytestconfig.stash[ROWS].append((what, figure, bar))

    return record


@pytest.fixture
def tiny_numbers_are_zero():
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def spiral():
    """The scaler, and the two measures: sliced W1 and total variation, with their references."""
    fine = lib.spiral_lattice(1_000_000)
    scaler = lib.Standardizer.fit(fine)
    coarse = scaler.transform(lib.spiral_lattice(10_000))
    fine = scaler.transform(fine)
    return scaler, [(metrics.sliced_wasserstein, coarse), (metrics.total_variation, fine)]


def pytest_terminal_summary(terminalreporter, config):
    rows = [("measured", "figure", "bar"), *config.stash[ROWS]]
    what_width, figure_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    terminalreporter.section("benchmarks")
    for what, figure, bar in rows:
        line = f"{what:{what_width}}  {figure:>{figure_width}}  {bar}"
        terminalreporter.line(line.rstrip())
