// The moves of the canvas's objects, without a page.
import assert from "node:assert/strict";
import { test } from "node:test";

import { closeTo, load, random } from "./scripts.js";

const m = await load("studio_moves.js");
const { applyMatrix, centerOf, moveMatrix } = await load("geometry.js");
const SIZE = { width: 640, height: 480 };
const CAT = { name: "cat", box: [100, 100, 200, 200], around: [90, 90, 215, 210] };
const SUN = { name: "sun", box: [300, 10, 360, 70], around: [295, 5, 365, 75] };
const HAT = { name: "hat", box: [120, 60, 180, 95], around: [115, 55, 185, 100] };
const objectOf = (move) => [CAT, SUN, HAT].find((object) => object.name === m.sourceOf(move));
const start = () => [CAT, SUN, HAT].map(({ name }) => m.unmoved(name));
const names = (moves) => moves.map((move) => move.name);

test("a copy has a free name, lies in front of the original and beside it, and shows its cut-out", () => {
  const first = m.duplicateMove(start(), "cat", ["cat", "sun", "hat"], centerOf(CAT.box), SIZE);
  assert.equal(first.name, "cat 2");
  assert.deepEqual(names(first.moves), ["cat", "cat 2", "sun", "hat"]);
  const { x, y, copy_of } = first.moves[1];
  assert.ok(x > 0 && y > 0);
  assert.equal(copy_of, "cat");
  const second = m.duplicateMove(first.moves, "cat 2", names(first.moves), centerOf(CAT.box), SIZE);
  assert.equal(second.name, "cat 3");
  assert.equal(second.moves[2].copy_of, "cat", "a copy of a copy is one of the object");
});

test("a copy at the photo's corner lies to the other side", () => {
  const moves = m.changeMove(start(), "cat", { x: 490, y: 330 });
  const { x, y } = m.duplicateMove(moves, "cat", names(moves), centerOf(CAT.box), SIZE).moves[1];
  assert.ok(x < 490 && y < 330);
});

test("names are counted on from their stem", () => {
  assert.equal(m.freeName("cat", ["cat"]), "cat 2");
  assert.equal(m.freeName("cat 2", ["cat", "cat 2", "cat 3"]), "cat 4");
});

test("an object that is removed can come back, a copy is forgotten", () => {
  const { moves } = m.duplicateMove(start(), "cat", ["cat"], centerOf(CAT.box), SIZE);
  assert.deepEqual(names(m.removeMove(moves, "cat 2")), ["cat", "sun", "hat"]);
  assert.equal(m.removeMove(moves, "cat").find((move) => move.name === "cat").gone, true);
});

test("moves without the newer fields are the same as those with them", () => {
  const older = start().map(({ copy_of, ...move }) => (assert.equal(copy_of, null), move));
  assert.ok(m.sameMoves(older, start()));
  assert.ok(!m.sameMoves(m.changeMove(start(), "cat", { x: 1 }), start()));
  assert.ok(!m.sameMoves([...start()].reverse(), start()), "the order counts");
});

test("moves of objects that are not there are left out, and those without a move are unmoved", () => {
  const given = [{ name: "sun", x: 3 }, { ...m.unmoved("sun 2"), copy_of: "sun" }, m.unmoved("dog")];
  assert.deepEqual(m.knownMoves(given, ["cat", "sun"]), [
    m.unmoved("cat"), { ...m.unmoved("sun"), x: 3 }, { ...m.unmoved("sun 2"), copy_of: "sun" },
  ]);
});

test("a flip twice is none", () => {
  const move = { ...m.unmoved("cat"), turn: 30 };
  const once = { ...move, ...m.flipMove(move) };
  assert.deepEqual({ ...once, ...m.flipMove(once) }, move);
  assert.equal(m.flipMove(m.unmoved("cat")).turn, 0);
});

test("a move that is carried to another center takes every point to the same place", () => {
  const draw = random(3);
  for (let k = 0; k < 50; k += 1) {
    const move = { ...m.unmoved("cat"), x: draw(-90, 90), y: draw(-90, 90), wide: draw(0.2, 3), high: draw(0.2, 3),
      turn: draw(-180, 180), flip: draw() < 0.5 };
    const centers = [[draw(0, 300), draw(0, 300)], [draw(0, 300), draw(0, 300)]], point = [draw(0, 300), draw(0, 300)];
    const carried = m.carryMove(move, ...centers);
    closeTo(applyMatrix(moveMatrix(carried, centers[1]), point), applyMatrix(moveMatrix(move, centers[0]), point), 1e-6);
  }
});

test("what lies under two fingers stays under them", () => {
  const center = centerOf(CAT.box), still = { ...m.unmoved("cat"), x: 60, y: 40, turn: 10 };
  const from = [[180, 170], [240, 210]], to = [[200, 150], [270, 250]];
  const move = { ...still, ...m.pinchMove(still, from, to, center, SIZE) };
  for (const k of [0, 1]) {
    const own = applyMatrix(inverse(moveMatrix(still, center)), from[k]);
    closeTo(applyMatrix(moveMatrix(move, center), own), to[k], 1.5); // whole pixels and half degrees
  }
});

test("two fingers that only come closer make no turn, and an object keeps a size", () => {
  const center = centerOf(CAT.box), still = m.unmoved("cat");
  const closer = m.pinchMove(still, [[100, 150], [200, 150]], [[125, 150], [175, 150]], center, SIZE);
  assert.deepEqual([closer.wide, closer.high, closer.turn], [0.5, 0.5, 0]);
  const least = m.pinchMove(still, [[100, 150], [200, 150]], [[150, 150], [150, 150]], center, SIZE);
  assert.equal(least.wide, 0.05);
});

function inverse([a, b, c, d, e, f]) {
  const area = a * d - b * c;
  return [d / area, -b / area, -c / area, a / area, (c * f - d * e) / area, (b * e - a * f) / area];
}

test("the photo itself shows what has not changed", () => {
  const lifted = (moves, held) => [...m.liftedNames(moves, objectOf, held)].sort();
  assert.deepEqual(lifted(start()), []);
  assert.deepEqual(lifted(m.changeMove(start(), "sun", { x: 100 })), ["sun"]);
  assert.deepEqual(lifted(start(), "sun"), ["sun"], "what is about to be dragged");
  assert.deepEqual(lifted(m.changeMove(start(), "cat", { y: 200 })), ["cat", "hat"], "the hat lies in the cat's place");
  assert.deepEqual(lifted(m.changeMove(start(), "sun", { x: -180, y: 30 })), ["cat", "hat", "sun"], "the sun lies on the hat");
  assert.deepEqual(lifted(m.changeMove(start(), "sun", { gone: true })), ["sun"]);
  const far = m.changeMove(start(), "sun", { x: 200, y: 300 });
  const { moves } = m.duplicateMove(far, "sun", names(far), centerOf(SUN.box), SIZE);
  assert.deepEqual(lifted(moves), ["sun", "sun 2"]);
});

test("how much of two boxes is in both", () => {
  assert.equal(m.overlap([0, 0, 10, 10], [0, 0, 10, 10]), 1);
  assert.equal(m.overlap([0, 0, 10, 10], [10, 0, 20, 10]), 0);
  closeTo([m.overlap([0, 0, 10, 10], [5, 0, 15, 10])], [1 / 3]);
});

test("numbers that are typed", () => {
  const move = m.unmoved("cat"), typed = (field, text) => m.typedMove(move, field, text, centerOf(CAT.box), SIZE);
  for (const [field, text, wanted] of [
    ["x", "12", { x: 12 }],
    ["y", " -3,5 ", { y: -3.5 }],
    ["x", "99999", { x: 490 }],
    ["wide", "150", { wide: 1.5 }],
    ["wide", "150 %", { wide: 1.5 }],
    ["high", "0", { high: 0.05 }],
    ["turn", "270", { turn: -90 }],
    ["turn", "5°", { turn: 5 }],
    ["x", "", null],
    ["x", "far", null],
  ])
    assert.deepEqual(typed(field, text), wanted, `${field} ${text}`);
  assert.equal(m.FIELDS.wide.of({ ...move, wide: 1.2346 }), 123.5);
});
