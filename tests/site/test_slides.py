"""The slides: of every notebook, without solutions and with nothing to fetch."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from exercises import tagged

from tools.slides import ROOT, TEMPLATE, main, render, slides

PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "slides"
    main(folder)
    return folder


def read(folder, path):
    text = (folder / f"{path.stem}.html").read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser")


@each_notebook
def test_headings_pictures_scrubbers_and_chosen_code_are_there(folder, path):
    page, cells = read(folder, path), nbformat.read(path, as_version=4).cells
    markdown = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert len(page.select("h1, h2, h3")) == len(re.findall("^#+ ", markdown, re.M))
    pictures = [
        output.metadata["image/png"]["alt"]
        for cell in cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert [image["alt"] for image in page.select("img")] == pictures
    chosen = [
        cell.source
        for cell in cells
        if (tagged(cell, "slide") or tagged(cell, "clinic")) and not tagged(cell, "hide-input")
    ]
    assert [code.get_text().strip() for code in page.select(".highlight")] == chosen
    assert len(page.select("section")) > 10


def test_code_that_only_draws_is_not_shown_and_its_output_is():
    printed = nbformat.v4.new_output("stream", name="stdout", text="42\n")
    tags = {"tags": ["slide", "hide-input"]}
    cell = nbformat.v4.new_code_cell("print(6)", metadata=tags, outputs=[printed])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.cells = slides(notebook)
    page = {"source": ROOT / "01_a.ipynb", "notebook": notebook, "title": "A title"}
    text = render(page, {"pages": [page]}, None, TEMPLATE)
    assert BeautifulSoup(text, "html.parser").main.get_text().strip() == "42"


@each_notebook
def test_no_solution_and_nothing_to_fetch(folder, path):
    page = read(folder, path)
    assert not re.search(r"\bour_", page.get_text())
    urls = [tag[key] for key in ("src", "srcset", "data") for tag in page.select(f"[{key}]")]
    urls += [link["href"] for link in page.select("link")]
    assert [url[:80] for url in urls if not re.match(r"data:|style\.css$", url)] == []


def test_the_folder_is_replaced_and_git_ignores_it(tmp_path):
    folder = tmp_path / "slides"
    folder.mkdir()
    (folder / "old.html").touch()
    main(folder)
    assert {p.name for p in folder.iterdir()} == {"style.css", *(f"{p.stem}.html" for p in PATHS)}
    assert "\nslides/\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")
