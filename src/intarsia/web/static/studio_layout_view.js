// A painted layout as it is seen over the photo: blobs in the objects' colours with their names, and the brush's ring.
// Only what has changed is drawn again.
import { make } from "./dom.js";
import { clipBox, joinBoxes, padBox, wholeBox } from "./label_map.js";
import { boxToScreen, packColour, renderLabels } from "./map_view.js";
import { cssColour } from "./studio_layout.js";

const ALPHA = 150, FINE = 2; // most pixels of the canvas for one of CSS along a side
const DARK = 140; // brightness below which a name is white

export class LayoutView {
  constructor(stage) {
    this.stage = stage;
    this.map = null;
    this.share = 1; // pixels of the map for one of the photo
    this.colours = []; // of the labels, the background's first
    this.dirty = null;
    this.asked = 0;
    this.canvas = make("canvas", "y-map");
    this.tags = make("div", "y-tags");
    this.ring = make("div", "y-ring");
    this.ring.hidden = true;
    this.element = make("div", "y-over", this.canvas, this.tags, this.ring);
    this.element.setAttribute("aria-hidden", "true");
    stage.screen.prepend(this.element);
    stage.onView(() => this.look());
    new ResizeObserver(() => this.resize()).observe(stage.screen);
  }

  // Another map, or null for none.
  open(map, share, colours) {
    Object.assign(this, { map, share, colours });
    this.element.hidden = !map;
    this.resize();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage.screen;
    if (!this.map || !width || !height) return;
    this.fine = Math.min(FINE, window.devicePixelRatio || 1);
    const [wide, high] = [width, height].map((side) => Math.round(side * this.fine));
    if (this.canvas.width !== wide || this.canvas.height !== high) Object.assign(this.canvas, { width: wide, height: high });
    this.context = this.canvas.getContext("2d");
    this.look();
  }

  look() {
    if (!this.map) return;
    this.touch(wholeBox(this.map), true);
    this.placeTags();
    this.placeRing();
  }

  // Labels in a box of the map have changed; `all`: so has what lies beside the photo.
  touch(box, all = false) {
    if (!box) return;
    this.dirty = joinBoxes(this.dirty, box);
    this.all = this.all || all;
    if (!this.asked) this.asked = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const { canvas, context, dirty, fine, map, share, all } = this;
    Object.assign(this, { asked: 0, dirty: null, all: false });
    if (!dirty || !context || !map) return;
    const [x, y] = this.stage.toScreen([0, 0]), scale = this.stage.toScreen([1, 0])[0] - x;
    const view = { scale: (scale * fine) / share, x: x * fine, y: y * fine };
    if (all) context.clearRect(0, 0, canvas.width, canvas.height);
    const box = clipBox(padBox(boxToScreen(view, dirty), fine + 1), canvas);
    if (!box) return;
    const part = context.createImageData(box[2] - box[0], box[3] - box[1]);
    renderLabels(new Uint32Array(part.data.buffer), box, map, view, {
      tints: Uint32Array.from(this.colours, (colour) => packColour(colour, ALPHA)),
      lines: Uint32Array.from(this.colours, (colour) => packColour(colour, 255)),
      line: Math.max(1, Math.round(2 * fine)),
    });
    context.putImageData(part, box[0], box[1]);
  }

  // Names over the blobs: [{ name, label, at }], `at` in pixels of the photo.
  name(tags) {
    this.named = tags;
    this.tags.replaceChildren(...tags.map(({ name, label }) => {
      const tag = make("span", "y-tag", name), [red, green, blue] = this.colours[label];
      tag.style.background = cssColour(this.colours[label]);
      tag.style.color = 0.299 * red + 0.587 * green + 0.114 * blue < DARK ? "#fff" : "#000";
      return tag;
    }));
    this.placeTags();
  }

  placeTags() {
    (this.named ?? []).forEach(({ at }, k) => {
      const [x, y] = this.stage.toScreen(at);
      this.tags.children[k].style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    });
  }

  // The brush: { at, size } in pixels of the photo, with its colour or null for the eraser's; null hides it.
  brush(brush) {
    this.brushed = brush;
    this.placeRing();
  }

  placeRing() {
    const { brushed } = this;
    this.ring.hidden = !brushed?.at;
    if (!brushed?.at) return;
    const [x, y] = this.stage.toScreen(brushed.at), side = this.stage.toScreen([brushed.at[0] + brushed.size, 0])[0] - x;
    Object.assign(this.ring.style, { width: `${side}px`, height: `${side}px` });
    this.ring.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
    this.ring.style.background = brushed.colour ? cssColour(brushed.colour).replace(")", " / 35%)") : "none";
    this.ring.classList.toggle("y-erasing", !brushed.colour);
  }
}
