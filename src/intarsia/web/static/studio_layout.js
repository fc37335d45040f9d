// Layouts that are painted or loaded, as maps of labels: 0 is the background, k the k-th object of a scene. It knows
// nothing of the page.
import { centerOf, moveMatrix } from "./geometry.js";
import { decodeRuns, emptyMap, encodeRuns, placeLabel, wholeBox } from "./label_map.js";
import { labelsOfPixels } from "./label_png.js";
import { sourceOf, unmoved } from "./studio_moves.js";

const MOST_COLOURS = 24; // of a loaded layout that can be assigned
const LEAST_SHARE = 0.002; // of a layout's pixels that a colour covers, to be one and no edge of others
const SAME = 12; // levels of a channel within which two colours are one
const CLOSE = 24; // levels within which a colour is an object's
const MUCH = 0.4; // share of the most frequent colour from which it is the background's
const LIGHT_PAPER = [254, 254, 254], BLACK = [0, 0, 0];

export const distance = (one, other) => Math.max(...one.map((level, k) => Math.abs(level - other[k])));
export const cssColour = (colour) => `rgb(${colour.join(" ")})`;

// A colour for the background that no object has.
export function paperColour(colours) {
  const far = (colour) => Math.min(255, ...colours.map((each) => distance(colour, each)));
  const wanted = [BLACK, LIGHT_PAPER, ...[64, 128, 192].map((level) => [level, level, level])];
  return wanted.find((colour) => far(colour) > SAME) ?? wanted.reduce((a, b) => (far(b) > far(a) ? b : a));
}

// The colours of a layout, the most frequent first, and which of them each pixel has:
// { colours: [{ colour, share }], indices: Uint8Array }; null where it is no layout, as it has too many colours.
//   pixels: RGBA. What is more than half transparent becomes `paper`.
//   known: colours of objects, which may be smaller.
export function coloursOf(pixels, paper, known = []) {
  const counts = new Map(), total = pixels.length / 4, opaque = pixels.slice();
  let former = -1, length = 0; // a run of one colour
  for (let k = 0; k < opaque.length; k += 4) {
    if (opaque[k + 3] < 128) opaque.set(paper, k);
    const packed = (opaque[k] << 16) | (opaque[k + 1] << 8) | opaque[k + 2];
    if (packed !== former && length) counts.set(former, (counts.get(former) ?? 0) + length);
    length = packed === former ? length + 1 : 1;
    former = packed;
  }
  if (length) counts.set(former, (counts.get(former) ?? 0) + length);
  const ranked = [...counts].sort(([, one], [, other]) => other - one), found = [];
  for (const [packed, count] of ranked) {
    const colour = [packed >> 16, (packed >> 8) & 255, packed & 255];
    const near = found.find((each) => distance(each.colour, colour) <= SAME);
    const isKnown = known.some((each) => distance(each, colour) <= SAME);
    if (near) near.count += count;
    else if ((isKnown || count >= LEAST_SHARE * total) && found.length <= MOST_COLOURS) found.push({ colour, count });
  }
  if (!found.length || found.length > MOST_COLOURS) return null;
  const covered = found.reduce((sum, { count }) => sum + count, 0);
  // A drawing is a few colours, and at its edges what lies between two of them; a photograph is not.
  if (covered < 0.8 * total) return null;
  const indices = labelsOfPixels(opaque, found.map(({ colour }) => colour));
  return { colours: found.map(({ colour, count }) => ({ colour, share: count / total })), indices };
}

// For each colour the label that it seems to mean: the object's whose colour it is, or the background's; null where
// it is not known.
export function guessLabels(colours, objectColours, paper) {
  const taken = new Set(), grounds = [paper, LIGHT_PAPER, BLACK];
  return colours.map(({ colour, share }, k) => {
    const away = objectColours.map((each) => (each ? distance(each, colour) : Infinity));
    const nearest = away.indexOf(Math.min(...away));
    if (nearest >= 0 && away[nearest] <= CLOSE && !taken.has(nearest)) {
      taken.add(nearest);
      return nearest + 1;
    }
    const isGround = grounds.some((ground) => distance(ground, colour) <= CLOSE) || (k === 0 && share > MUCH);
    return isGround ? 0 : null;
  });
}

// The labels that the colours of a loaded layout have in a map: those that are not known have ones of their own, after
// the objects'.
export const mapLabels = (labels, count) => labels.map((label, k) => label ?? count + 1 + k);

// What a map holds, as it is saved: plain numbers.
export const saveMap = (map) => Array.from(encodeRuns(map, wholeBox(map)));

export function restoreMap({ width, height, runs }) {
  const map = emptyMap({ width, height });
  decodeRuns(map, wholeBox(map), runs);
  return map;
}

// Where each label lies, from the runs of a map of a width: label -> { area, x, y }, its middle.
export function middlesOf(runs, width) {
  const sums = new Map();
  for (let k = 0, at = 0; k < runs.length; k += 2) {
    const [length, label] = [runs[k], runs[k + 1]];
    for (let left = label ? length : 0, place = at; left > 0;) {
      const x = place % width, part = Math.min(left, width - x), sum = sums.get(label) ?? { area: 0, x: 0, y: 0 };
      sum.area += part;
      sum.x += part * (x + part / 2);
      sum.y += part * (Math.floor(place / width) + 0.5);
      sums.set(label, sum);
      left -= part;
      place += part;
    }
    at += length;
  }
  for (const sum of sums.values()) [sum.x, sum.y] = [sum.x / sum.area, sum.y / sum.area];
  return sums;
}

// The runs with other labels: `labels[k]` in the place of k.
export const relabelRuns = (runs, labels) => runs.map((value, k) => (k % 2 ? (labels[value] ?? 0) : value));

// Where an object that stays is drawn: as it is seen, but not mirrored, which no outline can say. Its flip is a move
// on top of the layout; see `movesBeside`.
export const drawnMove = (move) => (move.flip ? { ...move, flip: false, turn: -move.turn } : move);

// What goes with a layout: which objects it does not show, and what it cannot say of those that stay.
//   absent, staying: names.
export const movesBeside = (moves, absent, staying) =>
  moves
    .filter((move) => !move.copy_of)
    .map(({ name, flip }) => ({ ...unmoved(name), gone: absent.has(name), flip: flip && staying.has(name) }));

// The objects that stay, from back to front, drawn into a map where they are now. `masks`: name -> map with the label
// 1, of the target's size.
export function placeStaying(target, moves, objects, masks, share) {
  for (const move of moves) {
    const place = objects.findIndex((object) => object.name === sourceOf(move)), mask = masks.get(move.name);
    if (place < 0 || !mask) continue;
    const source = { ...mask, labels: mask.labels.map((label) => (label ? place + 1 : 0)) };
    placeLabel(target, source, place + 1, moveMatrix(drawnMove(move), centerOf(objects[place].box)), share);
  }
}
