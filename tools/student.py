"""Write the notebooks without their solutions into student/: `make student`.

The stubs to fill in and the checks below them stay; outputs are cleared. With --nbgrader FOLDER the
copies go there, as the source of an nbgrader assignment: each check is worth one point.
"""

import argparse
import copy
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

# Not an assertion, which Python leaves out when it is told to optimise.
RAISE = "if not verdict:\n    raise AssertionError(verdict.text)"
ROOT = Path(__file__).resolve().parent.parent


def without_solutions(notebook):
    notebook = copy.deepcopy(notebook)
    remove = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True)
    for step in (remove, ClearOutputPreprocessor(enabled=True)):
        notebook, _ = step.preprocess(notebook, {})
    return notebook


def for_nbgrader(notebook):
    """Stubs are to be answered. Checks give marks, so a wrong answer must raise in them.

    The verdict is shown first, for whoever runs the cell, and counts only if it is shown.
    """
    notebook = without_solutions(notebook)
    for cell in notebook.cells:
        stub, check = (tag in cell.metadata.get("tags", []) for tag in ("exercise", "check"))
        if stub or check:
            kind = {"solution": stub, "grade": check, "locked": check, "task": False}
            points = {"points": 1} if check else {}
            identity = {"schema_version": 3, "grade_id": cell.id}
            cell.metadata["nbgrader"] = identity | kind | points
        if check:
            cell.source = f"verdict = {cell.source}\ndisplay(verdict)\n{RAISE}"
    return notebook


def main(folder, convert=without_solutions):
    """Write the copies into `folder`, beside notebooks/, where the links in them lead somewhere.

    Earlier copies are replaced; whatever else is there stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = sorted((ROOT / "notebooks").glob("0*.ipynb"))
    for path in paths:
        nbformat.write(convert(nbformat.read(path, as_version=4)), folder / path.name)
    print(f"{folder}: {len(paths)} notebooks without solutions")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nbgrader", type=Path, metavar="FOLDER", help="such as source/diffusion")
    source = parser.parse_args().nbgrader
    if source:
        main(source, for_nbgrader)
    else:
        main(ROOT / "student")
