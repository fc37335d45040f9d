// Painting masks: strokes, growth, undo and the file that is sent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";

import { load, random } from "./scripts.js";

const {
  MOST_PIXELS, boundsOf, decodeRuns, emptyMap, encodeRuns, fillMap, growMask, mapSize, paintStroke, placeLabel, putMap,
} = await load("label_map.js");
const { moveMatrix } = await load("geometry.js");
const { labelsOfPixels, labelsToPng } = await load("label_png.js");

const count = (map, label = 1) => map.labels.reduce((sum, each) => sum + (each === label), 0);

function scribbled(width, height, seed, strokes = 6) {
  const map = emptyMap({ width, height }), draw = random(seed);
  for (let k = 0; k < strokes; k += 1) {
    const from = [draw(-5, width + 5), draw(-5, height + 5)], to = [draw(-5, width + 5), draw(-5, height + 5)];
    paintStroke(map, from, to, draw(0, 6), k % 3 ? 1 : 0);
  }
  return map;
}

test("a photo of 12 million pixels is kept as it is, a larger one at a part of its pixels", () => {
  assert.deepEqual(mapSize({ width: 4032, height: 3024 }), { width: 4032, height: 3024, share: 1 });
  const large = mapSize({ width: 8000, height: 6000 });
  assert.ok(large.width * large.height <= MOST_PIXELS && large.width * large.height > 0.99 * MOST_PIXELS);
  assert.ok(Math.abs(large.width / large.height - 4 / 3) < 0.002);
});

test("a stroke marks the pixels whose middle is near its line, and no others", () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const draw = random(seed), width = 40, height = 30, map = emptyMap({ width, height });
    const from = [draw(-9, 49), draw(-9, 39)], to = seed % 5 ? [draw(-9, 49), draw(-9, 39)] : from, radius = draw(1, 9);
    const box = paintStroke(map, from, to, radius, 3);
    const dx = to[0] - from[0], dy = to[1] - from[1], square = dx * dx + dy * dy;
    for (let y = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1) {
        const px = x + 0.5 - from[0], py = y + 0.5 - from[1];
        const along = square ? Math.min(1, Math.max(0, (px * dx + py * dy) / square)) : 0;
        const away = Math.hypot(px - along * dx, py - along * dy), marked = map.labels[y * width + x] === 3;
        if (Math.abs(away - radius) > 1e-6) assert.equal(marked, away < radius, `seed ${seed}, ${x}, ${y}`);
        if (marked) assert.ok(x >= box[0] && x < box[2] && y >= box[1] && y < box[3]);
      }
  }
});

test("the finest brush marks the pixel that it is on, and beside the photo nothing", () => {
  const map = emptyMap({ width: 9, height: 7 });
  paintStroke(map, [3.1, 2.9], [3.1, 2.9], 0, 1);
  assert.deepEqual([map.labels[2 * 9 + 3], count(map)], [1, 1]);
  assert.equal(paintStroke(map, [-30, 3], [-20, 3], 4, 1), null);
  assert.deepEqual(boundsOf(map), [3, 2, 4, 3]);
  assert.equal(boundsOf(emptyMap(map)), null);
});

test("the bounds hold all that is marked", () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const map = scribbled(23, 17, seed), bounds = boundsOf(map), seen = [Infinity, Infinity, -Infinity, -Infinity];
    map.labels.forEach((label, k) => {
      const x = k % 23, y = Math.floor(k / 23);
      if (label) [seen[0], seen[1], seen[2], seen[3]] = [Math.min(seen[0], x), Math.min(seen[1], y), Math.max(seen[2], x + 1), Math.max(seen[3], y + 1)];
    });
    if (bounds) assert.deepEqual(bounds, seen);
    else assert.equal(seen[0], Infinity);
  }
});

test("a mask grows and shrinks by a distance, and ends at the photo's border as before", () => {
  for (let seed = 0; seed < 12; seed += 1)
    for (const pixels of [1, 3, -1, -2]) {
      const map = scribbled(26, 21, seed), before = { ...map, labels: map.labels.slice() };
      growMask(map, pixels);
      for (let y = 0; y < 21; y += 1)
        for (let x = 0; x < 26; x += 1) {
          let expected = before.labels[y * 26 + x];
          for (let v = 0; v < 21; v += 1)
            for (let u = 0; u < 26; u += 1)
              if ((u - x) ** 2 + (v - y) ** 2 <= pixels * pixels && before.labels[v * 26 + u] === (pixels > 0 ? 1 : 0))
                expected = pixels > 0 ? 1 : 0;
          assert.equal(map.labels[y * 26 + x], expected, `seed ${seed}, ${pixels}: ${x}, ${y}`);
        }
    }
  assert.equal(growMask(emptyMap({ width: 5, height: 5 }), 2), null);
  const whole = emptyMap({ width: 6, height: 6 });
  fillMap(whole, 1);
  growMask(whole, -2);
  assert.equal(count(whole), 36);
});

test("one map is laid over another, or takes its place", () => {
  const map = scribbled(19, 13, 5), before = map.labels.slice();
  const other = scribbled(19, 13, 6);
  putMap(map, other, { over: true });
  map.labels.forEach((label, k) => assert.equal(label, other.labels[k] || before[k]));
  putMap(map, other);
  assert.deepEqual(map.labels, other.labels);
});

test("runs keep what a box holds, and nothing around it is touched", () => {
  const box = [3, 2, 16, 11], map = scribbled(20, 14, 7), other = scribbled(20, 14, 8), before = other.labels.slice();
  decodeRuns(other, box, encodeRuns(map, box));
  other.labels.forEach((label, k) => {
    const x = k % 20, y = Math.floor(k / 20), inside = x >= 3 && x < 16 && y >= 2 && y < 11;
    assert.equal(label, inside ? map.labels[k] : before[k]);
  });
});

test("the file is a PNG with a palette, whose pixels are the labels", async () => {
  const map = scribbled(21, 16, 9), file = await labelsToPng(map), bytes = Buffer.from(await file.arrayBuffer());
  assert.equal(bytes.subarray(1, 4).toString(), "PNG");
  assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes[24], bytes[25]], [21, 16, 8, 3]);
  const start = bytes.indexOf("IDAT"), rows = inflateSync(bytes.subarray(start + 4, start + 4 + bytes.readUInt32BE(start - 4)));
  map.labels.forEach((label, k) => assert.equal(rows[Math.floor(k / 21) * 22 + 1 + (k % 21)], label));
  assert.equal(file.type, "image/png");
});

test("pixels become the label of the nearest colour", () => {
  const colours = [[254, 254, 254], [255, 0, 0], [0, 0, 255]];
  const pixels = Uint8ClampedArray.from([250, 250, 251, 255, 240, 9, 0, 255, 0, 0, 255, 255, 3, 2, 250, 255]);
  assert.deepEqual([...labelsOfPixels(pixels, colours)], [0, 1, 2, 2]);
});

test("a label goes where its cut-out was dragged, and nothing else does", () => {
  const map = emptyMap({ width: 20, height: 14 }), target = emptyMap(map);
  for (let y = 4; y < 8; y += 1) map.labels.fill(2, y * 20 + 3, y * 20 + 9);
  map.labels[0] = 1;
  placeLabel(target, map, 2, moveMatrix({ x: 6, y: 2, wide: 1, high: 1, turn: 0, flip: false }, [6, 6]), 1);
  assert.deepEqual([count(target, 2), count(target, 1), boundsOf(target)], [24, 0, [9, 6, 15, 10]]);
  placeLabel(target, map, 2, moveMatrix({ x: 0, y: 0, wide: 1, high: 1, turn: 90, flip: true }, [6, 6]), 1);
  assert.deepEqual(boundsOf(target), [4, 3, 15, 10]);
  assert.equal(placeLabel(target, map, 2, moveMatrix({ x: 99, y: 0, wide: 1, high: 1, turn: 0, flip: false }, [6, 6]), 1), null);
  assert.equal(placeLabel(target, map, 7, moveMatrix({ x: 0, y: 0, wide: 1, high: 1, turn: 0, flip: false }, [6, 6]), 1), null);
});

test("on a map of fewer pixels than the photo it goes as far, in shares of the photo", () => {
  const map = emptyMap({ width: 20, height: 14 }), target = emptyMap(map);
  for (let y = 4; y < 8; y += 1) map.labels.fill(1, y * 20 + 3, y * 20 + 9);
  placeLabel(target, map, 1, moveMatrix({ x: 8, y: 4, wide: 1, high: 1, turn: 0, flip: false }, [24, 24]), 0.25);
  assert.deepEqual(boundsOf(target), [5, 5, 11, 9]);
});
