"""Shows panels as a page fragment that needs no kernel, and describes them for every player."""

import base64
import hashlib
import html
import re
import string
import zlib
from pathlib import Path

import numpy as np

from ..palette import ROLES
from .panel import Panel, count_frames
from .strip import film_strip, name_of
from .texts import plain_text
from .tracks import pack, read_numbers

MODULE = Path(__file__).with_name("scrubber.js")
MAX_BYTES = 1_000_000
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase + "!#$%:()*+-;,=.?@^_/{|}~"
PAGE = """\
<div data-scrubber="{identity}"><p>Interactive figure, which plays in a trusted notebook or on a web
page. Below: {caption}</p></div>
<script>
(async (here) => {{
const digits = "{digits}", bytes = (text, size) => {{
const all = new Uint8Array(text.length / 5 * 4), view = new DataView(all.buffer);
for (let i = 0, sum = 0; i < text.length; i++) {{
sum = sum * 85 + digits.indexOf(text[i]);
if (i % 5 === 4) {{ view.setUint32((i - 4) / 5 * 4, sum); sum = 0; }}
}}
return all.subarray(0, size);
}};
const inflate = new DecompressionStream("deflate");
const source = new Response(new Blob([bytes({module})]).stream().pipeThrough(inflate));
const code = new Blob([await source.text()], {{ type: "text/javascript" }});
(await import(URL.createObjectURL(code))).start("{identity}", bytes({data}), here);
}})(document.currentScript?.parentNode);
</script>"""


def scrub(*panels: Panel, **options) -> None:
    """Show panels side by side with a slider over `t`, and below a strip of five frames.

    options: those of `specify`.
    The player needs no kernel; the strip is for readers whose page runs no scripts.
    """
    from IPython.display import display

    spec = specify(panels, **options)
    png = base64.b64encode(film_strip(panels, spec)).decode()
    spec["mark"] = png[-60:-20]  # by which the player knows the strip where no host shows its alt
    page = {"text/html": fragment(panels, spec), "text/plain": "Interactive figure"}
    display(page, raw=True)
    metadata = {"image/png": {"alt": spec["caption"]}}
    display({"image/png": png, "text/plain": "Film strip"}, raw=True, metadata=metadata)


def specify(
    panels,
    t=None,
    *,
    name="t",
    title="",
    ends=("", ""),
    travel=None,
    second=None,
    start=None,
    curve=None,
    band=None,
    describe=None,
    strip=None,
) -> dict:
    """All that the browser must know, except the arrays.

    t: (F,) values in the order from left to right, rising or falling (as in denoising).
    ends: what the first and the last t are, in a word: ("noise", "data").
    travel: (F,) places of the frames along the slider, in any unit; even steps by default. What
    takes more of it is easier to hit, and plays longer.
    second: (name, (S,) values) of a second slider, for panels that `stack` made of S.
    curve: (label, values) drawn along the slider, (F,) or (S, F); band: its values up to which
    chance alone explains them.
    describe: a text for each frame, (F,) or (S, F), in place of the computed ones.
    start: the t shown first. strip: up to six values of t for the strip, where five at equal steps
    would miss the event. In a figure of two sliders both are pairs of t and the second value.
    """
    n_frames = count_frames({f"panel {k}": panel.n_frames for k, panel in enumerate(panels, 1)})
    choices = count_frames({f"panel {k}": panel.choices for k, panel in enumerate(panels, 1)})
    t = list(range(n_frames)) if t is None else read_times("t", t, n_frames)
    spec = {
        "t": t,
        "name": plain_text(name),
        "title": plain_text(title),
        "ends": list(map(plain_text, ends)),
        "places": even(n_frames) if travel is None else read_places(travel, n_frames),
        "accent": ROLES["model"],
        "chance": ROLES["chance"],
        "second": None,
        "panels": [panel.spec for panel in panels],
    }
    if second is not None or choices > 1:
        label, values = second
        values = read_times("second", values, choices)
        spec["second"] = {"name": plain_text(label), "values": values, "places": even(choices)}
    total = n_frames * choices
    texts = combine(panels, total) if describe is None else read_texts(describe, total)
    curve = None if curve is None else read_curve(*curve, band, (choices, n_frames))
    five = sorted({round(k * (n_frames - 1) / 4) for k in range(5)})
    spec |= {
        "texts": texts,
        "curve": curve,
        "start": 0 if start is None else frames_of("start", [start], spec)[0],
        "strip": five if strip is None else frames_of("strip", strip, spec),
    }
    return spec | {"caption": caption(spec)}


def even(n: int) -> list[float]:
    return np.linspace(0, 1, n).round(4).tolist()


def read_times(name, given, n):
    """Values in order as plain numbers, whole ones where all are."""
    values = read_numbers(name, given, "(F,)")
    if len(values) != n:
        raise ValueError(f"{name} has {len(values)} entries; allowed: {n}")
    if not ((np.diff(values) > 0).all() or (np.diff(values) < 0).all()):
        raise ValueError(f"{name} is not in order; allowed: values that only rise or only fall")
    whole = (values == np.rint(values)).all()
    return [int(value) for value in values] if whole else values.tolist()


def read_places(travel, n):
    """Places from 0 to 1, in the order of the frames."""
    places = np.array(read_times("travel", travel, n), dtype=float)
    return ((places - places[0]) / (places[-1] - places[0])).round(4).tolist()


def read_texts(given, n):
    """The texts of all frames in one list."""
    texts = [given] if isinstance(given, str) else list(given)
    if texts and not isinstance(texts[0], str):
        texts = [text for row in texts for text in row]
    if len(texts) != n:
        raise ValueError(f"describe has {len(texts)} entries; allowed: {n}")
    return list(map(plain_text, texts))


def read_curve(label, values, band, shape):
    """A curve along the slider: one row of values for each choice."""
    values = read_numbers("curve", values, "(F,)", "(S, F)")
    if values.size != np.prod(shape):
        raise ValueError(f"curve has the shape {values.shape}; allowed: {shape}")
    digits = [[float(f"{value:.3g}") for value in row] for row in values.reshape(shape)]
    return {"label": plain_text(label), "values": digits, "band": band and float(band)}


def frames_of(name, wanted, spec):
    """The frames with these values of t, or pairs of t and the second value."""
    if spec["second"] is None:
        return nearest(name, wanted, spec["t"])
    pairs = read_numbers(name, wanted, "(k, 2)").T
    frames = nearest(name, pairs[0], spec["t"])
    choices = nearest(name, pairs[1], spec["second"]["values"])
    return [choice * len(spec["t"]) + frame for choice, frame in zip(choices, frames)]


def nearest(name, wanted, values):
    """Where the `wanted` are among `values`; float32's 0.1 is as good as 0.1."""
    wanted = read_numbers(name, wanted, "(k,)")
    near = np.abs(np.subtract.outer(wanted, values)).argmin(-1)
    gap = np.abs(np.diff(values)).min() if len(values) > 1 else 1.0
    wrong = wanted[~np.isclose(np.take(values, near), wanted, rtol=1e-6, atol=1e-4 * gap)]
    if wrong.size:
        allowed = f"the values from {values[0]} to {values[-1]}"
        raise ValueError(f"{name} asks for {wrong[0]:g}; allowed: {allowed}")
    return near.tolist()


def combine(panels, total):
    """One text per frame; each part is preceded by its panel's title where there are several."""
    parts = []
    for panel in panels:
        title = panel.spec["title"]
        head = f"{title}: " if len(panels) > 1 and title else ""
        parts.append([head + line for line in (panel.texts * total)[:total]])
    return ["; ".join(texts) for texts in zip(*parts)]


def caption(spec: dict) -> str:
    """What the strip shows, for those who cannot see it."""
    titles = [panel["title"] for panel in spec["panels"] if panel["title"]]
    title, shown = spec["title"] or " and ".join(titles), spec["strip"]
    number = ("One frame", "Two", "Three", "Four", "Five", "Six")[len(shown) - 1]
    first, last = (f"{name_of(spec, k)} ({spec['texts'][k]})" for k in (shown[0], shown[-1]))
    what = f"{number} frames from {first} to {last}" if len(shown) > 1 else f"{number}: {first}"
    return f"{title + '. ' if title else ''}{what}."


def compact_module() -> bytes:
    """`scrubber.js` without indentation and comments, which no browser needs."""
    lines = re.sub(r"(^|\s)//.*", "", MODULE.read_text("utf-8"), flags=re.MULTILINE).splitlines()
    return "\n".join(line.strip() for line in lines if line.strip()).encode()


def as_text(content: bytes) -> str:
    """Five characters for four bytes (base64 takes six), none of which means anything in HTML.

    It is a string for JavaScript, and the number of bytes in it.
    """
    text = base64.b85encode(content, pad=True).decode().translate(str.maketrans("<>&`", ",.:/"))
    return f'"{text}", {len(content)}'


def fragment(panels, spec: dict) -> str:
    """A paragraph for readers without scripts, and the script that replaces it by the player.

    What the user wrote is inside `data`, so none of it can end the script or be taken for HTML. The
    identity is a hash of the content: the same figure gives the same bytes.
    """
    data = pack(spec, [panel.tracks for panel in panels])
    page = PAGE.format(
        identity=hashlib.sha256(data).hexdigest()[:16],
        caption=html.escape(spec["caption"]),
        digits=DIGITS,
        data=as_text(data),
        module=as_text(zlib.compress(compact_module(), 9)),
    )
    if len(page) > MAX_BYTES:
        sizes = f"takes {len(page) / 1000:.0f} kB; allowed: {MAX_BYTES / 1000:.0f} kB"
        raise ValueError(f"the scrubber {sizes}; give fewer frames, points or cells")
    return page
