"""Write the series as a static site into _site/: `make site`.

The README is the front page, and each notebook is a page. They need no server and no network: the
formulas become MathML, and their font, the pictures and the scrubbers are in the files themselves.
"""

import base64
import io
import re
import shutil
import sys
import time
import tomllib
from importlib.metadata import distribution
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from fontTools import subset
from fontTools.ttLib import TTFont
from math_core import LatexError, LatexToMathML
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE, STYLE = (Path(__file__).with_name(f"site.{end}") for end in ("html.j2", "css"))
SHOWN = ["text/html", "image/png", "text/plain"]  # of an output, the first that it has
MATHML = LatexToMathML(fancy_error=False)
# What mathematics is written with. The whole font would be four times as large.
LETTERS = [(0x20, 0x7E), (0xA0, 0xFF), (0x2C6, 0x2DD), (0x300, 0x331), (0x391, 0x3F6)]
SIGNS = [(0x2010, 0x2057), (0x20D0, 0x20DC), (0x2102, 0x2138), (0x2190, 0x21A6), (0x2200, 0x22EF)]
FENCES = [(0x2308, 0x230B), (0x23B4, 0x23DF), (0x27E8, 0x27EB), (0xFE00, 0xFE01)]
ALPHABETS = [(0x1D434, 0x1D467), (0x1D49C, 0x1D4CF), (0x1D538, 0x1D56B), (0x1D6A8, 0x1D71B)]


class Problem(Exception):
    """What is wrong with the README or a notebook, in words for its author."""


class Renderer(IPythonRenderer):
    """Markdown to HTML: TeX becomes MathML, and links lead where the site has what they name."""

    def __init__(self, source, resolve):
        super().__init__(escape=False, exclude_anchor_links=True)
        self.source, self.resolve = source, resolve

    def math(self, tex, display):
        try:
            mathml = MATHML.convert_with_local_state(tex, displaystyle=display)
        except LatexError as error:
            raise Problem(f"{self.source.name}: the formula {tex} cannot be set: {error}") from None
        # Chromium sets a large bracket with an exponent too low, unless it stands in a row.
        bracket = r"(?<=<msup>)<mo (minsize=[^>]*>.)</mo>"
        return re.sub(bracket, r'<mrow><mo form="postfix" \1</mo></mrow>', mathml)

    def inline_math(self, tex):
        return self.math(tex, display=False)

    def block_math(self, tex):
        tags = "".join(re.findall(r"\\tag\{(.*?)\}", tex))  # MathML has no numbers for equations
        number = f'<span class="number">({tags})</span>' if tags else ""
        formula = self.math(re.sub(r"\\tag\{.*?\}", "", tex), display=True)
        return f'<span class="equation"><span class="wide">{formula}</span>{number}</span>'

    def latex_environment(self, name, body):
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def heading(self, text, level, **attributes):
        """With the id that JupyterLab gives it."""
        name = re.sub(r"<[^>]+>", "", text).replace(" ", "-")
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def link(self, text, url, title=None):
        return super().link(text, self.resolve(self.source, url), title)

    def image(self, text, url, title=None):
        if urlsplit(url).netloc:
            return text  # such as a badge: it would be fetched from elsewhere
        path = self.source.parent / unquote(url)
        if not path.is_file():
            raise Problem(f"{self.source.name}: there is no picture {url}")
        data = base64.b64encode(path.read_bytes()).decode()
        return super().image(text, f"data:{guess_type(path)[0]};base64,{data}", title)


def resolver(root, pages):
    """A function: where a link in the file `source` leads to, seen from the site."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {page["source"]: page["name"] for page in pages}

    def resolve(source, url):
        parts = urlsplit(url)
        if parts.scheme or not parts.path:
            return url
        path = (source.parent / unquote(parts.path)).resolve()
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        if path in names:
            return names[path] + fragment
        if not (path.exists() and path.is_relative_to(root)):
            raise Problem(f"{source.name}: the link {url} leads nowhere")
        kind = "tree" if path.is_dir() else "blob"
        place = f"{kind}/HEAD/{path.relative_to(root).as_posix()}"
        return f"{project['urls']['Repository']}/{place}{fragment}"

    return resolve


def check(source, notebook):
    """A page must show what its author saw."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any(cell.execution_count is None for cell in cells) or not any(c.outputs for c in cells):
        raise Problem(f"{source.name} lacks outputs: `make notebooks` executes it")
    for cell in cells:
        for output in cell.outputs:
            if output.get("name") != "stdout" and not output.get("data", {}).keys() & set(SHOWN):
                raise Problem(
                    f"{source.name}: cell [{cell.execution_count}] has an output that is none of "
                    f"{', '.join(SHOWN)}"
                )


def read(root):
    """The pages in order: for each its source, its file name, its notebook and its title."""
    readme = nbformat.v4.new_markdown_cell((root / "README.md").read_text(encoding="utf-8"))
    notebooks = {root / "README.md": nbformat.v4.new_notebook(cells=[readme])}
    for source in sorted((root / "notebooks").glob("0*.ipynb")):
        notebooks[source] = nbformat.read(source, as_version=4)
        check(source, notebooks[source])
    return [
        {
            "source": source,
            "name": "index.html" if source.suffix == ".md" else f"{source.stem}.html",
            "notebook": notebook,
            "title": re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1],
        }
        for source, notebook in notebooks.items()
    ]


def render(page, neighbours, resolve, template=TEMPLATE):
    """The HTML of one page."""

    def markdown(source):
        text = MarkdownWithMath(renderer=Renderer(page["source"], resolve)).render(source)
        # No line may begin with the full stop after a formula.
        formula = r"\(?<math>(?:(?!</math>).)*</math>[.,;:?!)]+"
        text = re.sub(formula, r'<span class="unbroken">\g<0></span>', text)
        return re.sub(r"(?s)<table>.*?</table>", r'<div class="wide">\g<0></div>', text)

    exporter = HTMLExporter(
        template_file=str(template),
        filters={"markdown2html": markdown},
        config=Config(NbConvertBase={"display_data_priority": SHOWN}),
    )
    html = exporter.from_notebook_node(page["notebook"], {"page": page, **neighbours})[0]
    # What scrolls sideways on a small screen does so by keys, too.
    wide = r'<(pre|div class="output"|(?:div|span) class="wide")(?=[ >])'
    return re.sub(wide, r'<\1 tabindex="0"', html)


def math_font():
    """STIX Two Math as WOFF. Few systems but Windows and macOS have a font made for formulas."""
    path = distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf")
    font = TTFont(path, recalcTimestamp=False)
    options = subset.Options(layout_features=["ssty", "dtls"], name_IDs=["*"])  # with its licence
    subsetter = subset.Subsetter(options)
    ranges = [*LETTERS, *SIGNS, *FENCES, *ALPHABETS]
    subsetter.populate(unicodes=[code for lo, hi in ranges for code in range(lo, hi + 1)])
    subsetter.subset(font)
    font.flavor, out = "woff", io.BytesIO()
    font.save(out)
    return base64.b64encode(out.getvalue()).decode()


def style_sheet():
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    return STYLE.read_text(encoding="utf-8").replace("FONT", math_font()) + colours + "\n"


def build(root, folder):
    """Write all pages. The folder is replaced, and only when every page is known to be good."""
    root, folder = Path(root).resolve(), Path(folder)
    pages = read(root)
    resolve = resolver(root, pages)
    texts = {}
    for before, page, after in zip([None, *pages], pages, [*pages[1:], None]):
        neighbours = {"pages": pages, "before": before, "after": after}
        texts[page["name"]] = render(page, neighbours, resolve)
    texts["style.css"] = style_sheet()
    replace(folder, texts)


def replace(folder, texts):
    """Write files, {name: text}, into a folder that holds nothing else afterwards."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def main(folder):
    start = time.perf_counter()
    try:
        build(ROOT, folder)
    except Problem as problem:
        sys.exit(f"make site: {problem}")
    megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    pages = len(list(folder.glob("*.html")))
    seconds = time.perf_counter() - start
    print(f"{folder}: {pages} pages, {megabytes:.1f} MB, {seconds:.1f} s; open index.html")


if __name__ == "__main__":
    main(ROOT / "_site")
