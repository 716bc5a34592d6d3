"""Notebook 04 twice at once in one folder, and gone on with after a restart of its kernel."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from exercises import tagged

ROOT = Path(__file__).parents[2]
CELLS = [
    cell.source
    for cell in nbformat.read(ROOT / "notebooks/04_training.ipynb", as_version=4).cells
    if cell.cell_type == "code" and not tagged(cell, "remove-cell")
]
[LOAD] = [k for k, cell in enumerate(CELLS) if "resume_trainer" in cell]
RUN = """
import json, sys
names = {}
for cell in json.load(sys.stdin):
    exec(cell, names)
print(names["next_step"])
"""


def start(cells: list[str], folder: Path) -> subprocess.Popen:
    """A kernel of its own, which runs these cells."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    kernel = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=folder, env=environment, text=True, **pipes
    )
    kernel.stdin.write(json.dumps(cells))
    kernel.stdin.close()
    return kernel


def last_line(kernel: subprocess.Popen) -> str:
    with kernel:
        printed, errors = kernel.stdout.read(), kernel.stderr.read()
    assert kernel.returncode == 0, errors
    return printed.splitlines()[-1]


@pytest.mark.slow
def test_twice_at_once_and_after_a_restart_the_training_goes_on_the_same(tmp_path):
    both = [start(CELLS[: LOAD + 2], tmp_path) for _ in range(2)]
    first, second = map(last_line, both)
    restarted = last_line(start([CELLS[0], CELLS[LOAD]], tmp_path))
    assert first == second == restarted and first.startswith("Step(index=601, loss=0.1")
    assert os.listdir(tmp_path) == ["two_humps.pt"]
