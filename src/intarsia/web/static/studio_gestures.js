// What each tool does with a pointer and with keys. The tool that selects objects asks first whether a cut-out or its
// handles take the gesture; the others mark what is under them, cut-outs or not.
import { clampPoint, roundBox } from "./geometry.js";
import { boxBetween, fillBox, fillPolygon, thinPath } from "./studio_lasso.js";

const SLIP = 6, FINGER_SLIP = 10; // pixels of the screen that a click may slip
const CLOSING = 14; // pixels of the screen within which a corner closes a path that is set by keys

const roundPoint = (point) => point.map((value) => Math.round(value * 10) / 10);
const times = (point, by) => point.map((value) => value * by);

// How a gesture combines, by its keys or else by the choice that is seen.
export function howOf({ shiftKey, altKey }, chosen) {
  if (shiftKey && altKey) return "intersect";
  if (shiftKey) return "add";
  return altKey ? "subtract" : chosen;
}

class Gesture {
  cursor = "crosshair";
  asks = false; // whether the objects may take its gestures

  constructor(tools) {
    Object.assign(this, { tools, stage: tools.stage, selection: tools.selection, marks: tools.marks });
    this.held = null;
  }

  // Begin: true where the objects took it.
  given(event, point) {
    const { objects } = this.tools;
    this.theirs = this.asks && Boolean(objects?.takes?.(event, point));
    return this.theirs;
  }

  within(point) {
    return clampPoint(point, this.stage.photo);
  }

  slipped(event, point) {
    const far = Math.hypot(point[0] - this.held.from[0], point[1] - this.held.from[1]) * this.stage.view.scale;
    return far >= (event.pointerType === "touch" ? FINGER_SLIP : SLIP);
  }

  down(event, point) {
    if (this.given(event, point)) return;
    this.held = { from: point, pulled: false };
    this.begin?.(event, point);
  }

  move(event, point) {
    if (this.theirs) return this.tools.objects?.move?.(event, point);
    if (!this.held) return undefined;
    this.held.pulled ||= this.slipped(event, point);
    return this.pull(event, point);
  }

  up(event, point) {
    const { held, theirs } = this;
    this.theirs = false;
    if (theirs) return this.tools.objects?.up?.(event, point);
    this.held = null;
    return held && this.end(event, point, held);
  }

  cancel() {
    if (this.theirs) this.tools.objects?.cancel?.();
    this.theirs = false;
    this.held = null;
    this.drop();
  }

  drop() {
    this.marks.set({ box: null, path: null });
  }

  hover() {}

  // The cursor of the keys; false where the key is none of the tool's.
  key(event, to, from) {
    if (this.asks && this.tools.objects?.key?.(event)) return true;
    if (event.altKey && event.key !== "Enter") return false;
    this.stage.pointer.moveCursor(to);
    this.marks.set({ cursor: to });
    return this.byKey(event, to, from);
  }

  get step() {
    return 1 / this.stage.view.scale;
  }
}

// Two corners: dragged, or set by Enter one after the other.
class BoxGesture extends Gesture {
  pull(event, point) {
    this.marks.set({ box: this.held.pulled ? this.boxTo(this.held.from, point) : null });
  }

  boxTo(from, to) {
    return boxBetween(this.within(from), this.within(to));
  }

  drop() {
    this.corner = null;
    super.drop();
  }

  keyCorner(event, to) {
    if (event.key !== "Enter") {
      if (this.corner) this.marks.set({ box: this.boxTo(this.corner, to) });
    } else if (this.corner) {
      const box = this.boxTo(this.corner, to);
      this.drop();
      if (box[2] > box[0] && box[3] > box[1]) this.take(box, event);
    } else {
      this.corner = to;
      this.tools.app.say("One corner is set: move to the other and press Enter.");
    }
    return true;
  }
}

// An object: clicked, or boxed. What is selected is dragged away.
export class SelectGesture extends BoxGesture {
  asks = true;

  get cursor() {
    return this.grabs ? "move" : "crosshair";
  }

  hover(event, point) {
    const { selection, tools } = this;
    this.grabs = Boolean(point) && !event?.shiftKey && !event?.altKey && tools.how === "new" && selection.contains(point);
    selection.setHot(Boolean(point) && selection.contains(point));
  }

  begin(event, point) {
    const { selection, tools } = this;
    this.held.lifts = howOf(event, tools.how) === "new" && Boolean(tools.app.lift) && selection.contains(point);
    this.held.event = event;
  }

  pull(event, point) {
    const { held, tools } = this;
    if (!held.lifts) return super.pull(event, point);
    if (!held.pulled) return undefined;
    this.held = null;
    this.theirs = true;
    return tools.app.lift(held.event, held.from);
  }

  end(event, point, held) {
    this.drop();
    if (held.pulled) return this.take(this.boxTo(held.from, point), event);
    return this.tools.pointing.click(roundPoint(this.within(held.from)), howOf(event, this.tools.how));
  }

  take(box, event) {
    this.tools.pointing.box(roundBox(box), howOf(event, this.tools.how));
  }

  byKey(event, to) {
    const { selection, tools } = this;
    selection.setHot(selection.contains(to));
    if (event.key === "Enter") tools.pointing.click(roundPoint(to), howOf(event, tools.how));
    return true;
  }
}

export class PlainBoxGesture extends BoxGesture {
  end(event, point, held) {
    this.drop();
    if (held.pulled) this.take(this.boxTo(held.from, point), event);
    else this.tools.clickedNothing(howOf(event, this.tools.how));
  }

  take(box, event) {
    const { selection } = this, map = selection.blank();
    if (fillBox(map, times(box, selection.share))) this.tools.combine(map, howOf(event, this.tools.how));
  }

  byKey(event, to) {
    return this.keyCorner(event, to);
  }
}

export class LassoGesture extends Gesture {
  corners = [];

  begin(event, point) {
    this.corners = [];
    this.held.points = [this.within(point)];
  }

  pull(event, point) {
    const told = event.getCoalescedEvents?.() ?? [];
    for (const each of told.length ? told : [event]) this.held.points.push(this.within(this.stage.pointer.pointOf(each)));
    this.held.points = thinPath(this.held.points, this.step);
    if (this.held.pulled) this.marks.set({ path: { points: this.held.points, closed: true } });
    return point;
  }

  end(event, point, held) {
    this.drop();
    if (held.pulled) this.take(held.points, event);
    else this.tools.clickedNothing(howOf(event, this.tools.how));
  }

  take(points, event) {
    const { selection } = this, map = selection.blank();
    const scaled = points.map((point) => times(point, selection.share));
    if (fillPolygon(map, scaled)) this.tools.combine(map, howOf(event, this.tools.how));
  }

  drop() {
    this.corners = [];
    super.drop();
  }

  // Enter sets corner after corner; on the first one, or twice at one place, it closes the path.
  byKey(event, to) {
    const { corners } = this, near = (point) => point && Math.hypot(to[0] - point[0], to[1] - point[1]) < CLOSING * this.step;
    if (event.key === "Enter" && corners.length > 2 && (near(corners[0]) || near(corners.at(-1)))) {
      this.drop();
      this.take(corners, event);
      return true;
    }
    if (event.key === "Enter") corners.push(to);
    if (event.key === "Enter" && corners.length === 1)
      this.tools.app.say("Enter sets the next corner; on the first one it closes the path.");
    this.marks.set({ path: corners.length ? { points: [...corners, to], closed: false } : null });
    return true;
  }
}

// The brush and the eraser. With Alt each does what the other one does; with Shift a stroke begins where the last ended.
export class BrushGesture extends Gesture {
  cursor = "none";

  constructor(tools, label) {
    super(tools);
    this.label = label;
  }

  labelOf(event) {
    return event?.altKey ? 1 - this.label : this.label;
  }

  begin(event, point) {
    this.selection.beginStroke();
    this.held.label = this.labelOf(event);
    this.follow((event.shiftKey && this.last) || point, point);
    this.held.at = point;
    this.ring(event, point);
  }

  follow(from, to) {
    this.selection.stroke(from, to, this.tools.brush, this.held.label);
  }

  // Browsers tell of several places at once, so that quick strokes stay round.
  pull(event, point) {
    const told = event.getCoalescedEvents?.() ?? [];
    for (const each of told.length ? told : [event]) {
      const to = this.stage.pointer.pointOf(each);
      this.follow(this.held.at, to);
      this.held.at = to;
    }
    this.ring(event, point);
  }

  end(event, point, held) {
    this.last = held.at;
    this.selection.endStroke();
    this.tools.changed();
    if (event.pointerType === "touch") this.marks.set({ ring: null });
  }

  cancel() {
    const { held } = this;
    super.cancel();
    if (held) this.selection.dropStroke();
    this.marks.set({ ring: null });
  }

  // No finger needs it, which would lie over it.
  ring(event, at) {
    const hidden = !at || event?.pointerType === "touch";
    this.marks.set({ ring: hidden ? null : { at, diameter: this.tools.brush, erases: !this.labelOf(event) } });
  }

  hover(event, point) {
    this.ring(event, point);
  }

  byKey(event, to, from) {
    this.marks.set({ cursor: null });
    this.ring(event, to);
    if (event.key !== "Enter" && !event.shiftKey) return true;
    this.selection.beginStroke();
    this.selection.stroke(event.key === "Enter" ? to : from, to, this.tools.brush, this.labelOf(event));
    this.selection.endStroke();
    this.tools.changed("stroke by keys");
    return true;
  }
}

export class HandGesture extends Gesture {
  get cursor() {
    return this.held ? "grabbing" : "grab";
  }

  down(event, point) {
    this.held = { from: point };
    this.at = [event.clientX, event.clientY];
  }

  move(event) {
    if (!this.held) return;
    this.stage.pan(event.clientX - this.at[0], event.clientY - this.at[1]);
    this.at = [event.clientX, event.clientY];
  }

  up() {
    this.held = null;
  }

  key(event, to, from) {
    if (event.key === "Enter") return false;
    const { scale } = this.stage.view;
    this.stage.pan(-4 * (to[0] - from[0]) * scale, -4 * (to[1] - from[1]) * scale);
    return true;
  }
}
