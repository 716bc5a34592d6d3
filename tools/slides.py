"""Write slides for each notebook into slides/: `make slides`.

A slide is: a text with a heading or a question; a figure or scrubber, without its code; a code
cell tagged `slide` or `clinic`, with what it printed, and without its code if `hide-input` folds
it. All else is left to the notebook and the speaker. The pages are made like those of `make site`
and need no server and no network. A key that scrolls, such as Page Down or Space, leads to the next
slide, with no script behind it.
"""

import sys
from pathlib import Path

from tools.site import ROOT, SHOWN, Problem, read, render, replace, resolver, style_sheet

TEMPLATE, STYLE = (Path(__file__).with_name(f"slides.{end}") for end in ("html.j2", "css"))


def slides(notebook):
    """The cells that become slides."""
    kept = []
    for cell in notebook.cells:
        tags = {*cell.metadata.get("tags", [])}
        pictures = {kind for o in cell.get("outputs", []) for kind in o.get("data", {})}
        if cell.cell_type == "markdown":
            if cell.source.startswith("#") or "<summary>A" in cell.source:
                kept.append(cell)
        elif tags & {"slide", "clinic"}:
            cell.metadata["tags"] = [] if "hide-input" in tags else ["shown"]
            kept.append(cell)
        elif pictures & set(SHOWN[:2]) and "solution" not in tags:
            kept.append(cell)
    return kept


def main(folder):
    """Replace `folder` by the slides."""
    pages = [page for page in read(ROOT) if page["source"].suffix == ".ipynb"]
    resolve, texts = resolver(ROOT, pages), {}
    for page in pages:
        page["notebook"].cells = slides(page["notebook"])
        texts[page["name"]] = render(page, {"pages": pages}, resolve, TEMPLATE)
    texts["style.css"] = style_sheet() + STYLE.read_text(encoding="utf-8")
    replace(folder, texts)
    print(f"{folder}: slides of {len(pages)} notebooks")


if __name__ == "__main__":
    try:
        main(ROOT / "slides")
    except Problem as problem:
        sys.exit(f"make slides: {problem}")
