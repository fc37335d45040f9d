// Geometry of the canvases, which knows nothing of the page. Points are [x, y] and boxes [x0, y0, x1, y1], in pixels of
// the photo; angles are degrees clockwise. A move is what was done to a cut-out: { x, y, wide, high, turn, flip }.

export const MIN_SCALE = 0.05, MAX_SCALE = 20;
const SNAP = { angle: 90, within: 2.5 }, SNAP_WITH_SHIFT = { angle: 15, within: 8 };

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
export const roundTo = (value, unit) => Math.round(value / unit) * unit;

// The same angle from -180 up to 180.
export const wrapDegrees = (angle) => ((((angle + 180) % 360) + 360) % 360) - 180;

export const centerOf = ([x0, y0, x1, y1]) => [(x0 + x1) / 2, (y0 + y1) / 2];

const contains = ([x0, y0, x1, y1], [x, y]) => x >= x0 && x < x1 && y >= y0 && y < y1;

export function rotate([x, y], degrees) {
  const angle = (degrees * Math.PI) / 180;
  return [x * Math.cos(angle) - y * Math.sin(angle), x * Math.sin(angle) + y * Math.cos(angle)];
}

// Matrices are [a, b, c, d, e, f], as in CSS: x' = a x + c y + e, y' = b x + d y + f.

export const applyMatrix = ([a, b, c, d, e, f], [x, y]) => [a * x + c * y + e, b * x + d * y + f];

export function invertMatrix([a, b, c, d, e, f]) {
  const area = a * d - b * c;
  return [d / area, -b / area, -c / area, a / area, (c * f - d * e) / area, (b * e - a * f) / area];
}

// Where a move takes the photo's points: mirrored and scaled about the center, turned about it, then shifted.
export function moveMatrix(move, [cx, cy]) {
  const wide = move.flip ? -move.wide : move.wide;
  const [a, b] = rotate([wide, 0], move.turn), [c, d] = rotate([0, move.high], move.turn);
  return [a, b, c, d, cx + move.x - a * cx - c * cy, cy + move.y - b * cx - d * cy];
}

// The same for CSS, for an element whose own corner lies at the crop's corner of the unmoved cut-out.
// `scale`: pixels of the screen for one of the photo.
export function cutoutTransform(move, box, crop, scale) {
  const [cx, cy] = centerOf(box);
  return (
    `translate(${(cx + move.x) * scale}px, ${(cy + move.y) * scale}px) rotate(${move.turn}deg) ` +
    `scale(${(move.flip ? -1 : 1) * move.wide}, ${move.high}) translate(${(crop[0] - cx) * scale}px, ${(crop[1] - cy) * scale}px)`
  );
}

export const clampPoint = ([x, y], size) => [clamp(x, 0, size.width), clamp(y, 0, size.height)];

// What lies under a point

// Whether a cut-out covers a point of its unmoved self; `pixels` is an ImageData of the crop.
function coversPoint(pixels, crop, point) {
  if (!pixels || !contains(crop, point)) return false;
  const [x0, y0, x1, y1] = crop;
  const column = Math.floor(((point[0] - x0) / (x1 - x0)) * pixels.width);
  const row = Math.floor(((point[1] - y0) / (y1 - y0)) * pixels.height);
  return pixels.data[4 * (row * pixels.width + column) + 3] > 127;
}

// Name of the frontmost cut-out at a point; null where there is none. A cut-out's own pixels decide, not its box,
// but the picked one may be taken by its box.
export function hitTest(moves, objectOf, pixelsOf, picked, point) {
  const unmoved = (move) => applyMatrix(invertMatrix(moveMatrix(move, centerOf(objectOf(move.name).box))), point);
  const present = moves.filter((move) => !move.gone);
  const hit = present.findLast((move) => coversPoint(pixelsOf(move.name), objectOf(move.name).around, unmoved(move)));
  if (hit) return hit.name;
  const held = present.find((move) => move.name === picked);
  return held && contains(objectOf(picked).box, unmoved(held)) ? picked : null;
}

// What a move becomes

// Its center stays on the photo.
export const shiftMove = (move, dx, dy, [cx, cy], size) => ({
  x: clamp(move.x + dx, -cx, size.width - cx),
  y: clamp(move.y + dy, -cy, size.height - cy),
});

export const scaleMove = (move, factor) => ({
  wide: clamp(move.wide * factor, MIN_SCALE, MAX_SCALE),
  high: clamp(move.high * factor, MIN_SCALE, MAX_SCALE),
});

// Dragged from one point to another; `straight` keeps to the longer of both ways.
export function dragMove(start, from, to, center, size, straight) {
  let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  if (straight && Math.abs(dx) > Math.abs(dy)) dy = 0;
  else if (straight) dx = 0;
  const { x, y } = shiftMove(start, dx, dy, center, size);
  // Whole pixels: the photo's own are then copied bit for bit.
  return { x: Math.round(x), y: Math.round(y) };
}

export function turnMove(start, from, to, center, shift) {
  const pivot = [center[0] + start.x, center[1] + start.y];
  const direction = ([x, y]) => Math.atan2(y - pivot[1], x - pivot[0]);
  const angle = wrapDegrees(start.turn + ((direction(to) - direction(from)) * 180) / Math.PI);
  const snap = shift ? SNAP_WITH_SHIFT : SNAP, near = roundTo(angle, snap.angle);
  return { turn: wrapDegrees(Math.abs(angle - near) < snap.within ? near : roundTo(angle, 0.5)) };
}

// Along the cut-out's own sides, about its center. A corner keeps the shape unless `free`.
export function stretchMove(start, handle, from, to, center, free) {
  const own = ([x, y]) => rotate([x - center[0] - start.x, y - center[1] - start.y], -start.turn);
  const [fx, fy] = own(from), [tx, ty] = own(to);
  let wide = tx / fx, high = ty / fy;
  if (handle.length === 2 && !free) wide = high = (tx * fx + ty * fy) / (fx * fx + fy * fy);
  else if (handle === "n" || handle === "s") wide = 1;
  else if (handle === "e" || handle === "w") high = 1;
  const side = (value) => Number(clamp(roundTo(value, 0.001), MIN_SCALE, MAX_SCALE).toFixed(3));
  return { wide: side(start.wide * wide), high: side(start.high * high) };
}

// The moves from back to front, with one of them `by` places further to the front.
export function restack(moves, name, by) {
  const next = moves.map((move) => ({ ...move })), from = next.findIndex((move) => move.name === name);
  const [one] = next.splice(from, 1);
  next.splice(clamp(from + by, 0, next.length), 0, one);
  return next;
}

// Boxes

export const boxCorners = ([x0, y0, x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
export const roundBox = (box) => box.map((edge) => Math.round(edge * 10) / 10);
