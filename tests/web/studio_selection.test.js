// Selections: shapes that are filled, maps that are joined, kept, blurred and drawn, and the file that is sent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";

import { closeTo, load, random } from "./scripts.js";

const { boundsOf, emptyMap } = await load("label_map.js");
const { levelsToPng } = await load("label_png.js");
const { heldView } = await load("map_view.js");
const { HOWS, combineMap, featherMap, invertSelection, mapOfRuns, putRuns, resizeMap, runsOf } = await load("selection_map.js");
const { howOf } = await load("studio_gestures.js");
const { LOOKS, glowPalette, renderGlow } = await load("studio_glow.js");
const { boxBetween, boxOfPoints, fillBox, fillPolygon, thinPath } = await load("studio_lasso.js");

const count = (map) => map.labels.reduce((sum, each) => sum + each, 0);

function speckled(width, height, seed, share = 0.5) {
  const map = emptyMap({ width, height }), draw = random(seed);
  for (let k = 0; k < map.labels.length; k += 1) map.labels[k] = draw() < share ? 1 : 0;
  return map;
}

// How often a path goes around a point, counted by angles.
function windings(points, [x, y]) {
  let turned = 0;
  points.forEach(([ax, ay], k) => {
    const [bx, by] = points[(k + 1) % points.length];
    const angle = Math.atan2(by - y, bx - x) - Math.atan2(ay - y, ax - x);
    turned += ((angle + 3 * Math.PI) % (2 * Math.PI)) - Math.PI;
  });
  return Math.round(turned / (2 * Math.PI));
}

test("a polygon holds the pixels whose middle it goes around, also where it crosses itself or leaves the map", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const draw = random(seed), width = 30, height = 24, map = emptyMap({ width, height });
    const points = Array.from({ length: 3 + (seed % 6) }, () => [draw(-8, 38), draw(-8, 32)]);
    fillPolygon(map, points);
    for (let y = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1)
        assert.equal(map.labels[y * width + x], windings(points, [x + 0.5, y + 0.5]) ? 1 : 0, `seed ${seed} at ${x}, ${y}`);
  }
});

test("polygons that share a side neither overlap nor leave a gap", () => {
  const one = emptyMap({ width: 20, height: 20 }), other = emptyMap({ width: 20, height: 20 });
  fillPolygon(one, [[0, 0], [20, 0], [7.5, 20], [0, 20]]);
  fillPolygon(other, [[20, 0], [20, 20], [7.5, 20]]);
  one.labels.forEach((label, k) => assert.equal(label + other.labels[k], 1));
});

test("a polygon of less than three corners, or beside the map, changes nothing", () => {
  const map = emptyMap({ width: 9, height: 9 });
  assert.equal(fillPolygon(map, [[1, 1], [5, 5]]), null);
  assert.equal(fillPolygon(map, [[20, 1], [25, 5], [20, 9]]), null);
  assert.equal(count(map), 0);
});

test("a box is rounded to whole pixels and kept to the map", () => {
  const map = emptyMap({ width: 10, height: 8 });
  assert.deepEqual(fillBox(map, [2.4, -3, 6.6, 2.5]), [2, 0, 7, 3]);
  assert.equal(count(map), 15);
  assert.equal(fillBox(map, [11, 1, 14, 3]), null);
  assert.deepEqual(boxBetween([5, 1], [2, 4]), [2, 1, 5, 4]);
});

test("a path keeps no points that hardly differ", () => {
  assert.deepEqual(thinPath([[0, 0], [0.2, 0], [1, 0], [1.1, 0.1], [4, 4]], 1), [[0, 0], [1, 0], [4, 4]]);
  assert.deepEqual(boxOfPoints([[3, 9], [1, 2], [5, 4]]), [1, 2, 5, 9]);
  assert.equal(boxOfPoints([]), null);
});

test("maps are joined pixel by pixel, whatever their number", () => {
  const joins = { new: (a, b) => b, add: (a, b) => a | b, subtract: (a, b) => (a && !b ? 1 : 0), intersect: (a, b) => a & b };
  assert.deepEqual([...HOWS].sort(), Object.keys(joins).sort());
  for (const [width, height] of [[8, 4], [7, 3], [1, 1], [5, 2]])
    for (const how of HOWS) {
      const one = speckled(width, height, 3), other = speckled(width, height, 4), before = one.labels.slice();
      combineMap(one, other, how);
      one.labels.forEach((label, k) => assert.equal(label, joins[how](before[k], other.labels[k]), how));
      invertSelection(one);
      one.labels.forEach((label, k) => assert.equal(label, 1 - joins[how](before[k], other.labels[k]), how));
    }
});

test("runs hold a selection, through JSON, too", () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const map = speckled(3 + seed, 1 + (seed % 9), seed, seed / 31), runs = runsOf(map);
    assert.deepEqual(mapOfRuns(JSON.parse(JSON.stringify(runs)), map), map);
    assert.ok(runs.every((run, k) => Number.isInteger(run) && (k === 0 ? run >= 0 : run > 0)));
  }
  const map = emptyMap({ width: 4, height: 3 });
  assert.deepEqual(runsOf(map), []);
  map.labels.fill(1);
  assert.deepEqual(runsOf(map), [0, 12]);
  putRuns(map, [5, 2]);
  assert.deepEqual([...map.labels], [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
});

test("the box around a selection is found wherever it begins", () => {
  for (let at = 0; at < 35; at += 1) {
    const map = emptyMap({ width: 7, height: 5 }), x = at % 7, y = Math.floor(at / 7);
    map.labels[at] = 1;
    assert.deepEqual(boundsOf(map), [x, y, x + 1, y + 1]);
  }
  assert.equal(boundsOf(emptyMap({ width: 7, height: 5 })), null);
});

test("a selection at another size covers the same part", () => {
  const map = emptyMap({ width: 40, height: 20 });
  fillBox(map, [10, 5, 30, 15]);
  assert.deepEqual(boundsOf(resizeMap(map, { width: 20, height: 10 })), [5, 2, 15, 7]);
  assert.deepEqual(boundsOf(resizeMap(map, { width: 80, height: 40 })), [20, 10, 60, 30]);
  assert.deepEqual(resizeMap(map, map), map);
});

test("a soft edge fades evenly to both sides, as far as it says", () => {
  for (const reach of [1, 2, 3, 7, 12]) {
    const map = emptyMap({ width: 80, height: 60 });
    fillBox(map, [30, 0, 80, 60]);
    const row = [...featherMap(map, boundsOf(map), reach).subarray(80 * 30, 80 * 31)];
    row.forEach((level, x) => {
      if (x < 30 - reach) assert.equal(level, 0, `${x} of ${reach}`);
      else if (x >= 30 + reach) assert.equal(level, 255, `${x} of ${reach}`);
      else if (Math.abs(x + 0.5 - 30) < 0.7 * reach) assert.ok(level > 0 && level < 255, `${x} of ${reach} is ${level}`);
      assert.ok(x === 0 || level >= row[x - 1]);
    });
    for (let k = 0; k < reach; k += 1) closeTo([row[29 - k]], [255 - row[30 + k]], 6);
  }
});

test("the photo's borders do not fade, and nothing at all stays nothing", () => {
  const map = emptyMap({ width: 30, height: 30 });
  assert.ok(featherMap(map, boundsOf(map), 5).every((level) => level === 0));
  map.labels.fill(1);
  assert.ok(featherMap(map, boundsOf(map), 5).every((level) => level === 255));
});

test("levels become a PNG in grey", async () => {
  const width = 5, height = 3, levels = Uint8Array.from({ length: 15 }, (_, k) => 17 * k);
  const file = await levelsToPng({ width, height }, levels), bytes = Buffer.from(await file.arrayBuffer());
  assert.equal(file.type, "image/png");
  assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes[24], bytes[25]], [width, height, 8, 0]);
  assert.equal(bytes.toString("latin1", 37, 41), "IDAT");
  const rows = inflateSync(bytes.subarray(41, 41 + bytes.readUInt32BE(33)));
  for (let y = 0; y < height; y += 1)
    assert.deepEqual([...rows.subarray(y * 6, y * 6 + 6)], [0, ...levels.subarray(y * 5, y * 5 + 5)]);
});

const alpha = (pixel) => pixel >>> 24, red = (pixel) => pixel & 255;

function drawn(map, view, box, { reach = 3, line = 1, feathered = false } = {}) {
  const pixels = new Uint32Array((box[2] - box[0]) * (box[3] - box[1]));
  renderGlow(pixels, box, map, view, { palette: glowPalette(LOOKS.calm, feathered), reach, line });
  return pixels;
}

test("an edge has a light line within and a dark one without, and a glow that ends", () => {
  const map = emptyMap({ width: 40, height: 40 });
  fillBox(map, [20, 0, 40, 40]);
  const row = [...drawn(map, { scale: 1, x: 0, y: 0 }, [0, 0, 40, 40]).subarray(40 * 20, 40 * 21)];
  assert.deepEqual([red(row[20]), alpha(row[20])], [255, 255]);
  assert.ok(red(row[19]) < 40 && alpha(row[19]) > 150);
  assert.ok(row.slice(0, 16).every((pixel) => pixel === 0), "nothing is drawn far outside");
  assert.ok(alpha(row[18]) > alpha(row[17]) && alpha(row[17]) > 0);
  assert.ok(row.slice(24).every((pixel) => pixel === row[30]) && alpha(row[30]) === LOOKS.calm.tint);
  const hot = glowPalette(LOOKS.hot, false), calm = glowPalette(LOOKS.calm, false);
  assert.ok(alpha(hot[100]) > alpha(calm[100]), "it glows brighter");
});

test("a part that is drawn again is as in the whole", () => {
  const map = speckled(25, 20, 5, 0.02), view = { scale: 2.3, x: -4.5, y: 6 };
  const whole = drawn(map, view, [0, 0, 60, 50]), part = drawn(map, view, [13, 9, 41, 37]);
  for (let y = 9; y < 37; y += 1)
    for (let x = 13; x < 41; x += 1) assert.equal(part[(y - 9) * 28 + x - 13], whole[y * 60 + x], `at ${x}, ${y}`);
});

test("nothing is drawn beside the photo, and a selection of one pixel is still seen", () => {
  const map = emptyMap({ width: 10, height: 10 });
  map.labels.fill(1);
  const full = drawn(map, { scale: 2, x: 10, y: 10 }, [0, 0, 40, 40]);
  full.forEach((pixel, k) => {
    const x = k % 40, y = Math.floor(k / 40), within = x >= 10 && x < 30 && y >= 10 && y < 30;
    assert.equal(alpha(pixel), within ? LOOKS.calm.tint : 0);
  });
  const one = emptyMap({ width: 40, height: 40 });
  one.labels[40 * 20 + 20] = 1;
  assert.equal(alpha(drawn(one, { scale: 1, x: 0, y: 0 }, [0, 0, 40, 40], { reach: 9 })[40 * 20 + 20]), 255);
});

test("a soft edge is drawn as a band", () => {
  const map = emptyMap({ width: 60, height: 60 });
  fillBox(map, [30, 0, 60, 60]);
  const row = drawn(map, { scale: 1, x: 0, y: 0 }, [0, 0, 60, 60], { reach: 10, feathered: true }).subarray(60 * 30, 60 * 31);
  const band = [...row].map(alpha);
  assert.ok(band[22] > 0 && band[22] < band[26] && band[35] < band[45]);
  assert.equal(band[15], 0);
  assert.equal(band[45], LOOKS.calm.soft);
});

test("keys say how a gesture combines, or else the choice that is seen", () => {
  assert.equal(howOf({}, "intersect"), "intersect");
  assert.equal(howOf({ shiftKey: true }, "new"), "add");
  assert.equal(howOf({ altKey: true }, "add"), "subtract");
  assert.equal(howOf({ shiftKey: true, altKey: true }, "new"), "intersect");
});

test("a small photo is seen at its own pixels where a frame allows it", () => {
  const photo = { width: 100, height: 50 }, frame = { width: 400, height: 400 };
  assert.equal(heldView({ scale: 1, x: 0, y: 0 }, photo, frame).scale, 4);
  assert.deepEqual(heldView({ scale: 1, x: 0, y: 0 }, photo, { ...frame, least: 1 }), { scale: 1, x: 150, y: 175 });
  assert.equal(heldView({ scale: 1000, x: 0, y: 0 }, photo, { ...frame, least: 1 }).scale, 48);
});
