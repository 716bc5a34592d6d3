"""Write the series as a static site into _site/: `make site`.

The README is the front page, and each notebook is a page. Sphinx builds them, as docs/conf.py says,
from a copy in which they are laid out for it. The site needs no server and no network.
"""

import base64
import hashlib
import re
import shutil
import time
from html import escape
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).with_name("static") / "mathjax"
PAGES = ["TEACHING.md", "CONTRIBUTING.md", "CHANGELOG.md"]
HERO = "05_sampling"  # whose first scrubber is on the front page, where GitHub shows a picture
CONTENTS = """

```{{toctree}}
:hidden:
:caption: {caption}

{names}
```
"""


def lay_out(root, folder):
    """Copy the pages into a folder, from which Sphinx builds them."""
    (folder / "notebooks").mkdir()
    (folder / "_static").mkdir()
    names = []
    for path in sorted((root / "notebooks").glob("0*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            prepare(cell, folder / "_static")
        nbformat.write(notebook, folder / "notebooks" / path.name)
        names.append(f"notebooks/{path.stem}")
    for name in PAGES:
        text = (root / name).read_text(encoding="utf-8").replace("(README.md)", "(index.md)")
        (folder / name).write_text(text, encoding="utf-8")
    for path in root / "LICENSE", root / "CITATION.cff", DOCS / "reference.rst":
        shutil.copy(path, folder)
    shutil.copy(DOCS / "style.css", folder / "_static")
    for part in "tex-chtml.js", "output/chtml/fonts/woff-v2":
        copy(MATHJAX / part, folder / "_static" / "mathjax" / part)
    hero = nbformat.read(root / "notebooks" / f"{HERO}.ipynb", as_version=4)
    (folder / "index.md").write_text(front(root / "README.md", hero, names), encoding="utf-8")


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


def front(readme, hero, names):
    """The README with a figure that moves and the contents, without badges, which are elsewhere."""
    text = readme.read_text(encoding="utf-8")
    figure = next(
        output.data["text/html"]
        for cell in hero.cells
        for output in cell.get("outputs", [])
        if "data-scrubber" in output.get("data", {}).get("text/html", "")
    )
    text = re.sub(r"\[!\[.*?\]\(.*?\)\]\(.*?\)\s*", "", text)
    text = re.sub(r".*\[Read it online\].*\n", "", text)  # it is being read
    text = re.sub(r"\[([^]]*)\]\(\S*/playground.html\)", r'<a href="playground.html">\1</a>', text)
    text = re.sub(r"!\[.*?\]\(.*?\)", lambda _: f"```{{raw}} html\n{figure}\n```", text)
    about = ["TEACHING", "reference", "CONTRIBUTING", "CHANGELOG"]
    text += CONTENTS.format(caption="Notebooks", names="\n".join(names))
    return text + CONTENTS.format(caption="Around them", names="\n".join(about))


def prepare(cell, pictures):
    """Say in Sphinx's words what a cell is; pictures keep their texts, and load when seen."""
    cell.source = cell.source.replace("(../README.md)", "(../index.md)")
    if "solution" in cell.metadata.get("tags", []):
        cell.metadata.tags = ["hide-cell"]
        cell.metadata.mystnb = {"code_prompt_show": "Solution", "code_prompt_hide": "Solution"}
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if png := data.pop("image/png", None):
            content = base64.b64decode(png)
            name = f"{hashlib.sha256(content).hexdigest()[:16]}.png"
            (pictures / name).write_bytes(content)
            width, height = (int.from_bytes(content[k : k + 4], "big") for k in (16, 20))
            alt = output.metadata["image/png"]["alt"]
            data["text/html"] = (
                f'<img src="../_static/{name}" width="{width}" height="{height}" loading="lazy" '
                f'alt="{escape(alt)}">'
            )


def build(root, folder):
    """Write all pages. Raises where anything is wrong: a warning of Sphinx is an error, too."""
    with TemporaryDirectory() as scratch:
        source, made = Path(scratch, "source"), Path(scratch, "made")
        source.mkdir()
        lay_out(Path(root), source)
        options = ["-qW", "--keep-going", "-c", str(DOCS), "-d", str(Path(scratch, "doctrees"))]
        if build_main([*options, str(source), str(made)]):
            raise SystemExit("make site: see above")
        lighten(made)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(made, folder)


def lighten(made):
    """Text first: no script holds up the first paint, and no style but those that a page uses."""
    static = made / "_static"
    for path in [*static.rglob("*.map"), *static.rglob("fontawesome.js"), *static.glob("*.html")]:
        path.unlink(missing_ok=True)
    (static / "styles/theme.css").write_bytes((static / "basic.css").read_bytes())  # imports it
    words = set()
    for path in made.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'<link rel="preload"[^>]*>', "", text)
        text = re.sub(r"<script[^>]*fontawesome[^>]*></script>", "", text)  # a font does the same
        text = re.sub(r'<script src(?!="[^"]*documentation_options)', "<script defer src", text)
        formula = (
            r'\(?<span class="math[^>]*>[^<]*</span>[.,;:?!)]+'  # no line begins with a full stop
        )
        text = re.sub(formula, r'<span class="unbroken">\g<0></span>', text)
        text = text.replace(' aria-label="Toggle hidden content"', "")  # the text says more
        scrolls = '<div class="pst-scrollable-table-container"'
        text = text.replace(scrolls, f'{scrolls} tabindex="0"')  # so that the keys can scroll it
        path.write_text(text, encoding="utf-8")
        words |= set(re.findall(r"[\w-]+", text))
    for path in static.glob("**/[!t]*.js"):  # not MathJax
        words |= set(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    for path in static.rglob("*.css"):
        path.write_text(used(path.read_text(encoding="utf-8"), words), encoding="utf-8")


def used(css, words):
    """The rules of a style sheet whose classes are among these words."""

    def keep(rule):
        selectors = re.sub(r":not\([^)]*\)", "", rule[1]).split(",")
        classes = (set(re.findall(r"\.([a-zA-Z][\w-]*)", selector)) for selector in selectors)
        return rule[0] if "@" in rule[1] or any(names <= words for names in classes) else ""

    return re.sub(r"([^{}]+)\{[^{}]*\}", keep, css)


def main(folder):
    start = time.perf_counter()
    build(ROOT, folder)
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    pages = len(list(folder.rglob("*.html")))
    seconds = time.perf_counter() - start
    print(f"{folder}: {pages} pages, {megabytes:.1f} MB, {seconds:.1f} s; open index.html")


if __name__ == "__main__":
    main(ROOT / "_site")
