"""The exercises: each has stub, check and solution, and the solutions give nothing away."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from exercises import answer, exercises, tagged

from tutorial_lib import checks

PATHS = sorted((Path(__file__).parents[2] / "notebooks").glob("0*.ipynb"))
POLITE = re.compile(r"(○ )?(Nothing to check yet: .*|my_\w+ returns nothing yet\..*)")

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def verdict(cell):
    """What the check at a cell's end said when the notebook was run."""
    return cell.outputs[-1].data["text/plain"]


def names(source, context):
    """The names that some code reads (ast.Load) or sets at its top (ast.Store)."""
    tree = ast.parse(source)
    if context is ast.Load:
        nodes = ast.walk(tree)
    else:
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        inside = {id(n) for function in functions for n in ast.walk(function)}
        nodes = [node for node in ast.walk(tree) if id(node) not in inside]
    found = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, context)}
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    return found | defined if context is ast.Store else found


@each_notebook
def test_three_exercises_and_a_clinic(path):
    notebook = read(path)
    assert len(exercises(notebook)) >= 4
    tasks = [cell.source for cell in notebook.cells if tagged(cell, "task")]
    numbered = [
        task for task in tasks if re.match(r"### \d\. (Predict|Modify|Extend)$", task, re.M)
    ]
    assert [task[4] for task in numbered] == ["1", "2", "3"], "further ones have no number"
    clinic = [k for k, cell in enumerate(notebook.cells) if tagged(cell, "clinic")]
    assert len(clinic) == 1
    assert notebook.cells[clinic[0] - 1].source.startswith("## Bug clinic")
    assert tagged(notebook.cells[clinic[0] + 2], "exercise")


@each_notebook
def test_a_question_with_one_answer_for_each_choice(path):
    """Plain Markdown: it needs no kernel. One answer is right, and each says why."""
    cells = [c.source for c in read(path).cells if "<summary>A" in c.source]
    choices = re.findall(
        r"<details><summary>(.+?)</summary>\n\n(.+?)\n\n</details>", "\n\n".join(cells)
    )
    assert len(cells) == 1 and len(choices) >= 3
    assert cells[0].count("<details>") == cells[0].count("</details>") == len(choices)
    assert [label[0] for label, _ in choices] == [*"ABCDEF"][: len(choices)]
    assert sum(text.startswith("Right") for _, text in choices) == 1
    assert all(len(text) > 100 for _, text in choices)


@each_notebook
def test_stub_check_and_solution_belong_together(path):
    for stub, check, solution in exercises(read(path)):
        assert tagged(check, "check") and tagged(solution, "solution"), stub.source
        assert solution.source.splitlines()[-1].replace("our_", "my_") == f"assert {check.source}"
        assert names(stub.source, ast.Store) <= names(answer(solution), ast.Store)


@each_notebook
def test_solutions_give_nothing_away(path):
    """JupyterLab shows the first line of a folded cell, and what it printed once it was run."""
    for _, _, solution in exercises(read(path)):
        where = f"the solution that ends in {solution.source.splitlines()[-1]}"
        folded = solution.metadata.get("jupyter") == {"source_hidden": True}
        assert folded, f"{where} must be folded: `make notebooks` does it"
        assert solution.source.startswith("# Solution\n"), where
        assert solution.outputs == [], f"{where} must print nothing"


@each_notebook
def test_every_stub_is_answered_politely(path):
    """In the stored outputs. (That every solution passes is asserted in its cell.)"""
    for _, check, _ in exercises(read(path)):
        assert POLITE.fullmatch(verdict(check)), check.source


def test_every_check_has_its_exercise():
    text = [check.source for path in PATHS for _, check, _ in exercises(read(path))]
    assert {*re.findall(r"^checks\.(\w+)\(", "\n".join(text), re.M)} == {*checks.__all__}


@each_notebook
def test_nothing_leans_on_a_solution(path):
    """So that copies without solutions run, and no learner's answer is overwritten."""
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    cells = [cell for cell in cells if not tagged(cell, "remove-cell")]
    sets = set()
    for k, cell in enumerate(cells):
        if tagged(cell, "solution"):
            sets |= names(cell.source, ast.Store)
            assert not any(name.startswith("my_") for name in names(cell.source, ast.Store))
        else:
            mine = names(cell.source, ast.Store)
            needed = names(cell.source, ast.Load) - mine
            earlier = {
                n
                for c in cells[:k]
                if not tagged(c, "solution")
                for n in names(c.source, ast.Store)
            }
            assert not (needed & sets) - earlier, cell.source
