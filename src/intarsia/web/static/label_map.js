// Maps of labels over a photo, which know nothing of the page: a mask has the labels 0 and 1, a layout one for each
// object. Points are [x, y] and boxes [x0, y0, x1, y1] in pixels of the map; a box that is null holds nothing.
import { applyMatrix, invertMatrix } from "./geometry.js";

export const MOST_PIXELS = 4096 * 3072; // 12.6 million: each stroke stays quick, and so does what is sent

// A photo's size, or for a larger one than the above the largest of its shape: { width, height, share }.
export function mapSize({ width, height }) {
  const share = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  if (share === 1) return { width, height, share };
  return { width: Math.max(1, Math.floor(width * share)), height: Math.max(1, Math.floor(height * share)), share };
}

export const emptyMap = ({ width, height }) => ({ width, height, labels: new Uint8Array(width * height) });
export const wholeBox = ({ width, height }) => [0, 0, width, height];

export function joinBoxes(one, other) {
  if (!one || !other) return one || other;
  return [
    Math.min(one[0], other[0]), Math.min(one[1], other[1]), Math.max(one[2], other[2]), Math.max(one[3], other[3]),
  ];
}

export const padBox = (box, pad) => box && [box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad];

// In whole pixels, rounded outward, and within a size; null where nothing is left.
export function clipBox(box, { width, height }) {
  if (!box) return null;
  const clipped = [
    Math.max(0, Math.floor(box[0])), Math.max(0, Math.floor(box[1])),
    Math.min(width, Math.ceil(box[2])), Math.min(height, Math.ceil(box[3])),
  ];
  return clipped[2] > clipped[0] && clipped[3] > clipped[1] ? clipped : null;
}

// The box around all that has a label; null where nothing has.
export function boundsOf(map) {
  const { width, labels } = map;
  let first = firstFour(labels);
  while (first < labels.length && !labels[first]) first += 1;
  if (first === labels.length) return null;
  let last = labels.length - 1;
  while (!labels[last]) last -= 1;
  const top = Math.floor(first / width), bottom = Math.floor(last / width) + 1;
  let left = width, right = 0;
  for (let y = top; y < bottom && (left > 0 || right < width); y += 1) {
    const start = y * width;
    for (let x = 0; x < left; x += 1) if (labels[start + x]) left = x;
    for (let x = width - 1; x >= right; x -= 1) if (labels[start + x]) right = x + 1;
  }
  return [left, top, right, bottom];
}

// Where the first four labels lie of which one is marked, or less than four places before the end.
function firstFour({ buffer, byteOffset, length }) {
  if (byteOffset % 4) return 0;
  const fours = new Uint32Array(buffer, byteOffset, length >> 2);
  let first = 0;
  while (first < fours.length && !fours[first]) first += 1;
  return 4 * first;
}

// Changes. Each gives the box of what may have changed.

// A round brush is drawn from one point to another: all pixels whose middle is no farther than the radius. A brush
// that meets no pixel's middle marks the one that it is on.
export function paintStroke(map, from, to, radius, label) {
  const reach = Math.max(radius, 0.5);
  const around = [
    Math.min(from[0], to[0]) - reach, Math.min(from[1], to[1]) - reach,
    Math.max(from[0], to[0]) + reach, Math.max(from[1], to[1]) + reach,
  ];
  const box = clipBox(around, map);
  if (!box) return null;
  for (let y = box[1]; y < box[3]; y += 1) {
    const [low, high] = strokeSpan(from, to, reach, y + 0.5);
    const start = Math.max(box[0], Math.ceil(low - 0.5)), end = Math.min(box[2], Math.floor(high - 0.5) + 1);
    if (end > start) map.labels.fill(label, y * map.width + start, y * map.width + end);
  }
  for (const [x, y] of [from, to]) {
    const column = Math.floor(x), row = Math.floor(y);
    if (column >= 0 && row >= 0 && column < map.width && row < map.height) map.labels[row * map.width + column] = label;
  }
  return box;
}

// Where a row crosses a stroke, which is convex: its two round ends, and the sides between them.
function strokeSpan(from, to, radius, row) {
  let low = Infinity, high = -Infinity;
  const cover = (x) => {
    low = Math.min(low, x);
    high = Math.max(high, x);
  };
  for (const [x, y] of [from, to]) {
    const rest = radius * radius - (row - y) * (row - y);
    if (rest < 0) continue;
    cover(x - Math.sqrt(rest));
    cover(x + Math.sqrt(rest));
  }
  const dx = to[0] - from[0], dy = to[1] - from[1], length = Math.hypot(dx, dy);
  if (length === 0) return [low, high];
  const nx = (-dy / length) * radius, ny = (dx / length) * radius;
  for (const side of [1, -1]) {
    const y0 = from[1] + side * ny, x0 = from[0] + side * nx;
    const along = dy === 0 ? -1 : (row - y0) / dy;
    if (along >= 0 && along <= 1) cover(x0 + along * dx);
  }
  return [low, high];
}

export function fillMap(map, label) {
  map.labels.fill(label);
  return wholeBox(map);
}

// Another map of the same size: all of it, or where it has a label.
export function putMap(map, other, { over = false } = {}) {
  if (!over) map.labels.set(other.labels);
  else for (let k = 0; k < map.labels.length; k += 1) if (other.labels[k]) map.labels[k] = other.labels[k];
  return wholeBox(map);
}

// What has a label in one map has it in another, at the place to which a matrix takes the photo's points. `share`:
// pixels of the maps for one of the photo.
export function placeLabel(target, source, label, matrix, share) {
  const corners = boundsOfLabel(source, label);
  if (!corners) return null;
  const [x0, y0, x1, y1] = corners.map((edge) => edge / share);
  const placed = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map((point) => applyMatrix(matrix, point));
  const [xs, ys] = [0, 1].map((axis) => placed.map((point) => point[axis] * share));
  const box = clipBox([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)], target);
  if (!box) return null;
  const back = invertMatrix(matrix);
  for (let y = box[1]; y < box[3]; y += 1)
    for (let x = box[0]; x < box[2]; x += 1) {
      const [px, py] = applyMatrix(back, [(x + 0.5) / share, (y + 0.5) / share]);
      const column = Math.floor(px * share), row = Math.floor(py * share);
      if (column < 0 || row < 0 || column >= source.width || row >= source.height) continue;
      if (source.labels[row * source.width + column] === label) target.labels[y * target.width + x] = label;
    }
  return box;
}

function boundsOfLabel({ width, height, labels }, label) {
  return boundsOf({ width, height, labels: labels.map((each) => Number(each === label)) });
}

// A mask grows by so many pixels to all sides, or shrinks where they are less than none. The photo's borders hold
// nothing back: a mask that ends there still does so when it has shrunk.
export function growMask(map, pixels) {
  const bounds = boundsOf(map), reach = Math.abs(Math.round(pixels));
  if (!bounds || !reach) return null;
  const box = clipBox(padBox(bounds, reach + 1), map);
  const width = box[2] - box[0], height = box[3] - box[1], grows = pixels > 0;
  // Squared distance to the nearest pixel that is (or to shrink, is not) marked: along columns, then along rows.
  const columns = new Uint16Array(width * height), far = 0xffff;
  const isSource = (x, y) => (map.labels[(box[1] + y) * map.width + box[0] + x] > 0) === grows;
  for (let x = 0; x < width; x += 1) {
    for (let y = 0, away = far; y < height; y += 1) {
      away = isSource(x, y) ? 0 : Math.min(far, away + 1);
      columns[y * width + x] = away;
    }
    for (let y = height - 1, away = far; y >= 0; y -= 1) {
      away = columns[y * width + x] === 0 ? 0 : Math.min(far, away + 1);
      if (away < columns[y * width + x]) columns[y * width + x] = away;
    }
  }
  const halfWidth = Array.from({ length: reach + 1 }, (_, away) => Math.floor(Math.sqrt(reach * reach - away * away)));
  const steps = new Int32Array(width + 1); // of how many reaches cover a place of the row, against the place before
  for (let y = 0; y < height; y += 1) {
    const row = (box[1] + y) * map.width + box[0];
    steps.fill(0);
    for (let x = 0; x < width; x += 1) {
      const away = columns[y * width + x];
      if (away > reach) continue;
      steps[Math.max(0, x - halfWidth[away])] += 1;
      steps[Math.min(width, x + halfWidth[away] + 1)] -= 1;
    }
    for (let x = 0, covered = 0; x < width; x += 1) {
      covered += steps[x];
      if (covered) map.labels[row + x] = grows ? 1 : 0;
    }
  }
  return box;
}

// Runs

// What a box of a map holds, as lengths of runs and their labels by turns.
export function encodeRuns({ width, labels }, [x0, y0, x1, y1]) {
  const runs = [];
  let label = labels[y0 * width + x0], length = 0;
  for (let y = y0; y < y1; y += 1)
    for (let k = y * width + x0; k < y * width + x1; k += 1) {
      if (labels[k] === label) length += 1;
      else {
        runs.push(length, label);
        label = labels[k];
        length = 1;
      }
    }
  runs.push(length, label);
  return Uint32Array.from(runs);
}

export function decodeRuns({ width, labels }, [x0, y0, x1], runs) {
  let x = x0, y = y0;
  for (let k = 0; k < runs.length; k += 2)
    for (let left = runs[k]; left > 0;) {
      const part = Math.min(left, x1 - x);
      labels.fill(runs[k + 1], y * width + x, y * width + x + part);
      left -= part;
      x += part;
      if (x === x1) [x, y] = [x0, y + 1];
    }
}
