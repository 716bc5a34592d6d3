"""The exercises: each has stub, check and solution, and `make student` leaves the solutions out."""

import ast
import re

import nbformat
import pytest
from exercises import answer, exercises, tagged

from tools.notebooks import execute
from tools.student import ROOT, for_nbgrader, main, without_solutions
from tutorial_lib import checks

PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
FULLY_RUN = ROOT / "notebooks" / "02_forward_diffusion.ipynb"  # the others take longer
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


# ---- make student --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "student"
    main(folder)
    return folder


@each_notebook
def test_copies_hold_no_solution_and_no_output(student, path):
    copy, text = read(student / path.name), (student / path.name).read_text(encoding="utf-8")
    assert not re.search(r"\bour_", text)
    for _, _, solution in exercises(read(path)):
        assert [line for line in lines_of_its_own(path, solution) if line in text] == []
    whole = [cell for cell in read(path).cells if not tagged(cell, "solution")]
    assert [cell.source for cell in copy.cells] == [cell.source for cell in whole]
    code = [cell for cell in copy.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


def lines_of_its_own(path, solution):
    """A solution's lines that stand nowhere else in the notebook, as JSON has them."""
    others = "\n".join(cell.source for cell in read(path).cells if cell != solution)
    lines = [line.strip() for line in solution.source.splitlines()]
    return [line.replace('"', '\\"') for line in lines if len(line) > 9 and line not in others]


def test_copies_are_replaced_and_nothing_else_and_git_ignores_them(student, tmp_path):
    folder = tmp_path / "student"
    (folder / ".git").mkdir(parents=True)
    (folder / "own.ipynb").touch()
    (folder / PATHS[0].name).touch()
    main(folder)
    assert {p.name for p in folder.iterdir()} == {p.name for p in PATHS} | {".git", "own.ipynb"}
    assert (folder / PATHS[0].name).read_bytes() == (student / PATHS[0].name).read_bytes()
    assert "\nstudent/\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")


@pytest.fixture
def kernels_import_from_here(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.usefixtures("kernels_import_from_here")
def test_a_copy_runs_with_its_stubs():
    notebook = without_solutions(read(FULLY_RUN))
    execute(notebook)
    said = [verdict(check) for _, check, _ in exercises(notebook)]
    assert said and all(map(POLITE.fullmatch, said)), said


@pytest.mark.usefixtures("kernels_import_from_here")
def test_with_the_solutions_filled_in_every_check_passes():
    notebook = without_solutions(read(FULLY_RUN))
    for empty, whole in zip(exercises(notebook), exercises(read(FULLY_RUN)), strict=True):
        empty.stub.source = answer(whole.solution)
    execute(notebook)
    said = [verdict(check) for _, check, _ in exercises(notebook)]
    assert said and all(text.startswith("✓ Right. ") for text in said), said
    assert said[-1].endswith(f"{len(said)} of {len(said)} checks hold so far.")


@each_notebook
def test_as_an_nbgrader_assignment_a_wrong_answer_raises(path):
    """nbgrader gives marks where nothing raises; tests/site/round_trip.py asks nbgrader itself."""
    for stub, check, _ in exercises(for_nbgrader(read(path))):
        assert stub.metadata.nbgrader.solution and not stub.metadata.nbgrader.grade
        assert check.metadata.nbgrader.grade and check.metadata.nbgrader.points == 1
        with pytest.raises(AssertionError, match="yet"):
            known = {"checks": checks, "display": str}
            mine = dict.fromkeys(
                names(check.source, ast.Load) - {*known, "verdict", "AssertionError"}
            )
            exec(compile(check.source, "check", "exec", optimize=2), known | mine)  # as with -OO
