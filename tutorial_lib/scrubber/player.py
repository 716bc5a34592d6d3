"""Shows panels: as a page fragment that needs no kernel, or as a widget that Python can drive."""

import base64
import hashlib
import html
import zlib
from pathlib import Path

import numpy as np

from .arguments import listed, numbers, positive, text
from .encode import pack
from .panels import Panel

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


def scrub(*panels, t=None, name="t", title="", start=None, describe=None, fps=40, strip=None):
    """Show one or two panels with a slider over `t`, and below a strip of five frames.

    t: (F,) values in the order from left to right, rising or falling (as in denoising).
    start: the t shown first. describe: F texts in place of the computed ones. fps: frames a second,
    up to 60; 200 take 5 seconds by default.
    strip: one to six values of t for the strip, where five at equal steps would miss the event.
    The player needs no kernel; the strip is for readers whose page runs no scripts.
    """
    from IPython.display import display

    from .strip import film_strip

    spec = specify(panels, t, name, title, start, describe, fps, strip)
    page = fragment(pack(spec, [panel.tracks for panel in panels]), spec)
    alt, png = caption(spec), base64.b64encode(film_strip(panels, spec)).decode()
    display({"text/html": page, "text/plain": "Interactive figure"}, raw=True)
    metadata = {"image/png": {"alt": alt}}
    display({"image/png": png, "text/plain": "Film strip"}, raw=True, metadata=metadata)


def compact_module():
    """`scrubber.js` without indentation and lines of comment, which no browser needs."""
    lines = (line.strip() for line in MODULE.read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()


def widget(*panels, t=None, name="t", title="", start=None, describe=None, fps=40):
    """The player of `scrub` as an anywidget, whose `t` can be set, observed and linked."""
    from .host import ScrubberWidget

    return ScrubberWidget(
        panels, t=t, name=name, title=title, start=start, describe=describe, fps=fps
    )


def specify(panels, t, name, title, start, describe, fps, strip=None):
    """Check the arguments of `scrub`; all that the browser must know, except the arrays."""
    n_frames = count_frames(panels)
    t = list(range(n_frames)) if t is None else ordered(t, n_frames)
    if describe is None:
        texts = combine(panels, n_frames)
    else:
        texts = [text("describe", line) for line in listed("describe", describe)]
        if len(texts) != n_frames:
            raise ValueError(
                f"describe has {len(texts)} texts; allowed: one for each of the {n_frames} frames"
            )
    return {
        "t": t,
        "name": text("name", name),
        "title": text("title", title),
        "fps": positive("fps", fps, 60),
        "start": 0 if start is None else frames_of("start", [start], t)[0],
        "texts": texts,
        "strip": in_strip(strip, t),
        "panels": [{"kind": panel.kind, **panel.options} for panel in panels],
    }


def in_strip(strip, t):
    """The frames of the values in `strip`, or five equally spaced."""
    if strip is None:
        return sorted({round(k * (len(t) - 1) / 4) for k in range(5)})
    frames = frames_of("strip", strip, t)
    if len(frames) > 6:
        raise ValueError(f"strip has {len(frames)} values; allowed: one to six values of t")
    return frames


def frames_of(name, values, t):
    """The frames with these values of t; float32's 0.1 is as good as 0.1."""
    values = numbers(name, values, ("(k,)",))
    near = nearest(values, t)
    gap = np.abs(np.diff(t)).min()
    wrong = values[~np.isclose(np.take(t, near), values, rtol=1e-6, atol=1e-4 * gap)]
    if wrong.size:
        raise ValueError(
            f"{name} asks for t = {wrong[0]:g}; allowed: one of its values, from {t[0]} to {t[-1]}"
        )
    return near.tolist()


def nearest(values, t):
    """For each of `values`, the frame with the nearest t."""
    return np.abs(np.subtract.outer(values, t)).argmin(-1)


def count_frames(panels):
    if not 1 <= len(panels) <= 2:
        raise ValueError(f"{len(panels)} panels given; allowed: one or two")
    for panel in panels:
        if not isinstance(panel, Panel):
            raise TypeError(
                f"panels holds a {type(panel).__name__}; "
                "allowed: what scrubber.bars, curves, points, density or images return"
            )
    counts = {panel.n_frames for panel in panels}
    if len(counts - {1}) != 1:
        raise ValueError(
            f"the panels have {' and '.join(str(panel.n_frames) for panel in panels)} frames; "
            "allowed: the same number in both, at least 2"
        )
    return max(counts)


def ordered(t, n_frames):
    """`t` as a list of plain numbers, whole ones where all are, if it only rises or only falls."""
    t = numbers("t", t, ("(F,)",))
    if len(t) != n_frames:
        raise ValueError(f"t has {len(t)} values; allowed: one for each of the {n_frames} frames")
    if not ((np.diff(t) > 0).all() or (np.diff(t) < 0).all()):
        raise ValueError("t is not in order; allowed: values that only rise or only fall")
    return [int(value) for value in t] if (t == np.rint(t)).all() else t.tolist()


def combine(panels, n_frames):
    """One text per frame; each part is preceded by its panel's title where there are two."""
    parts = []
    for panel in panels:
        texts = panel.texts * n_frames if len(panel.texts) == 1 else panel.texts
        head = f"{panel.options['title']}: " if len(panels) > 1 and panel.options["title"] else ""
        parts.append([head + line for line in texts])
    return ["; ".join(texts) for texts in zip(*parts)]


def caption(spec):
    """What the strip shows, for those who cannot see it."""
    title = spec["title"] or " and ".join(
        panel["title"] for panel in spec["panels"] if panel["title"]
    )
    shown = spec["strip"]
    number = ("One frame", "Two", "Three", "Four", "Five", "Six")[len(shown) - 1]
    ends = [
        f"{spec['name']} = {spec['t'][k]:.6g} ({spec['texts'][k]})" for k in (shown[0], shown[-1])
    ]
    what = (
        f"{number} frames from {ends[0]} to {ends[1]}" if len(shown) > 1 else f"{number}: {ends[0]}"
    )
    return f"{title + '. ' if title else ''}{what}."


def fragment(data, spec):
    """A paragraph for readers without scripts, and the script that replaces it by the player.

    What the user wrote is inside `data`, so none of it can end the script or be taken for HTML. The
    identity is a hash of the content: the same figure gives the same bytes.
    """
    identity = hashlib.sha256(data).hexdigest()[:16]
    page = PAGE.format(
        identity=identity,
        caption=html.escape(caption(spec)),
        data=base64.b64encode(data).decode(),
        module=base64.b64encode(zlib.compress(compact_module(), 9)).decode(),
    )
    if len(page) > MAX_BYTES:
        raise ValueError(
            f"the scrubber takes {len(page) / 1000:.0f} kB; allowed: {MAX_BYTES / 1000:.0f} kB; "
            "give fewer frames, points or cells"
        )
    return page
