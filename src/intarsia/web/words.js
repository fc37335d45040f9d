// The stage of "Edit by words": photo, box, what was seen, candidates, result and history.
// It shows the facts in props.value and sends events; texts go in as text, never as HTML.
const root = element.querySelector(".words-root");
const SVG = "http://www.w3.org/2000/svg";
const local = { result: "", chosen: 0, chosenOf: {}, split: 50, boxing: false, looking: false, record: "" };

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
function button(text, action, className) {
  const node = make("button", "w-button" + (className ? " " + className : ""), text);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}
function drawn(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
function picture(className, alt) {
  const node = make("img", className);
  node.alt = alt;
  node.draggable = false;
  return node;
}
function source(node, url) {
  if (node.getAttribute("src") !== (url || null)) {
    if (url) node.setAttribute("src", url);
    else node.removeAttribute("src");
  }
  node.hidden = !url;
}
const facts = () => props.value || {};
const busy = () => ["waiting", "working"].includes(facts().phase);
const change = (changes) => { props.value = { ...facts(), ...changes }; render(); };

// The parts, made once.
const drop = make("label", "w-drop");
const chooser = make("input", "w-chooser");
chooser.type = "file";
chooser.accept = "image/png,image/jpeg,image/webp,image/tiff,image/bmp,.png,.jpg,.jpeg,.webp,.tif,.tiff,.bmp";
chooser.setAttribute("aria-label", "Photo to edit");
// With a finger nothing is dropped, and nothing clicked.
const told = (mouse, finger) => [make("span", "w-mouse", mouse), make("span", "w-finger", finger)];
const dropTitle = make("strong"), dropHelp = make("span", "w-drop-help");
dropTitle.append(...told("Drop a photo here", "Choose a photo"));
dropHelp.append(...told("or click to choose one: PNG, JPEG, WebP, TIFF or BMP", "PNG, JPEG, WebP, TIFF or BMP"));
drop.append(make("span", "w-drop-sign"), dropTitle, dropHelp, chooser);

const tries = make("section", "w-tries");
tries.setAttribute("aria-label", "Examples");
const cards = make("div", "w-tries-cards");
cards.append(...(props.examples || []).map((example, index) => {
  const card = button("", () => trigger("tried", { index }), "w-try");
  const shown = picture("", ""), words = make("span", "w-try-words");
  shown.src = example.url;
  words.append(make("span", "w-try-source", example.source), make("span", "w-try-arrow", "→"));
  words.append(make("strong", "", example.prompt));
  card.setAttribute("aria-label", `Try it: ${example.source} becomes ${example.prompt}`);
  card.append(shown, words);
  return card;
}));
tries.append(make("h3", "w-title", "No photo at hand? Try one of these"), cards);

const frame = make("div", "w-frame");
const before = picture("w-layer", "The photo");
const after = picture("w-layer w-after", "The edited picture");
const glow = picture("w-layer w-glow", "");
const marks = drawn("svg", { class: "w-layer w-marks", preserveAspectRatio: "none", "aria-hidden": "true" });
const handle = make("div", "w-handle");
handle.tabIndex = 0;
handle.setAttribute("role", "slider");
handle.setAttribute("aria-label", "Before and after");
handle.setAttribute("aria-valuemin", "0");
handle.setAttribute("aria-valuemax", "100");
const beforeTag = make("span", "w-tag w-tag-before", "before"), afterTag = make("span", "w-tag w-tag-after", "after");
const hint = make("span", "w-hint", "Drag to draw the box. Drag inside it to move it, at a corner to resize it.");
frame.append(before, after, glow, marks, beforeTag, afterTag, handle, hint);

const way = make("div", "w-way"), bar = make("div", "w-bar");
bar.append(make("i"));
bar.setAttribute("role", "progressbar");
bar.setAttribute("aria-label", "How far the edit is");
const stop = button("Cancel", () => { stop.disabled = true; trigger("stopped", {}); });
way.append(bar, stop);
const message = make("p", "w-message");
// Read out is what is news: each stage once, and not each of its steps.
const spoken = make("p", "w-spoken");
spoken.setAttribute("role", "status");
spoken.setAttribute("aria-live", "polite");
const tools = make("div", "w-tools");
const boxing = button("Draw a box", () => { local.boxing = !local.boxing; local.looking = false; render(); });
const unbox = button("Remove the box", () => change({ box: null }));
const looking = button("Where it looked", () => { local.looking = !local.looking; local.boxing = false; render(); });
const another = button("Another photo", () => chooser.click());
tools.append(boxing, unbox, looking, another);

const stripTitle = make("h3", "w-title"), strip = make("div", "w-strip");
const actions = make("div", "w-actions");
const download = make("a", "w-button w-strong", "Download picture"), record = make("a", "w-button", "Download record");
download.id = "words-download";
record.id = "words-record";
const copy = button("Copy record", copyRecord);
const again = button("Try again", () => trigger("again", {}));
again.title = "The same words with another seed";
const lock = button("Lock this box", () => {
  const here = candidate();
  if (here) change({ box: here.box, message: "The next edits go into this box. Try again repeats it with another seed.", problem: false });
});
const next = button("Use as photo", () => trigger("taken", { folder: facts().result.folder, index: local.chosen }));
const replay = button("Replay", () => trigger("replayed", { folder: facts().result.folder, index: local.chosen }));
replay.title = "Make it again from its record, and compare the pixels";
const arrange = button("Edit by layout", toLayout);
arrange.title = "Move what is in this picture";
actions.append(download, record, copy, again, lock, next, arrange, replay);
const choice = make("div", "w-choice");
choice.append(strip, actions);
const shownRecord = make("pre", "w-record");
shownRecord.tabIndex = 0;
shownRecord.setAttribute("aria-label", "Record");
const pastTitle = make("h3", "w-title w-past-title", "This visit's results"), past = make("div", "w-strip w-past");
// On a small screen, what comes above the form would else push the picture out of sight. Gradio keeps our style sheet
// from reaching the page's root.
document.documentElement.style.overflowAnchor = "none";
root.append(drop, tries, frame, message, spoken, way, tools, stripTitle, choice, shownRecord, pastTitle, past);

// Photos come in.
async function send(file) {
  if (!file || chooser.disabled) return;
  change({ message: "Uploading " + file.name + ".", problem: false });
  try {
    const sent = await upload(file);
    trigger("uploaded", { path: sent.path });
  } catch (problem) {
    change({ message: "The photo did not arrive. It may be larger than 100 MB: choose another.", problem: true });
  }
}
chooser.addEventListener("change", () => { send(chooser.files[0]); chooser.value = ""; });
root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("w-over"); });
root.addEventListener("dragleave", (event) => { if (!root.contains(event.relatedTarget)) root.classList.remove("w-over"); });
root.addEventListener("drop", (event) => {
  event.preventDefault();
  root.classList.remove("w-over");
  send(event.dataTransfer.files[0]);
});

// Pointer on the picture: the slider, or the box.
function at(event) {
  const edge = frame.getBoundingClientRect(), photo = facts().photo;
  const x = Math.min(Math.max((event.clientX - edge.left) / edge.width, 0), 1);
  const y = Math.min(Math.max((event.clientY - edge.top) / edge.height, 0), 1);
  return { x: x * photo.width, y: y * photo.height, share: 100 * x, scale: photo.width / edge.width };
}
let held = null;
frame.addEventListener("pointerdown", (event) => {
  if (!facts().photo || busy() || event.button > 0) return;
  const point = at(event);
  if (local.boxing) {
    held = grip(point);
    event.preventDefault();
  } else if (comparing()) {
    held = { slide: true };
    split(point.share);
  } else return;
  frame.setPointerCapture(event.pointerId);
});
frame.addEventListener("pointermove", (event) => {
  if (!held) return;
  const point = at(event);
  if (held.slide) split(point.share);
  else { local.draft = pulled(held, point); marksOf(facts()); }
});
function release() {
  if (held && !held.slide && local.draft) {
    const [x0, y0, x1, y1] = local.draft;
    local.draft = null;
    if (x1 - x0 >= 4 && y1 - y0 >= 4) change({ box: [x0, y0, x1, y1].map((v) => Math.round(v * 10) / 10) });
    else render();
  }
  held = null;
}
frame.addEventListener("pointerup", release);
frame.addEventListener("pointercancel", release);
function grip(point) {
  const box = facts().box, reach = 18 * point.scale;
  if (box) {
    const corners = [[0, 1], [2, 1], [2, 3], [0, 3]];
    for (const [i, j] of corners)
      if (Math.hypot(point.x - box[i], point.y - box[j]) < reach)
        return { fixed: { x: box[2 - i], y: box[4 - j] } };
    if (point.x > box[0] && point.x < box[2] && point.y > box[1] && point.y < box[3])
      return { moved: box, from: point };
  }
  return { fixed: point };
}
function pulled(grip, point) {
  const photo = facts().photo;
  if (grip.fixed)
    return [Math.min(grip.fixed.x, point.x), Math.min(grip.fixed.y, point.y),
      Math.max(grip.fixed.x, point.x), Math.max(grip.fixed.y, point.y)];
  return shifted(grip.moved, point.x - grip.from.x, point.y - grip.from.y, photo);
}
function shifted([x0, y0, x1, y1], dx, dy, photo) {
  dx = Math.min(Math.max(dx, -x0), photo.width - x1);
  dy = Math.min(Math.max(dy, -y0), photo.height - y1);
  return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
}
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
frame.addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (!arrow || busy()) return;
  if (local.boxing && facts().photo) {
    const photo = facts().photo, step = photo.width / 50;
    const box = facts().box || [0.25, 0.25, 0.75, 0.75].map((v, k) => v * (k % 2 ? photo.height : photo.width));
    const [dx, dy] = arrow.map((v) => v * step);
    const grown = [box[0], box[1], Math.max(box[0] + 4, Math.min(box[2] + dx, photo.width)), Math.max(box[1] + 4, Math.min(box[3] + dy, photo.height))];
    change({ box: (event.shiftKey ? grown : shifted(box, dx, dy, photo)).map((v) => Math.round(v * 10) / 10) });
    event.preventDefault();
  } else if (comparing() && arrow[0]) {
    split(local.split + 5 * arrow[0]);
    event.preventDefault();
  }
});
function split(share) {
  local.split = Math.min(Math.max(share, 0), 100);
  after.style.clipPath = `inset(0 0 0 ${local.split}%)`;
  handle.style.left = local.split + "%";
  handle.setAttribute("aria-valuenow", Math.round(local.split));
  beforeTag.classList.toggle("w-covered", local.split < 22);
  afterTag.classList.toggle("w-covered", local.split > 78);
}

async function copyRecord() {
  if (!shownRecord.hidden) { local.record = ""; render(); return; }
  const answer = await fetch(candidate().record);
  local.record = await answer.text();
  try { await navigator.clipboard.writeText(local.record); copy.textContent = "Copied"; } catch { copy.textContent = "Shown below"; }
  setTimeout(() => { copy.textContent = "Copy record"; render(); }, 1500);
  render();
}

// The picture goes into the other tab as if it had been dropped there.
async function toLayout() {
  const here = candidate(), answer = await fetch(here.picture);
  const file = new File([await answer.blob()], here.picture_name, { type: "image/png" });
  const tabs = document.querySelectorAll(".tab-container:not(.visually-hidden) [role=tab]");
  [...tabs].find((tab) => tab.textContent.trim() === "Edit by layout").click();
  for (let waited = 0; waited < 5000; waited += 50) {
    const there = document.querySelector("#layout-stage input[type=file]");
    if (there) {
      const given = new DataTransfer();
      given.items.add(file);
      there.files = given.files;
      there.dispatchEvent(new Event("change", { bubbles: true }));
      return;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

// What is shown.
const candidate = () => (facts().result ? facts().result.candidates[local.chosen] : null);
const comparing = () => Boolean(facts().result && facts().phase === "done" && !local.boxing && !local.looking);

function marksOf(value) {
  const photo = value.photo;
  marks.replaceChildren();
  if (!photo) return;
  marks.setAttribute("viewBox", `0 0 ${photo.width} ${photo.height}`);
  const put = (box, kind) => {
    const [x, y, width, height] = [box[0], box[1], box[2] - box[0], box[3] - box[1]];
    for (const edge of ["w-ground", kind])
      marks.append(drawn("rect", { x, y, width, height, class: edge, "vector-effect": "non-scaling-stroke" }));
  };
  const spot = (x, y, kind) => {
    // A line of no length with round ends is a dot of the same size on every picture.
    for (const edge of ["w-ground-dot", kind])
      marks.append(drawn("line", { x1: x, y1: y, x2: x, y2: y, class: edge, "vector-effect": "non-scaling-stroke" }));
  };
  const seeing = value.phase === "working" || local.looking;
  if (seeing && value.round && value.phase === "working")
    [...value.round.best].reverse().forEach((seen, k, all) => put(seen.box, k === all.length - 1 ? "w-best" : "w-tried"));
  if (seeing && value.look) for (const [x, y] of value.look.anchors) spot(x, y, "w-anchor");
  const box = local.draft || value.box, here = candidate();
  if (box) {
    put(box, "w-own");
    if (local.boxing) for (const [i, j] of [[0, 1], [2, 1], [2, 3], [0, 3]]) spot(box[i], box[j], "w-corner");
  } else if (value.phase === "done" && here && (local.looking || local.boxing)) put(here.box, "w-best");
  else if (value.phase === "done" && here) put(here.box, "w-faint");
}

function choose(number) {
  Object.assign(local, { chosen: number, record: "" });
  local.chosenOf[local.result] = number;
  uncover();
}
// What is new is seen whole: the slider begins left of it.
function uncover() {
  const here = candidate(), photo = facts().photo;
  if (here && photo) local.split = Math.min(local.split, Math.max(6, (100 * here.box[0]) / photo.width - 3));
}
let stripKey = "", pastKey = "";
function stripOf(value) {
  const round = value.phase === "working" ? value.round : null, result = value.phase === "done" ? value.result : null;
  const key = JSON.stringify([round, result && result.folder, local.chosen]);
  stripTitle.hidden = strip.hidden = !(round || result);
  if (key === stripKey) return;
  stripKey = key;
  if (round) {
    stripTitle.textContent = `Round ${round.number}: best of ${round.of}`;
    strip.replaceChildren(...round.best.map((seen, k) => {
      const card = make("figure", "w-card");
      const shown = picture("", `Preview ${k + 1}`);
      shown.src = seen.url;
      card.append(shown, make("figcaption", "", `${seen.score.toFixed(2)} · ${seen.steps} steps`));
      return card;
    }));
  } else if (result) {
    stripTitle.textContent = result.candidates.length > 1 ? "Choose one" : "The result";
    strip.replaceChildren(...result.candidates.map((one, k) => {
      const card = button("", () => { choose(k); render(); }, "w-card");
      card.setAttribute("aria-pressed", String(k === local.chosen));
      card.setAttribute("aria-label", `Candidate ${k + 1}, score ${one.score.toFixed(2)}`);
      const shown = picture("", "");
      shown.src = one.picture;
      card.append(shown, make("span", "", `${k + 1} · ${one.score.toFixed(2)}`));
      return card;
    }));
  }
}
function pastOf(value) {
  const key = JSON.stringify([value.history, value.result && value.result.folder, busy()]);
  pastTitle.hidden = past.hidden = !(value.history && value.history.length);
  if (key === pastKey) return;
  pastKey = key;
  past.replaceChildren(...(value.history || []).map((one) => {
    const card = make("figure", "w-card");
    const show = button("", () => trigger("shown", { folder: one.folder }), "w-open");
    show.setAttribute("aria-label", "Show: " + one.said);
    show.disabled = busy();
    const shown = picture("", "");
    shown.src = one.url;
    shown.loading = "lazy";
    show.append(shown);
    const use = button("Use as photo", () => trigger("taken", { folder: one.folder, index: 0 }), "w-small");
    use.disabled = busy();
    const said = make("figcaption", "", one.said);
    said.title = one.said;
    card.append(show, said, use);
    card.classList.toggle("w-current", Boolean(value.result && value.result.folder === one.folder));
    return card;
  }));
}

function render() {
  const value = facts(), photo = value.photo, result = value.result, done = value.phase === "done" && result;
  if ((result ? result.folder : "") !== local.result) {
    local.result = result ? result.folder : "";
    Object.assign(local, { chosen: local.chosenOf[local.result] || 0, looking: false, boxing: false, record: "" });
    local.split = 50;
    uncover();
  }
  if (busy()) local.boxing = local.looking = false;
  // On a small screen, the button lies below the picture, on which something happens now.
  if (busy() && !local.busy) requestAnimationFrame(() => frame.scrollIntoView({ block: "nearest" }));
  local.busy = busy();
  root.dataset.phase = value.phase || "arriving";
  drop.classList.toggle("w-gone", Boolean(photo));
  chooser.disabled = value.phase === "arriving" || busy();
  tries.hidden = Boolean(photo) || !cards.childElementCount;
  for (const card of cards.children) card.disabled = chooser.disabled;
  frame.hidden = !photo;
  tools.hidden = !photo || busy();
  if (photo) {
    frame.style.aspectRatio = `${photo.width} / ${photo.height}`;
    frame.style.setProperty("--shape", photo.width / photo.height);
  }
  frame.classList.toggle("w-boxing", local.boxing);
  frame.tabIndex = local.boxing ? 0 : -1;
  if (local.boxing) {
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", "Box: arrow keys move it, with Shift they resize it");
  } else for (const name of ["role", "aria-label"]) frame.removeAttribute(name);
  source(before, photo && photo.url);
  const preview = value.phase === "working" && value.round ? value.round.best[0].url : null;
  const here = candidate();
  source(after, done && here ? here.picture : preview);
  if (done && !comparing()) after.style.clipPath = local.looking ? "inset(0 0 0 100%)" : "none";
  else if (!done) after.style.clipPath = "none";
  else split(local.split);
  const look = value.look && (value.phase === "working" && !preview || local.looking) ? value.look.url : null;
  source(glow, look);
  handle.hidden = beforeTag.hidden = afterTag.hidden = !comparing();
  hint.hidden = !(local.boxing && !value.box && !local.draft);
  marksOf(value);

  const progress = value.progress;
  way.hidden = !busy();
  if (!busy()) stop.disabled = false;
  bar.classList.toggle("w-endless", busy() && !progress);
  const percent = progress && (100 * progress.done) / Math.max(progress.total, 1);
  if (progress) bar.setAttribute("aria-valuenow", String(Math.round(percent)));
  else bar.removeAttribute("aria-valuenow");
  bar.firstChild.style.width = progress ? `${percent}%` : "";
  const news = value.message || (value.phase === "ready" ? "Say what it should become, and press Edit." : "");
  const stage = busy() && progress ? progress.stage + "." : news;
  if (message.textContent !== news) message.textContent = news;
  if (spoken.textContent !== stage) spoken.textContent = stage;
  message.classList.toggle("w-problem", Boolean(value.problem));

  boxing.setAttribute("aria-pressed", String(local.boxing));
  boxing.textContent = local.boxing ? "Done with the box" : value.box ? "Change the box" : "Draw a box";
  unbox.hidden = !value.box;
  looking.hidden = !(done && value.look);
  looking.setAttribute("aria-pressed", String(local.looking));

  stripOf(value);
  actions.hidden = !done;
  if (done && here) {
    for (const [link, url, name] of [[download, here.picture, here.picture_name], [record, here.record, here.record_name]]) {
      link.href = url;
      link.setAttribute("download", name);
    }
  }
  shownRecord.hidden = !(done && local.record);
  shownRecord.textContent = local.record;
  pastOf(value);
}
watch("value", render);
render();
