// What becomes of the moves of a scene's objects, which knows nothing of the page. The list goes from back to front; a
// move is { name, x, y, wide, high, turn, flip, gone, copy_of }, and a copy shows the cut-out of the object `copy_of`.
import {
  MAX_SCALE, MIN_SCALE, applyMatrix, boxCorners, centerOf, clamp, moveMatrix, rotate, roundTo, shiftMove, wrapDegrees,
} from "./geometry.js";

const SHIFT_OF_COPY = 0.06; // of the photo's short side
const PINCH_SNAP = 4; // degrees within which two fingers turn to a right angle

export const unmoved = (name) => ({
  name, x: 0, y: 0, wide: 1, high: 1, turn: 0, flip: false, gone: false, copy_of: null,
});
export const copyMoves = (moves) => moves.map((move) => ({ ...move }));
export const sourceOf = (move) => move.copy_of ?? move.name;

// Whether two lists say the same; fields that are missing are those of an unmoved object.
export function sameMoves(one, other) {
  const whole = (moves) => JSON.stringify(moves.map((move) => ({ ...unmoved(move.name), ...move })));
  return whole(one) === whole(other);
}

// The moves of the objects that there are; those that are not named are unmoved, behind the others.
export function knownMoves(moves, names) {
  const known = moves.filter((move) => names.includes(sourceOf(move))), named = new Set(known.map((move) => move.name));
  const rest = names.filter((name) => !named.has(name)).map(unmoved);
  return [...rest, ...known.map((move) => ({ ...unmoved(move.name), ...move }))];
}

export function isStill(move) {
  const { x, y, wide, high, turn, flip, gone, copy_of } = move;
  return !x && !y && wide === 1 && high === 1 && !turn && !flip && !gone && !copy_of;
}

export const changeMove = (moves, name, values) =>
  moves.map((move) => (move.name === name ? { ...move, ...values } : { ...move }));

// Left becomes right as it is seen, so a turn goes the other way round.
export const flipMove = (move) => ({ flip: !move.flip, turn: move.turn ? -move.turn : 0 });

// An object is kept, so that it can come back; a copy is forgotten.
export const removeMove = (moves, name) =>
  moves.find((move) => move.name === name)?.copy_of
    ? copyMoves(moves.filter((move) => move.name !== name))
    : changeMove(moves, name, { gone: true });

// "cat", "cat 2", "cat 3": the first that nothing is called.
export function freeName(name, taken) {
  const known = new Set(taken), stem = name.replace(/ \d+$/, "");
  for (let number = 2; ; number += 1) if (!known.has(`${stem} ${number}`)) return `${stem} ${number}`;
}

// One more of an object, in front of it and beside it: { name, moves }. `center`: of the unmoved object.
export function duplicateMove(moves, name, taken, center, size) {
  const place = moves.findIndex((move) => move.name === name), former = moves[place];
  const by = Math.round(SHIFT_OF_COPY * Math.min(size.width, size.height));
  const copy = { ...former, name: freeName(name, taken), copy_of: sourceOf(former), gone: false };
  const [right, down] = [shiftMove(copy, by, by, center, size), shiftMove(copy, -by, -by, center, size)];
  const beside = {
    x: right.x === copy.x + by ? right.x : down.x,
    y: right.y === copy.y + by ? right.y : down.y,
  };
  const next = copyMoves(moves);
  next.splice(place + 1, 0, { ...copy, ...beside });
  return { name: copy.name, moves: next };
}

// The move about another center that takes every point to the same place.
export function carryMove(move, from, to) {
  const [x, y] = applyMatrix(moveMatrix(move, from), to);
  return { ...move, x: x - to[0], y: y - to[1] };
}

// Two fingers that were at `a` and `b` are at `c` and `d`: what lies under them stays there.
export function pinchMove(start, [a, b], [c, d], center, size) {
  const away = ([x0, y0], [x1, y1]) => [x1 - x0, y1 - y0];
  const middle = ([x0, y0], [x1, y1]) => [(x0 + x1) / 2, (y0 + y1) / 2];
  const before = away(a, b), after = away(c, d), length = Math.max(1e-6, Math.hypot(...before));
  const least = MIN_SCALE / Math.min(start.wide, start.high), most = MAX_SCALE / Math.max(start.wide, start.high);
  const factor = clamp(Math.hypot(...after) / length, Math.min(1, least), Math.max(1, most));
  const turned = ((Math.atan2(after[1], after[0]) - Math.atan2(before[1], before[0])) * 180) / Math.PI;
  const free = wrapDegrees(start.turn + turned), near = roundTo(free, 90);
  const turn = wrapDegrees(Math.abs(free - near) < PINCH_SNAP ? near : roundTo(free, 0.5));
  const from = middle(a, b), to = middle(c, d);
  const [dx, dy] = rotate([center[0] + start.x - from[0], center[1] + start.y - from[1]], turn - start.turn);
  const way = [to[0] + factor * dx - center[0] - start.x, to[1] + factor * dy - center[1] - start.y];
  const { x, y } = shiftMove(start, way[0], way[1], center, size);
  const side = (value) => Number(value.toFixed(3));
  return { x: Math.round(x), y: Math.round(y), wide: side(start.wide * factor), high: side(start.high * factor), turn };
}

// The box on the photo that holds a moved box.
export function movedBox(move, box, center) {
  const corners = boxCorners(box).map((corner) => applyMatrix(moveMatrix(move, center), corner));
  const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

const meet = (one, other) => one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];

// Which objects are drawn as cut-outs on the bare ground, by name: those that changed, those that lie where one of
// them was, and those before or behind it. All others are seen in the photo itself, with all of its pixels.
// `held`: of one that is about to be moved.
export function liftedNames(moves, objectOf, held = null) {
  const still = new Map(moves.map((move) => [move.name, move]));
  const lifted = new Set(moves.filter((move) => !isStill(move) || move.name === held).map((move) => move.name));
  for (const name of lifted) still.delete(name);
  const areasOf = (name) => {
    const move = moves.find((each) => each.name === name), { around, box } = objectOf(move);
    const areas = move.copy_of ? [] : [around];
    return move.gone ? areas : [...areas, movedBox(move, around, centerOf(box))];
  };
  const queue = [...lifted];
  while (queue.length) {
    const areas = areasOf(queue.pop());
    for (const [name, move] of still) {
      if (!areas.some((area) => meet(area, objectOf(move).around))) continue;
      still.delete(name);
      lifted.add(name);
      queue.push(name);
    }
  }
  return lifted;
}

// How much of two boxes is in both, from 0 to 1.
export function overlap(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
  return (width * height) / (area(one) + area(other) - width * height);
}

// Numbers that are typed: what each field shows of a move, and what it changes; null for what is no number.
const tenths = (value) => Number(value.toFixed(1));
export const FIELDS = {
  x: { label: "X", of: (move) => Math.round(move.x) },
  y: { label: "Y", of: (move) => Math.round(move.y) },
  wide: { label: "Width %", of: (move) => tenths(100 * move.wide) },
  high: { label: "Height %", of: (move) => tenths(100 * move.high) },
  turn: { label: "Turn °", of: (move) => tenths(move.turn) },
};

export function typedMove(move, field, text, center, size) {
  const value = Number(text.trim().replace(",", ".").replace(/[%°]$/, ""));
  if (!text.trim() || !Number.isFinite(value)) return null;
  if (field === "turn") return { turn: wrapDegrees(value) };
  if (field === "wide" || field === "high") return { [field]: clamp(value / 100, MIN_SCALE, MAX_SCALE) };
  const [dx, dy] = field === "x" ? [value - move.x, 0] : [0, value - move.y];
  return { [field]: shiftMove(move, dx, dy, center, size)[field] };
}

// What was done to an object, as a sentence.
export function describeMove(move) {
  const parts = [];
  if (move.x || move.y) parts.push(`moved by ${signed(move.x)}, ${signed(move.y)} pixels`);
  if (move.wide !== 1 || move.high !== 1)
    parts.push(`${percent(move.wide)}${move.wide === move.high ? "" : ` by ${percent(move.high)}`} of its size`);
  if (move.turn) parts.push(`turned by ${Math.round(move.turn * 10) / 10}°`);
  if (move.flip) parts.push("flipped");
  return `${move.name}: ${parts.join(", ") || "where it was"}.`;
}

const signed = (value) => (value < 0 ? "-" : "+") + Math.abs(Math.round(value));
const percent = (value) => `${Math.round(value * 100)} %`;
