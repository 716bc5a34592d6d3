"""The course of TEACHING.md with nbgrader, from the notebooks to feedback and marks.

    pip install nbgrader                # not among the project's own requirements
    python tests/site/round_trip.py     # or with names: 01_toy_data 02_forward_diffusion ...

Three students hand in each notebook. Ada has all solutions and says what gave the bug away. Ben
hands back what he was given. Cem answers everything, and everything wrong, the clinic with its own
bug. The commands are those of TEACHING.md; the teacher's marks by hand are made here.
"""

import csv
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

from tools.notebooks import chosen  # noqa: E402
from tools.student import GAVE_AWAY  # noqa: E402

STUDENTS = "ada", "ben", "cem"


def filled(released, whole, student):
    """The released notebook as a student hands it in."""
    broken = next(cell.source for cell in whole.cells if tagged(cell, "clinic"))
    for empty, full in zip(exercises(released), exercises(whole), strict=True):
        stub = empty.stub
        if student == "ada":
            stub.source = answer(full.solution)
        if student == "cem":
            stub.source = re.sub(r"return \.\.\..*", "return 0.0", stub.source)
            stub.source = stub.source.replace("None", "-1.0")
    if student != "ben":
        cell = next(cell for cell in released.cells if cell.source == GAVE_AWAY)
        cell.source = "The variance, which falls." if student == "ada" else "No idea."
    if student == "cem":
        name = re.search(r"^def (my_\w+)", stub.source, re.M)[1]
        stub.source = f"{name} = " + re.search(r"^def (broken_\w+)", broken, re.M)[1]
    return released


def run(folder, *command):
    print("$", *command, flush=True)
    subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True)


def hand_in(folder, path):
    """What the students bring; nbgrader's own exchange would put it into the same place."""
    whole = nbformat.read(path, as_version=4)
    for student in STUDENTS:
        released = nbformat.read(folder / "release" / path.stem / path.name, as_version=4)
        place = folder / "submitted" / student / path.stem
        place.mkdir(parents=True)
        nbformat.write(filled(released, whole, student), place / path.name)


def mark_by_hand(folder, name):
    """A point for Ada, none for the others, as in the formgrader."""
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        for student in STUDENTS:
            grade = book.find_grade("what-gave-it-away", name, name, student)
            grade.manual_score = float(student == "ada")
            grade.needs_manual_grade = False
        book.db.commit()


def main(names):
    # nbgrader calls alembic by name; kernels import tutorial_lib from here.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run(ROOT, "tools.student", "--nbgrader", scratch, *names)
        expected = {}
        for path in chosen(names):
            name, full = path.stem, len(exercises(nbformat.read(path, as_version=4))) + 1
            run(folder, "nbgrader", "generate_assignment", name)
            hand_in(folder, path)
            run(folder, "nbgrader", "autograde", name)
            mark_by_hand(folder, name)
            run(folder, "nbgrader", "generate_feedback", name)
            for student in STUDENTS:
                expected[name, student] = full * (student == "ada"), full
                feedback = folder / "feedback" / student / name / f"{name}.html"
                assert feedback.stat().st_size > 1000
        run(folder, "nbgrader", "export")
        with open(folder / "grades.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found = {
            (row["assignment"], row["student_id"]): (float(row["score"]), float(row["max_score"]))
            for row in rows
        }
        for (name, student), (score, most) in sorted(found.items()):
            print(f"{name} {student}: {score:g} of {most:g}")
        assert found == expected, expected


if __name__ == "__main__":
    main(sys.argv[1:])
