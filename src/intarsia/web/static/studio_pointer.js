// Mouse, pen, fingers and keys on the stage. One pointer is the tool's; two fingers, the wheel, Space with the mouse and
// its middle button are the view's. A second finger takes back what the first one had begun.
import { clampPoint } from "./geometry.js";

const WHEEL = 0.003; // of a doubling, for one pixel that a wheel turns
const LINE = 16; // pixels of a wheel that counts lines
const PINCH = 6; // times that, where a touch pad's pinch comes as a wheel with Ctrl
const STEP = 12, FINE_STEP = 1; // pixels of the screen that a key moves the cursor; with Ctrl one of the photo
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class StagePointer {
  constructor(stage) {
    this.stage = stage;
    this.fingers = new Map(); // id -> its place on the screen
    this.held = null; // what a pointer does: { id, kind: "tool" | "pan" | "pinch", ... }
    this.spaced = false; // Space is pressed
    this.cursor = null; // where the keys are, on the photo
    this.listen(stage.element);
  }

  listen(surface) {
    surface.addEventListener("pointerdown", (event) => this.count(event), { capture: true });
    surface.addEventListener("pointerdown", (event) => this.down(event));
    surface.addEventListener("pointermove", (event) => this.move(event));
    surface.addEventListener("pointerup", (event) => this.up(event), { capture: true });
    surface.addEventListener("pointercancel", (event) => this.cancel(event), { capture: true });
    surface.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.hover(event, null));
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    surface.addEventListener("keydown", (event) => event.target === surface && this.key(event));
    surface.addEventListener("keyup", (event) => event.key === " " && this.space(false));
    surface.addEventListener("blur", () => this.space(false));
    // The ring of the focus is for those who came by keys.
    surface.addEventListener("pointerdown", () => surface.classList.add("v-pointed"), { capture: true });
    for (const type of ["keydown", "blur"]) surface.addEventListener(type, () => surface.classList.remove("v-pointed"));
    // A long press asks for no menu, and a middle button for no scrolling.
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
    surface.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault());
    surface.addEventListener("dragstart", (event) => event.preventDefault());
  }

  placeOf(event) {
    const edge = this.stage.element.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  }

  pointOf(event) {
    return this.stage.toPhoto(this.placeOf(event));
  }

  // Whatever is held is let go, and what it had done is taken back.
  drop() {
    const { held } = this;
    this.held = null;
    if (held?.kind === "tool") this.stage.tool?.cancel?.();
    this.stage.renderCursor();
  }

  space(pressed) {
    if (pressed === this.spaced) return;
    this.spaced = pressed;
    this.stage.tool?.hover?.(null, null);
    this.stage.renderCursor();
  }

  // All fingers count, those on handles too: two of them are the view's.
  count(event) {
    if (event.pointerType !== "touch" || !this.stage.photo) return;
    if (event.isPrimary) this.fingers.clear(); // the end of a former one was not told
    this.fingers.set(event.pointerId, this.placeOf(event));
    if (this.fingers.size !== 2) return;
    this.drop();
    this.held = { kind: "pinch", view: this.stage.view, from: [...this.fingers.values()] };
  }

  down(event) {
    const { stage } = this;
    if (!stage.photo || this.held || this.fingers.size > 1) return;
    const panned = event.button === 1 || (event.button === 0 && this.spaced);
    if (!panned && event.button !== 0) return;
    stage.element.focus({ preventScroll: true });
    stage.element.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.held = { id: event.pointerId, kind: panned ? "pan" : "tool", place: this.placeOf(event) };
    if (!panned) this.hideCursor();
    if (!panned) stage.tool?.down?.(event, this.pointOf(event));
    stage.renderCursor();
  }

  move(event) {
    const { held, stage } = this;
    if (!stage.photo) return;
    const place = this.placeOf(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, place);
    if (held?.kind === "pinch") {
      if (this.fingers.size < 2) return;
      const [first, second] = this.fingers.values();
      stage.pinch(held.view, held.from, [first, second]);
    } else if (!held) {
      if (event.pointerType !== "touch") this.hover(event, stage.toPhoto(place));
    } else if (held.id !== event.pointerId) return;
    else if (held.kind === "pan") {
      stage.pan(place[0] - held.place[0], place[1] - held.place[1]);
      held.place = place;
    } else stage.tool?.move?.(event, stage.toPhoto(place));
  }

  hover(event, point) {
    if (this.held || !this.stage.photo) return;
    this.stage.tool?.hover?.(event, this.spaced ? null : point);
    this.stage.renderCursor();
  }

  up(event) {
    const { held, stage } = this;
    this.fingers.delete(event.pointerId);
    if (held?.kind === "pinch") {
      if (!this.fingers.size) this.held = null;
      return;
    }
    if (held?.id !== event.pointerId) return;
    this.held = null;
    if (held.kind === "tool") stage.tool?.up?.(event, this.pointOf(event));
    stage.renderCursor();
  }

  cancel(event) {
    this.fingers.delete(event.pointerId);
    if (this.held?.kind === "pinch") {
      if (!this.fingers.size) this.held = null;
    } else if (this.held?.id === event.pointerId) this.drop();
  }

  // A wheel zooms; a touch pad that is swiped to the side moves.
  wheel(event) {
    const { stage } = this;
    if (!stage.photo) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? LINE : 1, turned = event.deltaY * unit;
    if (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) return void stage.pan(-event.deltaX * unit, -turned);
    stage.zoom(2 ** (-turned * WHEEL * (event.ctrlKey ? PINCH : 1)), this.placeOf(event));
  }

  // Keys: arrows move a cursor, and what the tool does with it and with Enter is its own matter.
  key(event) {
    const { stage } = this;
    if (!stage.photo || event.defaultPrevented || event.metaKey) return;
    if (event.key === " ") {
      this.space(true);
      event.preventDefault();
      return;
    }
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter") return;
    const from = this.cursor ?? this.middle();
    const step = event.ctrlKey ? FINE_STEP : STEP / stage.view.scale;
    const to = arrow ? clampPoint([from[0] + arrow[0] * step, from[1] + arrow[1] * step], stage.photo) : from;
    if (!stage.tool?.key || stage.tool.key(event, to, from) === false) return; // it is somebody else's
    event.preventDefault();
    event.stopPropagation();
  }

  // The cursor of the keys goes to a point.
  moveCursor(point) {
    this.cursor = point;
    this.stage.reveal(point);
  }

  hideCursor() {
    this.cursor = null;
  }

  // Of what is seen of the photo.
  middle() {
    const { frame, photo } = this.stage;
    return clampPoint(this.stage.toPhoto([frame.width / 2, frame.height / 2]), photo);
  }
}
