"""Write slides for each notebook into slides/: `make slides`.

What becomes a slide, in the notebook's order:
- a text that begins with a heading;
- the question of the start: text, figure and the answers to vote on, all on one;
- each figure and each scrubber, without its code.
What joins the slide before, unless that is full or a figure:
- code tagged `slide`, with what it printed;
- a data frame, or two printed lines or more, without the code.
The bug clinic is one slide: text, code and task. All else is left to the notebook and the speaker.

reveal.js turns the pages and MathJax sets the formulas. Both are copied beside the slides, which
need no server and no network. A sheet to print, of tools/handout.py, goes with them.
"""

import argparse
import re
import shutil
from importlib.metadata import distribution
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from tools.handout import sheet
from tools.notebooks import chosen

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE, STYLE = (Path(__file__).with_name(f"slides.{end}") for end in ("html.j2", "css"))
LINES = 18  # of a slide, beyond which nothing more joins it
SHOWN = ["text/html", "image/png", "text/plain"]  # of an output, the first that it has
REVEAL = "sphinx_revealjs/_static/revealjs/dist"
COPIED = {  # which file of which package
    "reveal.css": ("sphinx-revealjs", f"{REVEAL}/reveal.css"),
    "reveal.js": ("sphinx-revealjs", f"{REVEAL}/reveal.js"),
    "mathjax.js": ("sphinx-mathjax-offline", "sphinx-mathjax-offline/static/mathjax/tex-svg.js"),
}


def pictured(cell):
    """Whether a code cell shows a figure or a scrubber."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return any("image/png" in one for one in data)


def told(cell):
    """Whether a code cell shows a data frame, or prints two lines or more."""
    printed = "".join(output.get("text", "") for output in cell.outputs)
    tables = [output for output in cell.outputs if "<table" in str(output.get("data", ""))]
    return bool(tables) or printed.count("\n") >= 2


def lines(cell):
    """About how many lines a cell takes on a slide."""
    texts = [cell.source] if cell.cell_type == "markdown" or cell.metadata.code else []
    for output in cell.get("outputs", []):
        texts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    formulas = sum(text.count("$$") for text in texts)  # one more line above and one below
    return formulas + sum(len(line) // 80 + 1 for text in texts for line in text.splitlines())


def slides(notebook):
    """The slides, each a list of cells; `metadata.code` says whether a cell's code is shown."""
    kept, vote = [], False
    for cell in notebook.cells:
        text, tags = cell.cell_type == "markdown", {*cell.metadata.get("tags", [])}
        code = bool(tags & {"slide", "clinic"})
        cell.metadata.code = code and "hide-input" not in tags
        if vote:
            kept[-1].extend(halves(cell))
        elif text and cell.source.startswith("#"):
            kept.append(halves(cell))
            vote = "A question first" in cell.source
        elif (text and "task" in tags) or "clinic" in tags:
            kept[-1].append(cell)
        elif (
            not text and not tags & {"check", "solution"} and (code or told(cell) or pictured(cell))
        ):
            joins = not pictured(cell) and not pictured(kept[-1][-1])
            if joins and sum(map(lines, [*kept[-1], cell])) <= LINES:
                kept[-1].append(cell)
            else:
                kept.append([cell])
        vote = vote and "<summary>A" not in cell.source
    return kept


def halves(cell):
    """A cell with answers to vote on is cut before the first of them."""
    before, mark, answers = cell.source.partition("<details>")
    if cell.cell_type != "markdown" or not mark:
        return [cell]
    texts = [text for text in (before, mark + answers) if text.strip()]
    return [nbformat.v4.new_markdown_cell(text) for text in texts]


def deck(notebook):
    """The page of a notebook, which is changed on the way."""
    title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1]
    section, cells = title, []
    for slide in slides(notebook):
        heading = slide[0].cell_type == "markdown" and re.match(r"#+ (.+)", slide[0].source)
        section = heading[1] if heading else section
        vote = any("<summary>A" in cell.source for cell in slide)
        slide[0].metadata.opens = {"vote": vote, "section": "" if heading else section}
        slide[-1].metadata.closes = True
        cells.extend(slide)
    notebook.cells = cells
    for cell in cells:  # to the slides of a neighbour
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb", r"](\1.html", cell.source)
    config = Config(NbConvertBase={"display_data_priority": SHOWN})
    exporter = HTMLExporter(template_file=str(TEMPLATE), exclude_anchor_links=True, config=config)
    return exporter.from_notebook_node(notebook, {"title": title})[0]


def main(folder, names=()):
    """Write the slides into `folder`; of all notebooks if no names are given."""
    paths = chosen(names)
    folder.mkdir(exist_ok=True)
    for name, (package, place) in COPIED.items():
        shutil.copy(distribution(package).locate_file(place), folder / name)
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    style = f"{STYLE.read_text(encoding='utf-8')}{colours}\n"
    (folder / "slides.css").write_text(style, encoding="utf-8")
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in paths}
    (folder / "handout.html").write_text(sheet(notebooks.values()), encoding="utf-8")
    for name, notebook in notebooks.items():
        (folder / f"{name}.html").write_text(deck(notebook), encoding="utf-8")
    print(f"{folder}: slides of {len(paths)} notebooks, and handout.html to print")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as 02_forward_diffusion; all if none")
    main(ROOT / "slides", parser.parse_args().names)
