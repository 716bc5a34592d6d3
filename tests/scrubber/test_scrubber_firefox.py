"""The scrubber in Firefox, on a page opened from disk."""

import numpy as np
import pytest
from scrubbing import Scrubber, listen

from tutorial_lib import scrubber as lib
from tutorial_lib.scrubber.player import fragment, specify

SAMPLES = np.linspace(0, 1, 41)[:, None] + np.random.default_rng(5).normal(size=(41, 3000))


@pytest.fixture
def show(firefox, tmp_path):
    """Opens a page that shows the panels; the console must be clean at the end."""
    context = firefox.new_context(viewport={"width": 900, "height": 700}, offline=True)
    page = context.new_page()
    errors = listen(page)

    def opened(*panels, **options):
        file = tmp_path / "page.html"
        body = fragment(panels, specify(panels, **options))
        file.write_text(f"<!doctype html><meta charset=utf-8>{body}", encoding="utf-8")
        page.goto(file.as_uri())
        return Scrubber(page.locator(".scrubber"))

    yield opened
    context.close()
    assert not errors


def test_keys_change_the_frame_and_the_pixels(show):
    show(lib.bars(SAMPLES)).check()
