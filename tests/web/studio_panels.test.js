// The panels of the canvas: what they say and decide, as truths over tables.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load, random } from "./scripts.js";

const words = await load("studio_words.js");
const { MOST_BYTES, otherPhotos, photoProblem } = await load("studio_start.js");
const { lineage, originOf } = await load("studio_strip.js");
const { currentModel, percentOf } = await load("studio_models.js");
const { canFetch, offeredFirst } = await load("studio_downloads.js");
const { paintable } = await load("studio_toy_choice.js");
const { seenOf } = await load("studio_look.js");
const { changedValues, controlKind, textOf, uniqueLabels } = await load("studio_settings.js");
const { cropAround } = await load("studio_candidates.js");
const { HoldButton, factLines } = await load("studio_result.js");

test("sizes and times are in plain words", () => {
  const sizes = { 900: "1 kB", 340e6: "340 MB", 2.61e9: "2.6 GB", 5e9: "5 GB", 13.4e9: "13 GB" };
  for (const [bytes, said] of Object.entries(sizes)) assert.equal(words.sizeInWords(Number(bytes)), said);
  const times = [[null, ""], [undefined, ""], [Infinity, ""], [0.2, "about 1 s left"], [21.4, "about 21 s left"],
    [500, "about 8 min left"], [5400, "about 1 h 30 min left"]];
  for (const [seconds, said] of times) assert.equal(words.timeLeft(seconds), said);
});

test("a score is said at its thresholds", () => {
  const scores = [[0.8, "likely"], [0.79, "perhaps"], [0.5, "perhaps"], [0.49, "unlikely"], [0, "unlikely"], [null, ""]];
  for (const [score, said] of scores) assert.equal(words.likelihood(score), said);
});

test("a job says what it does and what is left, or who is before it", () => {
  const job = { stage: "painting", done: 12, total: 30, eta: 21, ahead: 0 };
  assert.deepEqual(words.jobInWords(job, "working"), { stage: "Painting", left: "12 of 30, about 21 s left" });
  assert.equal(words.jobInWords({ ...job, eta: null }, "working").left, "12 of 30");
  assert.equal(words.jobInWords({ ...job, ahead: 1 }, "waiting").left, "1 job before yours");
  assert.equal(words.jobInWords(job, "waiting").left, "You are next");
});

test("a download says what came, and what is left", () => {
  assert.equal(words.downloadInWords({ done: 1.2e9, total: 2.6e9, eta: 500 }), "1.2 GB of 2.6 GB, about 8 min left");
  assert.equal(words.downloadInWords({ done: 3e6, total: 0, eta: null }), "3 MB");
  assert.equal(percentOf(null), "");
  assert.equal(percentOf({ done: 999, total: 1000 }), "99 %");
});

test("photos are told from other files, by name or by type", () => {
  const file = (name, type = "", size = 1000) => ({ name, type, size });
  for (const good of [file("a.JPG"), file("b.tiff"), file("image", "image/png"), file("c.webp", "", MOST_BYTES), file("IMG_1.HEIC"), file("d.avif")])
    assert.equal(photoProblem(good), "");
  assert.match(photoProblem(file("IMG_1.CR2", "image/x-canon-cr2")), /^IMG_1\.CR2 is not a photo that can be opened here: open a JPEG/);
  assert.match(photoProblem(file("notes.pdf", "application/pdf")), /notes\.pdf/);
  assert.match(photoProblem(file("big.png", "", 132e6)), /big\.png has 132 MB; a photo may have 100 MB at most\./);
  assert.match(photoProblem(file("none.png", "", 0)), /is empty/);
});

test("the photo on the canvas is not among the others", () => {
  const drafts = [{ id: "draft-1" }, { id: "draft-2" }];
  assert.deepEqual(otherPhotos({ drafts, draft: { id: "draft-1" } }), [{ id: "draft-2" }]);
  assert.deepEqual(otherPhotos({ drafts, draft: null }), drafts);
  assert.deepEqual(otherPhotos({ draft: null }), []);
});

test("a result's lineage is what it was made from, back to the photo", () => {
  const steps = [{ id: "a", base: "" }, { id: "b", base: "a" }, { id: "c", base: "a" }, { id: "d", base: "c" }];
  assert.deepEqual([...lineage(steps, "d")].sort(), ["", "a", "c", "d"]);
  assert.deepEqual([...lineage(steps, "")], [""]);
  assert.deepEqual([...lineage([{ id: "a", base: "b" }, { id: "b", base: "a" }], "a")].sort(), ["", "a", "b"]);
  assert.equal(originOf(steps, 0), "");
  assert.equal(originOf(steps, 1), "");
  assert.equal(originOf(steps, 2), "from result 1");
  assert.equal(originOf([...steps, { id: "e", base: "" }], 4), "from the photo");
});

test("the model in use is found, and what is here is not downloaded", () => {
  const choices = [{ name: "pocket" }, { name: "sd2" }];
  assert.equal(currentModel({ choices, current: "sd2" }), choices[1]);
  assert.equal(currentModel({ choices, current: "gone" }), null);
  assert.deepEqual(canFetch({ downloads: [{ name: "a", here: true }, { name: "b", here: false }] }), [{ name: "b", here: false }]);
});

test("a setting's control follows its kind", () => {
  const kinds = [[{ kind: "int", default: 3 }, "number"], [{ kind: "float | None", default: null }, "number"],
    [{ kind: "bool", default: true }, "flag"], [{ kind: "str", default: "" }, "text"],
    [{ kind: "tuple[int, ...]", default: [] }, "text"], [{ kind: "str", default: "fast", choices: ["fast", "thorough"] }, "choice"]];
  for (const [field, kind] of kinds) assert.equal(controlKind(field), kind);
});

test("labels are unique over all verbs", () => {
  const fields = { change: [{ label: "Seed" }, { label: "Steps" }], arrange: [{ label: "Seed" }], remove: [{ label: "Grow" }] };
  const labels = uniqueLabels(fields);
  assert.deepEqual(labels, { change: ["Seed for Change", "Steps"], arrange: ["Seed for Move"], remove: ["Grow"] });
});

test("only what differs from the default is sent", () => {
  const fields = [{ name: "seed", default: 0 }, { name: "size", default: null }, { name: "sizes", default: [1, 2] }, { name: "on", default: true }];
  assert.deepEqual(changedValues(fields, {}), {});
  assert.deepEqual(changedValues(fields, { seed: 0, size: null, sizes: "1, 2", on: true }), {});
  assert.deepEqual(changedValues(fields, { seed: 7, size: 512, sizes: "1", on: false, other: 1 }), { seed: 7, size: 512, sizes: "1", on: false });
  assert.equal(textOf(null), "");
});

test("a thumbnail shows the box, and nothing beside the picture", () => {
  const draw = random(11), size = { width: 1200, height: 800 };
  for (let k = 0; k < 200; k++) {
    const x0 = draw(0, 1100), y0 = draw(0, 700), box = [x0, y0, draw(x0 + 1, 1200), draw(y0 + 1, 800)];
    const { x, y, side } = cropAround(box, size);
    assert.ok(x >= 0 && y >= 0 && x + side <= 1200 + 1e-9 && y + side <= 800 + 1e-9);
    if (side < 800) assert.ok(x <= box[0] && y <= box[1] && x + side >= box[2] && y + side >= box[3]);
  }
  assert.deepEqual(cropAround(null, size), { x: 200, y: 0, side: 800 });
});

test("facts of any shape become lines", () => {
  assert.deepEqual(factLines(null), []);
  assert.deepEqual(factLines("a\nb"), ["a", "b"]);
  assert.deepEqual(factLines(["a", 2]), ["a", "2"]);
  assert.deepEqual(factLines({ seed: 3 }), ["seed: 3"]);
});

test("what is held is told once when it begins, and once when it ends", () => {
  const told = [], attributes = {};
  const held = { held: false, onHold: (on) => told.push(on), element: { setAttribute: (name, value) => (attributes[name] = value) } };
  for (const on of [true, true, false, false, true]) HoldButton.prototype.set.call(held, on);
  assert.deepEqual(told, [true, false, true]);
  assert.equal(attributes["aria-pressed"], true);
});

test("the best three models are offered first, and what is on its way", () => {
  const items = ["a", "b", "c", "d", "e"].map((name) => ({ name })), names = (found) => found.map(({ name }) => name).join("");
  assert.equal(names(offeredFirst(items, null)), "abc");
  assert.equal(names(offeredFirst(items, { name: "e" })), "abce");
  assert.equal(names(offeredFirst(items.slice(0, 2), null)), "ab");
});

test("a toy model is tried on examples of Change alone, under their own numbers", () => {
  const examples = ["remove", "change", "arrange", "change"].map((verb) => ({ verb }));
  assert.deepEqual(paintable(examples).map(({ index }) => index), [1, 3]);
});

test("a job that is through tells no time that is left", () => {
  assert.equal(words.jobInWords({ stage: "filling", done: 5, total: 8, eta: 3 }, "working").left, "5 of 8, about 3 s left");
  assert.equal(words.jobInWords({ stage: "filling", done: 8, total: 8, eta: 1 }, "working").left, "8 of 8");
});

test("where a job looks is shown until it has painted something", () => {
  const look = { url: "look.png" }, best = [{ url: "one.jpg", box: [1, 2, 3, 4] }, { url: "two.jpg", box: [0, 0, 1, 1] }];
  assert.deepEqual(seenOf(null), { look: "", picture: "", box: null });
  assert.deepEqual(seenOf({ look, round: null }), { look: "look.png", picture: "", box: null });
  assert.deepEqual(seenOf({ look, round: { best } }), { look: "", picture: "one.jpg", box: [1, 2, 3, 4] });
  assert.deepEqual(seenOf({ look, round: { best: [] } }), { look: "look.png", picture: "", box: null });
});
