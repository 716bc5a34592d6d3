"""The scrubber: whatever a text says, a page shows it and does nothing else."""

import html
import re
import unicodedata
from html.parser import HTMLParser

import bs4
import nbformat
import numpy as np
import pytest
from hostile import TEXTS, TURNING
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbconvert import HTMLExporter
from scrubbing import unpack

from tutorial_lib import scrubber
from tutorial_lib.scrubber.player import caption, fragment, specify
from tutorial_lib.scrubber.texts import plain_text
from tutorial_lib.scrubber.tracks import pack

F = 4
SAMPLES = np.random.default_rng(0).normal(size=(F, 50))
PATH = np.random.default_rng(1).normal(size=(F, 9, 2))
ALL = {**TEXTS, "turning": f"{TURNING}abc", "half a character": "\ud800a\udc00"}
each = pytest.mark.parametrize("given", ALL.values(), ids=ALL.keys())


def panels(given: str):
    """Every text that a panel takes."""
    axes = {"title": given, "x_label": given, "y_label": given}
    curves = scrubber.curves({given: np.ones(9), "other": SAMPLES}, **axes)
    bars = scrubber.bars(SAMPLES, label=given, title=given, x_label=given)
    return curves, bars, scrubber.points(PATH, labels=[given], **axes)


def page_of(given: str) -> tuple[str, dict]:
    both = panels(given)
    spec = specify(both, name=given, title=given, describe=[given] * F)
    return fragment(both, spec), spec


def without_data(script):
    """A script without its long strings, none of whose letters ends a string or an element."""
    return re.sub(r'"[\w!#$%:()*+;,=.?@^/{|}~-]{16,}"(, \d+)?', '""', script, flags=re.ASCII)


class Elements(HTMLParser):
    """The elements with their attributes, as a parser sees them that mends nothing."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.found, self.comments = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, [name for name, _ in attributes]))

    def handle_comment(self, data):
        self.comments.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def harmless(page: str, spec: dict) -> None:
    elements = Elements(page)
    assert elements.found == [("div", ["data-scrubber"]), ("p", []), ("script", [])]
    assert elements.comments == []
    soup = bs4.BeautifulSoup(page, "html.parser")
    # A browser takes every line end for \n, and so does the parser.
    shown = soup.p.get_text().partition("Below: ")[2].replace("\r", "\n")
    assert shown == caption(spec).replace("\r", "\n")
    # Nothing but the module, the identity and the data, and those in letters that end nothing.
    assert without_data(soup.script.string) == without_data(CLEAN.script.string)
    page.encode()


CLEAN = bs4.BeautifulSoup(page_of("x")[0], "html.parser")


@each
def test_every_text_is_shown_as_text(given):
    harmless(*page_of(given))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(st.one_of(st.sampled_from("<>/!-&;#'\"`\\${}=scriptxonload \n\u2028"), st.characters()))
)
def test_any_text_is_shown_as_text(given):
    harmless(*page_of(given))


@each
def test_what_the_player_reads_is_what_was_given(given):
    both = panels(given)
    spec = specify(both, name=given, title=given, describe=[given] * F)
    header, _ = unpack(pack(spec, [panel.tracks for panel in both]))
    wanted = plain_text(given)
    assert header["title"] == header["name"] == header["texts"][0] == wanted
    for panel in header["panels"]:
        assert panel["title"] == panel["x_label"] == wanted
        assert panel["layers"][0]["legend"][0][0] == wanted


@each
def test_the_widget_takes_it_as_data(given):
    widget = scrubber.widget(*panels(given))
    state = widget.get_state()
    assert "hacked" not in str({k: v for k, v in state.items() if k not in ("_data", "_esm")})
    header, _ = unpack(widget._data)
    assert header["panels"][0]["title"] == plain_text(given)


@pytest.mark.filterwarnings("ignore:Glyph")
@each
def test_it_can_be_shown_and_kept_in_a_notebook_that_becomes_a_page(given, monkeypatch, tmp_path):
    outputs = []

    def display(data, raw, metadata=None):
        output = nbformat.v4.new_output("display_data", data=data, metadata=metadata or {})
        outputs.append(output)

    monkeypatch.setattr("IPython.display.display", display)
    scrubber.scrub(panels(given)[0], title=given, name=given, describe=[given] * F)
    cell = nbformat.v4.new_code_cell("scrub()", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    assert nbformat.read(tmp_path / "n.ipynb", 4).cells[0].outputs == cell.outputs
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    elements = Elements(page).found
    assert not [name for _, names in elements for name in names if name.startswith("on")]
    assert [tag for tag, _ in elements].count("script") == 1
    assert not {"iframe", "svg", "style", "b"} & {tag for tag, _ in elements}


def test_no_text_turns_the_words_around_it():
    shown = caption(page_of(f"{TURNING}abc")[1])
    assert {unicodedata.bidirectional(c) for c in shown}.isdisjoint(
        {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )
    assert plain_text("\u05d0 \u200f1") == "\u05d0 \u200f1"  # Hebrew, with a mark it may need


def test_too_long_a_text_is_refused_with_its_size():
    noise = "".join(chr(c) for c in np.random.default_rng(0).integers(0x4E00, 0x9000, 500_000))
    with pytest.raises(ValueError, match=r"the scrubber takes \d+ kB; allowed: 1000 kB"):
        page_of(noise)


def test_the_parser_here_would_notice():
    page, spec = page_of(TEXTS["image"])
    with pytest.raises(AssertionError):
        harmless(html.unescape(page), spec)
