// What a selection does with its map: join it to another, keep it as runs, blur its edge. Its labels are 0 and 1, so
// that four pixels are joined at a time. It knows nothing of the page.
import { clipBox, emptyMap, padBox } from "./label_map.js";

// Four labels in each number; what is left over at the end has less than four.
const wordsOf = ({ labels }) => new Uint32Array(labels.buffer, labels.byteOffset, labels.length >> 2);
const ALL = 0x01010101;

const JOINS = {
  new: (_, other) => other,
  add: (one, other) => one | other,
  subtract: (one, other) => one & ~other,
  intersect: (one, other) => one & other,
};
export const HOWS = Object.keys(JOINS);

// Another map of the same size comes to a map: instead of it ("new"), as well ("add"), what is in it no longer
// ("subtract"), or only what is in both ("intersect").
export function combineMap(map, other, how) {
  if (how === "new") return void map.labels.set(other.labels);
  const join = JOINS[how], words = wordsOf(map), others = wordsOf(other), { labels } = map;
  if (how === "add") for (let k = 0; k < words.length; k += 1) words[k] |= others[k];
  else if (how === "subtract") for (let k = 0; k < words.length; k += 1) words[k] &= ~others[k];
  else for (let k = 0; k < words.length; k += 1) words[k] &= others[k];
  for (let k = words.length * 4; k < labels.length; k += 1) labels[k] = join(labels[k], other.labels[k]);
}

export function invertSelection(map) {
  const words = wordsOf(map), { labels } = map;
  for (let k = 0; k < words.length; k += 1) words[k] ^= ALL;
  for (let k = words.length * 4; k < labels.length; k += 1) labels[k] ^= 1;
}

// Runs of a map from its first pixel to its last, row after row: how many are not in it, how many are, and so on by
// turns. What is not in it at the end is left out, so that nothing at all has no runs.
export function runsOf({ labels }) {
  const runs = [];
  for (let at = 0; at < labels.length;) {
    const start = labels.indexOf(1, at);
    if (start < 0) break;
    const end = labels.indexOf(0, start);
    runs.push(start - at, (end < 0 ? labels.length : end) - start);
    at = end < 0 ? labels.length : end;
  }
  return runs;
}

export function mapOfRuns(runs, size) {
  const map = emptyMap(size);
  putRuns(map, runs);
  return map;
}

export function putRuns({ labels }, runs) {
  labels.fill(0);
  for (let k = 0, at = 0; k < runs.length; k += 2) {
    const start = at + runs[k];
    at = start + runs[k + 1];
    labels.fill(1, start, at);
  }
}

// The same at another size: each pixel has the label of the one that its middle falls on.
export function resizeMap(map, size) {
  const out = emptyMap(size);
  const columns = Int32Array.from({ length: size.width }, (_, x) => Math.floor(((x + 0.5) * map.width) / size.width));
  for (let y = 0; y < size.height; y += 1) {
    const row = Math.floor(((y + 0.5) * map.height) / size.height) * map.width;
    for (let x = 0; x < size.width; x += 1) out.labels[y * size.width + x] = map.labels[row + columns[x]];
  }
  return out;
}

// Levels from 0 to 255 of a map whose edge is blurred: half of it lies on either side, `reach` pixels wide each. Three
// box blurs in a row, which are close to a Gaussian one. The photo's borders do not count as an edge.
export function featherMap(map, bounds, reach) {
  const levels = new Uint8Array(map.labels.length), { width } = map;
  const box = clipBox(padBox(bounds, reach), map);
  if (!box) return levels;
  const size = { width: box[2] - box[0], height: box[3] - box[1] };
  let part = new Uint8Array(size.width * size.height);
  for (let y = 0; y < size.height; y += 1)
    for (let x = 0, at = (box[1] + y) * width + box[0]; x < size.width; x += 1)
      part[y * size.width + x] = map.labels[at + x] ? 255 : 0;
  for (const radius of partsOf(Math.round(reach))) part = blurColumns(blurRows(part, size, radius), size, radius);
  for (let y = 0; y < size.height; y += 1)
    levels.set(part.subarray(y * size.width, (y + 1) * size.width), (box[1] + y) * width + box[0]);
  return levels;
}

// Three whole numbers that make up another, without noughts.
const partsOf = (whole) => [0, 1, 2].map((k) => Math.floor((whole + k) / 3)).filter((part) => part > 0);

function blurRows(levels, { width, height }, radius) {
  const out = new Uint8Array(levels.length), side = 2 * radius + 1, half = side >> 1;
  for (let y = 0; y < height; y += 1) {
    const row = y * width, last = row + width - 1;
    let sum = levels[row] * (radius + 1);
    for (let k = 1; k <= radius; k += 1) sum += levels[Math.min(row + k, last)];
    for (let at = row; at <= last; at += 1) {
      out[at] = (sum + half) / side;
      sum += levels[Math.min(at + radius + 1, last)] - levels[Math.max(at - radius, row)];
    }
  }
  return out;
}

function blurColumns(levels, { width, height }, radius) {
  const out = new Uint8Array(levels.length), side = 2 * radius + 1, half = side >> 1;
  const sums = new Int32Array(width), rowAt = (y) => Math.max(0, Math.min(height - 1, y)) * width;
  for (let y = -radius; y <= radius; y += 1)
    for (let x = 0, row = rowAt(y); x < width; x += 1) sums[x] += levels[row + x];
  for (let y = 0; y < height; y += 1) {
    const gone = rowAt(y - radius), next = rowAt(y + radius + 1), row = y * width;
    for (let x = 0; x < width; x += 1) {
      out[row + x] = (sums[x] + half) / side;
      sums[x] += levels[next + x] - levels[gone + x];
    }
  }
  return out;
}
