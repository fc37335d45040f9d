// The frame and the handles of the picked object, without a page.
import assert from "node:assert/strict";
import { test } from "node:test";

import { closeTo, load, random } from "./scripts.js";

const h = await load("studio_handles.js");
const { unmoved } = await load("studio_moves.js");
const CANVAS = { width: 800, height: 600 };
const at = (scale, x = 0, y = 0) => ([px, py]) => [px * scale + x, py * scale + y];
const BOX = [100, 120, 220, 200];
const frameOf = (move, view, canvas = CANVAS, box = BOX) => h.frameOf({ ...unmoved("cat"), ...move }, box, view, canvas);
const placeOf = (frame, name) => frame.handles.find((handle) => handle.name === name)?.at;

test("handles lie on the frame, and keep their distance at every zoom", () => {
  for (const scale of [1, 2, 2.5]) {
    const frame = frameOf({}, at(scale));
    closeTo(placeOf(frame, "se"), [220 * scale, 200 * scale]);
    closeTo(placeOf(frame, "n"), [160 * scale, 120 * scale]);
    closeTo(placeOf(frame, "turn"), [160 * scale, 120 * scale - 36]);
    assert.equal(frame.handles.length, 9);
  }
});

test("all handles are within the canvas, however the object lies and the view is zoomed", () => {
  const draw = random(5);
  let seen = 0;
  for (let k = 0; k < 500; k += 1) {
    const move = { x: draw(-200, 900), y: draw(-200, 700), wide: draw(0.1, 9), high: draw(0.1, 9), turn: draw(-180, 180) };
    const frame = frameOf(move, at(draw(0.2, 6), draw(-500, 200), draw(-500, 200)));
    if (!frame) continue;
    seen += 1;
    for (const { at: [x, y], name } of frame.handles)
      assert.ok(x >= h.MARGIN && y >= h.MARGIN && x <= 800 - h.MARGIN && y <= 600 - h.MARGIN, `${name} at ${x}, ${y}`);
  }
  assert.ok(seen > 100);
});

test("the handle that turns goes to another side where there is no room above", () => {
  closeTo(placeOf(frameOf({ y: -110 }, at(1)), "turn"), [160, 126]);
});

test("an object that is out of sight has no handles", () => {
  assert.equal(frameOf({ x: 900 }, at(1)), null);
});

test("sides of a small object have no handles, and its middle is for dragging", () => {
  const frame = frameOf({}, at(0.3)); // 36 x 24 on the screen
  assert.deepEqual(frame.handles.map((handle) => handle.name).sort(), ["ne", "nw", "se", "sw", "turn"]);
  assert.equal(h.handleAt(frame, [48, 48], "touch"), null);
  assert.equal(h.handleAt(frame, [70, 64], "touch").name, "se");
});

test("fingers reach farther than the mouse", () => {
  const frame = frameOf({}, at(2));
  assert.equal(h.handleAt(frame, [440 + 18, 400], "touch").name, "se");
  assert.equal(h.handleAt(frame, [440 + 18, 400], "mouse"), null);
  assert.equal(h.handleAt(null, [0, 0], "mouse"), null);
});

test("a point in the frame, or a little beside it, whatever the turn", () => {
  const frame = frameOf({ turn: 45 }, at(2)), middle = [320, 320];
  assert.ok(h.inFrame(frame, middle, 0));
  assert.ok(!h.inFrame(frame, [220, 220], 0));
  assert.ok(h.inFrame(frame, [320 - 120 * Math.SQRT1_2, 320 - 120 * Math.SQRT1_2 - 10], 60));
  assert.ok(!h.inFrame(null, middle, 60));
});
