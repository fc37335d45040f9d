"use strict";
// What came out, in the place of the cut-outs: a slider to what was there before, and everything to take home.
const BEGIN = 12; // percent of the picture that show what was before, until the handle is dragged
let result = null, view = "cuts", shownSeed = 0, split = 0, sliding = null, compare = null;

function makeViews(parent) {
  const box = make("div", "views", parent);
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "What the stage shows");
  const views = { box };
  for (const [name, label] of [["cuts", "Cut-outs"], ["result", "Result"]]) {
    views[name] = make("button", "", box);
    views[name].type = "button";
    views[name].textContent = label;
    views[name].addEventListener("click", () => turnTo(name));
  }
  return views;
}

// Before and after, over the cut-outs; the part to the right of the handle is the result.
function makeCompare(parent) {
  const box = make("div", "compare", parent);
  compare = { box, before: make("img", "", box), after: make("img", "after", box) };
  compare.before.alt = "The picture before";
  compare.after.alt = "The result";
  for (const each of [compare.before, compare.after]) each.draggable = false;
  compare.tags = ["before", "after"].map((side) => make("span", `tag ${side}`, box));
  for (const tag of compare.tags) tag.textContent = tag.classList[1];
  const grip = (compare.grip = make("div", "grip", box));
  grip.tabIndex = 0;
  grip.setAttribute("role", "slider");
  grip.setAttribute("aria-label", "Before and after");
  grip.setAttribute("aria-valuemin", "0");
  grip.setAttribute("aria-valuemax", "100");
  grip.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    sliding = event.pointerId;
    grip.setPointerCapture(sliding);
    event.stopPropagation();
  });
  grip.addEventListener("pointermove", (event) => {
    if (sliding !== event.pointerId) return;
    const edge = frame.getBoundingClientRect();
    slide((100 * (event.clientX - edge.left)) / edge.width);
  });
  for (const type of ["pointerup", "pointercancel"]) grip.addEventListener(type, () => (sliding = null));
  grip.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -5, ArrowRight: 5, Home: -100, End: 100 }[event.key];
    if (!by) return;
    slide(split + by);
    event.preventDefault();
    event.stopPropagation();
  });
  slide(split);
}
function slide(share) {
  split = within(share, 0, 100);
  compare.after.style.clipPath = `inset(0 0 0 ${split}%)`;
  compare.grip.style.left = `${split}%`;
  compare.tags[0].hidden = split < 18;
  compare.tags[1].hidden = split > 82;
  compare.grip.setAttribute("aria-valuenow", Math.round(split));
}

// The files of the result, its record, and the pictures of further seeds.
function makeOutcome(parent) {
  const box = make("div", "outcome", parent), outcome = { box };
  const link = (name, label) => {
    const node = (outcome[name] = make("a", "key", box));
    node.textContent = label;
    node.id = `layout-get-${name}`;
  };
  link("picture", "Download picture");
  outcome.picture.classList.add("strong");
  for (const [name, label] of [["record", "Record"], ["layout", "Layout"], ["mask", "Mask"]]) {
    link(name, label);
    outcome[name].setAttribute("aria-label", `Download ${name}`);
  }
  const act = (name, label, title, acting) => {
    const node = (outcome[name] = make("button", "key", box));
    node.type = "button";
    node.textContent = label;
    node.title = title;
    node.id = `layout-${name}`;
    node.addEventListener("click", acting);
  };
  act("copy", "Copy record", "The whole record, to be kept or to be sent", copyRecord);
  act("replay", "Replay", "Make it again from its record, and compare the pixels", () =>
    trigger("replayed", { folder: result.folder, index: shownSeed }));
  outcome.seeds = make("div", "seeds", parent);
  outcome.text = make("pre", "text", parent);
  outcome.text.tabIndex = 0;
  outcome.text.setAttribute("aria-label", "Record");
  outcome.text.hidden = true;
  return outcome;
}
async function copyRecord() {
  if (!outcome.text.hidden) {
    outcome.text.hidden = true;
    return;
  }
  const text = await (await fetch(result.pictures[shownSeed].record)).text();
  outcome.text.textContent = text;
  try {
    await navigator.clipboard.writeText(text);
    outcome.copy.textContent = "Copied";
  } catch {
    outcome.copy.textContent = "Shown below";
    outcome.text.hidden = false;
  }
  setTimeout(() => (outcome.copy.textContent = "Copy record"), 1500);
}

function take(next) {
  result = next;
  shownSeed = 0;
  split = BEGIN;
  outcome.text.hidden = true;
  if (held) return;
  view = next ? "result" : "cuts";
  if (next) picked = null;
}
function turnTo(next) {
  if (view === next) return;
  view = next;
  if (view === "result") picked = null;
  look();
}

function showResult() {
  const on = Boolean(view === "result" && result && compare);
  views.box.hidden = !result;
  for (const name of ["cuts", "result"]) views[name].setAttribute("aria-pressed", String(view === name));
  outcome.box.hidden = outcome.seeds.hidden = !on;
  if (!on) outcome.text.hidden = true;
  hint.hidden = on;
  if (!compare) return;
  compare.box.hidden = !on;
  if (!on) return;
  const one = result.pictures[shownSeed];
  sourced(compare.before, result.before);
  sourced(compare.after, one.picture);
  slide(split);
  const files = { picture: [one.picture, one.picture_name], record: [one.record, one.record_name] };
  for (const name of ["layout", "mask"]) files[name] = [result[name], result[`${name}_name`]];
  for (const [name, [url, called]] of Object.entries(files)) {
    outcome[name].href = url;
    outcome[name].setAttribute("download", called);
  }
  outcome.seeds.hidden = result.pictures.length < 2;
  outcome.seeds.replaceChildren();
  if (result.pictures.length < 2) return;
  result.pictures.forEach((each, place) => {
    const node = make("button", "", outcome.seeds);
    node.type = "button";
    node.setAttribute("aria-label", `Picture ${place + 1}`);
    node.setAttribute("aria-pressed", String(place === shownSeed));
    sourced(make("img", "", node), each.picture);
    node.firstChild.alt = "";
    node.addEventListener("click", () => {
      shownSeed = place;
      outcome.text.hidden = true;
      look();
    });
  });
}
function sourced(node, url) {
  if (node.getAttribute("src") !== url) node.setAttribute("src", url);
}
