"""The table in which all benchmarks report: each figure beside its bar."""

import pytest

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


def pytest_terminal_summary(terminalreporter, config):
    rows = [("measured", "figure", "bar"), *config.stash[ROWS]]
    what_width, figure_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    terminalreporter.section("benchmarks")
    for what, figure, bar in rows:
        line = f"{what:{what_width}}  {figure:>{figure_width}}  {bar}"
        terminalreporter.line(line.rstrip())
