// The photo as it is seen: zoomed, moved, compared with another one. `world` is measured in pixels of the photo, `screen`
// in those of the screen; what lies in the one moves with the view, what lies in the other is drawn anew by `onView`.
import { image, make, setAttributes, setSource } from "./dom.js";
import { fitView, heldView, isFit, panView, pinchView, toPhoto, toScreen, zoomView } from "./map_view.js";
import { StageCompare } from "./studio_compare.js";
import { StagePointer } from "./studio_pointer.js";

const MARGIN = 16, NARROW_MARGIN = 6; // pixels of the screen that stay free around the whole photo
const NARROW = 600; // of the screen: a phone's
const COARSE = 4; // pixels of the screen for one of the photo, from which its pixels are shown as squares
const ALIKE = 0.01; // by which the shapes of a photo and its results may differ
const HELP = "Arrow keys move the cursor, Enter uses the tool there. V selects objects, B paints, H moves the photo.";

export class Stage {
  constructor(app) {
    this.app = app;
    this.photo = null; // { url, width, height }
    this.view = { scale: 1, x: 0, y: 0 };
    this.zoomed = false; // whether less than all is seen
    this.frame = { width: 0, height: 0 };
    this.callbacks = new Set();
    this.heldTool = null;
    this.picture = image("v-photo", "");
    this.world = make("div", "v-world", this.picture);
    this.layers = make("div", "v-layers");
    this.screen = make("div", "v-screen");
    this.help = make("span", "v-hidden", HELP);
    this.help.id = "v-help";
    this.element = make("div", "v-stage", this.world, this.layers, this.screen, this.help);
    this.element.tabIndex = -1; // until there is a photo
    setAttributes(this.element, { role: "application", "aria-label": "Photo", "aria-describedby": this.help.id });
    this.comparing = new StageCompare(this);
    this.pointer = new StagePointer(this);
    new ResizeObserver(() => this.resize()).observe(this.element);
  }

  get tool() {
    return this.heldTool;
  }

  // Gets the gestures of one pointer: { down, move, up, cancel, hover, key, cursor }.
  set tool(tool) {
    if (tool === this.heldTool) return;
    this.pointer.drop();
    this.heldTool?.hover?.(null, null);
    this.heldTool = tool;
    this.renderCursor();
  }

  // What is shown

  // Another picture; one of the same shape keeps the view. It takes the former one's place once it can be painted.
  async open(photo) {
    const before = this.photo;
    if (photo?.url === before?.url && photo?.width === before?.width && photo?.height === before?.height) return;
    this.pointer.drop();
    this.photo = photo;
    this.comparing.close();
    this.element.classList.toggle("v-empty", !photo);
    this.element.tabIndex = photo ? 0 : -1;
    if (!photo) return void setSource(this.picture, "");
    const shape = ({ width, height }) => width / height;
    if (before && Math.abs(shape(before) / shape(photo) - 1) < ALIKE) {
      this.look({ ...this.view, scale: (this.view.scale * before.width) / photo.width });
    } else {
      setSource(this.picture, "");
      this.fit();
    }
    await this.swap(photo);
  }

  async swap(photo) {
    const next = image("v-photo", "", photo.url);
    try {
      await next.decode();
    } catch {
      if (this.photo === photo) this.app.say("The picture did not arrive. Reload the page.", true);
      return;
    }
    if (this.photo !== photo) return;
    this.picture.replaceWith(next);
    this.picture = next;
  }

  // Another picture on the left of a slider; null: no more.
  compare(url) {
    return url ? this.comparing.open(url) : this.comparing.close();
  }

  // Another picture instead of this one, as long as a button is held.
  peek(url, on) {
    return this.comparing.peek(url, on);
  }

  // The view

  toPhoto(point) {
    return toPhoto(this.view, point);
  }

  toScreen(point) {
    return toScreen(this.view, point);
  }

  // A callback is called whenever the view has changed; what is given back ends that.
  onView(callback) {
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }

  get margin() {
    return Math.min(this.frame.width, this.frame.height) < NARROW ? NARROW_MARGIN : MARGIN;
  }

  // The frame without its margin. Pixels of the photo may always be seen as those of the screen.
  get inner() {
    const { frame, margin } = this;
    const width = Math.max(1, frame.width - 2 * margin), height = Math.max(1, frame.height - 2 * margin);
    return { width, height, least: this.actualScale };
  }

  get actualScale() {
    return 1 / (window.devicePixelRatio || 1);
  }

  // A view of the inner frame as `change` makes it from the present one.
  change(change, view = this.view) {
    if (!this.photo) return;
    const { margin } = this, inner = change({ scale: view.scale, x: view.x - margin, y: view.y - margin });
    this.look({ scale: inner.scale, x: inner.x + margin, y: inner.y + margin });
  }

  zoom(factor, at = [this.frame.width / 2, this.frame.height / 2]) {
    const { inner, margin, photo } = this;
    this.change((view) => zoomView(view, [at[0] - margin, at[1] - margin], factor, photo, inner));
  }

  pan(dx, dy) {
    this.change((view) => panView(view, dx, dy, this.photo, this.inner));
  }

  // Two fingers that were at two points of a former view's screen are at others.
  pinch(view, from, to) {
    const { inner, margin, photo } = this, within = (points) => points.map(([x, y]) => [x - margin, y - margin]);
    this.change((start) => pinchView(start, within(from), within(to), photo, inner), view);
  }

  fit() {
    this.change(() => fitView(this.photo, this.inner));
  }

  actual(at) {
    this.zoom(this.actualScale / this.view.scale, at);
  }

  // So far as it is not, a point of the photo comes into sight.
  reveal(point) {
    const [x, y] = this.toScreen(point), { width, height } = this.frame, edge = Math.min(48, width / 4, height / 4);
    const past = (at, side) => (at < edge ? edge - at : at > side - edge ? side - edge - at : 0);
    if (past(x, width) || past(y, height)) this.pan(past(x, width), past(y, height));
  }

  resize() {
    const { clientHeight, clientWidth } = this.element, before = this.frame;
    if (!clientWidth || !clientHeight) return;
    this.frame = { width: clientWidth, height: clientHeight };
    if (!this.photo) return;
    if (!this.zoomed || !before.width) return this.fit(); // what was seen whole still is
    const shifted = { ...this.view, x: this.view.x + (clientWidth - before.width) / 2, y: this.view.y + (clientHeight - before.height) / 2 };
    this.change((view) => view, shifted);
  }

  look(view) {
    const { margin, photo } = this, fine = window.devicePixelRatio || 1;
    if (!photo || !this.frame.width) return;
    const held = heldView({ ...view, x: view.x - margin, y: view.y - margin }, photo, this.inner);
    const whole = (at) => Math.round((at + margin) * fine) / fine; // pixels of the photo on those of the screen
    this.view = { scale: held.scale, x: whole(held.x), y: whole(held.y) };
    this.zoomed = !isFit(held, photo, this.inner);
    this.renderWorld();
    for (const callback of this.callbacks) callback(this.view);
  }

  renderWorld() {
    const { photo, view, world } = this;
    world.style.width = `${photo.width}px`;
    world.style.height = `${photo.height}px`;
    world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    world.classList.toggle("v-coarse", view.scale / this.actualScale >= COARSE);
  }

  renderCursor() {
    const { held, spaced } = this.pointer, panned = held?.kind === "pan";
    this.element.style.cursor = panned ? "grabbing" : spaced ? "grab" : (this.heldTool?.cursor ?? "default");
  }

  render() {
    this.renderCursor();
  }
}
