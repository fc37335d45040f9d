// The pointer on the canvas: it drags cut-outs and the handles of their outline, and asks what is at a point.
import { dragMove, pointerToPhoto, stretchMove, turnMove } from "./geometry.js";

const SLIP = 4; // pixels of the screen that a click may slip

export class PointerInput {
  constructor(canvas) {
    this.canvas = canvas;
    this.drop();
  }

  drop() {
    this.held = null; // what is dragged: { name, handle, from, start, id }
    this.pressed = null; // a press on the ground that may become a click: { id, left, top, point }
  }

  listen(frame) {
    frame.addEventListener("pointerdown", (event) => this.down(event));
    frame.addEventListener("pointermove", (event) => this.move(event));
    frame.addEventListener("pointerup", (event) => this.up(event));
    frame.addEventListener("pointercancel", (event) => this.up(event));
  }

  pointOf(event) {
    return pointerToPhoto(event, this.canvas.frame.getBoundingClientRect(), this.canvas.scene);
  }

  down(event) {
    if (event.button || this.held) return;
    this.pressed = null;
    const { arrangement, frame, result } = this.canvas;
    const handle = event.target.dataset?.handle, point = this.pointOf(event), wasResult = result.view === "result";
    const name = handle ? arrangement.picked : this.canvas.at(point);
    result.turnTo("cuts");
    if (!name) {
      // A press on the ground that is let go at once asks what is there, but not where it ends something else.
      if (!arrangement.picked && !wasResult)
        this.pressed = { id: event.pointerId, left: event.clientX, top: event.clientY, point };
      this.canvas.pick(null);
      return;
    }
    event.preventDefault();
    this.canvas.pick(name);
    this.held = { name, handle, from: point, start: { ...arrangement.moveOf(name) }, id: event.pointerId };
    arrangement.beginDrag();
    frame.setPointerCapture(event.pointerId);
    this.canvas.render();
  }

  move(event) {
    if (!this.held) this.hover(event);
    else if (event.pointerId === this.held.id) this.drag(event);
  }

  hover(event) {
    const { pressed, canvas } = this;
    if (pressed && Math.hypot(event.clientX - pressed.left, event.clientY - pressed.top) >= SLIP) this.pressed = null;
    if (event.pointerType !== "mouse" || canvas.result.view !== "cuts") return;
    const hot = canvas.at(this.pointOf(event));
    for (const [name, { node }] of canvas.cutouts) node.classList.toggle("hot", name === hot);
    canvas.frame.style.cursor = hot ? "grab" : canvas.arrangement.picked ? "" : "crosshair";
  }

  drag(event) {
    const { name, handle, from, start } = this.held, { arrangement, scene } = this.canvas;
    const to = this.pointOf(event), center = arrangement.centerOf(name), shift = event.shiftKey;
    if (!handle) arrangement.drag(name, dragMove(start, from, to, center, scene, shift));
    else if (handle === "turn") arrangement.drag(name, turnMove(start, from, to, center, shift));
    else arrangement.drag(name, stretchMove(start, handle, from, to, center, shift));
    this.canvas.render();
  }

  up(event) {
    const cancelled = event.type === "pointercancel";
    if (this.pressed?.id === event.pointerId) {
      const { point } = this.pressed;
      this.pressed = null;
      if (!cancelled) this.canvas.ask(point);
      return;
    }
    if (this.held?.id !== event.pointerId) return;
    this.held = null;
    this.canvas.arrangement.endDrag(!cancelled);
    if (cancelled) this.canvas.render();
  }
}
