// The scrubber's browser side: unpacks the frames, draws them on canvases, wires slider, buttons, keys.
// Two hosts use it: a page fragment calls `start`, anywidget calls `render`.

const BRIGHTER = 1.3; // what colours gain on dark ground
const FPS = 40; // frames a second: 200 take 5 seconds
const CSS = `
.scrubber { color: var(--jp-ui-font-color1, inherit); font: 14px/1.4 system-ui, sans-serif; max-width: 900px; margin: 4px 0; padding: 0 4px; transition: color 1ms }
.scrubber, .scrubber * { box-sizing: border-box }
.scrubber-title { font-weight: 600; text-align: center }
.scrubber-panels { display: flex; flex-wrap: wrap; gap: 6px 16px; justify-content: center; align-items: flex-end }
.scrubber-panel { flex: 1 1 260px; min-width: 0; max-width: 640px }
.scrubber-square { max-width: 430px }
.scrubber-panel canvas { display: block; width: 100% }
.scrubber-legend { display: flex; flex-wrap: wrap; gap: 0 14px; justify-content: center; font-size: 13px }
.scrubber-legend canvas { display: inline-block; width: 26px; height: 12px; margin-right: 5px; vertical-align: -1px }
.scrubber-row { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; margin: 4px 0 }
.scrubber-row input { margin: 0; cursor: pointer; accent-color: var(--scrubber-accent) }
.scrubber-row input[type=range] { flex: 1 1 120px; min-width: 0; height: 28px }
.scrubber-row input[type=checkbox] { width: 16px; height: 16px }
.scrubber-row button, .scrubber-row select { font: inherit; color: inherit; background: transparent; width: auto; height: 30px;
  min-width: 28px; border: 1px solid currentColor; border-radius: 4px; padding: 0 6px; margin: 0; cursor: pointer }
.scrubber-row .scrubber-play { min-width: 80px }
.scrubber-row option { color: black; background: white }
.scrubber-row label { display: inline-flex; align-items: center; gap: 5px; margin: 0 }
.scrubber-t { font-weight: 600; font-variant-numeric: tabular-nums }
.scrubber .scrubber-text { margin: 2px 0; min-height: 20px; font-variant-numeric: tabular-nums }
.scrubber :focus-visible { outline: 2px solid currentColor !important; outline-offset: 1px; border-radius: 4px }
`;

// ---- unpacking: tracks.py has the layout ------------------------------------------------------------

async function unpack(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const content = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = new DataView(content.buffer).getUint32(0, true);
  const spec = JSON.parse(new TextDecoder().decode(content.subarray(4, 4 + size)));
  let at = 4 + size;
  for (const tracks of spec.tracks) for (const track of Object.values(tracks)) at = restore(track, content, at);
  return spec;
}

// Joins the byte planes of a track and undoes its differences; unsigned arrays wrap, as they did in Python.
function restore(track, content, at) {
  const { shape, bits, diff } = track;
  const count = shape.reduce((a, b) => a * b), size = count / shape[0], inner = shape.at(-1);
  const levels = bits === 8 ? content.slice(at, at + count) : new Uint16Array(count);
  if (bits === 16) for (let i = 0; i < count; i++) levels[i] = content[at + i] | (content[at + count + i] << 8);
  if (diff.includes("x")) for (let i = 0; i < count; i++) if (i % inner) levels[i] += levels[i - 1];
  if (diff.includes("t")) for (let i = size; i < count; i++) levels[i] += levels[i - size];
  // the levels of one frame (a constant track has only one), and a level as a number
  track.row = (frame) => { const k = shape[0] > 1 ? frame : 0; return levels.subarray(k * size, (k + 1) * size); };
  track.value = (level) => track.lo + track.step * level;
  return at + (count * bits) / 8;
}

// ---- drawing ----------------------------------------------------------------------------------------

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const show = (value) => String(+value.toPrecision(6)).replace("-", "\u2212");

// Round numbers between lo and hi, at most about `count`.
function ticks(lo, hi, count) {
  const raw = (hi - lo) / Math.max(count, 1), power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const first = Math.ceil(lo / step - 1e-9);
  return Array.from({ length: Math.ceil(count) + 2 }, (_, k) => (first + k) * step).filter((value) => value <= hi + 1e-9 * step);
}

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// The colour [r, g, b] at `share` (0 to 1) of a ramp.
function along(colours, share) {
  const at = Math.min(share, 0.9999) * (colours.length - 1), k = Math.floor(at), next = rgb(colours[k + 1]);
  return rgb(colours[k]).map((low, c) => low + (at - k) * (next[c] - low));
}

// A picture of one pixel per value: `colour(i)` gives [r, g, b] of pixel `place(i)`, or of all in order.
function picture(width, height, count, colour, place = (i) => i) {
  const canvas = make("canvas", { width, height }), context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < count; i++) image.data.set([...colour(i), 255], 4 * place(i));
  context.putImageData(image, 0, 0);
  return canvas;
}

function disc(context, x, y, radius) {
  context.moveTo(x + radius, y);
  context.arc(x, y, radius, 0, 7);
}

// One panel: a canvas with a fixed plot box (css pixels), so that frames differ only in what is inside it.
// All that it draws, and in which colours, panel.py has described.
class Panel {
  constructor(spec, tracks, name) {
    Object.assign(this, spec, { tracks });
    this.canvas = make("canvas", { role: "img", "aria-label": this.title || name });
    this.legend = make("div", { className: "scrubber-legend" });
    const title = this.title ? [make("div", { className: "scrubber-title", textContent: this.title })] : [];
    const className = `scrubber-panel${this.aspect ? " scrubber-square" : ""}`;
    this.element = make("div", { className }, ...title, this.legend, this.canvas);
  }

  resize() {
    if (!this.element.isConnected) return; // no style yet; an observer calls again
    // light text stands on a dark ground, whatever host and theme
    this.ink = getComputedStyle(this.element).color;
    const [r, g, b] = this.ink.match(/[\d.]+/g).map(Number);
    this.dark = 0.3 * r + 0.6 * g + 0.1 * b > 128;
    this.legend.replaceChildren(...this.layers.flatMap((layer) => layer.legend.map((pair) => this.entry(layer, pair))));
    const width = this.element.clientWidth, ratio = globalThis.devicePixelRatio || 1;
    if (!width) return; // hidden, as notebooks are while JupyterLab changes the theme
    const left = this.limits ? (this.y_label ? 60 : 44) : 0, right = this.limits ? 12 : 0, top = 8;
    const bottom = this.limits ? (this.x_label ? 42 : 24) : 0, inside = width - left - right;
    const free = Math.min(300, Math.max(200, width * 0.55)) - top - bottom;
    this.box = { left, top, width: inside, height: Math.round(this.aspect ? inside * this.aspect : free) };
    const full = top + this.box.height + bottom;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(full * ratio) });
    this.canvas.style.height = `${full}px`;
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(this.canvas.width / width, 0, 0, this.canvas.height / full, 0, 0);
    this.context.imageSmoothingEnabled = false;
  }

  // A colour as it is, and brighter on dark ground.
  shade(colour) { return this.dark ? `rgb(${rgb(colour).map((part) => Math.min(255, BRIGHTER * part))})` : colour; }

  x(value) { return this.box.left + ((value - this.limits[0]) / (this.limits[1] - this.limits[0])) * this.box.width; }
  y(value) { return this.box.top + (1 - (value - this.y_limits[0]) / (this.y_limits[1] - this.y_limits[0])) * this.box.height; }

  draw(frame) {
    const { context, box } = this;
    if (!context) return;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const layer of this.layers) {
      context.save();
      context.beginPath();
      context.rect(box.left, box.top, box.width, box.height);
      context.clip();
      DRAW[layer.mark](this, layer, frame, context);
      context.restore();
    }
    if (this.limits) this.axes(context, box, box.top + box.height);
  }

  axes(context, box, bottom) {
    Object.assign(context, { font: "12px system-ui, sans-serif", fillStyle: this.ink, strokeStyle: this.ink, lineWidth: 1 });
    Object.assign(context, { textAlign: "center", textBaseline: "top" });
    context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
    for (const value of ticks(...this.limits, box.width / 50)) {
      context.fillRect(Math.round(this.x(value)) - 0.5, bottom, 1, 4);
      context.fillText(show(value), this.x(value), bottom + 7);
    }
    context.fillText(this.x_label, box.left + box.width / 2, bottom + 24);
    Object.assign(context, { textAlign: "right", textBaseline: "middle" });
    for (const value of ticks(...this.y_limits, box.height / 36)) {
      context.fillRect(box.left - 4, Math.round(this.y(value)) - 0.5, 4, 1);
      context.fillText(show(value), box.left - 7, this.y(value));
    }
    context.textAlign = "center";
    context.save();
    context.translate(10, box.top + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(this.y_label, 0, 0);
    context.restore();
  }

  // An entry of the legend, with a sample of how the layer is drawn.
  entry(layer, [label, colour]) {
    const ratio = globalThis.devicePixelRatio || 1, canvas = make("canvas", { width: 26 * ratio, height: 12 * ratio, "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.fillStyle = context.strokeStyle = this.shade(colour);
    SAMPLE[layer.mark](context, layer);
    return make("span", {}, canvas, label);
  }
}

// A legend entry's sample of 26 x 12 css pixels, by the layer's mark.
const SAMPLE = {
  bars: (context) => context.fillRect(4, 0, 22, 12),
  dots: (context) => { disc(context, 13, 6, 4.5); context.fill(); },
  cells: (context, { colors }) => context.drawImage(picture(26, 1, 26, (i) => along(colors, i / 25)), 0, 0, 26, 12),
  line(context, { dash }) {
    context.setLineDash(dash);
    context.lineWidth = 2.5;
    context.moveTo(0, 6);
    context.lineTo(26, 6);
    context.stroke();
  },
};

// One frame of a layer, by its mark.
const DRAW = {
  bars(panel, layer, frame, context) {
    const { bars } = panel.tracks, row = bars.row(frame), [lo, hi] = panel.limits;
    const floor = panel.y(0), width = (hi - lo) / row.length;
    context.fillStyle = panel.shade(layer.colors[0]);
    row.forEach((level, i) => {
      const left = panel.x(lo + i * width), top = panel.y(bars.value(level));
      context.fillRect(left, top, panel.x(lo + (i + 1) * width) - left - 0.5, floor - top);
    });
  },

  line(panel, { track, colors, dash, halo }, frame, context) {
    const { value, row } = panel.tracks[track], now = row(frame), [lo, hi] = panel.limits, step = (hi - lo) / (now.length - 1);
    context.beginPath();
    now.forEach((level, i) => context.lineTo(panel.x(lo + step * i), panel.y(value(level))));
    Object.assign(context, { lineJoin: "round", strokeStyle: panel.dark ? "#000a" : "#fffc", lineWidth: 5 });
    if (halo) context.stroke(); // so that bars and line stay apart
    context.setLineDash(dash);
    Object.assign(context, { strokeStyle: panel.shade(colors[0]), lineWidth: 2.5 });
    context.stroke();
  },

  dots(panel, layer, frame, context) {
    const { xy, color } = panel.tracks, now = xy.row(frame), kinds = color?.row(0), n = now.length / 2;
    const at = (row, i) => [panel.x(xy.value(row[2 * i])), panel.y(xy.value(row[2 * i + 1]))];
    const past = Array.from({ length: Math.min(layer.trails, frame) + 1 }, (_, k) => xy.row(frame - k));
    for (const kind of new Set(kinds ?? [0])) {
      const members = [...Array(n).keys()].filter((i) => !kinds || kinds[i] === kind);
      context.fillStyle = context.strokeStyle = panel.shade(layer.colors[kind]);
      context.beginPath();
      for (const i of members) past.forEach((row, k) => (k ? context.lineTo(...at(row, i)) : context.moveTo(...at(row, i))));
      Object.assign(context, { globalAlpha: 0.35, lineWidth: 1 });
      context.stroke();
      context.beginPath();
      for (const i of members) disc(context, ...at(now, i), n > 600 ? 1.5 : n > 60 ? 2.2 : 4);
      context.globalAlpha = 0.85;
      context.fill();
    }
  },

  arrows(panel, layer, frame, context) {
    const { feet, reach } = panel.tracks, start = feet.row(frame), by = reach.row(frame);
    Object.assign(context, { strokeStyle: panel.shade(layer.colors[0]), lineWidth: 1.2 });
    context.beginPath();
    for (let i = 0; i < start.length; i += 2) {
      const x = feet.value(start[i]), y = feet.value(start[i + 1]), from = [panel.x(x), panel.y(y)];
      const to = [panel.x(x + reach.value(by[i])), panel.y(y + reach.value(by[i + 1]))];
      const length = Math.hypot(to[0] - from[0], to[1] - from[1]), angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
      if (length < 0.5) continue;
      context.moveTo(...from);
      context.lineTo(...to);
      for (const side of [angle - 0.5, angle + 0.5]) {
        context.moveTo(...to);
        context.lineTo(to[0] - Math.min(5, length / 2) * Math.cos(side), to[1] - Math.min(5, length / 2) * Math.sin(side));
      }
    }
    context.stroke();
  },

  // cells[i, j] is the i-th x1, to the right, and the j-th x2, upwards; pixels go right and down
  cells({ tracks: { cells }, box }, layer, frame, context) {
    const row = cells.row(frame), [, wide, high] = cells.shape;
    layer.ramp ??= Array.from({ length: 256 }, (_, level) => along(layer.colors, cells.value(level) / layer.top));
    const place = (i) => (high - 1 - (i % high)) * wide + Math.floor(i / high);
    const image = picture(wide, high, row.length, (i) => layer.ramp[row[i]], place);
    context.drawImage(image, box.left, box.top, box.width, box.height);
  },

  pixels({ tracks: { pixels }, box }, { columns }, frame, context) {
    const row = pixels.row(frame), [, k, high, wide] = pixels.shape;
    const width = columns * (wide + 1) - 1, height = Math.ceil(k / columns) * (high + 1) - 1; // with a gap of one pixel
    const image = picture(width, height, row.length, (i) => Array(3).fill(255 * pixels.value(row[i])), (i) => {
      const one = Math.floor(i / (wide * high)), y = Math.floor(i / wide) % high, x = i % wide;
      return (Math.floor(one / columns) * (high + 1) + y) * width + (one % columns) * (wide + 1) + x;
    });
    context.drawImage(image, box.left, box.top, box.width, box.height);
  },
};

// ---- the player -------------------------------------------------------------------------------------

// Fills `root` with the player and returns it. `load` gives it frames; `changed` is told every new t.
export function mount(root, changed = () => {}) {
  const keys = { "data-lm-suppress-shortcuts": "true" }; // JupyterLab looks for it on the focused element itself
  const calm = globalThis.matchMedia("(prefers-reduced-motion: reduce)");
  const slider = make("input", { type: "range", min: 0, step: 1, ...keys });
  const [first, last] = [make("span"), make("span")], reading = make("output", { className: "scrubber-t", "aria-live": "off" });
  const play = make("button", { type: "button", className: "scrubber-play", textContent: "\u25b6\ufe0e Play", "aria-label": "Play", ...keys });
  const back = make("button", { type: "button", textContent: "\u2039", "aria-label": "one frame back", ...keys });
  const forth = make("button", { type: "button", textContent: "\u203a", "aria-label": "one frame forward", ...keys });
  const speed = make("select", { "aria-label": "speed", ...keys },
    ...[0.25, 0.5, 1, 2, 4].map((value) => make("option", { value, textContent: `${value}\u00d7`, defaultSelected: value === 1 })));
  const loop = make("input", { type: "checkbox", ...keys });
  const text = make("p", { className: "scrubber-text", "aria-live": "polite" });
  const title = make("div", { className: "scrubber-title" }), stage = make("div", { className: "scrubber-panels" });
  root.className = "scrubber";
  root.setAttribute("role", "group");
  root.replaceChildren(make("style", { textContent: CSS }), title, stage, make("div", { className: "scrubber-row" }, first, slider, last),
    make("div", { className: "scrubber-row" }, play, back, forth, speed, make("label", {}, loop, "loop"), reading), text);

  let loads = 0, from = 0, since = 0; // playing started at frame `from` at the time `since`
  const anchor = () => { from = player.frame; since = performance.now(); };
  const player = {
    spec: null, panels: [], frame: 0, playing: false,
    get t() { return this.spec.t[this.frame]; },

    // `wanted` gives the t to show, asked late: the slider may move while the frames are unpacked.
    async load(bytes, wanted = () => {}) {
      const turn = ++loads, spec = await unpack(bytes), frame = spec.t.indexOf(wanted());
      if (turn !== loads) return; // newer frames came in the meantime
      const name = spec.title || `figure over ${spec.name}`;
      player.spec = spec;
      player.panels = spec.panels.map((options, k) => new Panel(options, spec.tracks[k], name));
      stage.replaceChildren(...player.panels.map((panel) => panel.element));
      title.textContent = spec.title;
      first.textContent = `${spec.name} = ${show(spec.t[0])}`;
      last.textContent = show(spec.t.at(-1));
      root.setAttribute("aria-label", name);
      slider.setAttribute("aria-label", spec.name);
      slider.max = spec.t.length - 1;
      reading.style.minWidth = `${spec.name.length + 3 + Math.max(...spec.t.map((value) => show(value).length))}ch`;
      player.resize();
      player.seek(frame >= 0 ? frame : spec.start, true);
    },

    resize() {
      for (const panel of player.panels) {
        panel.resize();
        panel.draw(player.frame);
      }
      // on dark ground a dark accent would make browsers draw the slider's empty part white
      if (player.spec) root.style.setProperty("--scrubber-accent", player.panels[0].shade(player.spec.accent));
    },

    seek(frame, force = false) {
      frame = Math.max(0, Math.min(player.spec.t.length - 1, frame));
      if (frame === player.frame && !force) return;
      player.frame = frame;
      slider.value = frame;
      reading.textContent = `${player.spec.name} = ${show(player.t)}`;
      slider.setAttribute("aria-valuetext", reading.textContent);
      text.textContent = player.spec.texts[frame];
      for (const panel of player.panels) panel.draw(frame);
      changed(player.t);
    },

    play(on) {
      if (on && player.frame === player.spec.t.length - 1) player.seek(0);
      if (on && !player.playing) requestAnimationFrame(step);
      player.playing = on;
      play.textContent = on ? "\u275a\u275a Pause" : "\u25b6\ufe0e Play";
      play.setAttribute("aria-label", on ? "Pause" : "Play"); // without the sign
      text.setAttribute("aria-live", on ? "off" : "polite"); // nobody can listen to that many texts
      anchor();
    },
  };

  function step(now) {
    if (!player.playing) return;
    const count = player.spec.t.length, rate = (FPS * speed.value) / (calm.matches ? 8 : 1);
    const target = from + Math.max(0, Math.floor(((now - since) / 1000) * rate));
    const over = target >= count && loop.checked;
    player.seek(over ? 0 : target);
    if (over) anchor();
    if (!root.isConnected || (target >= count - 1 && !loop.checked)) player.play(false);
    else requestAnimationFrame(step);
  }

  const go = (frame) => { player.play(false); player.seek(frame); };
  slider.oninput = () => go(+slider.value);
  back.onclick = () => go(player.frame - 1);
  forth.onclick = () => go(player.frame + 1);
  play.onclick = () => player.play(!player.playing);
  speed.onchange = anchor;
  slider.onkeydown = (event) => {
    if (event.key !== " ") return;
    event.preventDefault(); // the page would scroll
    player.play(!player.playing);
  };

  new ResizeObserver(() => player.resize()).observe(stage);
  // Another theme gives another text colour: the transition in the style tells of it, except out of sight.
  for (const over of ["transitionend", "transitioncancel"]) {
    root.addEventListener(over, (event) => { if (event.target === root) player.resize(); });
  }
  new IntersectionObserver(() => player.resize()).observe(root);
  root.scrubber = player; // what the browser tests read
  return player;
}

// Host 1, a page fragment: mounts every copy of this output that is not running yet, in `here` or on the page.
export function start(identity, bytes, here) {
  for (const scope of [here, document]) {
    for (const root of scope?.querySelectorAll(`[data-scrubber="${identity}"]`) ?? []) {
      if (!root.scrubber) mount(root).load(bytes);
    }
  }
}

// Host 2, anywidget: the trait `t` follows the player, and the player follows it.
function render({ model, el }) {
  const player = mount(el.appendChild(make("div")), (t) => { model.set("t", t); model.save_changes(); });
  const load = () => player.load(model.get("_data"), () => model.get("t"));
  const follow = () => {
    const frame = player.spec ? player.spec.t.indexOf(model.get("t")) : -1;
    if (frame >= 0) player.seek(frame);
  };
  model.on("change:_data", load);
  model.on("change:t", follow);
  load();
  return () => { model.off("change:_data", load); model.off("change:t", follow); player.playing = false; };
}
export default { render };
