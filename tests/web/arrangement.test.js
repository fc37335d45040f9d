// The moves of a scene, without a page: what a change, undo and redo do.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { load } from "./scripts.js";

const { Arrangement, copyMoves, describeMove } = await load("arrangement.js");
const SCENE = {
  width: 640,
  height: 480,
  objects: [{ name: "cat", box: [100, 100, 200, 200] }, { name: "sun", box: [300, 10, 360, 70] }],
};
const start = () => SCENE.objects.map(({ name }) => ({
  name, x: 0, y: 0, wide: 1, high: 1, turn: 0, flip: false, gone: false,
}));
const names = (arrangement) => arrangement.moves.map((move) => move.name);

let told, arrangement;
beforeEach(() => {
  told = [];
  arrangement = new Arrangement((changed) => told.push(changed));
  arrangement.open(SCENE, start());
  arrangement.picked = "cat";
});

test("every change is told, can be undone and done again", () => {
  const changes = [
    () => arrangement.shift("cat", 5, -3),
    () => arrangement.scale("cat", 1.5),
    () => arrangement.turn("cat", 190),
    () => arrangement.flip("cat"),
    () => arrangement.restack("cat", 1),
    () => arrangement.change("sun", { gone: true }),
    () => arrangement.reset(),
  ];
  const seen = [copyMoves(arrangement.moves)];
  for (const change of changes) {
    change();
    seen.push(copyMoves(arrangement.moves));
  }
  assert.deepEqual(told, changes.map(() => true));
  for (const moves of seen.slice(0, -1).reverse()) {
    arrangement.undo();
    assert.deepEqual(arrangement.moves, moves);
  }
  arrangement.undo(); // nothing is left
  for (const moves of seen.slice(1)) {
    arrangement.redo();
    assert.deepEqual(arrangement.moves, moves);
  }
});

test("what changes nothing is not kept for undo", () => {
  arrangement.restack("sun", Infinity);
  arrangement.reset();
  assert.deepEqual(told, [false, false]);
  assert.equal(arrangement.past.length, 0);
});

test("a change after undo forgets what was undone", () => {
  arrangement.shift("cat", 5, 0);
  arrangement.undo();
  arrangement.shift("cat", 0, 7);
  arrangement.redo();
  assert.equal(arrangement.moveOf("cat").x, 0);
  assert.equal(arrangement.moveOf("cat").y, 7);
});

test("a drag is one change, however many steps it took; one that is cancelled is none", () => {
  arrangement.beginDrag();
  for (const x of [1, 2, 3]) arrangement.drag("cat", { x });
  assert.equal(arrangement.moveOf("cat").x, 3);
  arrangement.endDrag(true);
  assert.equal(arrangement.past.length, 1);
  arrangement.undo();
  assert.deepEqual(arrangement.moves, start());
  arrangement.beginDrag();
  arrangement.drag("cat", { turn: 40 });
  arrangement.endDrag(false);
  assert.deepEqual(arrangement.moves, start());
});

test("moves from the server can be taken back, and unpick what is gone", () => {
  arrangement.replace(start().map((move) => ({ ...move, gone: move.name === "cat" })));
  assert.equal(arrangement.picked, null);
  assert.equal(arrangement.pickedMove, null);
  arrangement.undo();
  assert.deepEqual(arrangement.moves, start());
});

test("the order is from back to front", () => {
  arrangement.restack("cat", 1);
  assert.deepEqual(names(arrangement), ["sun", "cat"]);
  arrangement.restack("cat", -Infinity);
  assert.deepEqual(names(arrangement), ["cat", "sun"]);
});

test("the center of what is shifted stays on the photo", () => {
  arrangement.shift("cat", 10_000, -10_000);
  const { x, y } = arrangement.moveOf("cat");
  assert.deepEqual([150 + x, 150 + y], [640, 0]);
});

test("what was given does not change with the arrangement", () => {
  const given = start();
  arrangement.open(SCENE, given);
  arrangement.beginDrag();
  arrangement.drag("cat", { x: 9 });
  assert.deepEqual(given, start());
});

test("a move is said as a sentence", () => {
  const [cat] = start();
  for (const [values, sentence] of [
    [{}, "cat: where it was."],
    [{ x: 12, y: -3 }, "cat: moved by +12, -3 pixels."],
    [{ wide: 1.5, high: 1.5 }, "cat: 150 % of its size."],
    [{ wide: 0.5, turn: 12.25, flip: true }, "cat: 50 % by 100 % of its size, turned by 12.3°, flipped."],
  ])
    assert.equal(describeMove({ ...cat, ...values }), sentence);
});
