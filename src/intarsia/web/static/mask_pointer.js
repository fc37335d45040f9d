// Mouse, pen and fingers on the canvas of a mask. One finger paints; two move and zoom, and take back what the first
// had begun. The middle button, or Space with the first one, moves; the wheel zooms.
import { joinBoxes } from "./label_map.js";
import { panView, pinchView } from "./map_view.js";

const SLIP = 6; // pixels of the screen that a click may slip
const WHEEL = 0.0015; // of a doubling, for one pixel that a wheel turns
const LATE = 250; // milliseconds from a stroke's beginning in which a second finger takes it back

export class MaskPointer {
  constructor(canvas) {
    this.canvas = canvas;
    this.fingers = new Map(); // id -> its place on the screen
    this.held = null; // what a pointer does: { id, kind, ... }
    this.spaced = false; // Space is pressed
    this.at = null; // where the ring of the brush is, on the photo
    const { surface } = canvas;
    surface.addEventListener("pointerdown", (event) => this.down(event));
    surface.addEventListener("pointermove", (event) => this.move(event));
    surface.addEventListener("pointerup", (event) => this.up(event));
    surface.addEventListener("pointercancel", (event) => this.cancel(event));
    surface.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && !this.held && this.leave());
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    surface.addEventListener("keyup", (event) => event.key === " " && this.space(false));
    surface.addEventListener("blur", () => this.space(false));
    // A long press asks for no menu, and a middle button for no scrolling.
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
    surface.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault());
  }

  placeOf(event) {
    const edge = this.canvas.surface.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  }

  // Whatever is held is let go, and what it had painted is taken back.
  drop() {
    const { held, canvas } = this;
    this.held = null;
    this.fingers.clear();
    canvas.box.hidden = true;
    if (held?.kind === "stroke") canvas.discard(held.box);
  }

  leave() {
    this.at = null;
    this.renderRing();
  }

  space(pressed) {
    this.spaced = pressed;
    this.canvas.surface.classList.toggle("m-moving", pressed);
    this.renderRing();
  }

  down(event) {
    const { canvas } = this;
    if (!canvas.view) return;
    const place = this.placeOf(event), touched = event.pointerType === "touch";
    if (event.button === 0 || event.button === 1) canvas.surface.setPointerCapture(event.pointerId);
    if (touched) {
      this.fingers.set(event.pointerId, place);
      if (this.fingers.size === 2) return this.pinch();
      if (this.fingers.size > 2) return;
    }
    if (this.held) return;
    if (event.button === 1 || (event.button === 0 && this.spaced)) this.held = { id: event.pointerId, kind: "pan", place };
    else if (event.button === 0 && !canvas.disabled) this.begin(event, place);
  }

  begin(event, place) {
    const { canvas } = this, point = canvas.toPhoto(place);
    canvas.surface.focus({ preventScroll: true });
    event.preventDefault();
    if (canvas.tool === "outline") {
      this.held = { id: event.pointerId, kind: "outline", place, point };
      return;
    }
    const straight = event.shiftKey && this.last; // from where the last stroke ended
    this.held = { id: event.pointerId, kind: "stroke", point, box: null, began: event.timeStamp };
    this.stroke(straight || point, point);
  }

  stroke(from, to) {
    this.held.box = joinBoxes(this.held.box, this.canvas.paint(from, to));
    this.held.point = this.last = this.at = to;
  }

  // A second finger: what the first has painted by now was meant as no stroke, unless it has painted for long.
  pinch() {
    const { held, canvas } = this;
    if (held?.kind === "stroke") {
      const meant = performance.now() - held.began > LATE;
      if (meant) canvas.finish(held.box);
      else canvas.discard(held.box);
    }
    canvas.box.hidden = true;
    this.held = { kind: "pinch", view: canvas.view, from: [...this.fingers.values()] };
    this.leave();
  }

  move(event) {
    const { canvas, held } = this;
    if (!canvas.view) return;
    const place = this.placeOf(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, place);
    if (held?.kind === "pinch") {
      if (this.fingers.size < 2) return;
      const [first, second] = this.fingers.values();
      canvas.look(pinchView(held.view, held.from, [first, second], canvas.photo, canvas.frame));
      return;
    }
    if (held && held.id !== event.pointerId) return;
    if (held?.kind === "pan") this.pan(place);
    else if (held?.kind === "outline") this.pullBox(place);
    else if (held?.kind === "stroke") this.follow(event);
    else this.at = canvas.toPhoto(place);
    this.renderRing(event.pointerType === "touch");
  }

  pan(place) {
    const { canvas, held } = this;
    canvas.look(panView(canvas.view, place[0] - held.place[0], place[1] - held.place[1], canvas.photo, canvas.frame));
    held.place = place;
  }

  // Browsers tell of several places at once, so that quick strokes stay round.
  follow(event) {
    const told = event.getCoalescedEvents?.() ?? [];
    for (const each of told.length ? told : [event])
      this.stroke(this.held.point, this.canvas.toPhoto(this.placeOf(each)));
  }

  pullBox(place) {
    const { box } = this.canvas, [x, y] = this.held.place;
    box.hidden = Math.hypot(place[0] - x, place[1] - y) < SLIP;
    Object.assign(box.style, {
      left: `${Math.min(x, place[0])}px`,
      top: `${Math.min(y, place[1])}px`,
      width: `${Math.abs(place[0] - x)}px`,
      height: `${Math.abs(place[1] - y)}px`,
    });
  }

  up(event) {
    const { canvas, held } = this, place = this.placeOf(event);
    this.fingers.delete(event.pointerId);
    if (held?.kind === "pinch") {
      if (!this.fingers.size) this.held = null;
      return;
    }
    if (held?.id !== event.pointerId) return;
    this.held = null;
    canvas.box.hidden = true;
    if (event.pointerType === "touch") this.leave();
    if (held.kind === "stroke") canvas.finish(held.box);
    else if (held.kind === "outline") this.askFor(held, place);
  }

  askFor({ place, point }, end) {
    const { canvas } = this;
    if (Math.hypot(end[0] - place[0], end[1] - place[1]) < SLIP) return canvas.onPoint?.(canvas.heldPoint(point));
    const [x, y] = canvas.heldPoint(canvas.toPhoto(end)), [fx, fy] = canvas.heldPoint(point);
    return canvas.onBox?.([Math.min(x, fx), Math.min(y, fy), Math.max(x, fx), Math.max(y, fy)]);
  }

  cancel(event) {
    this.fingers.delete(event.pointerId);
    if (this.held?.id === event.pointerId) this.drop();
    else if (!this.fingers.size && this.held?.kind === "pinch") this.held = null;
  }

  // Out of the whole photo the page scrolls on.
  wheel(event) {
    const { canvas } = this;
    if (!canvas.view || (event.deltaY > 0 && !canvas.zoomed && !event.ctrlKey)) return;
    event.preventDefault();
    const turned = event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 6 : 1);
    canvas.zoom(2 ** (-turned * WHEEL * 2), this.placeOf(event));
  }

  // The brush, as a ring as large as it paints; no finger needs it, which would lie over it.
  renderRing(touched = false) {
    const { canvas } = this, { ring } = canvas;
    ring.hidden = !this.at || !canvas.view || canvas.tool === "outline" || canvas.disabled || this.spaced || touched;
    if (ring.hidden) return;
    const [x, y] = canvas.toScreen(this.at), side = Math.max(3, canvas.brush * canvas.view.scale);
    ring.style.width = ring.style.height = `${side}px`;
    ring.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
    ring.classList.toggle("m-erasing", canvas.tool === "eraser");
  }

  // The same by keys: arrows move the ring, with Shift they paint on the way, Enter paints where it is.
  byKey(event) {
    const { canvas } = this, step = Math.max(1, canvas.brush / 4);
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!arrow && event.key !== "Enter") return false;
    if (canvas.disabled || canvas.tool === "outline") return false;
    const { width, height } = canvas.photo, from = this.at ?? [width / 2, height / 2];
    const to = arrow ? canvas.heldPoint([from[0] + arrow[0] * step, from[1] + arrow[1] * step]) : from;
    if (!arrow || event.shiftKey) canvas.finish(canvas.paint(from, to));
    this.at = this.last = to;
    this.renderRing();
    return true;
  }
}
