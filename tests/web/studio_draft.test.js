// What a visitor does to a photo, as snapshots.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./scripts.js";

const { Draft, addressOf, latest, readAddress } = await load("studio_draft.js");

test("undo and redo go over words, selections, moves and results alike", () => {
  const draft = new Draft("draft-0001");
  draft.change({ prompt: "a house" });
  draft.change({ selection: { runs: [3, 0, 1, 1], width: 2, height: 2 } });
  draft.change({ step: "edit-0001", selection: null });
  assert.ok(draft.undo());
  assert.deepEqual([draft.now.step, draft.now.selection.runs], ["", [3, 0, 1, 1]]);
  draft.undo();
  assert.deepEqual([draft.now.prompt, draft.now.selection], ["a house", null]);
  draft.undo();
  assert.equal(draft.now.prompt, "");
  assert.equal(draft.undo(), false);
  for (let k = 0; k < 3; k += 1) assert.ok(draft.redo());
  assert.equal(draft.now.step, "edit-0001");
  assert.equal(draft.redo(), false);
});

test("changes of the same key in a row are one step, until something else is done", () => {
  const draft = new Draft("draft-0001");
  for (const prompt of ["a", "a h", "a house"]) draft.change({ prompt }, "prompt");
  draft.change({ source: "car" }, "source");
  draft.change({ prompt: "a home" }, "prompt");
  assert.equal(draft.past.length, 3);
  draft.undo();
  draft.change({ prompt: "a hut" }, "prompt");
  assert.equal(draft.past.length, 3);
  assert.equal(draft.change({ prompt: "a hut" }), false);
});

test("a new change ends what could be done again, and results that were shown stay known", () => {
  const draft = new Draft("draft-0001");
  draft.change({ step: "edit-0001" });
  draft.undo();
  draft.change({ step: "remove-0002" });
  assert.equal(draft.redo(), false);
  assert.deepEqual([...draft.known], ["edit-0001", "remove-0002"]);
});

test("it comes back from JSON as it was", () => {
  const draft = new Draft("draft-0001");
  draft.change({ prompt: "a house" });
  draft.change({ step: "edit-0001" });
  draft.undo();
  const again = new Draft("draft-0001", JSON.parse(JSON.stringify(draft)));
  assert.deepEqual(again.now, draft.now);
  assert.ok(again.redo());
  assert.equal(again.now.step, "edit-0001");
});

test("what another version wrote, or something that is no draft, does no harm", () => {
  for (const saved of [null, 3, "x", { now: 4, past: "no", future: [null, { step: "a", unknown: 1 }], known: 2, time: "x" }]) {
    const draft = new Draft("draft-0001", saved);
    assert.equal(draft.now.step, "");
    assert.ok(!("unknown" in (draft.future[0] ?? {})));
  }
});

test("what is kept has an end: the oldest steps go first", () => {
  const draft = new Draft("draft-0001");
  for (let k = 0; k < 130; k += 1) draft.change({ prompt: `${k} `.repeat(9000) });
  const written = draft.toJSON();
  assert.ok(JSON.stringify(written).length <= 3_000_000);
  assert.ok(draft.past.length <= 100);
  assert.equal(written.past.at(-1).prompt, draft.past.at(-1).prompt);
});

test("the later of two copies counts", () => {
  assert.deepEqual(latest({ time: 1 }, { time: 2 }), { time: 2 });
  assert.deepEqual(latest({ time: 2 }, { time: 1 }), { time: 2 });
  assert.deepEqual(latest(null, { time: 1 }), { time: 1 });
  assert.equal(latest(null, null), null);
});

test("an address says which photo and which result", () => {
  for (const [draft, step] of [["draft-0001", ""], ["draft-0012", "edit-0003"], ["draft-0001", "remove-10000"]])
    assert.deepEqual(readAddress(addressOf(draft, step)), { draft, step });
  for (const other of ["", "#", "#/", "#/draft-1", "#/draft-0001/../x", "#/edit-0001"])
    assert.deepEqual(readAddress(other), { draft: null, step: "" });
});
