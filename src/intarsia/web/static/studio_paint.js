// Layout by paint: a blob is scribbled where each object is to be, or a picture of a layout is loaded and its colours
// are given to the objects. What is painted is told to the app as `layout`; undo is the app's.
import { clamp, clampPoint } from "./geometry.js";
import { emptyMap, fillMap, joinBoxes, mapSize, paintStroke, putMap } from "./label_map.js";
import { labelsOfPixels, labelsToPng } from "./label_png.js";
import {
  coloursOf, guessLabels, mapLabels, middlesOf, movesBeside, paperColour, placeStaying, relabelRuns, restoreMap, saveMap,
} from "./studio_layout.js";
import { LayoutView } from "./studio_layout_view.js";
import { PaintPanel } from "./studio_paint_panel.js";
import { copyMoves } from "./studio_moves.js";

const BRUSH = 0.12, LEAST_BRUSH = 0.01, MOST_BRUSH = 0.6; // shares of the photo's short side
const MOST_RUNS = 600_000; // of a layout that is kept for undo
const NO_LAYOUT = "This picture is no layout: it needs one plain colour for each object. Save it as PNG with hard edges.";
const UNREADABLE = "This file could not be read as a picture.";
const BLACK_AND_WHITE = [[0, 0, 0], [255, 255, 255]];

export class LayoutPaint {
  constructor(app, stage, objects) {
    Object.assign(this, { app, stage, objects });
    this.isOpen = false;
    this.onClose = () => {};
    this.key = ""; // of the scene that the map is for
    this.map = null;
    this.saved = null; // as the app has it
    this.loaded = null; // { name, colours, labels, runs }: a layout that came as a file
    this.pending = null; // the same, before it is said what becomes of the moves
    this.rest = "stay"; // what becomes of objects that are not painted: "stay" or "gone"
    this.label = 1;
    this.isErasing = false;
    this.share = BRUSH;
    this.at = null; // where the brush is
    this.stroke = null; // { last, box } while it paints
    this.view = new LayoutView(stage);
    this.panel = new PaintPanel(this);
    stage.element.addEventListener("keydown", (event) => {
      if (event.target === stage.element && !event.defaultPrevented) this.onKey(event);
    });
    this.tool = this.makeTool();
    this.render();
  }

  get element() {
    return this.panel.element;
  }

  get scene() {
    return this.objects.scene;
  }

  get names() {
    return this.scene?.objects.map((object) => object.name) ?? [];
  }

  get colours() {
    const colours = this.scene?.objects.map((object) => object.colour) ?? [];
    return [this.scene?.background ?? paperColour(colours), ...colours];
  }

  get size() {
    return this.objects.size;
  }

  get brush() {
    const { width, height } = this.size ?? { width: 1, height: 1 };
    return Math.max(1, this.share * Math.min(width, height));
  }

  get isEmpty() {
    return !this.saved && !this.pending;
  }

  // Names of the objects that are painted somewhere.
  get painted() {
    const found = new Set(this.middles?.keys() ?? []);
    return new Set(this.names.filter((_, k) => found.has(k + 1)));
  }

  // What goes to the server beside the layout, in the place of the objects' moves: those are in its picture.
  get moves() {
    const { painted } = this, others = this.objects.moves.filter((move) => !painted.has(move.name));
    const isAbsent = (move) => move.gone || this.rest === "gone";
    const namesOf = (moves) => new Set(moves.map((move) => move.name));
    const absent = namesOf(others.filter(isAbsent)), staying = namesOf(others.filter((move) => !isAbsent(move)));
    return movesBeside(this.objects.moves, absent, staying);
  }

  // The canvas

  open() {
    if (this.isOpen) return;
    this.isOpen = true;
    this.former = this.stage.tool;
    this.stage.tool = this.tool;
    this.objects.lock(true);
    this.render();
  }

  close() {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.tool.cancel();
    this.at = null;
    if (this.stage.tool === this.tool) this.stage.tool = this.former;
    this.objects.lock(false);
    this.render();
    this.onClose();
  }

  // The map is the scene's; what the app has is shown.
  render() {
    const key = this.scene ? JSON.stringify([this.names, this.size.width, this.size.height]) : "";
    const wanted = this.app.draft?.now?.layout ?? null, isOther = key !== this.key;
    this.key = key;
    if (isOther) this.pending = null;
    if (isOther || (wanted !== this.saved && !this.stroke && !this.pending && !same(wanted, this.saved)))
      this.restore(wanted);
    this.showRing();
    this.panel.render();
  }

  restore(saved) {
    const { scene, names } = this, usable = scene && saved?.runs ? saved : null;
    this.saved = usable;
    if (!scene) {
      this.map = null;
      this.loaded = null;
      this.middles = new Map();
      this.view.open(null, 1, []);
      return;
    }
    const size = mapSize(scene), fits = usable && usable.width === size.width && usable.height === size.height;
    if (usable && !fits) this.saved = null;
    // Objects are known by their names: another scene may have more of them.
    const labels = fits ? [0, ...usable.names.map((name) => names.indexOf(name) + 1)] : [];
    const { loaded } = fits ? usable : {}, others = loaded?.colours.map((_, k) => names.length + 1 + k) ?? [];
    this.map = fits ? restoreMap({ ...usable, runs: relabelRuns(usable.runs, [...labels, ...others]) }) : emptyMap(size);
    this.mapShare = size.share;
    this.loaded = loaded && { ...loaded, labels: loaded.labels.map((label) => (label === null ? null : labels[label])) };
    this.rest = usable?.rest ?? this.rest;
    this.label = clamp(this.label, 1, names.length);
    this.showMap();
    this.look(saveMap(this.map));
  }

  save(runs = saveMap(this.map)) {
    if (runs.length > MOST_RUNS) return null;
    const { width, height } = this.map, { names, rest, loaded } = this;
    return runs.length === 2 && !runs[1] && !loaded ? null : { scene: this.scene.id, names, width, height, rest, loaded, runs };
  }

  showMap() {
    const others = this.loaded?.colours.map(({ colour }) => colour) ?? [];
    this.view.open(this.map, this.mapShare, [...this.colours, ...others]);
  }

  // Where the names are written.
  look(runs) {
    const { names } = this;
    this.middles = middlesOf(runs, this.map.width);
    const tags = [...this.middles].map(([label, { x, y }]) => ({
      name: names[label - 1] ?? `Colour ${label - names.length}`, label, at: [x / this.mapShare, y / this.mapShare],
    }));
    this.view.name(tags);
  }

  // A change is done with: the app makes a snapshot of it.
  finish(patch = {}, merge) {
    const runs = saveMap(this.map);
    this.look(runs);
    this.saved = this.save(runs);
    this.app.change({ layout: this.saved, ...patch }, merge);
    this.render();
  }

  // The brush

  makeTool() {
    const end = (keep) => {
      const { stroke } = this;
      this.stroke = null;
      if (!stroke) return;
      if (keep && stroke.box) this.finish();
      else if (stroke.box) this.restore(this.saved);
    };
    return {
      cursor: "none",
      down: (event, point) => {
        if (this.scene && !event.button) {
          this.stroke = { last: point, box: null };
          this.to(point);
        }
      },
      move: (event, point) => this.to(point),
      up: (event) => {
        end(true);
        if (event?.pointerType === "touch") this.at = null; // no finger is on it
        this.showRing();
      },
      cancel: () => end(false),
      hover: (event, point) => {
        this.at = event?.pointerType === "touch" ? null : point;
        this.showRing();
      },
      key: (event) => this.onKey(event),
    };
  }

  to(point) {
    if (!this.scene) return;
    this.at = point;
    const { stroke } = this, scaled = ([x, y]) => [x * this.mapShare, y * this.mapShare];
    if (stroke) {
      const label = this.isErasing ? 0 : this.label, radius = (this.brush * this.mapShare) / 2;
      const box = paintStroke(this.map, scaled(stroke.last), scaled(point), radius, label);
      stroke.box = joinBoxes(stroke.box, box);
      stroke.last = point;
      this.view.touch(box);
    }
    this.showRing();
  }

  // Arrows carry the brush, Enter puts it down. Whether the key was one of these.
  onKey(event) {
    if (!this.isOpen || !this.scene || event.ctrlKey || event.metaKey || event.altKey) return false;
    const { width, height } = this.size, at = this.at ?? [width / 2, height / 2], step = event.shiftKey ? this.brush : this.brush / 4;
    const go = (dx, dy) => () => this.to(clampPoint([at[0] + dx * step, at[1] + dy * step], this.size));
    const stamp = () => {
      this.tool.down({ button: 0 }, at);
      this.tool.up();
    };
    const actions = {
      ArrowLeft: go(-1, 0), ArrowRight: go(1, 0), ArrowUp: go(0, -1), ArrowDown: go(0, 1), Enter: stamp,
      b: () => this.setErasing(false), e: () => this.setErasing(true),
      "[": () => this.setShare(this.share / 1.2), "]": () => this.setShare(this.share * 1.2),
      Escape: () => this.close(),
    };
    if (!Object.hasOwn(actions, event.key)) return false;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
    return true;
  }

  showRing() {
    const colour = this.isErasing ? null : this.colours[this.label];
    this.view.brush(this.isOpen && this.map ? { at: this.at, size: this.brush, colour } : null);
  }

  choose(label) {
    this.label = label;
    this.setErasing(false);
  }

  setErasing(on) {
    this.isErasing = on;
    this.render();
  }

  setShare(share) {
    this.share = clamp(share, LEAST_BRUSH, MOST_BRUSH);
    this.render();
  }

  setRest(rest) {
    this.rest = rest;
    if (this.saved) this.finish();
    else this.render();
  }

  clear() {
    this.loaded = this.pending = null;
    if (this.map) fillMap(this.map, 0);
    this.view.look();
    if (this.saved) this.finish();
    else this.restore(null);
    this.panel.render();
  }

  // A layout from a file

  async load(file) {
    const { map, scene } = this;
    if (!file || !scene) return;
    let pixels;
    try {
      pixels = await pixelsOfFile(file, map);
    } catch {
      this.app.say(UNREADABLE, true);
      return;
    }
    if (this.scene !== scene) return;
    const [paper, ...own] = this.colours, found = coloursOf(pixels, paper, own);
    const runs = found && saveMap({ ...map, labels: found.indices });
    if (!found || runs.length > MOST_RUNS) {
      this.app.say(NO_LAYOUT, true);
      return;
    }
    const { colours } = found, labels = guessLabels(colours, own, paper);
    this.loaded = { name: file.name, colours, labels, runs };
    putMap(map, restoreMap({ ...map, runs: relabelRuns(runs, mapLabels(labels, own.length)) }));
    this.showMap();
    if (this.objects.isUnmoved) this.finish();
    else {
      this.pending = this.loaded;
      this.look(saveMap(map));
      this.panel.render();
      this.panel.ask();
    }
  }

  // The moves that were made before the layout came go, or they stay for what it does not show.
  answer(replaces) {
    this.pending = null;
    const { unmoved } = this.objects;
    if (replaces) this.objects.set(unmoved);
    this.finish(replaces ? { moves: copyMoves(unmoved) } : {});
  }

  // A colour of the loaded layout is another object's; null: it is not known whose.
  assign(colour, label) {
    const { loaded, map, names } = this, labels = loaded.labels.map((each, k) => (k === colour ? label : each));
    const [former, next] = [loaded.labels, labels].map((each) => mapLabels(each, names.length)[colour]);
    const indices = restoreMap({ ...map, runs: loaded.runs }).labels;
    // What was painted over it since stays.
    for (let k = 0; k < indices.length; k += 1)
      if (indices[k] === colour && map.labels[k] === former) map.labels[k] = next;
    this.loaded = { ...loaded, labels };
    this.view.look();
    if (this.pending) {
      this.pending = this.loaded;
      this.look(saveMap(map));
      this.panel.render();
    } else this.finish();
  }

  // The layout as a PNG in the scene's colours, at the photo's size; null where nothing is painted.
  async file(name = "layout.png") {
    const { map, scene, mapShare, colours, rest, painted } = this;
    if (!scene || !map || !painted.size) return null;
    const whole = emptyMap(map), staying = rest === "stay" ? this.objects.moves.filter((move) => !move.gone) : [];
    const masks = new Map();
    for (const move of staying) {
      if (move.copy_of || painted.has(move.name)) continue;
      const { mask } = scene.objects.find((object) => object.name === move.name);
      masks.set(move.name, await maskAt(mask, map));
    }
    placeStaying(whole, staying, scene.objects, masks, mapShare);
    const known = { ...map, labels: map.labels.map((label) => (label < colours.length ? label : 0)) };
    putMap(whole, known, { over: true });
    return new File([await labelsToPng(whole, colours, { clear: true })], name, { type: "image/png" });
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function pixelsOf(picture, { width, height }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

async function pixelsOfFile(file, size) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const pixels = pixelsOf(bitmap, size);
  bitmap.close();
  return pixels;
}

async function maskAt(url, size) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return { ...size, labels: labelsOfPixels(pixelsOf(picture, size), BLACK_AND_WHITE) };
}
