// Shapes that are filled into a map of labels: a polygon and a box. Pure geometry, which knows nothing of the page.
// Points are [x, y] and boxes [x0, y0, x1, y1] in pixels of the map. A pixel belongs to a shape that its middle is in.
import { clipBox } from "./label_map.js";

const CLOSE = 0.5; // pixels: a point nearer to the one before adds nothing

// Points without those that hardly differ from the one before.
export function thinPath(points, least = CLOSE) {
  const kept = [];
  for (const point of points) {
    const last = kept.at(-1);
    if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= least) kept.push(point);
  }
  return kept;
}

export function boxOfPoints(points) {
  if (!points.length) return null;
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const least = (values) => values.reduce((one, other) => Math.min(one, other));
  const most = (values) => values.reduce((one, other) => Math.max(one, other));
  return [least(xs), least(ys), most(xs), most(ys)];
}

// The box between two corners, whichever they are.
export const boxBetween = ([ax, ay], [bx, by]) => [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];

// Both give the box of what may have changed; null where nothing has.

export function fillBox(map, box, label = 1) {
  const [x0, y0, x1, y1] = box.map((edge) => Math.round(edge));
  const within = clipBox([x0, y0, x1, y1], map);
  if (!within) return null;
  for (let y = within[1]; y < within[3]; y += 1)
    map.labels.fill(label, y * map.width + within[0], y * map.width + within[2]);
  return within;
}

// A polygon that may cross itself; its last point is joined to the first. What it goes around at all is in it (the
// winding is not zero), so that a loop within a lasso leaves no hole.
export function fillPolygon(map, points, label = 1) {
  const box = points.length < 3 ? null : clipBox(boxOfPoints(points), map);
  if (!box) return null;
  const crossings = crossingsOf(points, box);
  for (let y = box[1]; y < box[3]; y += 1) {
    const row = crossings[y - box[1]].sort((one, other) => one.x - other.x);
    for (let k = 0, winding = 0; k + 1 < row.length; k += 1) {
      winding += row[k].turn;
      if (!winding) continue;
      const start = Math.max(box[0], Math.ceil(row[k].x - 0.5));
      const end = Math.min(box[2], Math.ceil(row[k + 1].x - 0.5));
      if (end > start) map.labels.fill(label, y * map.width + start, y * map.width + end);
    }
  }
  return box;
}

// Where each row's middle crosses the sides, and whether they go down (1) or up (-1) there.
function crossingsOf(points, [, top, , bottom]) {
  const rows = Array.from({ length: bottom - top }, () => []);
  points.forEach(([ax, ay], k) => {
    const [bx, by] = points[(k + 1) % points.length], turn = Math.sign(by - ay);
    if (!turn) return;
    const first = Math.max(top, Math.ceil(Math.min(ay, by) - 0.5));
    const last = Math.min(bottom, Math.ceil(Math.max(ay, by) - 0.5));
    for (let y = first; y < last; y += 1) {
      const x = ax + ((y + 0.5 - ay) / (by - ay)) * (bx - ax);
      rows[y - top].push({ x, turn });
    }
  });
  return rows;
}
