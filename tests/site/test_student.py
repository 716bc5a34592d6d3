"""What is handed out: copies without solutions, which live on their own; nbgrader's assignments."""

import re

import nbformat
import pytest
from exercises import answer, exercises, tagged

from tools.notebooks import execute
from tools.student import ROOT, course, for_nbgrader, main, without_solutions
from tutorial_lib import checks

PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
FULLY_RUN = ROOT / "notebooks" / "02_forward_diffusion.ipynb"  # the others take longer

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def verdict(cell):
    return cell.outputs[-1].data["text/plain"]


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
    kept = [cell for cell in read(path).cells if not tagged(cell, "solution")]
    assert len(copy.cells) == len(kept)
    for mine, whole in zip(copy.cells, kept):
        if mine.cell_type == "code":  # the line that installs the package, too
            assert mine.source == whole.source
            assert not mine.outputs and mine.execution_count is None


def lines_of_its_own(path, solution):
    """A solution's lines that stand nowhere else in the notebook, as JSON has them."""
    others = "\n".join(cell.source for cell in read(path).cells if cell != solution)
    lines = [line.strip() for line in solution.source.splitlines()]
    return [line.replace('"', '\\"') for line in lines if len(line) > 9 and line not in others]


def test_links_lead_to_copies_or_to_the_repository(tmp_path):
    main(tmp_path, ["02_forward_diffusion", "03_network"])
    text = (tmp_path / "02_forward_diffusion.ipynb").read_text(encoding="utf-8")
    assert "](03_network.ipynb)" in text
    assert re.search(r"\]\(https://github.com/[^)]+/blob/HEAD/notebooks/01_toy_data.ipynb\)", text)
    assert re.search(r"\]\(https://github.com/[^)]+/blob/HEAD/README.md\)", text)
    assert "/student?urlpath=lab/tree/student/02_forward_diffusion.ipynb" in text
    assert "tree/notebooks" not in text and "blob/main/notebooks" not in text


def test_what_was_not_chosen_goes_and_what_is_not_ours_stays(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "own.ipynb").touch()
    main(tmp_path)
    main(tmp_path, [FULLY_RUN.stem])
    assert {p.name for p in tmp_path.iterdir()} == {FULLY_RUN.name, ".git", "own.ipynb"}


def test_a_name_that_is_no_notebook_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(SystemExit, match=r"no notebook 3\. There are: 01_toy_data 02_forward"):
        main(tmp_path, ["3"])


@pytest.fixture
def kernels_import_from_here(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.usefixtures("kernels_import_from_here")
def test_a_copy_runs_with_its_stubs():
    notebook = without_solutions(read(FULLY_RUN))
    execute(notebook)
    said = [verdict(check) for _, check, _ in exercises(notebook)]
    assert said and all("yet" in text for text in said), said


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
def test_as_an_assignment_a_wrong_answer_raises(path):
    """nbgrader gives marks where nothing raises; tests/site/round_trip.py asks nbgrader itself."""
    notebook = for_nbgrader(read(path))
    marked = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert sum(mark.get("points", 0) for mark in marked) == len(exercises(read(path))) + 1
    for stub, check, _ in exercises(notebook):
        assert stub.metadata.nbgrader.solution and not stub.metadata.nbgrader.grade
        with pytest.raises(AssertionError, match="yet"):
            mine = dict.fromkeys(re.findall(r"\bmy_\w+", check.source))
            known = {"checks": checks, "display": str}
            exec(compile(check.source, "check", "exec", optimize=2), known | mine)  # as with -OO


def test_what_gave_it_away_is_asked_between_the_clinic_and_its_stub():
    cells = for_nbgrader(read(FULLY_RUN)).cells
    asked = next(k for k, cell in enumerate(cells) if "What gave it away?" in cell.source)
    assert tagged(cells[asked - 2], "clinic") and tagged(cells[asked + 1], "exercise")
    assert cells[asked].metadata.nbgrader.grade and cells[asked].metadata.nbgrader.solution


def test_a_check_that_is_no_expression_is_refused_by_name():
    notebook = read(FULLY_RUN)
    check = exercises(notebook)[0].check
    check.source = "right = checks.variance_at_37(my_variance)"
    with pytest.raises(SystemExit, match=r"single expression[^$]*\nright = checks.variance_at_37"):
        for_nbgrader(notebook)


def test_a_course_has_an_assignment_for_each_notebook_and_keeps_the_teacher_s_settings(tmp_path):
    course(tmp_path, [FULLY_RUN.stem])
    settings = tmp_path / "nbgrader_config.py"
    assert "c.ClearSolutions.enabled = False" in settings.read_text(encoding="utf-8")
    settings.write_text("mine", encoding="utf-8")
    course(tmp_path)
    assert settings.read_text(encoding="utf-8") == "mine"
    sources = {p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("source/*/*.ipynb")}
    assert sources == {f"source/{p.stem}/{p.name}" for p in PATHS}
