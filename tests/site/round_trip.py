"""Student copies as an nbgrader assignment, from generating it to the marks.

    pip install nbgrader                     # not among the project's own requirements
    python tests/site/round_trip.py      # or with names: 01_toy_data 02_forward_diffusion ...

Makes a course in a temporary folder, hands in two submissions, lets nbgrader mark them, and fails
unless the marks are as expected. "good" has all solutions. "bad" has the first exercise right,
leaves the second alone, raises in the third, and hands in the broken code of the bug clinic.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from exercises import answer, exercises, tagged  # noqa: E402

from tools.student import for_nbgrader  # noqa: E402

ASSIGNMENT = "exercises"
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "diffusion"
c.ClearSolutions.enabled = False  # student copies have none, and the stubs must stay
c.Execute.timeout = 600
"""


def submission(released, whole, good):
    """The released notebook, filled in."""
    clinic = next(cell.source for cell in whole.cells if tagged(cell, "clinic"))
    broken = re.search(r"^def (broken_\w+)", clinic, re.M)[1]
    for k, (empty, full) in enumerate(zip(exercises(released), exercises(whole), strict=True)):
        right, name = answer(full.solution), re.search(r"\bmy_\w+", full.check.source)[0]
        wrong = [right, empty.stub.source, "raise ValueError", f"{name} = {broken}"]
        empty.stub.source = right if good else wrong[k]
    return released


def nbgrader(folder, *arguments):
    subprocess.run([sys.executable, "-m", "nbgrader", *arguments], cwd=folder, check=True)


def main(names):
    # nbgrader calls alembic by name; kernels import tutorial_lib from here.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "nbgrader_config.py").write_text(CONFIG)
        whole = {n: nbformat.read(ROOT / "notebooks" / f"{n}.ipynb", as_version=4) for n in names}
        source = folder / "source" / ASSIGNMENT
        source.mkdir(parents=True)
        for name, notebook in whole.items():
            nbformat.write(for_nbgrader(notebook), source / f"{name}.ipynb")
        nbgrader(folder, "generate_assignment", ASSIGNMENT, "--create")
        for student in ("good", "bad"):
            handed_in = folder / "submitted" / student / ASSIGNMENT
            handed_in.mkdir(parents=True)
            for name, notebook in whole.items():
                path = folder / "release" / ASSIGNMENT / f"{name}.ipynb"
                released = nbformat.read(path, as_version=4)
                filled = submission(released, notebook, good=student == "good")
                nbformat.write(filled, handed_in / f"{name}.ipynb")
        nbgrader(folder, "autograde", ASSIGNMENT, "--create")
        with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
            marks = {s: book.find_submission(ASSIGNMENT, s) for s in ("good", "bad")}
            for student, mark in marks.items():
                print(f"{student}: {mark.score:g} of {mark.max_score:g}")
            total = sum(len(exercises(notebook)) for notebook in whole.values())
            found = [(mark.score, mark.max_score) for mark in marks.values()]
    assert found == [(total, total), (len(names), total)], found


if __name__ == "__main__":
    main(sys.argv[1:] or ["02_forward_diffusion"])
