"""The site of `make site`: complete, linked, folded, and with nothing to fetch."""

import re
import tomllib
from importlib import import_module
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from exercises import tagged

import tutorial_lib
from tools.site import ROOT, build

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("0*.ipynb"))

each_notebook = pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="session")
def pages(site):
    """The parsed pages by their place in the site."""
    return {path.relative_to(site).as_posix(): read(path) for path in site.rglob("*.html")}


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


@each_notebook
def test_every_output_is_on_the_page(pages, source):
    page = pages[f"notebooks/{source.stem}.html"]
    texts, fragments, pictures, scrubbers = shown(source)
    assert [pre.get_text().strip() for pre in page.select(".cell_output pre")] == texts
    here = [part for part in page.select(".text_html") if not part.select("[data-scrubber], img")]
    assert [part.get_text().split() for part in here] == fragments
    assert [image["alt"] for image in page.select(".cell_output img")] == pictures
    assert len(page.select("[data-scrubber]")) == scrubbers > 0


@each_notebook
def test_solutions_and_code_that_only_draws_are_folded(pages, source):
    page = pages[f"notebooks/{source.stem}.html"]
    cells = nbformat.read(source, as_version=4).cells
    folds = [fold.summary.p.get_text() for fold in page.select("details.hide:not([open])")]
    cells = [cell for cell in cells if not tagged(cell, "remove-cell")]
    for tag, name in ("hide-input", "Show the code"), ("solution", "Solution"):
        assert folds.count(name) == sum(tagged(cell, tag) for cell in cells)
    assert not re.search(r"\bour_", "".join(open_code(page)))


def open_code(page):
    """The code that is read without a click."""
    return [code.get_text() for code in page.select("pre") if not code.find_parent("details")]


def test_the_front_page_is_the_readme_with_a_figure_that_moves(pages):
    page = pages["index.html"]
    assert len(page.select("[data-scrubber]")) == 1
    assert not page.select("article img")  # GitHub's picture, and badges from elsewhere
    rows = page.select("article table a[href^='notebooks/']")
    assert [row["href"] for row in rows] == [f"notebooks/{path.stem}.html" for path in NOTEBOOKS]


def test_links_lead_somewhere(pages, site):
    broken = []
    for name, page in pages.items():
        for link in page.select("a[href]"):
            url = urlsplit(link["href"])
            if url.scheme:
                _, inside, path = link["href"].partition(f"{REPOSITORY}/blob/HEAD/")
                good = url.scheme == "https" and (not inside or (ROOT / path).exists())
            else:
                place = (site / name).parent / unquote(url.path) if url.path else site / name
                target = place.resolve().relative_to(site.resolve()).as_posix()
                good = place.is_file()
                if url.fragment and good:
                    good = pages[target].find(id=unquote(url.fragment)) is not None
            if not good:
                broken.append((name, link["href"]))
    assert not broken


def test_nothing_is_fetched_from_elsewhere(pages, site):
    urls = {
        (name, tag[key])
        for name, page in pages.items()
        for key in ("src", "srcset", "data", "poster")
        for tag in page.select(f"[{key}]")
    }
    urls |= {
        (name, link["href"])
        for name, page in pages.items()
        for link in page.select("link[rel~=stylesheet], link[rel~=icon], link[rel~=preload]")
    }
    for path in site.rglob("*.css"):
        for url in re.findall(r"url\(['\"]?([^)'\"]*)", path.read_text(encoding="utf-8")):
            urls.add((path.relative_to(site).as_posix(), url))
    urls = {(name, url) for name, url in urls if not url.startswith("data:")}
    here = site.resolve()
    missing = [
        (name, url)
        for name, url in urls
        if urlsplit(url).scheme or not ((here / name).parent / urlsplit(url).path).is_file()
    ]
    assert not missing


def test_a_shared_link_has_a_picture(pages, site):
    owner, name = REPOSITORY.removeprefix("https://github.com/").split("/")
    root = f"https://{owner}.github.io/{name}/"
    for source in NOTEBOOKS:
        page = pages[f"notebooks/{source.stem}.html"]
        tags = {tag["property"]: tag["content"] for tag in page.select("meta[property^=og]")}
        assert tags["og:url"] == f"{root}notebooks/{source.stem}.html"
        assert (site / tags["og:image"].removeprefix(root)).is_file()


def test_the_reference_has_every_public_name_and_no_answers(pages):
    ids = {tag["id"] for tag in pages["reference.html"].select("dt[id]")}
    places = {(getattr(tutorial_lib, name).__module__, name) for name in tutorial_lib.__all__}
    scrubber = import_module("tutorial_lib.scrubber")
    places |= {(scrubber.__name__, name) for name in scrubber.__all__}
    assert {f"{module}.{name}" for module, name in places} <= ids
    assert not [name for name in ids if name.startswith("tutorial_lib.checks")]


# ---- the build -----------------------------------------------------------------------------------


def test_a_link_that_leads_nowhere_is_named_and_the_old_site_stays(tmp_path, capfd):
    root, folder = tmp_path / "series", tmp_path / "site"
    for name in (*(path.name for path in ROOT.glob("*.md")), "LICENSE", "CITATION.cff"):
        (root / "notebooks").mkdir(parents=True, exist_ok=True)
        (root / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    source = ROOT / "notebooks" / "05_sampling.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("[gone](09_gone.ipynb)"))
    nbformat.write(notebook, root / "notebooks" / source.name)
    folder.mkdir()
    (folder / "old.html").touch()
    with pytest.raises(SystemExit):
        build(root, folder)
    assert "09_gone.ipynb" in capfd.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["old.html"]


def test_the_workflow_publishes_what_make_site_writes():
    text = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert [step["run"] for step in jobs["build"]["steps"] if "run" in step] == ["make site"]
    assert jobs["build"]["steps"][-1]["with"] == {"path": "_site"}
    assert (ROOT / ".gitignore").read_text(encoding="utf-8").count("\n_site/\n") == 1
    assert "permissions" not in jobs["build"]
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
