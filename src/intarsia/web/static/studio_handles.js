// The frame around the picked cut-out with the handles that scale and turn it: of one size at every zoom, and always
// within the canvas.
import { add, make, setAttributes, svg } from "./dom.js";
import { applyMatrix, boxCorners, centerOf, clamp, moveMatrix } from "./geometry.js";

// Along the box's sides, from -1 to 1.
const SIDES = { nw: [-1, -1], ne: [1, -1], se: [1, 1], sw: [-1, 1], n: [0, -1], e: [1, 0], s: [0, 1], w: [-1, 0] };
const AWAY = 36; // pixels of the screen from the frame to the handle that turns
export const MARGIN = 20; // pixels of the screen that a handle keeps from the canvas's border
const CLOSE = 26; // pixels of the screen between two handles below which only one is there
const TIGHT = 64; // pixels of a side below which its handle would lie on those of the corners
const REACH = { mouse: 14, pen: 18, touch: 24 }; // pixels of the screen around a handle that take it
const CORE = 0.5; // share of the frame in its middle that is for dragging, however close the handles are
const CURSORS = ["ew-resize", "nwse-resize", "ns-resize", "nesw-resize"]; // for each eighth of a turn

const far = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);

// The frame of a moved box and its handles, all in pixels of the screen; null where none of it is in the canvas.
//   toScreen: from points of the photo. frame: { width, height } of the canvas.
//   Returns { corners, stem: [from, to], handles: [{ name, at, home }] }; `home` is where a handle at the canvas's
//   border would be.
export function frameOf(move, box, toScreen, frame) {
  const matrix = moveMatrix(move, centerOf(box)), seen = (point) => toScreen(applyMatrix(matrix, point));
  const corners = boxCorners(box).map(seen), middle = seen(centerOf(box));
  if (!isSeen(corners, frame)) return null;
  const along = ([u, v]) => {
    const x = (box[0] + box[2]) / 2 + (u * (box[2] - box[0])) / 2, y = (box[1] + box[3]) / 2 + (v * (box[3] - box[1])) / 2;
    return seen([x, y]);
  };
  const within = ([x, y]) => [clamp(x, MARGIN, frame.width - MARGIN), clamp(y, MARGIN, frame.height - MARGIN)];
  const stem = stemOf(along, middle, within), turn = { name: "turn", at: within(stem[1]), home: stem[1] };
  const width = far(corners[0], corners[1]), height = far(corners[1], corners[2]);
  const handles = [turn];
  for (const [name, place] of Object.entries(SIDES)) {
    if (name.length === 1 && ("ns".includes(name) ? width : height) < TIGHT) continue;
    const home = along(place), at = within(home), moved = at[0] !== home[0] || at[1] !== home[1];
    // Corners of a small object stay apart; what was moved to the border lies on nothing that is there.
    const crowded = handles.some((other) => far(other.at, at) < CLOSE && (moved || name.length === 1));
    if (!crowded) handles.push({ name, at, home });
  }
  return { corners, stem: [within(stem[0]), turn.at], handles };
}

// The handle that turns stands above the object; elsewhere where there is no room.
function stemOf(along, middle, within) {
  const ways = [[0, -1], [0, 1], [1, 0], [-1, 0]].map((place) => {
    const foot = along(place), length = far(foot, middle) || 1, part = AWAY / length;
    return [foot, [foot[0] + (foot[0] - middle[0]) * part, foot[1] + (foot[1] - middle[1]) * part]];
  });
  const fits = ([, end]) => far(end, within(end)) < 1;
  return ways.find(fits) ?? ways[0];
}

function isSeen(corners, { width, height }) {
  const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  return Math.max(...xs) > 0 && Math.min(...xs) < width && Math.max(...ys) > 0 && Math.min(...ys) < height;
}

// The handle that a press at a point of the screen takes; null where there is none.
export function handleAt(frame, point, pointerType) {
  if (!frame || inCore(frame.corners, point)) return null;
  const near = frame.handles
    .map((handle) => ({ handle, away: far(handle.at, point) }))
    .sort((one, other) => one.away - other.away)[0];
  return near && near.away <= (REACH[pointerType] ?? REACH.mouse) ? near.handle : null;
}

const ownPlace = ([a, b, , d], [x, y]) => {
  const across = [b[0] - a[0], b[1] - a[1]], down = [d[0] - a[0], d[1] - a[1]], from = [x - a[0], y - a[1]];
  const share = (side) => (from[0] * side[0] + from[1] * side[1]) / Math.max(1e-6, side[0] ** 2 + side[1] ** 2);
  return [share(across), share(down)];
};

const inCore = (corners, point) => ownPlace(corners, point).every((share) => Math.abs(share - 0.5) < CORE / 2);

// Whether a point lies in the frame or so many pixels of the screen beside it.
export function inFrame(frame, point, beside) {
  if (!frame) return false;
  const [a, b, , d] = frame.corners, sides = [far(a, b), far(a, d)];
  return ownPlace(frame.corners, point).every((share, k) => {
    const pad = beside / Math.max(1, sides[k]);
    return share > -pad && share < 1 + pad;
  });
}

export class Handles {
  constructor() {
    this.frame = null;
    this.line = svg("polygon", { class: "o-line" });
    this.stem = svg("line", { class: "o-line" });
    this.drawing = svg("svg", { class: "o-drawing", "aria-hidden": "true" }, this.stem, this.line);
    this.nodes = new Map();
    this.element = make("div", "o-frame", this.drawing);
    this.element.setAttribute("aria-hidden", "true");
    for (const name of ["turn", ...Object.keys(SIDES)]) {
      const node = add(this.element, "i", `o-handle ${name === "turn" ? "o-turn" : name.length === 1 ? "o-side" : ""}`);
      node.dataset.handle = name;
      this.nodes.set(name, node);
    }
  }

  // Around a moved box of the photo; hidden where there is no move.
  render(move, box, toScreen, canvas) {
    this.frame = move ? frameOf(move, box, toScreen, canvas) : null;
    this.element.hidden = !this.frame;
    if (!this.frame) return;
    const { corners, stem, handles } = this.frame;
    setAttributes(this.line, { points: corners.map((corner) => corner.map(round).join()).join(" ") });
    const [[x1, y1], [x2, y2]] = stem;
    setAttributes(this.stem, { x1: round(x1), y1: round(y1), x2: round(x2), y2: round(y2) });
    const middle = [(corners[0][0] + corners[2][0]) / 2, (corners[0][1] + corners[2][1]) / 2];
    const places = new Map(handles.map((handle) => [handle.name, handle]));
    for (const [name, node] of this.nodes) {
      const place = places.get(name);
      node.hidden = !place;
      if (!place) continue;
      node.style.transform = `translate(${round(place.at[0])}px, ${round(place.at[1])}px)`;
      if (name !== "turn") node.style.cursor = cursorOf(middle, place.home);
    }
  }

  at(point, pointerType) {
    return handleAt(this.frame, point, pointerType);
  }
}

const round = (value) => Math.round(value * 100) / 100;

function cursorOf(middle, [x, y]) {
  const eighths = Math.round(Math.atan2(y - middle[1], x - middle[0]) / (Math.PI / 4));
  return CURSORS[((eighths % 4) + 4) % 4];
}
