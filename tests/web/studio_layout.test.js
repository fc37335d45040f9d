// Painted and loaded layouts, without a page.
import assert from "node:assert/strict";
import { test } from "node:test";

import { closeTo, load, random } from "./scripts.js";

const l = await load("studio_layout.js");
const { boundsOf, emptyMap, paintStroke } = await load("label_map.js");
const { labelsToPng } = await load("label_png.js");
const { unmoved } = await load("studio_moves.js");
const RED = [255, 0, 0], BLUE = [0, 0, 255], WHITE = [255, 255, 255];

const pixelsOf = (...runs) =>
  Uint8ClampedArray.from(runs.flatMap(([count, colour, alpha = 255]) => Array(count).fill([...colour, alpha]).flat()));

test("the background has a colour that no object has", () => {
  assert.deepEqual(l.paperColour([RED, BLUE]), [0, 0, 0]);
  assert.deepEqual(l.paperColour([[3, 3, 3]]), [254, 254, 254]);
  const taken = [[0, 0, 0], WHITE];
  const paper = l.paperColour(taken);
  assert.ok(taken.every((colour) => l.distance(colour, paper) > 12));
});

test("a layout's colours, the most frequent first, with what lies between them given to the nearest", () => {
  const pixels = pixelsOf([600, WHITE], [300, RED], [100, [2, 1, 250]], [1, [255, 120, 120]], [1, [0, 252, 0]]);
  const { colours, indices } = l.coloursOf(pixels, [0, 0, 0], [[0, 255, 0]]);
  assert.deepEqual(colours.map(({ colour }) => colour), [WHITE, RED, [2, 1, 250], [0, 252, 0]]);
  assert.deepEqual([indices[0], indices[700], indices[950], indices[1000], indices[1001]], [0, 1, 2, 1, 3]);
});

test("what is transparent is background", () => {
  const { colours } = l.coloursOf(pixelsOf([60, RED], [40, [9, 99, 199], 0]), [0, 0, 0]);
  assert.deepEqual(colours.map(({ colour }) => colour), [RED, [0, 0, 0]]);
});

test("a photograph is no layout", () => {
  const draw = random(1), noise = Array.from({ length: 4000 }, () => [1, [draw(0, 255), draw(0, 255), draw(0, 255)]]);
  assert.equal(l.coloursOf(pixelsOf(...noise), [0, 0, 0]), null);
});

test("colours are guessed where an object or the background has them, and else left open", () => {
  const colours = [[WHITE, 0.7], [[250, 4, 3], 0.1], [[1, 2, 255], 0.1], [[0, 200, 90], 0.05], [[0, 0, 0], 0.05]];
  const given = colours.map(([colour, share]) => ({ colour, share }));
  assert.deepEqual(l.guessLabels(given, [BLUE, RED], [0, 0, 0]), [0, 2, 1, null, 0]);
  assert.deepEqual(l.mapLabels([0, 2, null, null], 2), [0, 2, 5, 6]);
});

test("a map is saved as numbers and comes back, with other labels where its objects have other places", () => {
  const map = emptyMap({ width: 40, height: 30 });
  paintStroke(map, [8, 8], [20, 8], 4, 1);
  paintStroke(map, [30, 20], [30, 20], 5, 2);
  const runs = l.saveMap(map);
  assert.deepEqual(JSON.parse(JSON.stringify(runs)), runs);
  assert.deepEqual(l.restoreMap({ width: 40, height: 30, runs }).labels, map.labels);
  const swapped = l.restoreMap({ width: 40, height: 30, runs: l.relabelRuns(runs, [0, 2, 1]) });
  assert.deepEqual(swapped.labels, map.labels.map((label) => [0, 2, 1][label]));
  assert.ok(!boundsOf(l.restoreMap({ width: 40, height: 30, runs: l.relabelRuns(runs, [0]) })), "unknown labels go");
});

test("the middle of each label", () => {
  const map = emptyMap({ width: 20, height: 10 });
  for (let y = 2; y < 6; y += 1) map.labels.fill(3, y * 20 + 4, y * 20 + 10);
  map.labels.fill(1, 0, 25); // over the end of a row
  const middles = l.middlesOf(l.saveMap(map), 20);
  closeTo([middles.get(3).x, middles.get(3).y, middles.get(3).area], [7, 4, 24]);
  closeTo([middles.get(1).x, middles.get(1).y], [(20 * 10 + 5 * 2.5) / 25, (20 * 0.5 + 5 * 1.5) / 25]);
});

test("objects that stay are drawn where they were moved to, the front one over the others", () => {
  const size = { width: 60, height: 40 }, whole = { ...size, labels: new Uint8Array(60 * 40) };
  for (let y = 10; y < 20; y += 1) whole.labels.fill(1, y * 60 + 10, y * 60 + 20);
  const objects = [{ name: "cat", box: [10, 10, 20, 20] }, { name: "sun", box: [10, 10, 20, 20] }];
  const moves = [{ ...unmoved("sun"), x: 25 }, { ...unmoved("cat"), x: 20, y: 5 }];
  const target = emptyMap(size);
  l.placeStaying(target, moves, objects, new Map([["cat", whole], ["sun", whole]]), 1);
  assert.equal(target.labels[17 * 60 + 37], 1, "the cat is in front");
  assert.equal(target.labels[11 * 60 + 40], 2);
  assert.deepEqual(boundsOf(target), [30, 10, 45, 25]);
});

test("beside a layout go what it does not show, and flips of what stays", () => {
  const moves = [
    { ...unmoved("cat"), x: 9, flip: true, turn: 20 },
    { ...unmoved("sun"), x: 9, flip: true },
    { ...unmoved("hat"), gone: true },
    { ...unmoved("cat 2"), copy_of: "cat" },
  ];
  assert.deepEqual(l.movesBeside(moves, new Set(["hat"]), new Set(["cat"])), [
    { ...unmoved("cat"), flip: true },
    unmoved("sun"),
    { ...unmoved("hat"), gone: true },
  ]);
  assert.deepEqual(l.drawnMove(moves[0]), { ...moves[0], flip: false, turn: -20 });
});

test("a PNG whose background is transparent", async () => {
  const map = { width: 2, height: 1, labels: Uint8Array.of(0, 1) };
  const text = async (options) => Buffer.from(await (await labelsToPng(map, [RED, BLUE], options)).arrayBuffer()).toString("latin1");
  assert.ok((await text({ clear: true })).includes("tRNS\0"));
  assert.ok(!(await text({})).includes("tRNS"));
});
