"""The slides: votes on one slide, nothing lost, all in sight, from disk without a network."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from exercises import tagged
from scrubbing import Scrubber, listen

from tools.slides import ROOT, main, pictured, told

PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "slides"
    main(folder)
    return folder


def read(folder, path):
    text = (folder / f"{path.stem}.html").read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser"), nbformat.read(path, as_version=4).cells


@each_notebook
def test_the_vote_is_one_slide(folder, path):
    page, cells = read(folder, path)
    (slide,) = page.select(".vote")
    assert len(slide.select("summary")) >= 3 and slide.h2.get_text() == "A question first"
    start = next(k for k, cell in enumerate(cells) if "## A question first" in cell.source)
    end = next(k for k, cell in enumerate(cells) if "<summary>A" in cell.source)
    assert len(slide.select("img")) == sum(map(pictured, cells[start:end]))


@each_notebook
def test_figures_tables_and_chosen_code_are_there_and_solutions_are_not(folder, path):
    page, cells = read(folder, path)
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert len(page.select("img")) == sum(map(pictured, code))
    tables = [cell for cell in code if told(cell) and not tagged(cell, "solution")]
    assert tables
    for cell in tables:
        for output in cell.outputs:
            data = {"text/plain": output.get("text"), **output.get("data", {})}
            if "image/png" in data:
                continue
            shown = data.get("text/html", data["text/plain"])
            words = BeautifulSoup(shown, "html.parser").get_text().split()
            assert " ".join(words) in " ".join(page.get_text().split())
    chosen = [c.source for c in code if tagged(c, "slide") or tagged(c, "clinic")]
    chosen = [source for source in chosen if not source.startswith("#")]
    shown = [block.get_text().strip() for block in page.select(".highlight")]
    assert shown == chosen
    assert not re.search(r"\bour_", page.get_text())


@pytest.fixture
def show(chromium, folder):
    """Opens a deck without a network; the console must stay clean."""
    contexts, errors = [], []

    def opened(path, width=1280, height=720):
        viewport = {"width": width, "height": height}
        contexts.append(chromium.new_context(viewport=viewport, offline=True))
        page = contexts[-1].new_page()
        errors.append(listen(page))
        page.goto((folder / f"{path.stem}.html").as_uri())
        page.wait_for_function("Reveal.isReady()")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [error for page in errors for error in page]


LOWEST = """() => {
  const slide = Reveal.getCurrentSlide();
  for (const answer of slide.querySelectorAll("details")) answer.open = true;
  const seen = [...slide.querySelectorAll("*")].filter((element) => element.checkVisibility());
  const ends = seen.map((element) => element.getBoundingClientRect());
  return ["bottom", "right"].map((side) => Math.max(...ends.map((end) => end[side])));
}"""


SIZES = [(path, (1280, 720)) for path in PATHS] + [(PATHS[0], (1920, 1080))]


@pytest.mark.parametrize("path, size", SIZES, ids=lambda value: getattr(value, "stem", value))
def test_every_slide_fits_the_screen(show, path, size):
    """With all answers open, too, and in a type that can be read."""
    page = show(path, *size)
    for k in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(f"Reveal.slide({k})")
        scrubbers = page.locator("section.present [data-scrubber]")
        for j in range(scrubbers.count()):
            Scrubber(scrubbers.nth(j))
        page.evaluate("new Promise(requestAnimationFrame)")
        page.evaluate(LOWEST)
        page.evaluate("new Promise(done => setTimeout(done, 30))")  # till the type has shrunk
        low, right = page.evaluate(LOWEST)
        assert low <= size[1] and right <= size[0], k
        assert page.evaluate("parseFloat(Reveal.getCurrentSlide().style.fontSize)") >= 60, k


def test_keys_lead_on_and_a_focused_slider_takes_the_arrows(show):
    page = show(ROOT / "notebooks" / "02_forward_diffusion.ipynb")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getState().indexh") == 1
    scrubber = Scrubber(page.locator("section.present [data-scrubber]"))
    scrubber.slider.focus()
    before = scrubber.frame
    page.keyboard.press("ArrowRight")
    assert scrubber.frame == before + 1 and page.evaluate("Reveal.getState().indexh") == 1
    scrubber.play.focus()
    page.keyboard.press("Space")
    assert scrubber.read("player.playing") and page.evaluate("Reveal.getState().indexh") == 1
    scrubber.slider.focus()
    page.keyboard.press("PageDown")
    assert page.evaluate("Reveal.getState().indexh") == 2
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("Reveal.getState().indexh") == 1


def test_the_handout_has_all_notebooks_on_two_pages(chromium, folder):
    page = chromium.new_page()
    page.goto((folder / "handout.html").as_uri())
    page.evaluate("MathJax.startup.promise.then(() => 0)")
    titles = page.locator("h2").all_inner_texts()
    assert [title[0] for title in titles] == [path.stem[1] for path in PATHS]
    assert page.locator("mjx-container").count() > 20
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) <= 2
    page.close()
