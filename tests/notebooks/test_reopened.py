"""The notebooks as they are met again: reopened without a kernel, converted, cleaned of scripts."""

import re
from pathlib import Path

import bs4
import nbformat
import nh3
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect
from scrubbing import Scrubber, listen

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("0*.ipynb"))
SHORT = ("01_toy_data", "02_forward_diffusion", "03_network")
ERRORS = re.compile("model not found|displaying widget|loading widget|javascript error", re.I)
CODE = re.compile(r"atob|DecompressionStream|=>|import\(|[\w+/]{60}")

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
each_short_notebook = pytest.mark.parametrize(
    "path",
    # To run one of the others once more, in the browser, takes long.
    [pytest.param(p, marks=[] if p.stem in SHORT else pytest.mark.slow, id=p.stem) for p in PATHS],
)


def scrubber_outputs(path):
    """For each stored scrubber: its cell's number, its HTML, and the output after it."""
    return [
        (number, output.data["text/html"], cell.outputs[k + 1 :][:1])
        for number, cell in enumerate(nbformat.read(path, 4).cells)
        for k, output in enumerate(cell.get("outputs", []))
        if "data-scrubber" in output.get("data", {}).get("text/html", "")
    ]


def check_in_words(text):
    """What a scrubber shows where no script runs."""
    assert "Interactive figure" in text
    assert not CODE.search(text)


def reopen(lab, path, **options):
    """Show it without a kernel; returns its scrubbers, after a look at every cell."""
    lab.open(path, at="lab", **options)
    assert lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session") is None
    return lab.scrubbers()


def check_no_errors(lab):
    assert not ERRORS.findall(lab.page.locator(".jp-Notebook").text_content())
    assert not lab.complaints()


def check_reopened_trusted(lab, path):
    """Every scrubber scrubs in its cell, and once more in a view of its own."""
    found = reopen(lab, path)
    cells = [number for number, _, _ in scrubber_outputs(path)]
    assert found.count() == len(cells) > 0
    for k, number in enumerate(cells):
        Scrubber(found.nth(k)).check()
        lab.page.evaluate(
            "index => jupyterapp.commands.execute('notebook:create-output-view', { index })", number
        )
        view = lab.page.locator(".jp-LinkedOutputView")
        Scrubber(view.locator(".scrubber")).check()
        lab.page.evaluate("jupyterapp.shell.currentWidget.close()")
        view.wait_for(state="detached")
    check_no_errors(lab)


def check_reopened_untrusted(lab, path, folder):
    """In place of every scrubber there are words and its strip."""
    notebook = nbformat.read(path, 4)
    notebook.metadata["signed"] = "never, for this makes it another notebook than any signed one"
    nbformat.write(notebook, folder / "untrusted.ipynb")
    assert reopen(lab, folder / "untrusted.ipynb", trusted=False).count() == 0
    for number, _, _ in scrubber_outputs(path):
        lab.page.evaluate("k => jupyterapp.shell.currentWidget.content.scrollToItem(k)", number)
        shown = lab.page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".jp-OutputArea")
        expect(shown).to_contain_text("Interactive figure")
        check_in_words(shown.text_content())
        width = "async image => { await image.decode(); return image.naturalWidth }"
        assert shown.locator("img").evaluate(width) > 100
    check_no_errors(lab)


@each_notebook
def test_reopened_trusted_it_scrubs_without_a_kernel(lab, path):
    check_reopened_trusted(lab, path)


@each_notebook
def test_reopened_untrusted_it_shows_words_and_strips(lab, path, tmp_path):
    check_reopened_untrusted(lab, path, tmp_path)


@each_short_notebook
def test_run_saved_and_reopened_it_is_the_same(lab, path, tmp_path):
    lab.open(path)
    lab.run_all()
    found = lab.scrubbers()
    for k in range(found.count()):
        Scrubber(found.nth(k)).check()
    saved = lab.save()
    assert "jupyter.widget-view" not in saved.read_text(encoding="utf-8")
    check_reopened_trusted(lab, saved)
    check_reopened_untrusted(lab, saved, tmp_path)


def test_it_scrubs_in_notebook_7(lab):
    path = FOLDER / "03_network.ipynb"
    lab.open(path, at="notebooks")
    found = lab.scrubbers()
    assert found.count() == len(scrubber_outputs(path)) > 0
    for k in range(found.count()):
        Scrubber(found.nth(k)).check()


@each_notebook
def test_converted_by_nbconvert_it_scrubs_from_disk(chromium, path, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(HTMLExporter().from_filename(path)[0], encoding="utf-8")
    with chromium.new_context(offline=True) as context:
        page = context.new_page()
        errors = listen(page)
        page.goto(file.as_uri())
        found = page.locator("[data-scrubber]")
        assert found.count() == len(scrubber_outputs(path)) > 0
        for k in range(found.count()):
            Scrubber(found.nth(k)).check()
        assert not ERRORS.findall(page.locator("body").text_content())
    # nbconvert's pages ask for MathJax and RequireJS from elsewhere.
    assert not [error for error in errors if "ERR_INTERNET_DISCONNECTED" not in error]


@each_notebook
def test_cleaned_of_scripts_it_says_in_words_what_it_is(path):
    """As on GitHub, where no script runs."""
    for _, html, after in scrubber_outputs(path):
        check_in_words(bs4.BeautifulSoup(nh3.clean(html), "html.parser").get_text())
        assert "image/png" in after[0].data and after[0].metadata["image/png"]["alt"]
