// The canvas of "Edit by layout": a photo's objects as cut-outs that are dragged, scaled, turned, stacked and removed.
// All places are in pixels of the photo; `scale` says how many of the screen's one of them takes.
import { ObjectList } from "./arrange_list.js";
import { ArrangePaint } from "./arrange_paint.js";
import { PointerInput } from "./arrange_pointer.js";
import { ArrangeResult } from "./arrange_result.js";
import { ArrangeStart } from "./arrange_start.js";
import { Toolbar } from "./arrange_toolbar.js";
import { Arrangement, copyMoves, describeMove, sameMoves } from "./arrangement.js";
import { add, image, make, setSource } from "./dom.js";
import { cutoutTransform, fitScale, hitTest } from "./geometry.js";
import { Outline } from "./outline.js";
import { acceptDrops, photoChooser } from "./upload.js";

const BELOW = 150; // pixels of the screen for what is below the canvas
const WIDE_SCREEN = 900, MIN_HEIGHT = 240, PHONE_SHARE = 0.55;
const GROWN = 960; // pixels of the screen along the longer side, to which a small photo grows
const SPOT = 1800; // milliseconds that a spot shows where the server looks
const HELP = "Drag an object, or click another one to cut it out. Keys: Tab, arrows, + - [ ] f, Delete, F2.";
const HELP_PLAIN = "Click an object to cut it out, or name them in the field Objects.";
const HELP_PAINTED = "Press Arrange: the objects go where they are painted. What you drag comes on top.";
const TOO_LARGE = "The picture did not arrive: it may be too large. Try it again.";

// The browser keeps the pictures of each scene, so that a change sends moves alone.
const scenes = new Map();

export function mount({ element, trigger, props, upload, watch }) {
  const canvas = new ArrangeCanvas({ element, trigger, props, upload });
  watch("value", () => canvas.show());
  canvas.show();
}

class ArrangeCanvas {
  constructor({ element, trigger, props, upload }) {
    Object.assign(this, { trigger, props, upload });
    this.arrangement = new Arrangement((changed) => this.changed(changed));
    this.scale = 1;
    this.painted = null; // the layout that was painted: { name, url }
    this.cutouts = new Map(); // name -> its element, and the pixels of its picture
    this.root = make("div", "stage empty");
    element.replaceChildren(this.root);
    const main = add(this.root, "div", "main");
    this.toolbar = new Toolbar(this);
    this.field = make("div", "field");
    const foot = make("div", "foot");
    this.paint = new ArrangePaint(this);
    main.append(this.toolbar.bar, this.field, this.paint.element, foot);
    this.hint = add(foot, "p", "hint");
    this.hint.setAttribute("aria-live", "polite");
    this.list = new ObjectList(this);
    this.chooser = photoChooser("chooser", "Picture", (file) => this.send(file));
    this.root.append(this.list.element, this.chooser);
    this.result = new ArrangeResult(this);
    this.toolbar.bar.append(this.result.views);
    foot.append(...this.result.parts);
    this.start = new ArrangeStart(this);
    this.pointer = new PointerInput(this);
    this.listen();
  }

  listen() {
    acceptDrops(this.root, "over", (file) => this.send(file));
    this.root.addEventListener("keydown", (event) => this.toolbar.key(event));
    let width = 0;
    new ResizeObserver(() => {
      if (!width && this.field.clientWidth) this.trigger("opened");
      width = this.field.clientWidth;
      this.fit();
    }).observe(this.field);
    new ResizeObserver(() => this.fit()).observe(this.toolbar.bar); // its buttons may need a second row
    window.addEventListener("resize", () => this.fit());
  }

  get scene() {
    return this.arrangement.scene;
  }

  async send(file) {
    if (!file) return;
    this.root.classList.add("sending");
    this.hint.textContent = "Taking the picture.";
    try {
      this.trigger("uploaded", { path: (await this.upload(file)).path });
    } catch {
      this.hint.textContent = TOO_LARGE;
    }
    this.root.classList.remove("sending");
  }

  // What the server says

  show() {
    const { value } = this.props;
    this.start.examples = value?.examples ?? this.start.examples;
    if (value?.objects) scenes.set(value.id, value);
    const known = value?.id && scenes.get(value.id);
    if (!known) return this.showStart();
    if (value.outline) return this.showOutline(value);
    if (value.painted && !value.objects && this.scene) return this.showPainted(value);
    if (value.result && !value.objects && this.scene) return this.showResult(value);
    if (this.scene?.id === value.id && this.scene.objects === known.objects) return this.showMoves(value.moves);
    return this.open(known, value);
  }

  showStart() {
    this.arrangement.open(null, []);
    this.painted = null;
    this.paint.close();
    this.pointer.drop();
    this.root.classList.add("empty");
    this.root.classList.remove("plain");
    this.result.take(null);
    this.result.render();
    this.field.replaceChildren(...this.start.parts());
    this.list.clear();
    this.hint.textContent = "";
  }

  showResult(value) {
    // Just made. Who has moved on meanwhile keeps what is on the canvas.
    if (this.scene.id === value.id) this.result.take(value.result);
    this.keepMovesAlone();
    this.render();
  }

  showOutline(value) {
    if (this.scene?.id === value.id) this.paint.take(value.outline);
    this.keepMovesAlone();
  }

  // A layout was painted: it says where the objects are, and what is dragged from now on comes on top.
  showPainted(value) {
    this.painted = value.painted;
    this.paint.close();
    this.arrangement.replace(value.moves);
    this.result.turnTo("cuts");
    this.keepMovesAlone();
    this.render();
  }

  forgetPainted() {
    this.painted = null;
    this.keepMovesAlone();
    this.trigger("input");
    this.render();
  }

  showMoves(moves) {
    if (sameMoves(this.arrangement.moves, moves)) return;
    this.arrangement.replace(moves);
    this.render();
  }

  open(scene, value) {
    this.painted = value.painted ?? null;
    this.paint.close();
    this.arrangement.open(scene, value.moves);
    this.pointer.drop();
    this.list.naming = false;
    this.result.take(value.result ?? null);
    this.build();
    this.keepMovesAlone();
  }

  // The moves alone go to and fro, not the pictures.
  keepMovesAlone() {
    const painted = this.painted?.name ?? null;
    this.props.value = { id: this.scene.id, moves: copyMoves(this.arrangement.moves), painted };
  }

  // What the visitor does

  changed(told) {
    this.result.view = "cuts";
    this.render();
    if (!told) return;
    this.keepMovesAlone();
    this.trigger("input");
  }

  pick(name, focus = true) {
    this.arrangement.picked = name;
    if (name) this.result.view = "cuts";
    if (name && focus) this.cutouts.get(name)?.node.focus({ preventScroll: true });
    this.render();
  }

  toggle(name) {
    if (!name) return;
    const gone = !this.arrangement.moveOf(name).gone;
    if (gone && this.arrangement.picked === name) this.pick(null);
    this.arrangement.change(name, { gone });
    if (!gone) this.pick(name);
  }

  // Name of the object at a point of the photo, or null.
  at(point) {
    const { moves, picked } = this.arrangement;
    const pixelsOf = (name) => this.cutouts.get(name).pixels;
    return hitTest(moves, (name) => this.arrangement.objectOf(name), pixelsOf, picked, point);
  }

  // Ask the server what is at a point, which a spot shows.
  ask([x, y]) {
    const spot = add(this.frame, "div", "spot");
    spot.style.left = `${(100 * x) / this.scene.width}%`;
    spot.style.top = `${(100 * y) / this.scene.height}%`;
    setTimeout(() => spot.remove(), SPOT);
    this.trigger("pointed", { x, y });
  }

  // What is on the page

  build() {
    const { objects, ground } = this.scene;
    this.root.classList.remove("empty");
    this.root.classList.toggle("plain", !objects.length);
    const sheet = make("div", "sheet");
    sheet.style.backgroundImage = `url("${ground}")`;
    this.cutouts = new Map(objects.map((object) => [object.name, this.cutout(object)]));
    sheet.append(...[...this.cutouts.values()].map((cutout) => cutout.node));
    this.outline = new Outline();
    this.layer = image("layer", "The painted layout");
    this.frame = make("div", "frame", sheet, this.layer, this.outline.element, this.result.makeCompare());
    this.result.slider.dragOn(this.result.slider.handle, this.frame);
    this.room = make("div", "room", this.frame);
    this.field.replaceChildren(this.room);
    this.pointer.listen(this.frame);
    if (!objects.length) {
      this.toolbar.disable();
      this.list.clear();
      this.hint.textContent = HELP_PLAIN;
    }
    this.fit();
  }

  cutout(object) {
    const picture = image("", "", object.picture), node = make("div", "cut", picture), cutout = { node, pixels: null };
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", object.name);
    node.dataset.name = object.name;
    picture.addEventListener("load", () => (cutout.pixels = pixelsOf(picture)));
    node.addEventListener("focus", () => this.arrangement.picked !== object.name && this.pick(object.name, false));
    return cutout;
  }

  fit() {
    if (!this.scene || !this.room) return;
    const style = getComputedStyle(this.room);
    const width = this.room.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (!(width > 0)) return;
    // What is below the canvas, down to the button and what it says, shows without scrolling.
    const top = this.room.getBoundingClientRect().top + window.scrollY + parseFloat(style.paddingTop);
    const wide = window.innerWidth > WIDE_SCREEN;
    const height = Math.max(MIN_HEIGHT, wide ? window.innerHeight - top - BELOW : window.innerHeight * PHONE_SHARE);
    this.scale = fitScale(this.scene, width, height, GROWN);
    setSize(this.frame, this.scene.width * this.scale, this.scene.height * this.scale);
    for (const { name, around } of this.scene.objects) {
      const [x0, y0, x1, y1] = around;
      setSize(this.cutouts.get(name).node, (x1 - x0) * this.scale, (y1 - y0) * this.scale);
    }
    this.render();
  }

  // The painted layout lies over the cut-outs.
  renderPainted() {
    if (!this.layer) return;
    this.layer.hidden = !this.painted;
    setSource(this.layer, this.painted?.url);
    this.toolbar.buttons.forget.hidden = !this.painted;
  }

  // Show everything where it is. Only transforms change while something is dragged.
  render() {
    this.result.render();
    this.paint.render();
    this.renderPainted();
    if (!this.scene?.objects.length) return;
    const { moves, picked, pickedMove } = this.arrangement, dragging = this.pointer.held?.name;
    moves.forEach((move, place) => {
      const { node } = this.cutouts.get(move.name), { box, around } = this.arrangement.objectOf(move.name);
      node.style.transform = cutoutTransform(move, box, around, this.scale);
      node.style.zIndex = place + 1;
      node.classList.toggle("gone", move.gone);
      node.classList.toggle("picked", move.name === picked);
      node.classList.toggle("held", move.name === dragging);
      node.setAttribute("aria-pressed", String(move.name === picked));
      node.tabIndex = move.gone ? -1 : 0;
    });
    this.outline.render(pickedMove, pickedMove && this.arrangement.objectOf(picked).box, this.scale);
    this.toolbar.render();
    this.hint.textContent = pickedMove ? describeMove(pickedMove) : this.painted ? HELP_PAINTED : HELP;
    this.hint.setAttribute("aria-live", dragging ? "off" : "polite");
    if (!dragging) this.list.render();
  }
}

function setSize(node, width, height) {
  node.style.width = `${width}px`;
  node.style.height = `${height}px`;
}

function pixelsOf(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
