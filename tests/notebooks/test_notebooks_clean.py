"""The committed notebooks: executed, in order, without noise, short, small, and self-contained.

Whether they still run is nbval's to say; whether a stored notebook was run at all is not.
"""

import ast
import base64
import copy
import dis
import re
import textwrap
import zlib
from pathlib import Path
from types import CodeType

import nbformat
import pytest
from exercises import tagged
from nbconvert.exporters import ScriptExporter

from tools.address import address
from tools.notebooks import clean, peak_memory
from tutorial_lib.scrubber.player import as_text, compact_module

ROOT = Path(__file__).parents[2]
PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
APART = {
    "task",
    "exercise",
    "check",
    "solution",
    "clinic",
    "remove-cell",
}  # tags of what is not the main text
MAX_CELLS, MAX_CELLS_APART = 50, 25
MAX_CODE_LINES = 25
MAX_NOTEBOOK_BYTES = 1_000_000  # what GitHub still shows quickly
MAX_PNG_BYTES = 60_000

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def all_code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def code_cells(path):
    """All but the one that installs the package, which is no part of the text."""
    return [cell for cell in all_code_cells(path) if not tagged(cell, "remove-cell")]


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


def text_of(output):
    return output.get("text", "") + output.get("data", {}).get("text/plain", "")


def test_there_are_notebooks():
    assert PATHS


@each_notebook
def test_executed_in_order(path):
    counts = [cell.execution_count for cell in all_code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_without_errors(path):
    assert [output for output in outputs(path) if output.output_type == "error"] == []


@each_notebook
def test_as_make_notebooks_writes_it(path):
    """No stderr, no widget without its kernel, no timings, no editor's metadata."""
    notebook = read(path)
    nbformat.validate(notebook)
    cleaned = copy.deepcopy(notebook)
    clean(cleaned)
    assert cleaned == notebook
    assert path.read_text(encoding="utf-8") == nbformat.writes(notebook) + "\n"


@each_notebook
def test_without_memory_addresses(path):
    assert [t for t in map(text_of, outputs(path)) if re.search(r"\b0x[0-9a-f]{6,}", t)] == []


@each_notebook
def test_folded_code_begins_with_a_line_that_tells_nothing(path):
    """JupyterLab shows that line. What draws is folded, but in exercises and the clinic."""
    for cell in code_cells(path):
        tags = {*cell.metadata.get("tags", [])}
        if "hide-input" in tags:
            assert not re.match(r"alt = .*\w", cell.source)
        elif re.search(r"\balt=", cell.source):
            assert APART & tags, cell.source


@each_notebook
def test_small(path):
    apart = [bool(APART & {*cell.metadata.get("tags", [])}) for cell in read(path).cells]
    assert apart.count(False) <= MAX_CELLS, "cells of the main text"
    assert apart.count(True) <= MAX_CELLS_APART, "cells of exercises and clinic"
    assert max(len(cell.source.splitlines()) for cell in code_cells(path)) <= MAX_CODE_LINES
    assert path.stat().st_size <= MAX_NOTEBOOK_BYTES


@each_notebook
def test_pictures_are_small_and_described(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            if png := output.get("data", {}).get("image/png"):
                where = f"cell [{cell.execution_count}]"
                assert len(base64.b64decode(png)) <= MAX_PNG_BYTES, where
                assert output.metadata.get("image/png", {}).get("alt"), f"{where}: no alt text"


@each_notebook
def test_all_imports_are_in_the_first_code_cell(path):
    """Also parses every cell as plain Python, so that no `!` or `%` magic gets in."""
    for number, cell in enumerate(code_cells(path)):
        nodes = ast.walk(ast.parse(cell.source))
        found = any(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes)
        assert found == (number == 0), f"cell [{cell.execution_count}]"


def outside(code):
    """The names that a cell takes from other cells, and those that it sets."""
    reads, sets = set(), set()
    for step in dis.get_instructions(code):  # in the order in which they are run
        if step.opname == "STORE_NAME":
            sets.add(step.argval)
        elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            reads |= {step.argval} - sets
        elif isinstance(step.argval, CodeType):  # a function, or the like
            reads |= outside(step.argval)[0] - sets
    return reads, sets


def test_outside_sees_what_a_cell_reads_before_it_sets_it():
    source = """
        a = a + 1
        def f(b, c=d):
            e = b
            return e + a + g
        for h in [i for i in j]:
            h += k
        import m.n
        with o as p: p.q(h)
        r[0] = 1
        s += 1
    """
    cell = compile(textwrap.dedent(source), "cell", "exec")
    assert outside(cell) == ({*"adgjkors"}, {*"afhmps"})


@each_notebook
def test_cells_out_of_order_do_not_find_another_cells_value(path):
    """A name that a cell needs is set by one other cell, and none that needs it sets it anew. So
    whoever leaves a cell out gets a NameError, and whoever goes back finds what was there."""
    cells = [outside(compile(cell.source, "cell", "exec")) for cell in code_cells(path)]
    twice = {
        name: setters
        for name in set.union(*(reads for reads, _ in cells))
        if len(setters := [k for k, (_, sets) in enumerate(cells, 1) if name in sets]) > 1
    }
    assert not twice


@each_notebook
def test_fetches_nothing(path):
    assert [cell.source for cell in code_cells(path) if "http" in cell.source] == []


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "TEACHING.md", *PATHS], ids=lambda path: path.stem
)
def test_relative_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\(([^)\s]+)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    local = {t.partition("#")[0] for t in targets if not re.match(r"(\w+:|#)", t)}
    assert [target for target in sorted(local) if not (path.parent / target).exists()] == []


def test_clean_removes_noise_and_keeps_the_rest():
    widget = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "bar"}
    cell = nbformat.v4.new_code_cell(
        "1 + 1",
        execution_count=1,
        metadata={"tags": ["check"], "execution": {"iopub.status.busy": "2026-01-01"}},
        outputs=[
            nbformat.v4.new_output("stream", name="stderr", text="100%"),
            nbformat.v4.new_output("display_data", data=widget),
            nbformat.v4.new_output("execute_result", data={"text/plain": "2"}, execution_count=1),
        ],
    )
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
    identity = cell.id
    clean(notebook)
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}
    assert cell.metadata == {"tags": ["check"]}
    assert [output.data for output in cell.outputs] == [{"text/plain": "2"}]
    assert cell.id == identity


@pytest.mark.parametrize(
    ("tags", "jupyter"),
    [
        (["hide-input"], {"source_hidden": True}),
        (["check", "solution"], {"source_hidden": True}),
        (["check"], None),
        ([], None),
    ],
)
def test_clean_folds_code_by_its_tags_alone(tags, jupyter):
    unfolded, folded = [
        nbformat.v4.new_code_cell(metadata={"tags": tags, "jupyter": {"source_hidden": hidden}})
        for hidden in (False, True)
    ]
    clean(nbformat.v4.new_notebook(cells=[unfolded, folded]))
    assert unfolded.metadata.get("jupyter") == folded.metadata.get("jupyter") == jupyter


@each_notebook
def test_scrubbers_hold_the_module_of_today(path):
    """A stored scrubber keeps the code it was made with: after a change, `make notebooks`."""
    module = as_text(zlib.compress(compact_module(), 9))
    pages = [output.get("data", {}).get("text/html", "") for output in outputs(path)]
    assert [page[:80] for page in pages if "data-scrubber" in page and module not in page] == []


@each_notebook
def test_as_a_script_it_is_a_python_file(path):
    assert ScriptExporter().from_filename(str(path))[1]["output_extension"] == ".py"


def test_notebooks_are_made_where_the_system_tells_no_memory(monkeypatch):
    """As on Windows."""
    monkeypatch.setattr("tools.notebooks.resource", None)
    assert peak_memory() == ""


@each_notebook
def test_the_first_code_cell_installs_the_package_where_it_is_missing(path):
    """And only there: on Colab, on Kaggle, in a folder of one's own."""
    first = all_code_cells(path)[0]
    repository = f"https://github.com/{address(ROOT)}"
    lines = first.source.splitlines()
    assert lines[-2:] == [
        'if not find_spec("tutorial_lib"):',
        f"    %pip install -q git+{repository}",
    ]
    assert not first.outputs  # it did nothing here
    assert first.metadata.tags == ["hide-input", "remove-cell"]  # the site leaves it out


@each_notebook
def test_leads_to_itself_on_binder_and_colab(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    where = f"notebooks/{path.name}"
    assert f"/v2/gh/{address(ROOT)}/HEAD?urlpath=lab/tree/{where})" in text
    assert f"https://colab.research.google.com/github/{address(ROOT)}/blob/HEAD/{where})" in text
