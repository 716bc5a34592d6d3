// The scrubber's browser side: unpacks the frames, draws them on canvases, wires slider, buttons, keys.
// Two hosts use it: a page fragment calls `start`, anywidget calls `render`.

const BRIGHTER = 1.3; // what colours gain on dark ground
const SECONDS = 5; // from one end of the slider to the other
const CSS = `
.scrubber { --scrubber-thumb: 18px; color: var(--jp-ui-font-color1, inherit); font: 14px/1.4 system-ui, sans-serif; max-width: 900px; margin: 4px 0; padding: 0 4px; transition: color 1ms }
.scrubber, .scrubber * { box-sizing: border-box }
.scrubber-title { font-weight: 600; text-align: center }
.scrubber-panels { display: flex; flex-wrap: wrap; gap: 6px 16px; justify-content: center; align-items: flex-end }
.scrubber-panel { flex: 1 1 260px; min-width: 0; max-width: 640px }
.scrubber-square { max-width: max(300px, min(430px, 44vh)) }
.scrubber-several .scrubber-square { max-width: max(260px, min(430px, 38vh)) }
.scrubber-narrow .scrubber-square { max-width: 250px }
.scrubber-panel canvas { display: block; width: 100%; touch-action: pan-y; cursor: ew-resize }
.scrubber-legend { display: flex; flex-wrap: wrap; gap: 0 14px; justify-content: center; font-size: 13px }
.scrubber-legend canvas { display: inline-block; width: 26px; height: 12px; margin-right: 5px; vertical-align: -1px }
.scrubber-say { display: flex; flex-wrap: wrap; gap: 0 12px; justify-content: center; min-width: 0; font-variant-numeric: tabular-nums }
.scrubber-t { font-weight: 600; text-align: center }
.scrubber .scrubber-text { display: grid; margin: 0; min-height: 20px }
.scrubber-text > span, .scrubber-text::after { grid-area: 1 / 1 }
.scrubber-text::after { content: attr(data-longest); visibility: hidden }
.scrubber-track { position: relative; margin: 6px auto 0; touch-action: pan-y }
.scrubber-track canvas { display: block; cursor: pointer }
.scrubber-track input { position: absolute; margin: 0; padding: 0; border: 0; background: none; cursor: pointer; appearance: none }
.scrubber-track input::-webkit-slider-runnable-track { height: var(--scrubber-thumb); background: none }
.scrubber-track input::-moz-range-track { background: none }
.scrubber-track input::-webkit-slider-thumb { appearance: none; width: var(--scrubber-thumb); height: var(--scrubber-thumb); border: 0; border-radius: 50%; background: var(--scrubber-accent) }
.scrubber-track input::-moz-range-thumb { width: var(--scrubber-thumb); height: var(--scrubber-thumb); border: 0; border-radius: 50%; background: var(--scrubber-accent) }
.scrubber-row { display: flex; flex-wrap: wrap; align-items: center; justify-content: center; gap: 4px 8px; margin: 6px 0 2px }
.scrubber-row input { margin: 0; cursor: pointer; width: 16px; height: 16px; accent-color: var(--scrubber-accent) }
.scrubber-row button, .scrubber-row select { font: inherit; color: inherit; background: transparent; width: auto; height: 30px;
  min-width: 30px; border: 1px solid currentColor; border-radius: 4px; padding: 0 6px; margin: 0; cursor: pointer }
.scrubber-row .scrubber-play { min-width: 80px }
.scrubber-row option { color: black; background: white }
.scrubber-row label { display: inline-flex; align-items: center; gap: 5px; margin: 0 }
.scrubber :focus-visible { outline: 2px solid currentColor !important; outline-offset: 1px; border-radius: 4px }
@media (pointer: coarse) {
  .scrubber { --scrubber-thumb: 26px }
  .scrubber-row button, .scrubber-row select, .scrubber-row label { height: 44px; min-width: 44px }
}
@media (forced-colors: active) {
  .scrubber-track input::-webkit-slider-thumb { background: Highlight; forced-color-adjust: none }
  .scrubber-track input::-moz-range-thumb { background: Highlight; forced-color-adjust: none }
}
@media screen { .scrubber-strip { display: none !important } }
@media print { .scrubber-with-strip { display: none } }
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
  track.row = (frame) => { const k = frame % shape[0]; return levels.subarray(k * size, (k + 1) * size); };
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

const near = (value) => String(+value.toPrecision(3)).replace("-", "\u2212");
const show = (value) => String(+value.toPrecision(6)).replace("-", "\u2212");

// Where the value nearest to `wanted` is.
const closest = (values, wanted) => values.reduce((best, value, k) => (Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? k : best), 0);

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

// How it looks where it stands: the text's colour, and the others, brighter on a dark ground.
function lookAt(element) {
  const ink = getComputedStyle(element).color, [r, g, b] = ink.match(/[\d.]+/g).map(Number);
  const dark = 0.3 * r + 0.6 * g + 0.1 * b > 128; // light text stands on a dark ground, whatever host and theme
  const shade = (colour) => dark ? `rgb(${rgb(colour).map((part) => Math.min(255, BRIGHTER * part))})` : colour;
  return { ink, dark, shade };
}

// Gives a canvas a size in css pixels, and returns its context, which draws in them.
function fit(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
  return context;
}

// One panel: a canvas with a fixed plot box (css pixels), so that frames differ only in what is inside it.
// All that it draws, and in which colours, panel.py has described. `drag` is told of drags, in widths of the box.
class Panel {
  constructor(spec, tracks, name, beginning, drag) {
    Object.assign(this, spec, { tracks, beginning, pointer: null });
    this.canvas = make("canvas", { role: "img", "aria-label": this.title || name });
    this.legend = make("div", { className: "scrubber-legend" });
    const title = this.title ? [make("div", { className: "scrubber-title", textContent: this.title })] : [];
    const className = `scrubber-panel${this.aspect ? " scrubber-square" : ""}`;
    this.element = make("div", { className }, ...title, this.legend, this.canvas);
    const point = (event) => { this.pointer = event && [event.offsetX, event.offsetY]; this.draw(...this.shown); };
    let began = null; // where a drag began
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      began = event.offsetX;
      drag(0, true);
      point(event);
    };
    this.canvas.onpointermove = (event) => {
      if (began !== null) drag((event.offsetX - began) / this.box.width, false);
      point(event);
    };
    this.canvas.onpointerup = this.canvas.onpointercancel = (event) => { began = null; if (event.pointerType !== "mouse") point(null); };
    this.canvas.onpointerleave = () => { if (began === null) point(null); };
  }

  resize() {
    if (!this.element.isConnected) return; // no style yet; an observer calls again
    Object.assign(this, lookAt(this.element));
    const ghost = this.layers.filter((layer) => layer.ghost).map((layer) => this.entry(GHOST, [this.beginning, layer.colors[0]]));
    this.legend.replaceChildren(...this.layers.flatMap((layer) => layer.legend.map((pair) => this.entry(layer, pair))), ...ghost);
    const width = this.element.clientWidth;
    if (!width) return; // hidden, as notebooks are while JupyterLab changes the theme
    const left = this.limits ? (this.y_label ? 60 : 44) : 0, right = this.limits ? 12 : 0, top = 8;
    const bottom = this.limits ? (this.x_label ? 42 : 24) : 0, inside = width - left - right;
    const free = Math.min(300, Math.max(200, width * 0.55)) - top - bottom;
    this.box = { left, top, width: inside, height: Math.round(this.aspect ? inside * this.aspect : free) };
    this.context = fit(this.canvas, width, top + this.box.height + bottom);
    this.context.imageSmoothingEnabled = false;
  }

  x(value) { return this.box.left + ((value - this.limits[0]) / (this.limits[1] - this.limits[0])) * this.box.width; }
  y(value) { return this.box.top + (1 - (value - this.y_limits[0]) / (this.y_limits[1] - this.y_limits[0])) * this.box.height; }

  // frame counts those of all choices of the second slider; `since` is how many came before it in its own
  draw(frame, since) {
    const { context, box } = this;
    this.shown = [frame, since];
    if (!context) return;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    for (const layer of this.layers) {
      context.save();
      DRAW[layer.mark](this, layer, frame, context, since);
      context.restore();
    }
    if (since) for (const layer of this.layers) if (layer.ghost) this.ghost(layer, frame - since, context);
    context.restore();
    if (this.limits) this.axes(context, box, box.top + box.height);
    if (this.limits && this.pointer) this.read(context, box, frame);
  }

  // The outline of the first frame, to compare with.
  ghost(layer, frame, context) {
    context.beginPath();
    trace(this, layer, frame, context);
    Object.assign(context, { strokeStyle: this.ink, lineWidth: 1.2, globalAlpha: 0.8 });
    context.setLineDash(GHOST.dash);
    context.stroke();
  }

  // What is at the pointer.
  read(context, box, frame) {
    const [px, py] = this.pointer, across = (px - box.left) / box.width, up = 1 - (py - box.top) / box.height;
    if (across < 0 || across > 1 || up < 0 || up > 1) return;
    const x = this.limits[0] + across * (this.limits[1] - this.limits[0]), y = this.y_limits[0] + up * (this.y_limits[1] - this.y_limits[0]);
    const lines = [`${this.x_label || "x"} = ${near(x)}`, ...(this.aspect ? [`${this.y_label} = ${near(y)}`] : [])];
    Object.assign(context, { font: "12px system-ui, sans-serif", textAlign: "left", textBaseline: "top", fillStyle: this.ink });
    for (const layer of this.layers) {
      const found = READ[layer.mark]?.(this, layer, frame, across, up);
      if (found === undefined) continue;
      lines.push(`${layer.legend[0][0]}: ${near(found)}`);
      if (!this.aspect) { context.beginPath(); disc(context, px, this.y(found), 3); context.fill(); }
    }
    if (!this.aspect) { context.globalAlpha = 0.6; context.fillRect(px - 0.5, box.top, 1, box.height); context.globalAlpha = 1; }
    const width = Math.max(...lines.map((line) => context.measureText(line).width)) + 12;
    const left = across < 0.5 ? box.left + box.width - width - 4 : box.left + 4;
    context.fillStyle = this.dark ? "#000c" : "#fffd";
    context.fillRect(left, box.top + 4, width, 16 * lines.length + 4);
    context.fillStyle = this.ink;
    lines.forEach((line, k) => context.fillText(line, left + 6, box.top + 8 + 16 * k));
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
    const canvas = make("canvas", { "aria-hidden": "true" }), context = fit(canvas, 26, 12);
    context.fillStyle = context.strokeStyle = this.shade(colour);
    if (layer.mark === "ghost") context.strokeStyle = this.ink;
    SAMPLE[layer.mark](context, layer);
    return make("span", {}, canvas, label);
  }
}

// Adds the tops of bars, or a line, to the path.
function trace(panel, { mark, track = "bars" }, frame, context) {
  const { value, row } = panel.tracks[track], now = row(frame), [lo, hi] = panel.limits;
  const bins = mark === "bars", width = (hi - lo) / (bins ? now.length : now.length - 1);
  now.forEach((level, i) => {
    const y = panel.y(value(level));
    context.lineTo(panel.x(lo + i * width), y);
    if (bins) context.lineTo(panel.x(lo + (i + 1) * width), y);
  });
}

function stroke(context, width, ...path) {
  context.lineWidth = width;
  for (const [x, y] of path) context.lineTo(x, y);
  context.stroke();
}

const GHOST = { mark: "ghost", dash: [2, 2] };
function dashed(width) {
  return (context, { dash }) => { context.setLineDash(dash); stroke(context, width, [0, 6], [26, 6]); };
}

// A legend entry's sample of 26 x 12 css pixels, by the layer's mark.
const SAMPLE = {
  bars: (context) => context.fillRect(4, 0, 22, 12),
  dots: (context) => { disc(context, 13, 6, 4.5); context.fill(); },
  cells: (context, { colors }) => context.drawImage(picture(26, 1, 26, (i) => along(colors, i / 25)), 0, 0, 26, 12),
  line: dashed(2.5),
  rule: dashed(2),
  ghost: dashed(1.2),
  arrows: (context) => stroke(context, 1.2, [3, 6], [23, 6], [19, 3], [23, 6], [19, 9]),
};

// The value of a layer at the pointer, which is at these shares of the box.
const READ = {
  bars: ({ tracks: { bars } }, layer, frame, across) => {
    const row = bars.row(frame);
    return bars.value(row[Math.min(row.length - 1, Math.floor(across * row.length))]);
  },
  line: ({ tracks }, { track }, frame, across) => {
    const { value, row } = tracks[track], now = row(frame), at = across * (now.length - 1), k = Math.min(Math.floor(at), now.length - 2);
    return value(now[k]) * (1 - at + k) + value(now[k + 1]) * (at - k);
  },
  cells: ({ tracks: { cells } }, layer, frame, across, up) => {
    const [, wide, high] = cells.shape, i = Math.min(wide - 1, Math.floor(across * wide)), j = Math.min(high - 1, Math.floor(up * high));
    return cells.value(cells.row(frame)[i * high + j]);
  },
};

// One frame of a layer, by its mark.
const DRAW = {
  // as one shape: bars side by side would have seams
  bars(panel, layer, frame, context) {
    const [left, right] = panel.limits.map((end) => panel.x(end));
    context.fillStyle = panel.shade(layer.colors[0]);
    context.beginPath();
    context.moveTo(left, panel.y(0));
    trace(panel, layer, frame, context);
    context.lineTo(right, panel.y(0));
    context.fill();
  },

  line(panel, layer, frame, context) {
    const { colors, dash, halo } = layer;
    context.beginPath();
    trace(panel, layer, frame, context);
    Object.assign(context, { lineJoin: "round", strokeStyle: panel.dark ? "#000a" : "#fffc", lineWidth: 5 });
    if (halo) context.stroke(); // so that bars and line stay apart
    context.setLineDash(dash);
    Object.assign(context, { strokeStyle: panel.shade(colors[0]), lineWidth: 2.5 });
    context.stroke();
  },

  rule(panel, { colors, dash }, frame, context) {
    const { value, row } = panel.tracks.rule, x = panel.x(value(row(frame)[0])), { top, height } = panel.box;
    context.strokeStyle = panel.shade(colors[0]);
    context.setLineDash(dash);
    context.beginPath();
    stroke(context, 2, [x, top], [x, top + height]);
  },

  dots(panel, layer, frame, context, since) {
    const { xy, color } = panel.tracks, now = xy.row(frame), kinds = color?.row(0), n = now.length / 2;
    const at = (row, i) => [panel.x(xy.value(row[2 * i])), panel.y(xy.value(row[2 * i + 1]))];
    const past = Math.min(layer.trails, since);
    for (const kind of new Set(kinds ?? [0])) {
      const members = [...Array(n).keys()].filter((i) => !kinds || kinds[i] === kind);
      context.fillStyle = context.strokeStyle = panel.shade(layer.colors[kind]);
      context.lineWidth = 1;
      for (let age = 0; age < past; age++) { // trails fade
        const [young, old] = [xy.row(frame - age), xy.row(frame - age - 1)];
        context.globalAlpha = 0.6 * (1 - age / layer.trails);
        context.beginPath();
        for (const i of members) { context.moveTo(...at(young, i)); context.lineTo(...at(old, i)); }
        context.stroke();
      }
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

// ---- a slider ---------------------------------------------------------------------------------------

const KEYS = { "data-lm-suppress-shortcuts": "true" }; // JupyterLab looks for it on the focused element itself
const STEPS = Array.from({ length: 13 }, (_, k) => 10 ** (6 - k)).flatMap((power) => [5 * power, 2 * power, power]);

// The value's roundest divisor among 1, 2, 5, 10, ...
const roundness = (value) => STEPS.find((step) => Math.abs(value / step - Math.round(value / step)) < 1e-6) ?? 0;

// A slider over values at given places (0 to 1), with ticks, named ends and, if there is one, a curve above it.
class Slider {
  constructor(go, pause, space) {
    this.input = make("input", { type: "range", min: 0, max: 1, step: "any", ...KEYS });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.element = make("div", { className: "scrubber-track" }, this.canvas, this.input);
    const seek = (k) => { pause(); go(k); };
    this.input.oninput = () => seek(this.nearest(+this.input.value));
    this.input.onkeydown = (event) => {
      const leap = Math.ceil(this.values.length / 10), last = this.values.length - 1;
      const to = { ArrowLeft: this.k - 1, ArrowDown: this.k - 1, ArrowRight: this.k + 1, ArrowUp: this.k + 1,
        PageDown: this.k - leap, PageUp: this.k + leap, Home: 0, End: last }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey || (to === undefined && event.key !== " ")) return;
      event.preventDefault(); // the page would scroll, and the slider go to places between the frames
      if (event.key === " ") space(); else seek(to);
    };
    const follow = (event) => seek(this.nearest((event.offsetX - this.left) / this.width));
    this.canvas.onpointerdown = (event) => { this.canvas.setPointerCapture(event.pointerId); follow(event); };
    this.canvas.onpointermove = (event) => { if (this.canvas.hasPointerCapture(event.pointerId)) follow(event); };
  }

  load(name, { values, places, ends = ["", ""], curve = null }) {
    Object.assign(this, { name, values, places, ends, curve, k: 0 });
    this.input.setAttribute("aria-label", name);
    this.range = curve && [Math.min(0, ...curve.values.flat()), Math.max(curve.band ?? 0, ...curve.values.flat()) * 1.05];
  }

  nearest(place) { return closest(this.places, place); }

  label(k) { return `${this.name} = ${show(this.values[k])}`; }

  // left and width: where the ends are, in css pixels of the stage
  resize(look, stage, left, width) {
    const thumb = parseFloat(getComputedStyle(this.element).getPropertyValue("--scrubber-thumb")), high = thumb + 18;
    Object.assign(this, { look, left, width, groove: (this.curve ? 54 : 0) + high / 2 });
    this.context = fit(this.canvas, stage, this.groove + high / 2 + 18);
    this.element.style.width = `${stage}px`;
    const tall = globalThis.matchMedia("(pointer: coarse)").matches ? high : thumb + 4; // its outline clear of the numbers
    Object.assign(this.input.style, { left: `${left - thumb / 2}px`, width: `${width + thumb}px`, top: `${this.groove - tall / 2}px`, height: `${tall}px` });
  }

  at(k) { return this.left + this.places[k] * this.width; }

  // k: the value; choice: the row of the curve
  draw(k, choice) {
    this.k = k;
    this.input.value = this.places[k];
    this.input.setAttribute("aria-valuetext", this.label(k));
    const { context, groove, look } = this;
    if (!context) return;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    Object.assign(context, { font: "12px system-ui, sans-serif", fillStyle: look.ink, textBaseline: "top", globalAlpha: 1 });
    if (this.curve) this.drawCurve(context, this.curve.values[choice], k);
    Object.assign(context, { fillStyle: look.ink, globalAlpha: 0.6 });
    context.fillRect(this.left, groove - 1, this.width, 2);
    context.globalAlpha = 1;
    this.ticks(context, groove + 12);
  }

  ticks(context, below) {
    const last = this.values.length - 1, [first, end] = [0, last].map((k) => (this.ends[k && 1] ? `${this.ends[k && 1]}, ` : "") + this.label(k));
    const widths = [first, end].map((text) => context.measureText(text).width), right = this.left + this.width + 8;
    context.textAlign = "left";
    context.fillText(first, this.left - 8, below);
    context.textAlign = "right";
    context.fillText(end, right, below);
    context.textAlign = "center";
    const taken = [[this.left - 8, this.left - 8 + widths[0]], [right - widths[1], right]];
    const inner = [...this.values.keys()].slice(1, -1).sort((a, b) => roundness(this.values[b]) - roundness(this.values[a]));
    for (const k of [0, last, ...inner]) {
      const text = show(this.values[k]), half = context.measureText(text).width / 2 + 6, x = this.at(k), free = k && k !== last;
      if (free && taken.some(([from, to]) => x + half > from && x - half < to)) continue;
      context.fillRect(x - 0.5, this.groove + 2, 1, 7);
      if (!free) continue;
      taken.push([x - half, x + half]);
      context.fillText(text, x, below);
    }
  }

  drawCurve(context, values, k) {
    const { label, band } = this.curve, [lo, hi] = this.range, y = (value) => 50 - ((value - lo) / (hi - lo || 1)) * 32;
    context.textAlign = "left";
    context.fillText(label + (band ? "; grey: by chance" : ""), this.left, 0);
    context.fillStyle = this.look.shade(this.chance);
    if (band) {
      context.globalAlpha = 0.3;
      context.fillRect(this.left, y(band), this.width, y(0) - y(band));
      context.globalAlpha = 1;
      context.fillRect(this.left, y(band), this.width, 1);
    }
    context.strokeStyle = context.fillStyle = this.look.shade(this.accent);
    context.beginPath();
    stroke(context, 1.5, ...values.map((value, i) => [this.at(i), y(value)]));
    context.beginPath();
    disc(context, this.at(k), y(values[k]), 3.5);
    context.fill();
  }
}

// ---- the player -------------------------------------------------------------------------------------

// Fills `root` with the player and returns it. `load` gives it frames; `changed` is told every new t.
export function mount(root, changed = () => {}) {
  const calm = globalThis.matchMedia("(prefers-reduced-motion: reduce)");
  const reading = make("output", { className: "scrubber-t", "aria-live": "off" });
  const play = make("button", { type: "button", className: "scrubber-play", textContent: "\u25b6\ufe0e Play", "aria-label": "Play", ...KEYS });
  const back = make("button", { type: "button", textContent: "\u2039", "aria-label": "one frame back", ...KEYS });
  const forth = make("button", { type: "button", textContent: "\u203a", "aria-label": "one frame forward", ...KEYS });
  const speed = make("select", { "aria-label": "speed", ...KEYS },
    ...[0.25, 0.5, 1, 2, 4].map((value) => make("option", { value, textContent: `${value}\u00d7`, defaultSelected: value === 1 })));
  const loop = make("input", { type: "checkbox", ...KEYS }), line = make("span");
  const text = make("p", { className: "scrubber-text", "aria-live": "polite" }, line);
  const title = make("div", { className: "scrubber-title" }), stage = make("div", { className: "scrubber-panels" });

  let loads = 0, from = 0, since = 0, held = 0; // playing started at the place `from` at the time `since`, a drag at `held`
  const anchor = () => { from = slider.places[player.frame]; since = performance.now(); };
  const player = {
    spec: null, panels: [], frame: 0, choice: 0, playing: false,
    get t() { return this.spec.t[this.frame]; },

    // `wanted` gives the t to show, asked late: the slider may move while the frames are unpacked.
    async load(bytes, wanted = () => {}) {
      const turn = ++loads, spec = await unpack(bytes), frame = spec.t.indexOf(wanted()), count = spec.t.length;
      if (turn !== loads) return; // newer frames came in the meantime
      const titles = spec.panels.map((one) => one.title).filter(Boolean).join(" and "), name = spec.title || titles || `figure over ${spec.name}`;
      player.spec = spec;
      slider.load(spec.name, { ...spec, values: spec.t });
      if (spec.second) other.load(spec.second.name, spec.second);
      Object.assign(slider, { accent: spec.accent, chance: spec.chance });
      player.panels = spec.panels.map((options, k) => new Panel(options, spec.tracks[k], name, slider.label(0), drag));
      stage.replaceChildren(...player.panels.map((panel) => panel.element));
      other.element.hidden = !spec.second;
      title.textContent = spec.title;
      text.dataset.longest = spec.texts.reduce((a, b) => (b.length > a.length ? b : a));
      root.setAttribute("aria-label", name);
      const longest = (one) => Math.max(...one.values.map((_, k) => one.label(k).length));
      reading.style.minWidth = `${longest(slider) + (spec.second ? longest(other) + 2 : 0)}ch`; // so that nothing moves
      player.frame = frame >= 0 ? frame : spec.start % count;
      player.choice = Math.floor(spec.start / count);
      player.resize();
      player.tell();
    },

    resize() {
      if (!player.spec || !root.isConnected) return;
      const look = lookAt(root), wide = stage.clientWidth;
      // on dark ground a dark accent would make browsers draw the slider's empty part white
      root.style.setProperty("--scrubber-accent", look.shade(player.spec.accent));
      stage.classList.toggle("scrubber-several", player.panels.length > 1);
      if (wide) stage.classList.toggle("scrubber-narrow", player.panels.length > 1 && wide < 560);
      for (const panel of player.panels) panel.resize();
      slider.look = other.look = look;
      if (!wide || !player.panels[0].box) return player.draw(); // hidden: in other colours, at the size of before
      const outside = stage.getBoundingClientRect(), scale = outside.width / wide; // slides may be scaled
      const offset = (panel) => (panel.canvas.getBoundingClientRect().left - outside.left) / scale;
      const ends = player.panels.map((panel) => [offset(panel) + panel.box.left, offset(panel) + panel.box.left + panel.box.width]);
      let [left, right] = [Math.max(13, Math.min(...ends.map(([a]) => a))), Math.min(wide - 13, Math.max(...ends.map(([, b]) => b)))];
      if (right - left < 0.75 * wide && wide < 560) [left, right] = [13, wide - 13]; // a small plot on a small screen
      slider.resize(look, wide, left, right - left);
      if (player.spec.second) other.resize(look, wide, left, right - left);
      player.draw();
    },

    draw() {
      const frame = player.choice * player.spec.t.length + player.frame;
      slider.draw(player.frame, player.choice);
      if (player.spec.second) other.draw(player.choice, 0);
      for (const panel of player.panels) panel.draw(frame, player.frame);
    },

    tell() {
      const { frame, choice, spec } = player;
      reading.textContent = slider.label(frame) + (spec.second ? `, ${other.label(choice)}` : "");
      line.textContent = spec.texts[choice * spec.t.length + frame];
      changed(player.t);
    },

    seek(frame, choice = player.choice) {
      frame = Math.max(0, Math.min(player.spec.t.length - 1, frame));
      choice = Math.max(0, Math.min((player.spec.second?.values.length ?? 1) - 1, choice));
      if (frame === player.frame && choice === player.choice) return;
      Object.assign(player, { frame, choice });
      player.draw();
      player.tell();
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

    // Goes to what an address such as #t=26 asks for.
    follow(address) {
      const wanted = new URLSearchParams(address.replace(/^#/, ""));
      const place = (one, now) => {
        const value = wanted.get(one.name) || NaN;
        return isFinite(value) ? closest(one.values, value) : now;
      };
      player.seek(place(slider, player.frame), player.spec.second ? place(other, player.choice) : 0);
    },
  };

  function step(now) {
    if (!player.playing) return;
    const rate = speed.value / SECONDS / (calm.matches ? 8 : 1);
    const place = from + (Math.max(0, now - since) / 1000) * rate, over = place > 1 && loop.checked;
    player.seek(over ? 0 : slider.nearest(place));
    if (over) anchor();
    if (!root.isConnected || (place >= 1 && !loop.checked)) player.play(false);
    else requestAnimationFrame(step);
  }

  const pause = () => player.play(false);
  const toggle = () => player.play(!player.playing);
  const go = (frame) => { pause(); player.seek(frame); };
  const drag = (by, begins) => {
    if (begins) held = slider.places[player.frame];
    else go(slider.nearest(held + by));
  };
  const slider = new Slider((k) => player.seek(k), pause, toggle);
  const other = new Slider((k) => player.seek(player.frame, k), () => {}, toggle);
  back.onclick = () => go(player.frame - 1);
  forth.onclick = () => go(player.frame + 1);
  play.onclick = toggle;
  speed.onchange = anchor;
  stage.onclick = () => slider.input.focus({ preventScroll: true }); // so that the arrow keys go on from there

  const say = make("div", { className: "scrubber-say" }, reading, text);
  const row = make("div", { className: "scrubber-row" }, play, back, forth, speed, make("label", {}, loop, "loop"), say);
  root.className = "scrubber";
  root.setAttribute("role", "group");
  root.replaceChildren(make("style", { textContent: CSS }), title, stage, row, slider.element, other.element);
  new ResizeObserver(() => player.resize()).observe(stage);
  // Another theme gives another text colour: the transition in the style tells of it, except out of sight.
  for (const over of ["transitionend", "transitioncancel"]) {
    root.addEventListener(over, (event) => { if (event.target === root) player.resize(); });
  }
  new IntersectionObserver(() => player.resize()).observe(root);
  root.scrubber = player; // what the browser tests read
  return player;
}

// Hides the film strip, which is on the page for readers without scripts: the nearest image with its words or data.
function hideStrip(root, { caption, mark }) {
  for (let place = root.parentElement; place; place = place.parentElement) {
    const images = [...place.querySelectorAll("img")].filter((one) => !one.closest(".scrubber-strip")); // another copy's
    const image = images.find(({ alt, src }) => alt === caption || (mark && src.includes(mark)));
    if (!image) continue;
    let box = image;
    while (!box.parentElement.contains(root) && !box.parentElement.textContent.trim()) box = box.parentElement;
    box.classList.add("scrubber-strip");
    root.classList.add("scrubber-with-strip");
    return true;
  }
  return false;
}

async function play(root, bytes) {
  const player = mount(root);
  await player.load(bytes);
  const follow = () => player.follow(globalThis.location.hash);
  follow();
  globalThis.addEventListener("hashchange", follow);
  const hide = () => hideStrip(root, player.spec);
  if (hide()) return;
  const observer = new MutationObserver(() => { if (hide()) observer.disconnect(); }); // the strip may come later
  observer.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => observer.disconnect(), 10_000);
}

// Host 1, a page fragment: mounts every copy of this output that is not running yet, in `here` or on the page.
export function start(identity, bytes, here) {
  for (const scope of [here, document]) {
    for (const root of scope?.querySelectorAll(`[data-scrubber="${identity}"]`) ?? []) {
      if (!root.scrubber) play(root, bytes);
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
