// What part of a photo is seen, and how its labels look there.
import assert from "node:assert/strict";
import { test } from "node:test";

import { closeTo, load, random } from "./scripts.js";

const { boxToScreen, fitView, heldView, isFit, packColour, panView, pinchView, renderLabels, toPhoto, toScreen, zoomView } =
  await load("map_view.js");

const PHOTO = { width: 400, height: 300 }, FRAME = { width: 200, height: 200 };

test("a photo that fits lies in the middle, and is as large as it can be", () => {
  assert.deepEqual(fitView(PHOTO, FRAME), { scale: 0.5, x: 0, y: 25 });
  assert.ok(isFit(fitView(PHOTO, FRAME), PHOTO, FRAME));
});

test("places go to the screen and back", () => {
  const draw = random(1), view = zoomView(fitView(PHOTO, FRAME), [50, 90], 3, PHOTO, FRAME);
  for (let k = 0; k < 20; k += 1) {
    const point = [draw(0, 400), draw(0, 300)];
    closeTo(toPhoto(view, toScreen(view, point)), point);
  }
  closeTo(boxToScreen(view, [0, 0, 400, 300]).slice(0, 2), [view.x, view.y]);
});

test("zooming keeps what is under the pointer, and ends at both limits", () => {
  const first = zoomView(fitView(PHOTO, FRAME), [100, 100], 4, PHOTO, FRAME), point = toPhoto(first, [80, 120]);
  closeTo(toPhoto(zoomView(first, [80, 120], 1.5, PHOTO, FRAME), [80, 120]), point);
  assert.deepEqual(zoomView(first, [80, 120], 1e-3, PHOTO, FRAME), fitView(PHOTO, FRAME));
  const most = zoomView(first, [80, 120], 1e6, PHOTO, FRAME);
  assert.equal(most.scale, 8);
});

test("nothing beside the photo is seen that need not be", () => {
  const view = zoomView(fitView(PHOTO, FRAME), [100, 100], 4, PHOTO, FRAME);
  const far = panView(view, 1e6, -1e6, PHOTO, FRAME);
  closeTo([far.x, far.y], [0, FRAME.height - PHOTO.height * far.scale]);
  assert.deepEqual(heldView(far, PHOTO, FRAME), far);
});

test("two fingers take what lies under them along", () => {
  const view = zoomView(fitView(PHOTO, FRAME), [100, 100], 4, PHOTO, FRAME);
  const before = [[60, 100], [140, 100]], after = [[55, 110], [155, 110]];
  const pinched = pinchView(view, before, after, PHOTO, FRAME);
  closeTo([pinched.scale], [view.scale * 1.25]);
  before.forEach((place, k) => closeTo(toScreen(pinched, toPhoto(view, place)), after[k], 1e-6));
});

test("labels are painted in their tint, with a line inside their edge and nothing beside them", () => {
  const map = { width: 8, height: 6, labels: new Uint8Array(48) };
  for (let y = 1; y < 5; y += 1) for (let x = 2; x < 8; x += 1) map.labels[y * 8 + x] = x < 6 ? 1 : 2;
  const palette = { tints: Uint32Array.from([9, 11, 12]), lines: Uint32Array.from([9, 21, 22]), line: 1 };
  const pixels = new Uint32Array(10 * 8);
  renderLabels(pixels, [-1, -1, 9, 7], map, { scale: 1, x: 0, y: 0 }, palette);
  const rows = Array.from({ length: 8 }, (_, y) => [...pixels.subarray(10 * y, 10 * y + 10)].join(" "));
  assert.deepEqual(rows, [
    "0 0 0 0 0 0 0 0 0 0",
    "0 0 0 0 0 0 0 0 0 0",
    "0 0 0 21 21 21 21 22 22 0",
    "0 0 0 21 11 11 21 22 12 0",
    "0 0 0 21 11 11 21 22 12 0",
    "0 0 0 21 21 21 21 22 22 0",
    "0 0 0 0 0 0 0 0 0 0",
    "0 0 0 0 0 0 0 0 0 0",
  ]);
  const part = new Uint32Array(9);
  renderLabels(part, [3, 2, 6, 5], map, { scale: 1, x: 0, y: 0 }, palette);
  assert.deepEqual([...part], [11, 11, 21, 11, 11, 21, 21, 21, 21]);
});

test("twice as large, each pixel takes four", () => {
  const map = { width: 3, height: 3, labels: Uint8Array.from([0, 0, 0, 0, 1, 0, 0, 0, 0]) }, pixels = new Uint32Array(36);
  const palette = { tints: Uint32Array.from([0, 5]), lines: Uint32Array.from([0, 5]), line: 1 };
  renderLabels(pixels, [0, 0, 6, 6], map, { scale: 2, x: 0, y: 0 }, palette);
  assert.equal(pixels.reduce((sum, each) => sum + (each === 5), 0), 4);
  assert.equal(packColour([1, 2, 3], 255), 0xff030201);
});
