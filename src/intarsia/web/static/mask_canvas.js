// A photo on which labels are painted by hand: a mask that says what is meant, or a layout in the objects' colours.
// The map is kept at the photo's own pixels (see `mapSize` for those of more than 12 million) and shown at the
// screen's; only what has changed is drawn again.
import { image, make, setAttributes, setSource } from "./dom.js";
import { clampPoint } from "./geometry.js";
import {
  MapHistory, boundsOf, clipBox, emptyMap, fillMap, growMask, invertMap, joinBoxes, mapSize, padBox, paintStroke,
  putMap, wholeBox,
} from "./label_map.js";
import { labelsOfPixels, labelsToPng } from "./label_png.js";
import { boxToScreen, fitView, heldView, isFit, packColour, renderLabels, toPhoto, toScreen, zoomView } from "./map_view.js";
import { MaskPointer } from "./mask_pointer.js";
import { MaskTools } from "./mask_tools.js";

const MASK_COLOURS = [[0, 0, 0], [255, 255, 255]];
const MASK_TINT = [226, 44, 96], LINE = [255, 255, 255];
const TINT_ALPHA = 120, PAINT_ALPHA = 205;
const BRUSH_SHARE = 0.06; // the brush's first diameter, of the photo's short side
const LEAST_BRUSH = 1, MOST_BRUSH_SHARE = 0.5;
const FINE = 2; // most pixels of the canvas for one of CSS along a side

export class MaskCanvas {
  // onChange: a change by hand is done with. onBox([x0, y0, x1, y1]), onPoint([x, y]): a box was drawn, or a place was
  // clicked, with the tool that asks for an outline; in pixels of the photo. `label`: what the canvas is called.
  constructor({ label, onChange = () => {}, onBox = null, onPoint = null }) {
    Object.assign(this, { onChange, onBox, onPoint });
    this.photo = null; // { url, width, height }
    this.map = this.history = this.view = null;
    this.colours = MASK_COLOURS;
    this.emptiness = null; // whether nothing is marked; null where nobody has looked yet
    this.label = 1; // what the brush paints
    this.tool = "brush"; // or "eraser", "outline"
    this.brush = 1; // its diameter, in pixels of the photo
    this.disabled = false;
    this.dirty = null; // box of the map to be drawn again
    this.frameAsked = 0;
    this.picture = image("m-photo", "");
    this.canvas = make("canvas", "m-map");
    this.ring = make("div", "m-ring");
    this.box = make("div", "m-box");
    this.ring.hidden = this.box.hidden = true;
    this.surface = make("div", "m-surface", this.picture, this.canvas, this.box, this.ring);
    this.surface.tabIndex = 0;
    setAttributes(this.surface, { role: "application", "aria-label": label, "aria-roledescription": "canvas" });
    this.tools = new MaskTools(this);
    this.element = make("div", "m-root", this.tools.element, this.surface, this.tools.hint);
    this.pointer = new MaskPointer(this);
    this.element.addEventListener("keydown", (event) => this.tools.key(event));
    new ResizeObserver(() => this.resize()).observe(this.surface);
  }

  // What is painted on

  // Another photo, with nothing marked. `colours`: of the labels, for a layout; its background's first.
  open(photo, { colours = MASK_COLOURS } = {}) {
    this.photo = photo;
    this.colours = colours;
    const size = mapSize(photo);
    this.share = size.share;
    this.map = emptyMap(size);
    this.emptiness = null;
    this.history = new MapHistory(this.map);
    this.view = null;
    this.zoomed = false;
    this.label = 1;
    this.tool = "brush";
    this.setBrush(BRUSH_SHARE * Math.min(photo.width, photo.height));
    this.pointer.drop();
    setSource(this.picture, photo.url);
    this.surface.style.aspectRatio = `${photo.width} / ${photo.height}`;
    this.surface.style.setProperty("--shape", photo.width / photo.height);
    this.resize();
    this.tools.render();
  }

  get isMask() {
    return this.colours === MASK_COLOURS;
  }

  // Whether nothing is marked; looked at once after each change.
  get isEmpty() {
    this.emptiness ??= !this.map || !boundsOf(this.map);
    return this.emptiness;
  }

  // The labels that are painted somewhere.
  get present() {
    const seen = new Set(this.map.labels);
    return this.colours.map((_, label) => label).filter((label) => seen.has(label));
  }

  // A picture of labels at a URL comes in, to be mended: instead of what is there, or on top of it. `only`: one colour
  // of other `colours`, which is what is marked.
  async load(url, { over = false, first = false, colours = this.colours, only = null } = {}) {
    const { map } = this, picture = new Image();
    picture.src = url;
    await picture.decode();
    const canvas = make("canvas");
    canvas.width = map.width;
    canvas.height = map.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, map.width, map.height);
    let labels = labelsOfPixels(context.getImageData(0, 0, map.width, map.height).data, colours);
    if (only !== null) labels = labels.map((label) => Number(label === only));
    if (this.map === map) this.take({ ...map, labels }, { over, first });
  }

  // Labels come in. The `first` ones cannot be undone.
  take(map, { over = false, first = false } = {}) {
    this.pointer.drop();
    const box = putMap(this.map, map, { over });
    if (first) this.history = new MapHistory(this.map);
    this.finish(box, { told: !first });
    if (first) this.tools.render();
  }

  // What is marked, as a file; null where nothing is.
  async file(name = "mask.png") {
    if (this.isEmpty) return null;
    return new File([await labelsToPng(this.map, this.colours)], name, { type: "image/png" });
  }

  // Changes. Points and lengths are the photo's.

  paint(from, to) {
    const scaled = ([x, y]) => [x * this.share, y * this.share];
    const label = this.tool === "eraser" ? 0 : this.label;
    const box = paintStroke(this.map, scaled(from), scaled(to), (this.brush * this.share) / 2, label);
    this.touch(box);
    return box;
  }

  // A change inside a box of the map is done with.
  finish(box, { told = true } = {}) {
    this.touch(box);
    const kept = this.history.keep(box);
    if (kept && told) this.changed();
  }

  changed() {
    this.tools.render();
    this.onChange();
  }

  discard(box) {
    this.touch(this.history.discard(box));
  }

  clear() {
    this.finish(fillMap(this.map, 0));
  }

  invert() {
    this.finish(invertMap(this.map));
  }

  grow(pixels) {
    const box = growMask(this.map, Math.sign(pixels) * Math.max(1, Math.round(Math.abs(pixels) * this.share)));
    if (box) this.finish(box);
  }

  undo() {
    this.travel(this.history.undo());
  }

  redo() {
    this.travel(this.history.redo());
  }

  travel(box) {
    if (!box) return;
    this.touch(box);
    this.changed();
  }

  setBrush(diameter) {
    const most = MOST_BRUSH_SHARE * Math.min(this.photo.width, this.photo.height);
    this.brush = Math.min(most, Math.max(LEAST_BRUSH, diameter));
    this.pointer.renderRing();
    this.tools.render();
  }

  setTool(tool) {
    this.tool = tool;
    this.pointer.drop();
    this.tools.render();
  }

  setDisabled(disabled) {
    if (disabled === this.disabled) return;
    this.disabled = disabled;
    this.pointer.drop();
    this.tools.render();
  }

  // What is seen

  get frame() {
    return { width: this.surface.clientWidth, height: this.surface.clientHeight };
  }

  resize() {
    const { width, height } = this.frame;
    if (!this.photo || !width || !height) return;
    const fine = Math.min(FINE, window.devicePixelRatio || 1);
    this.fine = fine;
    this.canvas.width = Math.round(width * fine);
    this.canvas.height = Math.round(height * fine);
    this.context = this.canvas.getContext("2d");
    // What was seen whole still is.
    this.look(this.zoomed ? heldView(this.view, this.photo, this.frame) : fitView(this.photo, this.frame));
  }

  look(view) {
    this.view = view;
    this.zoomed = !isFit(view, this.photo, this.frame);
    this.picture.style.width = `${this.photo.width * view.scale}px`;
    this.picture.style.height = `${this.photo.height * view.scale}px`;
    this.picture.style.transform = `translate(${view.x}px, ${view.y}px)`;
    this.show(wholeBox(this.map));
    this.pointer.renderRing();
    this.tools.renderZoom();
  }

  zoom(factor, point = [this.frame.width / 2, this.frame.height / 2]) {
    if (this.view) this.look(zoomView(this.view, point, factor, this.photo, this.frame));
  }

  fit() {
    this.look(fitView(this.photo, this.frame));
  }

  toPhoto(point) {
    return toPhoto(this.view, point);
  }

  toScreen(point) {
    return toScreen(this.view, point);
  }

  heldPoint(point) {
    return clampPoint(point, this.photo);
  }

  // Labels in a box of the map have changed.
  touch(box) {
    if (!box) return;
    this.emptiness = null;
    this.show(box);
  }

  // A box of the map is drawn with the next picture on the screen.
  show(box) {
    this.dirty = joinBoxes(this.dirty, box);
    if (this.dirty && !this.frameAsked) this.frameAsked = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frameAsked = 0;
    const { canvas, context, dirty, fine, map, share } = this;
    if (!dirty || !context || !this.view) return;
    this.dirty = null;
    const { scale, x, y } = this.view, view = { scale: (scale * fine) / share, x: x * fine, y: y * fine };
    const box = clipBox(padBox(boxToScreen(view, dirty), fine + 1), canvas);
    if (!box) return;
    const part = context.createImageData(box[2] - box[0], box[3] - box[1]);
    renderLabels(new Uint32Array(part.data.buffer), box, map, view, this.palette());
    context.putImageData(part, box[0], box[1]);
  }

  palette() {
    const shown = this.isMask ? [LINE, MASK_TINT] : this.colours, alpha = this.isMask ? TINT_ALPHA : PAINT_ALPHA;
    return {
      tints: Uint32Array.from(shown, (colour) => packColour(colour, alpha)),
      lines: Uint32Array.from(shown, (colour) => packColour(this.isMask ? LINE : colour, 255)),
      line: Math.round(this.fine),
    };
  }
}
