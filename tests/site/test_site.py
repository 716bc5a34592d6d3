"""The site of `make site`: complete, linked, self-contained, and the same every time."""

import base64
import io
import itertools
import os
import re
import subprocess
import sys
import tomllib
from urllib.parse import urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

from tools.site import ROOT, Problem, build

SOURCES = [ROOT / "README.md", *sorted((ROOT / "notebooks").glob("0*.ipynb"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]

each_page = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
each_notebook = pytest.mark.parametrize("source", SOURCES[1:], ids=lambda path: path.stem)


def name_of(source):
    return "index.html" if source.suffix == ".md" else f"{source.stem}.html"


def read(folder, name):
    return BeautifulSoup((folder / name).read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="session")
def pages(site):
    """The parsed pages by file name."""
    return {path.name: read(site, path.name) for path in site.glob("*.html")}


def shown(source):
    """What a notebook's outputs must show: texts, tables and verdicts, pictures, scrubbers."""
    texts, fragments, pictures, scrubbers = [], [], [], 0
    for cell in nbformat.read(source, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "data-scrubber" in data.get("text/html", ""):
                scrubbers += 1
            elif "text/html" in data:
                fragments.append(BeautifulSoup(data["text/html"], "html.parser").get_text().split())
            elif "image/png" in data:
                pictures.append(output.metadata["image/png"]["alt"])
            else:
                texts.append(output.get("text", data.get("text/plain")).strip())
    return texts, fragments, pictures, scrubbers


# ---- the pages -----------------------------------------------------------------------------------


def test_one_page_for_each_source_and_one_style(site):
    names = {path.name for path in site.iterdir()}
    assert names == {"style.css", *map(name_of, SOURCES)}


@each_notebook
def test_every_output_is_on_the_page(pages, source):
    page = pages[name_of(source)]
    texts, fragments, pictures, scrubbers = shown(source)
    assert [pre.get_text().strip() for pre in page.select("pre.output")] == texts
    shown_here = [div for div in page.select("div.output") if not div.select("[data-scrubber]")]
    assert [div.get_text().split() for div in shown_here] == fragments
    assert [image.get("alt") for image in page.select("img")] == pictures
    assert len(page.select("[data-scrubber]")) == scrubbers
    assert texts and pictures


@each_page
def test_headings_and_landmarks(pages, source):
    page = pages[name_of(source)]
    assert page.html["lang"] == "en"
    assert page.select_one("meta[name=viewport]")
    assert len(page.select("main")) == len(page.select("h1")) == 1
    assert page.title.string.startswith(page.h1.get_text())
    assert page.select_one(page.select_one("a.skip")["href"]).name == "main"
    levels = [int(heading.name[1]) for heading in page.select("h1, h2, h3, h4, h5, h6")]
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert all(nav["aria-label"] for nav in page.select("nav"))


def test_previous_and_next_lead_through_all_pages(pages):
    names = list(map(name_of, SOURCES))
    for before, name, after in zip([None, *names], names, [*names[1:], None]):
        ends = {link["rel"][0]: link["href"] for link in pages[name].select("nav a[rel]")}
        assert (ends.get("prev"), ends.get("next")) == (before, after)
        assert [link["href"] for link in pages[name].select("nav.series a")] == names


@each_page
def test_links_lead_somewhere(pages, source):
    for link in pages[name_of(source)].select("a"):
        url = urlsplit(link["href"])
        if link["href"].startswith(REPOSITORY):
            _, kind, path = url.path.partition("HEAD/")
            assert kind and (ROOT / path).exists(), link["href"]
        elif url.scheme:
            assert url.scheme == "https", link["href"]
        else:
            page = pages[url.path or name_of(source)]
            assert not url.fragment or page.find(id=url.fragment), link["href"]


@each_page
def test_nothing_is_fetched_from_elsewhere(pages, source):
    page = pages[name_of(source)]
    urls = [
        tag[key] for key in ("src", "srcset", "data", "poster") for tag in page.select(f"[{key}]")
    ]
    urls += [link["href"] for link in page.select("link")]
    assert [url[:80] for url in urls if not re.match(r"data:|style\.css$", url)] == []
    # Packed data are a hundred thousand letters, in which a bare :// comes about by chance.
    code = [tag.get_text() for tag in page.select("script, style")]
    assert not [text for text in code if re.search(r"(https?|wss?|ftp)://", text)]


def test_the_style_fetches_nothing(site):
    text = (site / "style.css").read_text(encoding="utf-8")
    assert "@import" not in text
    assert {url[:5] for url in re.findall(r"url\((.{9})", text)} == {"data:"}


@each_page
def test_every_formula_is_set(pages, source):
    page = BeautifulSoup(str(pages[name_of(source)]), "html.parser")
    markdown = [source.read_text(encoding="utf-8")]
    if source.suffix == ".ipynb":
        cells = nbformat.read(source, as_version=4).cells
        markdown = [cell.source for cell in cells if cell.cell_type == "markdown"]
    text = "\n".join(markdown)
    blocks = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)
    inline = re.findall(r"\$[^$]+\$", re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL))
    assert len(page.select("math[display=block]")) == len(blocks)
    assert len(page.select("math")) == len(blocks) + len(inline)
    numbers = re.findall(r"\\tag\{(\d+)\}", text)
    assert [n.get_text() for n in page.select(".equation .number")] == [f"({n})" for n in numbers]
    for tag in page.select("pre, code, script, style"):
        tag.decompose()
    assert re.findall(r"[$\\].{0,40}", page.get_text()) == []


def test_the_font_has_what_the_formulas_need(site):
    data = re.search(r"base64,([^)]+)\)", (site / "style.css").read_text(encoding="utf-8"))[1]
    font = TTFont(io.BytesIO(base64.b64decode(data)))
    assert "MATH" in font
    assert "SIL Open Font License" in font["name"].getDebugName(13)
    formulas = [
        math.get_text() for path in site.glob("0*") for math in read(site, path.name)("math")
    ]
    # Letters are set in italics, and a root's sign is in no text. Two signs are never drawn: U+FE00
    # only chooses a variant, and U+2061 stands between cos and what it is applied to.
    needed = {*"".join(formulas), *"√𝑥𝛼𝛽𝜀"} - {"\ufe00", "\u2061"}
    assert {sign for sign in needed if ord(sign) not in font.getBestCmap()} == set()


# ---- the build -----------------------------------------------------------------------------------


def test_a_second_build_gives_the_same_bytes_and_nothing_else(site, tmp_path):
    (tmp_path / "old.html").touch()
    code = "import pathlib, sys, tools.site as site; site.main(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, tmp_path]
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert re.search(rf"{len(SOURCES)} pages, \d\.\d MB", run.stdout)
    contents = [
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (site, tmp_path)
    ]
    assert contents[0] == contents[1]


@pytest.fixture
def series(tmp_path):
    """Writes a series of one notebook and returns its root; `text` is in its only markdown cell."""

    def write(text="", outputs=None, tags=()):
        printed = nbformat.v4.new_output("stream", name="stdout", text="42 < 43\n")
        outputs = [printed] if outputs is None else outputs
        count = 1 if outputs else None
        cells = [
            nbformat.v4.new_markdown_cell(f"# 1. A title\n\n{text}"),
            nbformat.v4.new_code_cell("print(6)", outputs=outputs, execution_count=count),
        ]
        cells[1].metadata["tags"] = list(tags)
        root = tmp_path / "series"
        (root / "notebooks").mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "notebooks" / "01_a.ipynb")
        (root / "README.md").write_text("# All\n\n[first](notebooks/01_a.ipynb)\n")
        (root / "pyproject.toml").write_text('[project.urls]\nRepository = "https://x.org/y"\n')
        return root

    return write


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[gone](02_gone.ipynb)", "02_gone.ipynb"),
        ("[outside](../../elsewhere.txt)", "elsewhere.txt"),
        ("![picture](gone.png)", "gone.png"),
        (r"$\nonsense x$", r"\\nonsense"),
    ],
)
def test_what_cannot_be_shown_is_named_and_the_old_site_stays(series, tmp_path, text, named):
    root, folder = series(text), tmp_path / "site"
    folder.mkdir()
    (folder / "old.html").touch()
    with pytest.raises(Problem, match=rf"01_a\.ipynb.*{named}"):
        build(root, folder)
    assert [path.name for path in folder.iterdir()] == ["old.html"]


def test_a_notebook_that_was_not_run_is_named(series, tmp_path):
    with pytest.raises(Problem, match=r"01_a\.ipynb lacks outputs"):
        build(series(outputs=[]), tmp_path / "site")


def test_an_output_that_no_page_can_show_is_named(series, tmp_path):
    output = nbformat.v4.new_output("display_data", data={"application/x-else": "?"})
    with pytest.raises(Problem, match=r"01_a\.ipynb: cell \[1\]"):
        build(series(outputs=[output]), tmp_path / "site")


def test_links_into_the_source_go_to_the_repository(series, tmp_path):
    build(
        series("[a](../README.md) [b](../pyproject.toml#L1) [c](../notebooks)"), tmp_path / "site"
    )
    hrefs = [link["href"] for link in read(tmp_path / "site", "01_a.html").select("main p a")]
    source = "https://x.org/y/blob/HEAD/pyproject.toml#L1"
    assert hrefs == ["index.html", source, "https://x.org/y/tree/HEAD/notebooks"]


def test_pictures_from_elsewhere_give_way_to_their_text(series, tmp_path):
    build(series("[![a badge](https://x.org/a.svg)](https://x.org)"), tmp_path / "site")
    page = read(tmp_path / "site", "01_a.html")
    assert page.select_one("main p a").get_text() == "a badge"
    assert not page.select("img")


def test_html_around_markdown_stays_around_it(series, tmp_path):
    build(series("<details><summary>More</summary>\n\n*text*\n\n</details>"), tmp_path / "site")
    assert read(tmp_path / "site", "01_a.html").select_one("details em").get_text() == "text"


def test_solutions_are_folded_away(series, tmp_path):
    build(series(tags=["solution"]), tmp_path / "site")
    folded = read(tmp_path / "site", "01_a.html").details
    assert "open" not in folded.attrs
    assert folded.select_one("pre.output").get_text() == "42 < 43\n"


def test_code_that_only_draws_is_folded_away_and_its_output_is_not(series, tmp_path):
    build(series(tags=["hide-input"]), tmp_path / "site")
    page = read(tmp_path / "site", "01_a.html")
    assert "open" not in page.details.attrs
    assert page.details.select_one(".highlight").get_text().strip() == "print(6)"
    assert [output.find_parent("details") for output in page.select("pre.output")] == [None]


def test_the_workflow_publishes_what_make_site_writes():
    text = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert [step["run"] for step in jobs["build"]["steps"] if "run" in step] == ["make site"]
    assert jobs["build"]["steps"][-1]["with"] == {"path": "_site"}
    assert (ROOT / ".gitignore").read_text(encoding="utf-8").count("\n_site/\n") == 1
    assert "permissions" not in jobs["build"]
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
