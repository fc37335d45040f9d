// The geometry of the canvases: truths over tables and over random cases.
import assert from "node:assert/strict";
import { test } from "node:test";

import { closeTo, load, random } from "./scripts.js";

const g = await load("geometry.js");
const SIZE = { width: 640, height: 480 };
const BOX = [100, 120, 220, 200];
const STILL = { x: 0, y: 0, wide: 1, high: 1, turn: 0, flip: false };

function randomMoves(seed, count) {
  const draw = random(seed);
  return Array.from({ length: count }, () => ({
    x: draw(-300, 300),
    y: draw(-300, 300),
    wide: draw(0.05, 4),
    high: draw(0.05, 4),
    turn: draw(-180, 180),
    flip: draw() < 0.5,
  }));
}

// CSS as the browser reads it: functions from left to right are matrices multiplied from left to right.
function matrixOfCss(text) {
  const times = ([a, b, c, d, e, f], [A, B, C, D, E, F]) => [
    a * A + c * B, b * A + d * B, a * C + c * D, b * C + d * D, a * E + c * F + e, b * E + d * F + f,
  ];
  const read = {
    translate: (x, y) => [1, 0, 0, 1, x, y],
    scale: (x, y) => [x, 0, 0, y, 0, 0],
    rotate: (degrees) => {
      const angle = (degrees * Math.PI) / 180;
      return [Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle), 0, 0];
    },
  };
  return [...text.matchAll(/(\w+)\(([^)]*)\)/g)]
    .map(([, name, values]) => read[name](...values.split(",").map(parseFloat)))
    .reduce(times, [1, 0, 0, 1, 0, 0]);
}

test("the matrix of a move is what CSS does to the cut-out, at every zoom", () => {
  const crop = [90, 115, 230, 210], draw = random(1);
  for (const move of randomMoves(2, 200))
    for (const scale of [0.25, 1, 1.7, 3]) {
      const css = matrixOfCss(g.cutoutTransform(move, BOX, crop, scale));
      const point = [draw(0, 640), draw(0, 480)];
      const onScreen = g.applyMatrix(css, [(point[0] - crop[0]) * scale, (point[1] - crop[1]) * scale]);
      const moved = g.applyMatrix(g.moveMatrix(move, g.centerOf(BOX)), point);
      closeTo(onScreen, moved.map((value) => value * scale), 1e-6);
    }
});

test("the inverse of a matrix undoes it", () => {
  for (const move of randomMoves(3, 200)) {
    const matrix = g.moveMatrix(move, g.centerOf(BOX));
    closeTo(g.applyMatrix(g.invertMatrix(matrix), g.applyMatrix(matrix, [37, 411])), [37, 411], 1e-6);
  }
});

test("a move takes the center along and turns clockwise", () => {
  const center = g.centerOf(BOX);
  for (const move of randomMoves(4, 50))
    closeTo(g.applyMatrix(g.moveMatrix(move, center), center), [center[0] + move.x, center[1] + move.y]);
  closeTo(g.applyMatrix(g.moveMatrix({ ...STILL, turn: 90 }, [0, 0]), [1, 0]), [0, 1]);
  closeTo(g.applyMatrix(g.moveMatrix({ ...STILL, flip: true, wide: 2 }, [0, 0]), [3, 5]), [-6, 5]);
});

test("a turned shape that is flipped as it is seen is turned the other way", () => {
  // Mirrored on the screen after the turn equals mirrored before it and turned back.
  const mirror = ([x, y]) => [-x, y];
  for (const turn of [-170, -45, 0, 10, 90, 179]) {
    const seen = mirror(g.applyMatrix(g.moveMatrix({ ...STILL, turn }, [0, 0]), [3, 7]));
    closeTo(g.applyMatrix(g.moveMatrix({ ...STILL, flip: true, turn: -turn }, [0, 0]), [3, 7]), seen);
  }
});

test("angles are wrapped to -180 up to 180, and stay the same angle", () => {
  for (const [angle, wrapped] of [[0, 0], [180, -180], [-180, -180], [181, -179], [-181, 179], [720, 0], [539.5, 179.5]])
    assert.equal(g.wrapDegrees(angle), wrapped);
});

test("a point off the photo is clamped to its edge", () => {
  for (const [point, clamped] of [[[-5, 10], [0, 10]], [[700, 481], [640, 480]], [[640, 0], [640, 0]]])
    assert.deepEqual(g.clampPoint(point, SIZE), clamped);
});

// An image of one row a string; # is opaque.
const pixels = (...rows) => ({
  width: rows[0].length,
  height: rows.length,
  data: rows.join("").split("").flatMap((sign) => [0, 0, 0, sign === "#" ? 255 : 0]),
});

test("a cut-out is hit where it is opaque, not where its box is", () => {
  const ring = pixels("###", "#.#", "###"), object = { box: [10, 20, 40, 50], around: [10, 20, 40, 50] };
  const hit = (point, image = ring) =>
    g.hitTest([{ ...STILL, name: "ring" }], () => object, () => image, null, point) === "ring";
  for (const [point, covered] of [
    [[10, 20], true], [[39.9, 49.9], true], [[25, 35], false], [[40, 35], false], [[9.9, 35], false], [[25, 21], true],
  ])
    assert.equal(hit(point), covered, String(point));
  assert.equal(hit([10, 20], null), false);
});

test("the frontmost cut-out is hit, where it was moved to; those that are gone are not", () => {
  const full = pixels("##", "##"), objects = {
    back: { box: [0, 0, 20, 20], around: [0, 0, 20, 20] },
    front: { box: [0, 0, 10, 10], around: [0, 0, 10, 10] },
  };
  const hit = (moves, point, picked = null) => g.hitTest(moves, (name) => objects[name], () => full, picked, point);
  const back = { ...STILL, name: "back" }, front = { ...STILL, name: "front" };
  assert.equal(hit([back, front], [5, 5]), "front");
  assert.equal(hit([front, back], [5, 5]), "back");
  assert.equal(hit([back, { ...front, gone: true }], [5, 5]), "back");
  assert.equal(hit([back, { ...front, x: 100 }], [105, 5]), "front");
  assert.equal(hit([back, { ...front, turn: 45, wide: 3 }], [15, 15]), "front");
  assert.equal(hit([back, front], [300, 300]), null);
});

test("the picked cut-out may be taken by its box, where it is a hole", () => {
  const ring = pixels("###", "#.#", "###"), object = { box: [0, 0, 30, 30], around: [0, 0, 30, 30] };
  const hit = (picked) => g.hitTest([{ ...STILL, name: "ring" }], () => object, () => ring, picked, [15, 15]);
  assert.equal(hit(null), null);
  assert.equal(hit("ring"), "ring");
});

test("a dragged cut-out's center stays on the photo, on whole pixels", () => {
  const center = g.centerOf(BOX), draw = random(7);
  for (let k = 0; k < 200; k++) {
    const start = { ...STILL, x: draw(-100, 100), y: draw(-100, 100) };
    const from = [draw(0, 640), draw(0, 480)], to = [draw(-900, 1500), draw(-900, 1500)];
    const { x, y } = g.dragMove(start, from, to, center, SIZE, false);
    assert.ok(Number.isInteger(x) && Number.isInteger(y));
    assert.ok(center[0] + x >= 0 && center[0] + x <= 640 && center[1] + y >= 0 && center[1] + y <= 480);
  }
  const straight = (to) => g.dragMove(STILL, [100, 100], to, center, SIZE, true);
  assert.deepEqual(straight([150, 130]), { x: 50, y: 0 });
  assert.deepEqual(straight([110, 70]), { x: 0, y: -30 });
});

test("a turn follows the pointer and snaps to right angles, or with Shift to 15 degrees", () => {
  const turned = (degrees, shift, start = STILL) =>
    g.turnMove(start, [100, 0], g.rotate([100, 0], degrees), [0, 0], shift).turn;
  for (const [degrees, shift, turn] of [
    [30.2, false, 30], [30.3, false, 30.5], [88, false, 90], [86, false, 86], [-179, false, -180], [52, true, 45],
    [38, true, 45],
  ])
    assert.equal(turned(degrees, shift), turn, String(degrees));
  assert.equal(turned(30, false, { ...STILL, turn: 170 }), -160);
});

test("a corner that is pulled keeps the shape, a side or Shift does not", () => {
  const center = [0, 0], corner = [10, 5];
  assert.deepEqual(g.stretchMove(STILL, "se", corner, [20, 10], center, false), { wide: 2, high: 2 });
  assert.deepEqual(g.stretchMove(STILL, "se", corner, [20, 5], center, true), { wide: 2, high: 1 });
  assert.deepEqual(g.stretchMove(STILL, "e", [10, 0], [15, 40], center, false), { wide: 1.5, high: 1 });
  assert.deepEqual(g.stretchMove(STILL, "n", [0, -5], [40, -2.5], center, false), { wide: 1, high: 0.5 });
  // Along its own sides: of what is turned by a right angle, the east side lies below.
  const turned = { ...STILL, turn: 90 };
  assert.deepEqual(g.stretchMove(turned, "e", [0, 10], [0, 30], center, false), { wide: 3, high: 1 });
  assert.deepEqual(g.stretchMove(STILL, "se", corner, [1e6, 5e5], center, false), { wide: 20, high: 20 });
  assert.deepEqual(g.stretchMove(STILL, "se", corner, [-10, -5], center, false), { wide: 0.05, high: 0.05 });
});

test("sizes stay between the smallest and the largest", () => {
  for (const [wide, factor, expected] of [[1, 2, 2], [15, 2, 20], [0.06, 0.5, 0.05]])
    assert.deepEqual(g.scaleMove({ wide, high: wide }, factor), { wide: expected, high: expected });
});

test("an order changes by one place, to the front and to the back, and no move is lost", () => {
  const order = (name, by) =>
    g.restack(["a", "b", "c"].map((each) => ({ name: each })), name, by).map((move) => move.name).join("");
  for (const [name, by, expected] of [
    ["a", 1, "bac"], ["c", -1, "acb"], ["a", Infinity, "bca"], ["c", -Infinity, "cab"], ["b", 0, "abc"], ["c", 1, "abc"],
  ])
    assert.equal(order(name, by), expected);
  const moves = [{ name: "a" }, { name: "b" }];
  g.restack(moves, "a", 1)[0].name = "other";
  assert.deepEqual(moves, [{ name: "a" }, { name: "b" }]);
});

test("boxes are given in tenths of a pixel", () => {
  assert.deepEqual(g.roundBox([0.04, 1.06, 2.55, 3]), [0, 1.1, 2.6, 3]);
});
