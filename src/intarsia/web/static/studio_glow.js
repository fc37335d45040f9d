// How a selection looks: a tint, a light line along the inside of its edge, a dark one along the outside, so that it is
// seen on any photo, and a glow around both. It is drawn at the screen's pixels, and only where it has changed.
import { make } from "./dom.js";
import { clipBox, joinBoxes, padBox, wholeBox } from "./label_map.js";
import { boxToScreen, packColour } from "./map_view.js";

const FINE = 2; // most pixels of a canvas for one of CSS along a side
const QUICK = 5; // milliseconds that drawing all again may take while the view moves
const SETTLED = 90; // milliseconds after which the view moves no more
const MOST_BAND = 60; // pixels of the screen of a feather that is shown; a wider one looks like it
const WHITE = [255, 255, 255], BLACK = [0, 0, 0];

// Each look: colour of the tint and the glow, their strengths from 0 to 255, and how far the glow reaches.
export const LOOKS = {
  calm: { colour: [64, 232, 212], tint: 40, soft: 130, glow: 175, reach: 6 },
  hot: { colour: [150, 255, 240], tint: 62, soft: 165, glow: 255, reach: 9 },
  offered: { colour: [255, 200, 90], tint: 70, soft: 130, glow: 235, reach: 7 },
};

const LEVELS = 256, AROUND = 10; // levels of the blur; how many of a pixel and its eight neighbours are selected, 0 to 9
const INSIDE = LEVELS * AROUND; // where the colours of selected pixels begin in a palette

// One colour of a strength from 0 to 1 over another.
function over([top, share], [bottom, rest]) {
  const alpha = share + rest * (1 - share);
  if (!alpha) return packColour(bottom, 0);
  return packColour(top.map((value, k) => Math.round((value * share + bottom[k] * rest * (1 - share)) / alpha)), Math.round(255 * alpha));
}

// The colours of pixels: of those that are not selected and of those that are, by how many around them are, and by the
// blurred level from 0 (far outside) to 255 (far inside). A pixel that the edge only touches at a corner has half a line.
export function glowPalette({ colour, tint, soft, glow }, feathered) {
  const palette = new Uint32Array(2 * INSIDE);
  for (const inside of [0, 1])
    for (let around = 0; around < AROUND; around += 1)
      for (let level = 0; level < LEVELS; level += 1) {
        const near = Math.max(0, 1 - Math.abs(level - 127.5) / 127.5) ** 1.6; // to the edge
        const least = inside ? tint : 0, alpha = feathered ? (soft * level) / 255 : least + (glow - least) * near * (inside ? 0.55 : 1);
        const across = inside ? 9 - around : around; // neighbours on the other side
        const line = across === 0 ? 0 : (inside ? 1 : 0.65) * (across === 1 ? 0.5 : 1) * (feathered ? 0.75 : 1);
        palette[inside * INSIDE + around * LEVELS + level] = over([inside ? WHITE : BLACK, line], [colour, alpha / 255]);
      }
  return palette;
}

const scratch = { size: 0 };

function scratchFor(size) {
  if (scratch.size < size)
    Object.assign(scratch, { size, samples: new Uint8Array(size), across: new Uint8Array(size) });
  return scratch;
}

// Paint a box of the screen.
//   pixels: Uint32Array of the box, row by row; view: pixels of the screen for one of the map, and its corner.
//   reach: how far the glow (or the soft edge) goes, and line: the lines' width, in pixels of the screen.
export function renderGlow(pixels, box, map, view, { palette, reach, line }) {
  const [x0, y0, x1, y1] = box, wide = x1 - x0, high = y1 - y0, pad = Math.max(reach + 1, line);
  const across = wide + 2 * pad, deep = high + 2 * pad;
  const { samples, across: sums } = scratchFor(across * deep);
  sample(samples, map, placesOf(x0 - pad, across, view.x, view.scale, map.width), placesOf(y0 - pad, deep, view.y, view.scale, map.height));
  sumRows(sums, samples, across, deep, reach);
  const columns = new Uint32Array(across), side = 2 * reach + 1, toLevel = 255 / (side * side);
  for (let y = pad - reach; y <= pad + reach; y += 1)
    for (let x = 0, row = y * across; x < across; x += 1) columns[x] += sums[row + x];
  const [left, right] = insideOf(x0, x1, view.x, map.width * view.scale);
  const [top, bottom] = insideOf(y0, y1, view.y, map.height * view.scale), lines = line * across;
  for (let y = 0; y < high; y += 1) {
    const row = (y + pad) * across + pad, shown = y >= top && y < bottom;
    if (shown)
      for (let x = left; x < right; x += 1) {
        const at = row + x, inside = samples[at], level = (columns[x + pad] * toLevel) | 0;
        if (level === 0 && !inside) continue;
        const up = at - lines, down = at + lines;
        const around =
          samples[up - line] + samples[up] + samples[up + line] + samples[at - line] + inside + samples[at + line] +
          samples[down - line] + samples[down] + samples[down + line];
        pixels[y * wide + x] = palette[(inside ? INSIDE : 0) + around * LEVELS + level];
      }
    const gone = (y + pad - reach) * across, next = (y + pad + reach + 1) * across;
    for (let x = 0; x < across; x += 1) columns[x] += sums[next + x] - sums[gone + x];
  }
}

// The columns (or rows) of the map under those of the screen; beside the map, its last one.
function placesOf(from, count, start, scale, side) {
  const places = new Int32Array(count);
  for (let k = 0; k < count; k += 1) {
    const place = Math.floor((from + k + 0.5 - start) / scale);
    places[k] = place < 0 ? 0 : place >= side ? side - 1 : place;
  }
  return places;
}

// The part of a row (or column) that lies on the photo.
function insideOf(from, to, start, length) {
  const first = Math.max(0, Math.round(start) - from);
  return [first, Math.max(first, Math.min(to - from, Math.round(start + length) - from))];
}

function sample(samples, { width, labels }, columns, rows) {
  const across = columns.length;
  for (let y = 0; y < rows.length; y += 1) {
    if (y && rows[y] === rows[y - 1]) {
      samples.copyWithin(y * across, (y - 1) * across, y * across);
      continue;
    }
    for (let x = 0, row = rows[y] * width, at = y * across; x < across; x += 1, at += 1) samples[at] = labels[row + columns[x]];
  }
}

// Sums of samples to both sides, at most 2 * 60 + 1 each.
function sumRows(sums, samples, across, down, reach) {
  for (let y = 0; y < down; y += 1) {
    const row = y * across, last = across - 1;
    let sum = samples[row] * (reach + 1);
    for (let k = 1; k <= reach; k += 1) sum += samples[row + Math.min(k, last)];
    for (let x = 0; x < across; x += 1) {
      sums[row + x] = sum;
      sum += samples[row + Math.min(x + reach + 1, last)] - samples[row + Math.max(x - reach, 0)];
    }
  }
}

// A canvas over the photo that shows one map.
export class GlowLayer {
  // bounds(): the box of the map outside which nothing is selected, or null.
  constructor(stage, bounds) {
    this.stage = stage;
    this.bounds = bounds;
    this.canvas = make("canvas", "v-map");
    this.map = null;
    this.share = 1; // pixels of the map for one of the photo
    this.look = "calm";
    this.feather = 0; // pixels of the photo
    this.dirty = this.drawn = null; // a box of the map to be drawn again; the view that the canvas shows
    this.asked = this.timer = 0;
    this.cost = 0; // milliseconds that drawing all took last
    stage.layers.append(this.canvas);
    stage.onView(() => this.follow());
  }

  setLook(look) {
    if (look === this.look) return;
    this.look = look;
    this.redraw();
  }

  setFeather(feather) {
    if (feather === this.feather) return;
    this.feather = feather;
    this.redraw();
  }

  // A box of the map has changed.
  touch(box) {
    this.dirty = joinBoxes(this.dirty, box);
    this.ask();
  }

  redraw() {
    this.drawn = null;
    this.ask();
  }

  ask() {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.draw());
  }

  // While the view moves, what was drawn is moved along; it is drawn again at the end, or at once where that is quick.
  follow() {
    if (!this.map) return;
    const { view } = this.stage;
    if (!this.drawn || this.cost < QUICK) return this.redraw();
    const by = view.scale / this.drawn.scale;
    this.canvas.style.transform = `translate(${view.x - this.drawn.x * by}px, ${view.y - this.drawn.y * by}px) scale(${by})`;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.redraw(), SETTLED);
  }

  draw() {
    this.asked = 0;
    const { canvas, map, stage } = this, { frame, view } = stage;
    if (!frame.width || !frame.height) return;
    const fine = Math.min(FINE, window.devicePixelRatio || 1);
    const width = Math.round(frame.width * fine), height = Math.round(frame.height * fine);
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
      this.drawn = null;
    }
    const same = this.drawn && ["scale", "x", "y"].every((name) => this.drawn[name] === view[name]);
    const part = map && (same ? this.dirty : this.bounds()), began = performance.now();
    this.context ??= canvas.getContext("2d");
    if (!same) {
      clearTimeout(this.timer);
      this.context.clearRect(0, 0, width, height);
      canvas.style.transform = "";
      this.drawn = { ...view };
    }
    this.dirty = null;
    if (part) this.paint(part, fine);
    if (!same) this.cost = performance.now() - began;
  }

  paint(part, fine) {
    const { canvas, context, map, share, stage } = this, { scale, x, y } = stage.view;
    const view = { scale: (scale * fine) / share, x: x * fine, y: y * fine };
    const look = LOOKS[this.look], band = Math.min(MOST_BAND, Math.round(this.feather * scale * fine));
    const reach = band > 0 ? band : Math.round(look.reach * fine), line = Math.max(1, Math.round(fine));
    const box = clipBox(padBox(boxToScreen(view, part), reach + line + 1), canvas);
    if (!box) return;
    const image = context.createImageData(box[2] - box[0], box[3] - box[1]);
    this.palettes ??= new Map();
    const key = `${this.look} ${band > 0}`;
    if (!this.palettes.has(key)) this.palettes.set(key, glowPalette(look, band > 0));
    renderGlow(new Uint32Array(image.data.buffer), box, map, view, { palette: this.palettes.get(key), reach, line });
    context.putImageData(image, box[0], box[1]);
  }

  whole() {
    return this.map && wholeBox(this.map);
  }
}
