// The area that no change may touch.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./scripts.js";

const { joined } = await load("studio_keep.js");
const { mapOfRuns, runsOf } = await load("selection_map.js");

const area = (labels, width) => ({ runs: runsOf({ labels: Uint8Array.from(labels) }), width, height: labels.length / width });

test("what is kept adds up, and its soft edges and points are left behind", () => {
  const one = area([1, 0, 0, 0, 0, 0], 3), other = { ...area([0, 0, 0, 0, 1, 1], 3), feather: 4, object: { points: [] } };
  const both = joined(one, other);
  assert.deepEqual([...mapOfRuns(both.runs, both).labels], [1, 0, 0, 0, 1, 1]);
  assert.deepEqual(Object.keys(both).sort(), ["height", "runs", "width"]);
  assert.deepEqual(joined(null, other).runs, other.runs);
});
