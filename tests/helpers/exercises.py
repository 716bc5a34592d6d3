"""The exercises in a notebook, as cells; and the notebook with its solutions filled in."""

import re
from typing import NamedTuple

from nbformat import NotebookNode


class Exercise(NamedTuple):
    """A stub to fill in, the check below it, and the solution."""

    stub: NotebookNode
    check: NotebookNode
    solution: NotebookNode


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def exercises(notebook) -> list[Exercise]:
    """In order. The solution is the check's next neighbour, if it was not removed."""
    cells = [*notebook.cells, NotebookNode(metadata={}, source="")]
    return [
        Exercise(cells[k], cells[k + 1], cells[k + 2])
        for k, cell in enumerate(cells)
        if tagged(cell, "exercise")
    ]


def answer(solution: NotebookNode) -> str:
    """The solution's code under the names of the stub, without the check at its end."""
    lines = solution.source.splitlines()
    assert lines[-1].startswith("assert checks."), lines[-1]
    return re.sub(r"\bour_", "my_", "\n".join(lines[:-1]))
