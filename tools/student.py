"""Write the notebooks without their solutions into student/: `make student`.

The stubs to fill in and the checks below them stay; outputs are cleared. Links lead to the copies
beside them, or else to the repository. Those to Binder and Colab open the copies that
`make publish` puts on the branch `student`. With --nbgrader COURSE each notebook becomes an
assignment there.
"""

import argparse
import ast
import copy
import re
import sys
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

from tools.address import address
from tools.notebooks import chosen

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = {  # where a notebook opens, and where its copy does
    r"(mybinder\.org/v2/gh/[^/]+/[^/]+)/[^?]+\?urlpath=lab/tree/notebooks/": (
        r"\1/student?urlpath=lab/tree/student/"
    ),
    r"(colab\.research\.google\.com/github/[^/]+/[^/]+)/blob/[^/]+/notebooks/": (
        r"\1/blob/student/student/"
    ),
}
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "diffusion"
c.ClearSolutions.enabled = False  # the copies have none, and the stubs must stay as they are
c.Execute.timeout = 600  # seconds for a cell
"""
# Not an assertion, which Python leaves out when it is told to optimise.
RAISE = "if not verdict:\n    raise AssertionError(verdict.text)"
GAVE_AWAY = (
    "**What gave it away?** Write over this line: which plot or number showed the bug, what it "
    "was, and what it should have been."
)


def has(cell, tag):
    return tag in cell.metadata.get("tags", [])


def with_links(text, here):
    """Links for a copy that stands beside the files named in `here`."""
    for place, copy_s in LAUNCH.items():
        text = re.sub(place, copy_s, text)

    def absolute(link):
        path = (ROOT / "notebooks" / link[1]).resolve().relative_to(ROOT).as_posix()
        return f"](https://github.com/{address(ROOT)}/blob/HEAD/{path}"

    beside = "|".join(map(re.escape, ["https:", *here]))
    return re.sub(rf"\]\((?!{beside})([^)\s]+\.(?:md|ipynb))", absolute, text)


def without_solutions(notebook, here=()):
    notebook = copy.deepcopy(notebook)
    remove = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True)
    for step in (remove, ClearOutputPreprocessor(enabled=True)):
        notebook, _ = step.preprocess(notebook, {})
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_links(cell.source, here)
    return notebook


def for_nbgrader(notebook):
    """A copy in which each check is worth one point, and so is what the student says of the clinic.

    Checks give marks, so a wrong answer must raise in them. The verdict is shown first, for whoever
    runs the cell, and counts only if it is shown.
    """
    notebook = without_solutions(notebook)
    for cell in notebook.cells:
        if has(cell, "exercise"):
            mark(cell, cell.id, solution=True)
        if has(cell, "check"):
            mark(cell, cell.id, grade=True, locked=True, points=1)
            cell.source = f"verdict = {expression(cell)}\ndisplay(verdict)\n{RAISE}"
    clinic = next(k for k, cell in enumerate(notebook.cells) if has(cell, "clinic"))
    stub = next(k for k in range(clinic, len(notebook.cells)) if has(notebook.cells[k], "exercise"))
    said = nbformat.v4.new_markdown_cell(GAVE_AWAY)
    mark(said, "what-gave-it-away", grade=True, solution=True, points=1)
    notebook.cells.insert(stub, said)
    return notebook


def mark(cell, name, **kind):
    usual = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = {**usual, "grade_id": name, **kind}


def expression(check):
    body = ast.parse(check.source).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        sys.exit(f"A check must be a single expression, and this one is not:\n{check.source}")
    return check.source


def main(folder, names=()):
    """Write the copies into `folder`, and remove earlier ones; whatever else is there stays."""
    paths = chosen(names)
    folder.mkdir(parents=True, exist_ok=True)
    for old in chosen([]):
        (folder / old.name).unlink(missing_ok=True)
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        copied = without_solutions(notebook, [other.name for other in paths])
        nbformat.write(copied, folder / path.name)
    print(f"{folder}: {len(paths)} notebooks without solutions")


def course(folder, names=()):
    """Write an nbgrader course: an assignment for each notebook, and the settings that it needs."""
    for path in chosen(names):
        notebook = for_nbgrader(nbformat.read(path, as_version=4))
        source = folder / "source" / path.stem
        source.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, source / path.name)
        print(f"assignment {path.stem}")
    settings = folder / "nbgrader_config.py"
    if not settings.exists():  # the teacher's own stay
        settings.write_text(CONFIG, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as 02_forward_diffusion; all if none")
    parser.add_argument("--nbgrader", type=Path, metavar="COURSE", help="a folder for the course")
    options = parser.parse_args()
    if options.nbgrader:
        course(options.nbgrader, options.names)
    else:
        main(ROOT / "student", options.names)
