// The pointer on cut-outs and on the handles of the picked one: one drags, two fingers on the picked one scale and turn
// it. Two fingers anywhere else are the stage's.
import { dragMove, stretchMove, turnMove } from "./geometry.js";
import { inFrame } from "./studio_handles.js";
import { copyMoves, pinchMove, sameMoves } from "./studio_moves.js";

const SLIP = { mouse: 3, pen: 4, touch: 8 }; // pixels of the screen that a press may slip and move nothing
const BESIDE = 56; // pixels of the screen beside the picked object where a second finger still is on it

export class ObjectDrag {
  constructor(objects) {
    this.objects = objects;
    this.held = null; // { name, handle, from, home, start, before, id, pointerType, moved, merge, pinch }
    this.ours = new Set(); // fingers that the stage is not told of
    this.pressed = null; // a press beside all objects, which lets go of the picked one if nothing else comes of it
    const listen = (type, action) => window.addEventListener(type, action, { capture: true });
    listen("pointerdown", (event) => this.second(event));
    listen("pointermove", (event) => this.move(event));
    listen("pointerup", (event) => this.up(event));
    listen("pointercancel", (event) => this.up(event));
    objects.stage.onView(() => this.rebase());
  }

  // A press at a point of the photo is taken by a handle or by a cut-out, or it is not.
  takes(event, point) {
    const { objects } = this;
    if (this.held) return true;
    if (event.button || event.altKey) return false;
    const handle = objects.handles.at(objects.stage.toScreen(point), event.pointerType);
    const name = handle ? objects.chosen : objects.at(point);
    this.pressed = name ? null : { id: event.pointerId, at: [event.clientX, event.clientY] };
    if (!name) return false;
    event.preventDefault?.();
    objects.pick(name);
    this.hold(name, event, point, handle);
    return true;
  }

  hold(name, event, point, handle = null) {
    const { objects } = this;
    this.held = {
      name, from: point, handle: handle?.name ?? null, home: handle && objects.stage.toPhoto(handle.home),
      start: { ...objects.moveOf(name) }, before: copyMoves(objects.moves), id: event.pointerId,
      pointerType: event.pointerType, moved: false, merge: undefined, pinch: null,
    };
    this.last = point;
    this.event = event;
    objects.render();
  }

  // The view has changed under a pointer that did not move: what it drags does not either.
  rebase() {
    const { held } = this;
    if (!held || held.pinch) return;
    const point = this.pointOf(this.event), by = [point[0] - this.last[0], point[1] - this.last[1]];
    held.from = [held.from[0] + by[0], held.from[1] + by[1]];
    this.last = point;
  }

  // A second finger: on the picked object both scale and turn it; anywhere else the first one lets go, and the stage
  // has both.
  second(event) {
    const { held, objects } = this;
    if (this.pressed) this.pressed = null;
    if (!held || event.pointerType !== "touch" || held.pointerType !== "touch" || event.pointerId === held.id) return;
    if (!objects.stage.element.contains(event.target)) return;
    const point = this.pointOf(event), on = inFrame(objects.handles.frame, objects.stage.toScreen(point), BESIDE);
    if (held.pinch || (on && !held.handle)) {
      this.swallow(event);
      this.ours.add(event.pointerId);
      if (held.pinch) return;
      held.start = { ...objects.moveOf(held.name) };
      held.pinch = { id: event.pointerId, from: [this.last, point], to: [this.last, point] };
    } else this.finish(true);
  }

  swallow(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  move(event) {
    const { held } = this;
    if (this.ours.has(event.pointerId)) this.swallow(event);
    if (!held || (event.pointerId !== held.id && event.pointerId !== held.pinch?.id)) return;
    const point = this.pointOf(event);
    if (event.pointerId === held.id) Object.assign(this, { last: point, event });
    if (held.pinch) {
      held.pinch.to[event.pointerId === held.id ? 0 : 1] = point;
      held.moved = true;
      this.put(pinchMove(held.start, held.pinch.from, held.pinch.to, this.center, this.objects.size));
    } else this.drag(event, point);
  }

  drag(event, to) {
    const { held, objects, center } = this, { from, start, handle, home } = held;
    if (!held.moved && !handle) {
      const [a, b] = [objects.stage.toScreen(from), objects.stage.toScreen(to)];
      if (Math.hypot(a[0] - b[0], a[1] - b[1]) < (SLIP[held.pointerType] ?? SLIP.mouse)) return;
    }
    held.moved = true;
    if (!handle) this.put(dragMove(start, from, to, center, objects.size, event.shiftKey));
    else if (handle === "turn") this.put(turnMove(start, from, to, center, event.shiftKey));
    else {
      // A handle at the canvas's border pulls as if it were at its own place.
      const pulled = [home[0] + to[0] - from[0], home[1] + to[1] - from[1]];
      this.put(stretchMove(start, handle, home, pulled, center, event.shiftKey));
    }
  }

  put(values) {
    this.objects.putMove(this.held.name, values);
  }

  get center() {
    return this.objects.centerOf(this.held.name);
  }

  up(event) {
    if (this.ours.delete(event.pointerId)) this.swallow(event);
    const { held, pressed } = this;
    if (pressed?.id === event.pointerId) {
      this.pressed = null;
      const slip = Math.hypot(event.clientX - pressed.at[0], event.clientY - pressed.at[1]);
      if (event.type === "pointerup" && slip < (SLIP[event.pointerType] ?? SLIP.mouse)) this.objects.pick(null);
    }
    if (held && (event.pointerId === held.id || event.pointerId === held.pinch?.id))
      this.finish(event.type !== "pointercancel");
  }

  // The drag ends: what it did is one change, or it is taken back.
  finish(keep) {
    const { held, objects } = this;
    if (!held) return;
    this.held = null;
    objects.endDrag(held, keep && held.moved);
  }

  // The name of what is dragged, and the middle that its move is about, become others; nothing jumps.
  rename(name, carry, moves) {
    const { held } = this;
    held.name = name;
    held.start = carry(held.start);
    held.before = copyMoves(moves);
    held.moved = true;
    held.merge = `lift ${name}`;
  }

  // Whether the moves are those that a drag began with, which it will change.
  isBefore(moves) {
    return Boolean(this.held) && sameMoves(this.held.before, moves);
  }

  pointOf(event) {
    const { stage } = this.objects, edge = stage.screen.getBoundingClientRect();
    return stage.toPhoto([event.clientX - edge.left, event.clientY - edge.top]);
  }
}
