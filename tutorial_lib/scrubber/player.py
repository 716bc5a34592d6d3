"""Shows panels as a page fragment that needs no kernel, and describes them for every player."""

import base64
import hashlib
import html
import zlib
from pathlib import Path

import numpy as np

from ..palette import ROLES
from .panel import Panel, count_frames
from .strip import film_strip
from .texts import plain_text
from .tracks import pack, read_numbers

MODULE = Path(__file__).with_name("scrubber.js")
MAX_BYTES = 1_000_000
PAGE = """\
<div data-scrubber="{identity}"><p>Interactive figure, which plays in a trusted notebook or on a web
page. Below: {caption}</p></div>
<script>
(async (here) => {{
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const inflate = new DecompressionStream("deflate");
const source = new Response(new Blob([bytes("{module}")]).stream().pipeThrough(inflate));
const code = new Blob([await source.text()], {{ type: "text/javascript" }});
(await import(URL.createObjectURL(code))).start("{identity}", bytes("{data}"), here);
}})(document.currentScript?.parentNode);
</script>"""


def scrub(*panels: Panel, t=None, name="t", title="", describe=None, strip=None) -> None:
    """Show panels side by side with a slider over `t`, and below a strip of five frames.

    t: (F,) values in the order from left to right, rising or falling (as in denoising).
    describe: F texts in place of the computed ones.
    strip: up to six values of t for the strip, where five at equal steps would miss the event.
    The player needs no kernel; the strip is for readers whose page runs no scripts.
    """
    from IPython.display import display

    spec = specify(panels, t, name, title, describe, strip)
    alt, png = caption(spec), base64.b64encode(film_strip(panels, spec)).decode()
    page = {"text/html": fragment(panels, spec), "text/plain": "Interactive figure"}
    display(page, raw=True)
    metadata = {"image/png": {"alt": alt}}
    display({"image/png": png, "text/plain": "Film strip"}, raw=True, metadata=metadata)


def specify(panels, t=None, name="t", title="", describe=None, strip=None, start=None) -> dict:
    """All that the browser must know, except the arrays. start: the t shown first."""
    n_frames = count_frames({f"panel {k}": panel.n_frames for k, panel in enumerate(panels, 1)})
    t = list(range(n_frames)) if t is None else read_times(t)
    texts = combine(panels, n_frames) if describe is None else list(map(plain_text, describe))
    for given, values in {"t": t, "describe": texts}.items():
        if len(values) != n_frames:
            raise ValueError(f"{given} has {len(values)} entries; allowed: {n_frames}, one a frame")
    five = sorted({round(k * (n_frames - 1) / 4) for k in range(5)})
    return {
        "t": t,
        "name": plain_text(name),
        "title": plain_text(title),
        "accent": ROLES["model"],
        "start": 0 if start is None else frames_of("start", [start], t)[0],
        "texts": texts,
        "strip": five if strip is None else frames_of("strip", strip, t),
        "panels": [panel.spec for panel in panels],
    }


def read_times(t):
    """`t` as a list of plain numbers, whole ones where all are."""
    t = read_numbers("t", t, "(F,)")
    if not ((np.diff(t) > 0).all() or (np.diff(t) < 0).all()):
        raise ValueError("t is not in order; allowed: values that only rise or only fall")
    return [int(value) for value in t] if (t == np.rint(t)).all() else t.tolist()


def frames_of(name, values, t):
    """The frames with these values of t; float32's 0.1 is as good as 0.1."""
    values = read_numbers(name, values, "(k,)")
    near = nearest(values, t)
    gap = np.abs(np.diff(t)).min()
    wrong = values[~np.isclose(np.take(t, near), values, rtol=1e-6, atol=1e-4 * gap)]
    if wrong.size:
        allowed = f"the values from {t[0]} to {t[-1]}"
        raise ValueError(f"{name} asks for t = {wrong[0]:g}; allowed: {allowed}")
    return near.tolist()


def nearest(values, t):
    """For each of `values`, the frame with the nearest t."""
    return np.abs(np.subtract.outer(values, t)).argmin(-1)


def combine(panels, n_frames):
    """One text per frame; each part is preceded by its panel's title where there are several."""
    parts = []
    for panel in panels:
        texts = panel.texts * n_frames if len(panel.texts) == 1 else panel.texts
        title = panel.spec["title"]
        head = f"{title}: " if len(panels) > 1 and title else ""
        parts.append([head + line for line in texts])
    return ["; ".join(texts) for texts in zip(*parts)]


def caption(spec: dict) -> str:
    """What the strip shows, for those who cannot see it."""
    titles = [panel["title"] for panel in spec["panels"] if panel["title"]]
    title, shown = spec["title"] or " and ".join(titles), spec["strip"]
    number = ("One frame", "Two", "Three", "Four", "Five", "Six")[len(shown) - 1]
    first, last = (
        f"{spec['name']} = {spec['t'][k]:.6g} ({spec['texts'][k]})" for k in (shown[0], shown[-1])
    )
    what = f"{number} frames from {first} to {last}" if len(shown) > 1 else f"{number}: {first}"
    return f"{title + '. ' if title else ''}{what}."


def compact_module() -> bytes:
    """`scrubber.js` without indentation and lines of comment, which no browser needs."""
    lines = (line.strip() for line in MODULE.read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()


def fragment(panels, spec: dict) -> str:
    """A paragraph for readers without scripts, and the script that replaces it by the player.

    What the user wrote is inside `data`, so none of it can end the script or be taken for HTML. The
    identity is a hash of the content: the same figure gives the same bytes.
    """
    data = pack(spec, [panel.tracks for panel in panels])
    page = PAGE.format(
        identity=hashlib.sha256(data).hexdigest()[:16],
        caption=html.escape(caption(spec)),
        data=base64.b64encode(data).decode(),
        module=base64.b64encode(zlib.compress(compact_module(), 9)).decode(),
    )
    if len(page) > MAX_BYTES:
        sizes = f"takes {len(page) / 1000:.0f} kB; allowed: {MAX_BYTES / 1000:.0f} kB"
        raise ValueError(f"the scrubber {sizes}; give fewer frames, points or cells")
    return page
