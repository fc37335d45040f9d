"use strict";
// Rows and summary come as scripts that call rows() and summary(): a page from the disk may read nothing else.
// Texts of jobs are anybody's: they are set as text, and as parts of addresses percent-encoded, never as HTML.

const PER_PAGE = 60;
const EVERY = 3000; // milliseconds between two looks while the run goes on
const SELDOM = 20000; // ... and after it, or when no word comes
const STALE = 60; // seconds without a word after which the run has probably ended
const FILTERS = { all: "all", done: "done", failed: "failed", waiting: "waiting" };
const ORDERS = {
  number: (a, b) => a.number - b.number,
  best: (a, b) => known(b.score, -Infinity) - known(a.score, -Infinity),
  worst: (a, b) => known(a.score, Infinity) - known(b.score, Infinity),
  slow: (a, b) => known(b.seconds, -1) - known(a.seconds, -1),
  fast: (a, b) => known(a.seconds, 1e12) - known(b.seconds, 1e12),
  latest: (a, b) => known(b.ended, 0) - known(a.ended, 0),
};
const LINKS = { picture: "picture", record: "record", mask: "mask", sheet: "where it looked", file: "what was learned" };
const MODES = { compose: "composed", regenerate: "regenerated" };
const STATES = { waiting: "waiting", running: "running", failed: "failed" };

const place = (id) => document.getElementById(id);
const pagers = document.querySelectorAll(".pager");
let news = null; // the latest summary
const chunks = new Map(); // number -> { version, rows }
const wanted = new Set(); // chunks that are to be read
let reading = 0;
let found = []; // rows of the filter and the search, in order
const cards = new Map(); // number -> { row, element }, of the page that is shown
const view = { filter: "all", sort: "number", search: "", page: 1 };

// what comes in

window.summary = (said) => {
  news = said;
  said.versions.forEach((version, index) => {
    const chunk = chunks.get(index + 1);
    if (!chunk || chunk.version !== version) wanted.add(index + 1);
  });
  for (const number of chunks.keys()) if (number > said.versions.length) chunks.delete(number);
  showSummary();
  readWanted();
};

window.rows = (number, list, version) => {
  const former = new Map((chunks.get(number)?.rows ?? []).map((row) => [row.number, row]));
  const rows = list.map((row) => {
    row.key = JSON.stringify(row);
    row.text = `${row.photo} ${row.words ?? ""} ${row.error ?? ""}`.toLowerCase();
    const before = former.get(row.number);
    return before && before.key === row.key ? before : row; // who is the same keeps its card
  });
  chunks.set(number, { version, rows });
};

function insert(name, version, then) {
  const script = document.createElement("script");
  script.src = `page/${name}.js?${version}`;
  script.onload = script.onerror = () => {
    script.remove();
    then();
  };
  document.head.append(script);
}

function readWanted() {
  if (reading) return;
  const inView = new Set([...cards.keys(), (view.page - 1) * PER_PAGE + 1].map((row) => Math.ceil(row / (news?.size ?? 1))));
  const next = [...wanted].sort((a, b) => inView.has(b) - inView.has(a) || a - b)[0];
  if (next === undefined) return;
  wanted.delete(next);
  reading = next;
  insert(String(next).padStart(4, "0"), news.versions[next - 1], () => {
    reading = 0;
    if (!wanted.size || inView.has(next)) arrange();
    readWanted();
  });
}

function look() {
  insert("summary", Date.now(), () => setTimeout(look, news && (news.over || silent() > STALE) ? SELDOM : EVERY));
}

const silent = () => Date.now() / 1000 - news.written;

// the head

function showSummary() {
  const { counts } = news;
  const total = counts.waiting + counts.running + counts.done + counts.failed;
  const left = counts.waiting + counts.running;
  const ended = counts.done + counts.failed;
  place("name").textContent = news.name || "Batch";
  document.title = `${left ? `${percent(ended, total)} · ` : ""}${news.name || "Batch"} · Intarsia`;
  const parts = [[`${count(counts.done)} of ${count(total)} done`, "done"]];
  if (counts.failed) parts.push([`${count(counts.failed)} failed`, "failed"]);
  if (left) parts.push([`${count(left)} left`]);
  if (news.over) parts.push([left ? "stopped; the same command goes on with it" : `finished ${moment(news.written)}`]);
  else if (silent() > STALE) parts.push([`no news for ${formatDuration(silent())}; if the run has ended, the same command goes on with it`, "failed"]);
  else {
    if (news.rate) parts.push([`${news.rate.toFixed(1)} a minute`]);
    if (news.eta) parts.push([`about ${formatDuration(Math.max(1, news.eta - silent()))} left`]);
  }
  if (news.began && !(news.over && !left)) parts.push([`begun ${moment(news.began)}`]);
  place("state").replaceChildren(...parts.flatMap(([text, kind], k) => [k ? " · " : "", element("span", kind ?? "", text)]));
  const bar = place("bar");
  if (!bar.children.length) bar.append(...["done", "failed", "running", "left"].map((kind) => element("span", kind)));
  [counts.done, counts.failed, counts.running, counts.waiting].forEach((n, k) => {
    bar.children[k].style.flexGrow = n;
    bar.children[k].hidden = !n;
  });
  bar.setAttribute("aria-valuemax", total);
  bar.setAttribute("aria-valuenow", ended);
  bar.setAttribute("aria-valuetext", `${counts.done} done, ${counts.failed} failed, ${left} left`);
  place("notes").replaceChildren(...(news.notes ?? []).map((text) => element("p", "note", text)));
  const current = place("current");
  current.hidden = news.over || !news.current.length || silent() > STALE;
  current.querySelector("summary").textContent = `Being done now: ${news.current.length}`;
  const lines = current.querySelector("ul");
  while (lines.children.length > news.current.length) lines.lastChild.remove();
  news.current.forEach((line, k) => {
    if (!lines.children[k]) lines.append(element("li", ""));
    lines.children[k].textContent = line;
  });
  const shown = { all: total, done: counts.done, failed: counts.failed, waiting: left };
  for (const button of place("filters").children) {
    button.querySelector(".n").textContent = count(shown[button.value]);
  }
}

// the list

function arrange() {
  const terms = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...chunks.keys()].sort((a, b) => a - b).flatMap((number) => chunks.get(number).rows);
  found = all.filter((row) => passes(row) && terms.every((term) => row.text.includes(term)));
  if (view.sort !== "number") found.sort((a, b) => ORDERS[view.sort](a, b) || a.number - b.number);
  show();
}

function passes(row) {
  if (view.filter === "waiting") return row.state === "waiting" || row.state === "running";
  return view.filter === "all" || row.state === view.filter;
}

function show() {
  const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  // While rows are still being read, the page that was asked for may yet come.
  if (!wanted.size && !reading) view.page = Math.min(view.page, pages);
  const from = (view.page - 1) * PER_PAGE;
  const rows = found.slice(from, from + PER_PAGE);
  const kept = new Set(rows.map((row) => row.number));
  for (const [number, card] of cards) {
    if (kept.has(number)) continue;
    card.element.remove();
    cards.delete(number);
  }
  const list = place("list");
  rows.forEach((row, k) => {
    let card = cards.get(row.number);
    if (card?.row !== row) {
      const element = cardOf(row);
      card?.element.replaceWith(element);
      card = { row, element };
      cards.set(row.number, card);
    }
    if (list.children[k] !== card.element) list.insertBefore(card.element, list.children[k] ?? null);
  });
  const toCome = wanted.size + (reading ? 1 : 0);
  const whole = !toCome || chunks.size >= news.versions.length;
  place("nothing").hidden = rows.length > 0 || !whole;
  place("nothing").textContent = news ? nothing() : "";
  place("found").textContent = !whole
    ? `Reading the rows: ${chunks.size} of ${news.versions.length} files`
    : rows.length && found.length > rows.length ? `${count(from + 1)} to ${count(from + rows.length)} of ${count(found.length)}`
    : rows.length ? `${count(found.length)} ${found.length === 1 ? "job" : "jobs"}` : "";
  for (const pager of pagers) {
    pager.hidden = pages === 1 && whole;
    pager.children[0].disabled = view.page <= 1;
    pager.children[1].textContent = `${count(view.page)} of ${count(pages)}`;
    pager.children[2].disabled = view.page >= pages;
  }
  remember();
}

function nothing() {
  if (view.search) return "No job has these words in its picture’s name, its words or its error.";
  return { all: "There are no jobs.", done: "No job is done yet.", failed: "No job has failed.", waiting: "No job waits." }[view.filter];
}

function cardOf(row) {
  const card = element("li", `card is-${row.state}`);
  const title = element("h2", "");
  title.append(element("span", "number", count(row.number)), named(row.photo || "no picture named"));
  if (STATES[row.state]) title.append(element("span", `mark ${row.state}`, STATES[row.state]));
  card.append(title);
  if (row.words) card.append(element("p", "words", row.words));
  if (row.state === "failed") card.append(element("p", "error", row.error || "It failed, and did not say why."));
  if (row.state === "done") {
    const files = row.files ?? {};
    const pair = element("div", "pair");
    if (files.before) pair.append(figure(row, files.before, files.sheet, "before"));
    if (files.after) pair.append(figure(row, files.after, files.picture, "after"));
    if (pair.children.length) card.append(pair);
  }
  const line = facts(row);
  if (line.children.length) card.append(line);
  for (const note of row.notes ?? []) card.append(element("p", "note", note));
  if (row.state === "done") card.append(links(row));
  return card;
}

// Long names may go on in the next line after what parts them.
function named(photo) {
  const name = element("span", "name");
  for (const part of photo.split(/(?<=[_/\\.-])/)) name.append(part, document.createElement("wbr"));
  return name;
}

function figure(row, name, leadsTo, when) {
  const holder = element("figure", "");
  const frame = element(leadsTo ? "a" : "div", "frame");
  if (leadsTo) frame.href = address(row, leadsTo);
  const thumb = element("span", "thumb");
  const [width, height] = row.size ?? [1, 1];
  // The wrapper has the photo's shape, so that boxes in its pixels lie right over the small picture.
  thumb.style.aspectRatio = `${width} / ${height}`;
  thumb.style[width >= height ? "width" : "height"] = "100%";
  const picture = document.createElement("img");
  picture.loading = "lazy";
  picture.decoding = "async";
  picture.alt = `${when}: ${row.photo}`;
  picture.src = `${address(row, name)}?${encodeURIComponent(row.sha ?? "")}`;
  thumb.append(picture);
  if (when === "before" && row.boxes && row.size) thumb.append(overlay(row));
  frame.append(thumb);
  holder.append(frame, element("figcaption", "", when));
  return holder;
}

function overlay(row) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", `0 0 ${row.size[0]} ${row.size[1]}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("aria-hidden", "true");
  for (const [x0, y0, x1, y1] of row.boxes) {
    for (const kind of ["under", "over"]) {
      const box = document.createElementNS(space, "rect");
      box.setAttribute("class", kind);
      box.setAttribute("x", x0);
      box.setAttribute("y", y0);
      box.setAttribute("width", Math.max(0, x1 - x0));
      box.setAttribute("height", Math.max(0, y1 - y0));
      drawing.append(box);
    }
  }
  return drawing;
}

function facts(row) {
  const line = element("p", "facts");
  const parts = [];
  if (row.score !== undefined) {
    const score = element("span", "", "score ");
    score.append(element("b", "", number(row.score)));
    parts.push(score);
  }
  for (const [name, value] of row.scores ?? []) parts.push(`${name} ${number(value)}`);
  if (row.kind !== "edit") parts.push(row.kind);
  if (row.mode) parts.push(MODES[row.mode] ?? row.mode);
  if (row.seconds !== undefined) parts.push(`${row.seconds.toFixed(row.seconds < 10 ? 1 : 0)} s`);
  if (row.evaluations !== undefined) parts.push(`${count(row.evaluations)} evaluations`);
  if (row.attempts) parts.push(`attempt ${row.attempts}`);
  line.append(...parts.flatMap((part, k) => [k ? " · " : "", part instanceof Node ? part : element("span", "", part)]));
  return line;
}

function links(row) {
  const line = element("p", "links");
  for (const [kind, label] of Object.entries(LINKS)) {
    const name = row.files?.[kind];
    if (!name) continue;
    const link = element("a", "", kind === "sheet" && name.endsWith(".layout.png") ? "layout" : label);
    link.href = address(row, name);
    link.append(element("span", "away", ` of job ${row.number}`));
    line.append(link);
  }
  return line;
}

const address = (row, name) => [news.results, row.folder, name].map(encoded).join("/");

function encoded(name) {
  try {
    return encodeURIComponent(name);
  } catch {
    return "_"; // half a character, which no address can hold
  }
}

// small things

function element(tag, kind, text = "") {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

function known(value, otherwise) {
  return Number.isFinite(value) ? value : otherwise;
}

const count = (n) => n.toLocaleString("en");
const number = (value) => (Number.isFinite(value) ? value.toFixed(3) : String(value));
const percent = (part, whole) => `${Math.floor((100 * part) / Math.max(1, whole))} %`;

// As format_duration in progress.py.
function formatDuration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return minutes < 60 * 48 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.round(minutes / 1440)} days`;
}

function moment(seconds) {
  const then = new Date(seconds * 1000);
  const sameDay = then.toDateString() === new Date().toDateString();
  const day = sameDay ? {} : { day: "numeric", month: "short" };
  return then.toLocaleString("en-GB", { hour: "2-digit", minute: "2-digit", ...day });
}

// what the reader asks for; it stands in the address, so that a reload keeps it

function ask(change) {
  Object.assign(view, { page: 1 }, change);
  showAsked();
  arrange();
}

function showAsked() {
  for (const button of place("filters").children) button.setAttribute("aria-pressed", button.value === view.filter);
  place("sort").value = view.sort;
  if (place("search").value !== view.search) place("search").value = view.search;
}

function turn(by) {
  const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  const to = Math.min(pages, Math.max(1, view.page + by));
  if (to === view.page) return;
  view.page = to;
  show();
  const top = document.querySelector("main").offsetTop - place("tools").offsetHeight;
  if (window.scrollY > top) window.scrollTo(0, top);
}

function remember() {
  const asked = new URLSearchParams();
  if (view.filter !== "all") asked.set("show", view.filter);
  if (view.sort !== "number") asked.set("sort", view.sort);
  if (view.search) asked.set("search", view.search);
  if (view.page > 1) asked.set("page", view.page);
  const hash = asked.toString();
  if (hash === window.location.hash.slice(1)) return;
  try {
    history.replaceState(null, "", `${window.location.pathname}${window.location.search}${hash ? `#${hash}` : ""}`);
  } catch {
    // Some browsers refuse that for files, or when it comes too often; then a reload begins anew.
  }
}

function recall() {
  const asked = new URLSearchParams(window.location.hash.slice(1));
  const filter = asked.get("show");
  const sort = asked.get("sort");
  view.filter = Object.hasOwn(FILTERS, filter ?? "") ? filter : "all";
  view.sort = Object.hasOwn(ORDERS, sort ?? "") ? sort : "number";
  view.search = asked.get("search") ?? "";
  view.page = Math.max(1, Number.parseInt(asked.get("page") ?? "1", 10) || 1);
}

for (const [name, label] of Object.entries(FILTERS)) {
  const button = element("button", "", `${label} `);
  button.type = "button";
  button.value = name;
  button.append(element("span", "n"));
  button.addEventListener("click", () => ask({ filter: name }));
  place("filters").append(button);
}
for (const pager of pagers) {
  for (const [by, sign, label] of [[-1, "‹", "Page before"], [1, "›", "Next page"]]) {
    const button = element("button", "", sign);
    button.type = "button";
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => turn(by));
    pager.append(button);
  }
  pager.children[0].after(element("span", ""));
  pager.hidden = true;
}
place("sort").addEventListener("change", (event) => ask({ sort: event.target.value }));
place("search").addEventListener("input", (event) => ask({ search: event.target.value }));
window.addEventListener("hashchange", () => {
  recall();
  showAsked();
  arrange();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "/") {
    event.preventDefault();
    place("search").focus();
  } else if (event.key === "ArrowRight") turn(1);
  else if (event.key === "ArrowLeft") turn(-1);
});
recall();
showAsked();
look();
