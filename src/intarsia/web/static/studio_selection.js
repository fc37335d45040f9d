// What is selected in the photo: a map of the labels 0 and 1, at the photo's own pixels (see `mapSize` for those of
// more than 12 million), drawn as a glowing outline. It keeps no steps to undo: the app has them, by save and restore.
import { make } from "./dom.js";
import {
  boundsOf, clipBox, emptyMap, growMask, joinBoxes, mapSize, paintStroke, wholeBox,
} from "./label_map.js";
import { labelsToPng, levelsToPng } from "./label_png.js";
import { combineMap, featherMap, invertSelection, mapOfRuns, putRuns, resizeMap, runsOf } from "./selection_map.js";
import { GlowLayer } from "./studio_glow.js";

const HALF = 127; // an outline's levels above this are in it
const GLOW_SIDE = 1600; // pixels along the longer side of an outline that only glows
const MOST_GLOWS = 12; // that are kept

const scaledBox = (box, by) => box && box.map((edge) => edge * by);

// The levels of a picture at a URL, at a size, as labels.
async function fetchLabels(url, { width, height }) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  const canvas = Object.assign(make("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, width, height);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const labels = new Uint8Array(width * height);
  for (let k = 0; k < labels.length; k += 1) labels[k] = (pixels[k] & 255) > HALF ? 1 : 0;
  return { width, height, labels };
}

export class Selection {
  constructor(app, stage) {
    Object.assign(this, { app, stage });
    this.photo = this.map = null;
    this.share = 1; // pixels of the map for one of the photo
    this.feather = 0; // pixels of the photo
    this.object = null; // what the server outlined last, to be mended by further points: { points, box, how, before }
    this.layer = new GlowLayer(stage, () => this.edges);
    this.offered = new GlowLayer(stage, () => this.offered.whole());
    this.offered.setLook("offered");
    this.glows = new Map();
    this.given = undefined; // what the app was given, or gave, last
    this.strokes = false; // a stroke is being drawn
    this.forget();
  }

  // What it holds

  // What was known of the map is so no longer.
  forget() {
    this.known = { edges: undefined, saved: null };
  }

  // The box of the map that holds it; null where nothing is selected.
  get edges() {
    if (this.known.edges === undefined) this.known.edges = this.map && boundsOf(this.map);
    return this.known.edges;
  }

  get isEmpty() {
    return !this.edges;
  }

  get bounds() {
    return scaledBox(this.edges, 1 / this.share);
  }

  contains([x, y]) {
    const { map, share } = this, column = Math.floor(x * share), row = Math.floor(y * share);
    if (!map || column < 0 || row < 0 || column >= map.width || row >= map.height) return false;
    return map.labels[row * map.width + column] > 0;
  }

  // Another photo. What is selected stays where it has the same size.
  open(photo) {
    this.photo = photo;
    if (!photo) {
      this.map = this.layer.map = null;
      return this.changedAll();
    }
    const { width, height, share } = mapSize(photo);
    if (this.map?.width === width && this.map.height === height && this.share === share) return null;
    this.share = this.layer.share = share;
    this.map = this.layer.map = emptyMap({ width, height });
    this.object = null;
    this.given = undefined;
    return this.changedAll();
  }

  // As numbers for JSON: `runs` by turns of what is not selected and what is, from the first pixel on; null where
  // nothing is selected. `object`: see above, with what was selected `before` as runs.
  save() {
    this.known.saved ??= this.written();
    this.given = this.known.saved;
    return this.given;
  }

  written() {
    const { feather, map, object } = this;
    if (!map || this.isEmpty) return null;
    const saved = { runs: runsOf(map), width: map.width, height: map.height, feather };
    return object ? { ...saved, object } : saved;
  }

  // As it was saved. What the app has had all along changes nothing, so that a stroke that is drawn meanwhile goes on.
  restore(saved) {
    const { map } = this, wanted = saved ?? null;
    if (!map || this.strokes || wanted === this.given) return;
    this.given = wanted;
    const fits = !saved || (saved.width === map.width && saved.height === map.height);
    if (fits) putRuns(map, saved?.runs ?? []);
    else map.labels.set(resizeMap(mapOfRuns(saved.runs, saved), map).labels);
    this.feather = saved?.feather ?? 0;
    this.layer.setFeather(this.feather);
    this.object = (fits && saved?.object) || null;
    this.changedAll();
    if (fits && wanted) this.known.saved = wanted;
  }

  // It as a file for the server: white where it is selected, grey where its edge is soft; null where nothing is.
  async file(name = "selection.png") {
    const { edges, map } = this, reach = Math.round(this.feather * this.share);
    if (!edges) return null;
    const blob = reach > 0 ? await levelsToPng(map, featherMap(map, edges, reach)) : await labelsToPng(map);
    return new File([blob], name, { type: "image/png" });
  }

  // Changes. What the server outlined is mended no further once something else has changed it.

  changedAll() {
    this.forget();
    this.layer.redraw();
  }

  // An empty map of its size, to be drawn into.
  blank() {
    return emptyMap(this.map);
  }

  combine(map, how) {
    combineMap(this.map, map, how);
    this.object = null;
    this.changedAll();
  }

  // An outline of the server comes in. `object`: { points, box, how } of it, so that further points mend it: what was
  // selected before it is then kept, and taken from `object.before` where it has been kept already.
  async load(url, how, object = null) {
    const { map } = this, outline = await fetchLabels(url, map);
    if (this.map !== map) return;
    const before = object ? (object.before ?? (how === "new" ? [] : runsOf(map))) : null;
    if (before) putRuns(map, before);
    combineMap(map, outline, how);
    this.object = object && { ...object, how, before };
    this.changedAll();
  }

  grow(px) {
    if (!this.map) return;
    const box = growMask(this.map, Math.sign(px) * Math.max(1, Math.round(Math.abs(px) * this.share)));
    if (!box) return;
    this.object = null;
    this.changedAll();
  }

  invert() {
    if (!this.map) return;
    invertSelection(this.map);
    this.object = null;
    this.changedAll();
  }

  clear() {
    if (!this.map) return;
    this.map.labels.fill(0);
    this.object = null;
    this.changedAll();
  }

  setFeather(px) {
    this.feather = Math.max(0, px);
    this.known.saved = null;
    this.layer.setFeather(this.feather);
  }

  // A stroke by hand: begun, drawn from point to point, and kept or taken back.

  beginStroke() {
    this.kept ??= new Uint8Array(0);
    if (this.kept.length !== this.map.labels.length) this.kept = new Uint8Array(this.map.labels.length);
    this.kept.set(this.map.labels);
    this.stroked = null;
    this.strokes = true;
  }

  stroke(from, to, diameter, label) {
    const { map, share } = this, scaled = ([x, y]) => [x * share, y * share];
    const box = paintStroke(map, scaled(from), scaled(to), (diameter * share) / 2, label);
    this.stroked = joinBoxes(this.stroked, box);
    this.touch(box);
  }

  endStroke() {
    this.strokes = false;
    this.object = null;
    this.forget();
  }

  dropStroke() {
    this.strokes = false;
    const { kept, map } = this, box = clipBox(this.stroked, map);
    if (!box) return;
    for (let y = box[1]; y < box[3]; y += 1) {
      const start = y * map.width + box[0], end = y * map.width + box[2];
      map.labels.set(kept.subarray(start, end), start);
    }
    this.touch(box);
  }

  touch(box) {
    if (!box) return;
    this.forget();
    this.layer.touch(box);
  }

  // How it looks

  setHot(hot) {
    this.layer.setLook(hot && !this.isEmpty ? "hot" : "calm");
  }

  // An outline at a URL glows, as long as it is offered.
  async glow(url) {
    this.wanted = url;
    const map = url && this.photo ? await this.glowMap(url) : null;
    if (this.wanted !== url) return;
    this.offered.map = map;
    this.offered.share = map ? map.width / this.photo.width : 1;
    this.offered.redraw();
  }

  async glowMap(url) {
    const { height, width } = this.photo, by = Math.min(1, GLOW_SIDE / Math.max(width, height));
    if (!this.glows.has(url)) {
      const size = { width: Math.max(1, Math.round(width * by)), height: Math.max(1, Math.round(height * by)) };
      try {
        this.glows.set(url, await fetchLabels(url, size));
      } catch {
        return null; // it is only shown less
      }
      if (this.glows.size > MOST_GLOWS) this.glows.delete(this.glows.keys().next().value);
    }
    return this.glows.get(url);
  }

  whole() {
    return this.map && wholeBox(this.map);
  }
}
