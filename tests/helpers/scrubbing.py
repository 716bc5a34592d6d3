"""What the tests do with a scrubber: on a page, and with the data that it is given."""

import base64
import json
import re
import struct
import zlib
from contextlib import contextmanager

import numpy as np

from tutorial_lib.palette import ROLES


def rgb(color):
    """[r, g, b] of "#rrggbb"."""
    return list(bytes.fromhex(color[1:]))


def listen(page):
    """A list that fills with the page's errors."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            message.type == "error"
            and errors.append(message.text + " " + str(message.location.get("url", "")))
        ),
    )
    return errors


@contextmanager
def pages_in(browser, folder):
    """A function that opens HTML as a file, offline; at the end the consoles must be clean."""
    contexts, errors = [], []  # errors: a list for each page

    def opened(body, address="", width=900, height=700, **options):
        file = folder / "page.html"
        head = "<!doctype html><meta charset=utf-8><meta name=color-scheme content='light dark'>"
        if "<html" not in body:
            body = f"{head}<meta name=viewport content='width=device-width'>{body}"
        file.write_text(body, encoding="utf-8")
        size = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=size, offline=True, **options))
        page = contexts[-1].new_page()
        errors.append(listen(page))
        page.goto(file.as_uri() + address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [e for page in errors for e in page if "ERR_INTERNET_DISCONNECTED" not in e]


class Scrubber:
    """One scrubber on a page: what it shows, and its controls."""

    def __init__(self, root):
        self.root, self.page = root, root.page
        self.slider = root.get_by_role("slider").first
        self.play = root.locator(".scrubber-play")
        self.canvas = root.locator(".scrubber-panel > canvas")
        self.slider.wait_for()
        self.wait_for("player?.spec")

    def read(self, expression):
        """The value of a JavaScript expression of `player` and `root`."""
        return self.root.evaluate(
            f"root => {{ const player = root.scrubber; return ({expression}) }}"
        )

    def wait_for(self, expression):
        """Wait until such an expression is true."""
        code = f"root => {{ const player = root.scrubber; return ({expression}) }}"
        self.page.wait_for_function(code, arg=self.root.element_handle())

    @property
    def t(self):
        return self.read("player.t")

    @property
    def frame(self):
        return self.read("player.frame")

    def pixels(self, panel=0):
        """A text that is different when a pixel is."""
        return self.read(f"player.panels[{panel}].canvas.toDataURL()")

    def press(self, *keys):
        for key in keys:
            self.slider.press(key)

    def check(self):
        """The keys go through the frames, and every panel changes on the way."""
        panels = range(self.read("player.panels.length"))
        self.press("Home")
        first = [self.pixels(panel) for panel in panels]
        assert self.frame == 0
        self.press("ArrowRight")
        assert self.frame == 1
        self.press("End")
        assert self.frame == self.read("player.spec.t.length - 1")
        assert all(self.pixels(panel) != first[panel] for panel in panels)

    def bar_heights(self):
        """The bars' heights, read off the canvas in units of the y axis, and a pixel's height."""
        return self.read(
            """(() => {
              const panel = player.panels[0], { canvas, box } = panel, [lo, hi] = panel.limits;
              const scale = canvas.width / canvas.clientWidth;
              const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
              const isBar = (x, y) => BAR.every(
                (value, c) => Math.abs(image.data[4 * (y * canvas.width + x) + c] - value) < 40);
              const bottom = Math.round((box.top + box.height) * scale);
              const bins = panel.tracks.bars.shape[1], heights = [];
              const unit = (panel.y_limits[1] - panel.y_limits[0]) / (box.height * scale);
              for (let i = 0; i < bins; i++) {
                const x = Math.floor(panel.x(lo + (hi - lo) * (i + 0.45) / bins) * scale);
                let top = 0; // the outline of the first frame may lie over the bar
                while (top < bottom && !isBar(x, top)) top++;
                heights.push((bottom - top) * unit);
              }
              return [heights, unit];
            })()""".replace("BAR", str(rgb(ROLES["data"])))
        )


def blobs(page):
    """The module and the data inside a page fragment."""
    as_b85 = str.maketrans(",.:/", "<>&`")
    found = re.findall(r'bytes\("([^"]*)", (\d+)\)', page)
    return [base64.b85decode(text.translate(as_b85))[: int(size)] for text, size in found]


def unpack(data):
    """What `tracks.pack` packed, as in the browser: the header and, per panel, the arrays."""
    content = zlib.decompress(data)
    (size,) = struct.unpack_from("<I", content)
    spec, at, panels = json.loads(content[4 : 4 + size]), 4 + size, []
    for entries in spec["tracks"]:
        panels.append({})
        for name, entry in entries.items():
            width, count = entry["bits"] // 8, int(np.prod(entry["shape"]))
            planes = np.frombuffer(content, np.uint8, width * count, at).reshape(width, count)
            levels = planes.T.copy().view(f"<u{width}").reshape(entry["shape"])
            for axis in [0, levels.ndim - 1][: len(entry["diff"])]:
                levels = np.cumsum(levels, axis=axis, dtype=levels.dtype)
            panels[-1][name] = entry["lo"] + entry["step"] * levels
            at += width * count
    return spec, panels
