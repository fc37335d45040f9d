// Cut-outs on a stage. All places are in pixels of the photo; the only place that knows the screen's is `look`.
const LEAST = 0.05, MOST = 20;
const BELOW = 150; // pixels of the screen for what is below the stage
const SLIP = 4; // pixels of the screen that a click may slip
const ICONS = {
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  flip: "M12 3v18M8 7l-5 10h5zM16 7l5 10h-5z",
  front: "M4 4h10v10H4zM18 10v10H10",
  back: "M10 10h10v10H10zM4 14V4h10",
  smaller: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM8 11h6M16.5 16.5 21 21",
  larger: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM8 11h6M11 8v6M16.5 16.5 21 21",
  left: "M4 4v6h6M4.6 10a8 8 0 1 1-.6 5",
  right: "M20 4v6h-6M19.4 10a8 8 0 1 0 .6 5",
  gone: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  reset: "M3 12a9 9 0 1 0 3-6.7L3 8M3 3v5h5M12 8v4l3 2",
  seen: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  hidden: "M3 3l18 18M6 6.5C3.500 8.500 2 12 2 12s4 7 10 7c2 0 3.700-.7 5-1.600M10 5.200C16.500 4 22 12 22 12s-.8 1.600-2.400 3.200",
  another: "M3 5h18v14H3zM3 16l5-5 4 4M14 9h5M16.500 6.500v5",
  up: "m6 15 6-6 6 6",
  down: "m6 9 6 6 6-6",
};
// The browser keeps the pictures of a scene, so that a change sends moves alone.
const scenes = (window.intarsiaScenes ??= new Map());

const make = (tag, className, parent) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  parent?.append(node);
  return node;
};
const icon = (name) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
};
const button = (name, label, parent, act) => {
  const node = make("button", "", parent);
  node.type = "button";
  node.append(icon(name));
  node.title = label;
  node.setAttribute("aria-label", label.replace(/ \(.*\)$/, ""));
  node.addEventListener("click", act);
  return node;
};
const within = (value, least, most) => Math.min(most, Math.max(least, value));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const copy = (moves) => moves.map((move) => ({ ...move }));
const tidy = (angle) => ((((angle + 180) % 360) + 360) % 360) - 180;
const round = (value, unit) => Math.round(value / unit) * unit;

const root = make("div", "stage empty");
element.replaceChildren(root);
const main = make("div", "main", root);
const bar = make("div", "bar", main);
bar.setAttribute("role", "toolbar");
bar.setAttribute("aria-label", "What to do with the object");
const field = make("div", "field", main);
const foot = make("div", "foot", main);
const hint = make("p", "hint", foot);
hint.setAttribute("aria-live", "polite");
const list = make("div", "list", root);

let scene = null, moves = [], picked = null, scale = 1, past = [], coming = [], cuts = new Map(), held = null;
let room, frame, sheet, ring, handles, pressed = null, naming = false, examples = [];

const move_of = (name) => moves.find((move) => move.name === name);
const thing_of = (name) => scene.objects.find((thing) => thing.name === name);
const middle_of = (thing) => [(thing.box[0] + thing.box[2]) / 2, (thing.box[1] + thing.box[3]) / 2];

const keys = {
  undo: button("undo", "Undo (Ctrl+Z)", bar, () => travel(past, coming)),
  redo: button("redo", "Redo (Ctrl+Shift+Z)", bar, () => travel(coming, past)),
};
make("span", "gap", bar);
keys.smaller = button("smaller", "Smaller (-)", bar, () => resize(1 / 1.1));
keys.larger = button("larger", "Larger (+)", bar, () => resize(1.1));
keys.left = button("left", "Turn left ([)", bar, () => turn(-5));
keys.right = button("right", "Turn right (])", bar, () => turn(5));
keys.flip = button("flip", "Flip (f)", bar, flip);
make("span", "gap", bar);
keys.back = button("back", "To back", bar, () => restack(picked, -Infinity));
keys.front = button("front", "To front", bar, () => restack(picked, Infinity));
keys.gone = button("gone", "Remove (Delete)", bar, () => toggle(picked));
make("span", "gap", bar);
keys.another = button("another", "Another picture", bar, () => chooser.click());
keys.reset = button("reset", "Put everything back", bar, () => commit(scene.objects.map((t) => fresh(t.name))));
const views = makeViews(bar), outcome = makeOutcome(foot);

function fresh(name) {
  return { name, x: 0, y: 0, wide: 1, high: 1, turn: 0, flip: false, gone: false };
}

// Every change goes through here: it is kept for undo, shown, and told.
function commit(next) {
  view = "cuts";
  if (same(next, moves)) return look();
  past.push(copy(held?.before ?? moves));
  coming = [];
  moves = next;
  look();
  tell();
}
function change(name, values) {
  commit(moves.map((move) => (move.name === name ? { ...move, ...values } : { ...move })));
}
function travel(from, to) {
  if (!from.length) return;
  view = "cuts";
  to.push(copy(moves));
  moves = from.pop();
  if (picked && move_of(picked)?.gone) picked = null;
  look();
  tell();
}
function tell() {
  props.value = { id: scene.id, moves: copy(moves) };
  trigger("input");
}

function resize(factor, name = picked) {
  const move = name && move_of(name);
  if (move) change(name, { wide: within(move.wide * factor, LEAST, MOST), high: within(move.high * factor, LEAST, MOST) });
}
function turn(degrees, name = picked) {
  if (name) change(name, { turn: tidy(move_of(name).turn + degrees) });
}
function flip() {
  // Left becomes right as it is seen, so a turn goes the other way round.
  if (picked) change(picked, { flip: !move_of(picked).flip, turn: -move_of(picked).turn });
}
function toggle(name) {
  if (!name) return;
  const gone = !move_of(name).gone;
  if (gone && picked === name) pick(null);
  change(name, { gone });
  if (!gone) pick(name);
}
function restack(name, by) {
  if (!name) return;
  const from = moves.findIndex((move) => move.name === name), next = copy(moves);
  const [one] = next.splice(from, 1);
  next.splice(within(from + by, 0, next.length), 0, one);
  commit(next);
}
function shift(name, x, y) {
  const move = move_of(name), [mx, my] = middle_of(thing_of(name));
  change(name, { x: within(move.x + x, -mx, scene.width - mx), y: within(move.y + y, -my, scene.height - my) });
}
function pick(name, focus = true) {
  picked = name;
  if (name) view = "cuts";
  if (name && focus) cuts.get(name)?.focus({ preventScroll: true });
  look();
}

// Show everything where it is. Only transforms change while something is dragged.
function look() {
  showResult();
  if (!scene?.objects.length) return;
  moves.forEach((move, place) => {
    const node = cuts.get(move.name), thing = thing_of(move.name), [mx, my] = middle_of(thing);
    const [x0, y0] = thing.around;
    node.style.transform =
      `translate(${(mx + move.x) * scale}px, ${(my + move.y) * scale}px) rotate(${move.turn}deg) ` +
      `scale(${(move.flip ? -1 : 1) * move.wide}, ${move.high}) translate(${(x0 - mx) * scale}px, ${(y0 - my) * scale}px)`;
    node.style.zIndex = place + 1;
    node.classList.toggle("gone", move.gone);
    node.classList.toggle("picked", move.name === picked);
    node.classList.toggle("held", held?.name === move.name);
    node.setAttribute("aria-pressed", String(move.name === picked));
    node.tabIndex = move.gone ? -1 : 0;
  });
  const move = picked && move_of(picked);
  ring.hidden = !move || move.gone;
  if (!ring.hidden) {
    const [x0, y0, x1, y1] = thing_of(picked).box, [mx, my] = middle_of(thing_of(picked));
    const width = (x1 - x0) * move.wide * scale, height = (y1 - y0) * move.high * scale;
    ring.style.width = `${width}px`;
    ring.style.height = `${height}px`;
    ring.style.transform =
      `translate(${(mx + move.x) * scale - width / 2}px, ${(my + move.y) * scale - height / 2}px) rotate(${move.turn}deg)`;
    // Above the object; below it where there is no room above.
    const away = Math.cos((move.turn * Math.PI) / 180) * height / 2 + 34, low = (my + move.y) * scale - away < -8;
    handles.turn.style.top = low ? `${height + 30}px` : "-30px";
    handles.stem.style.top = low ? `${height}px` : "-24px";
    handles.stem.style.height = "24px";
    for (const [name, node] of Object.entries(handles))
      if (node.dataset.side) node.classList.toggle("tight", (name === "n" || name === "s" ? width : height) < 64);
  }
  const acting = Boolean(move && !move.gone);
  for (const name of ["smaller", "larger", "left", "right", "flip", "back", "front", "gone"]) keys[name].disabled = !acting;
  if (acting) {
    const place = moves.findIndex((each) => each.name === picked);
    keys.back.disabled = place === 0;
    keys.front.disabled = place === moves.length - 1;
  }
  keys.undo.disabled = !past.length;
  keys.redo.disabled = !coming.length;
  keys.reset.disabled = same(moves, scene.objects.map((thing) => fresh(thing.name)));
  hint.textContent = acting ? said(move) : "Drag an object, or click another one to cut it out. Keys: Tab, arrows, + - [ ] f, Delete, F2.";
  hint.setAttribute("aria-live", held ? "off" : "polite");
  if (!held) rows();
}
function said(move) {
  const parts = [];
  if (move.x || move.y) parts.push(`moved by ${signed(move.x)}, ${signed(move.y)} pixels`);
  if (move.wide !== 1 || move.high !== 1)
    parts.push(`${percent(move.wide)}${move.wide === move.high ? "" : ` by ${percent(move.high)}`} of its size`);
  if (move.turn) parts.push(`turned by ${Math.round(move.turn * 10) / 10}°`);
  if (move.flip) parts.push("flipped");
  return `${move.name}: ${parts.join(", ") || "where it was"}.`;
}
const signed = (value) => (value < 0 ? "-" : "+") + Math.abs(Math.round(value));
const percent = (value) => `${Math.round(value * 100)} %`;

function rows() {
  if (naming) return;
  const focused = document.activeElement?.closest?.(".list") === list ? document.activeElement.dataset.key : null;
  list.replaceChildren();
  make("h4", "", list).textContent = "Objects, front to back";
  const ol = make("ol", "", list);
  [...moves].reverse().forEach((move, place) => {
    const li = make("li", `${move.gone ? "gone" : ""} ${move.name === picked ? "picked" : ""}`, ol);
    li.dataset.name = move.name;
    const name = make("button", "name", li);
    name.type = "button";
    name.dataset.key = `name ${move.name}`;
    make("img", "", name).src = thing_of(move.name).picture;
    name.firstChild.alt = "";
    make("span", "", name).textContent = move.name;
    name.title = `${move.name} (double click or F2: another name)`;
    name.addEventListener("click", () => (move.gone ? toggle(move.name) : pick(move.name, false)));
    name.addEventListener("dblclick", () => rename(move.name));
    const box = make("div", "keys", li);
    const up = button("up", `${move.name}: one up`, box, () => restack(move.name, 1));
    const down = button("down", `${move.name}: one down`, box, () => restack(move.name, -1));
    const eye = button(move.gone ? "hidden" : "seen", `${move.name}: ${move.gone ? "bring back" : "remove"}`, box, () => toggle(move.name));
    up.disabled = place === 0;
    down.disabled = place === moves.length - 1;
    up.dataset.key = `up ${move.name}`;
    down.dataset.key = `down ${move.name}`;
    eye.dataset.key = `eye ${move.name}`;
  });
  if (focused) [...list.querySelectorAll("button")].find((node) => node.dataset.key === focused)?.focus();
}

// The name becomes a field until Enter, or until something else is done.
function rename(name) {
  const row = [...list.querySelectorAll("li")].find((each) => each.dataset.name === name);
  if (!row || naming) return;
  naming = true;
  const input = make("input", "rename");
  input.value = name;
  input.maxLength = 100;
  input.setAttribute("aria-label", `Another name for ${name}`);
  row.firstChild.replaceWith(input);
  input.focus();
  input.select();
  const done = (keep) => {
    if (!naming) return;
    naming = false;
    const wanted = input.value.trim();
    rows();
    if (keep && wanted && wanted !== name) trigger("renamed", { name, wanted });
  };
  input.addEventListener("blur", () => done(true));
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" || event.key === "Escape") done(event.key === "Enter");
  });
}

// What lies under a point is decided by the cut-out's own pixels, not by its box.
function under(x, y) {
  const inside = moves.filter((move) => !move.gone).reverse();
  for (const move of inside) {
    const [sx, sy] = source(move, x, y), [x0, y0, x1, y1] = thing_of(move.name).around;
    const pixels = cuts.get(move.name).pixels;
    if (sx < x0 || sy < y0 || sx >= x1 || sy >= y1 || !pixels) continue;
    const column = Math.floor(((sx - x0) / (x1 - x0)) * pixels.width), row = Math.floor(((sy - y0) / (y1 - y0)) * pixels.height);
    if (pixels.data[4 * (row * pixels.width + column) + 3] > 127) return move.name;
  }
  const now = picked && move_of(picked);
  if (now && !now.gone) {
    const [sx, sy] = source(now, x, y), [x0, y0, x1, y1] = thing_of(picked).box;
    if (sx >= x0 && sx < x1 && sy >= y0 && sy < y1) return picked;
  }
  return null;
}
function source(move, x, y) {
  const [mx, my] = middle_of(thing_of(move.name)), angle = (-move.turn * Math.PI) / 180;
  const dx = x - mx - move.x, dy = y - my - move.y;
  const rx = dx * Math.cos(angle) - dy * Math.sin(angle), ry = dx * Math.sin(angle) + dy * Math.cos(angle);
  return [mx + (rx / move.wide) * (move.flip ? -1 : 1), my + ry / move.high];
}
function at(event) {
  const edge = frame.getBoundingClientRect();
  return [((event.clientX - edge.left) / edge.width) * scene.width, ((event.clientY - edge.top) / edge.height) * scene.height];
}

function down(event) {
  if (event.button || held) return;
  pressed = null;
  const handle = event.target.dataset?.handle, [x, y] = at(event), wasResult = view === "result";
  const name = handle ? picked : under(x, y);
  turnTo("cuts");
  if (!name) {
    // A press on the ground that is let go at once asks what is there, but not where it ends something else.
    if (!picked && !wasResult) pressed = { id: event.pointerId, left: event.clientX, top: event.clientY, x, y };
    return pick(null);
  }
  event.preventDefault();
  pick(name);
  held = { name, handle, x, y, start: { ...move_of(name) }, before: copy(moves), id: event.pointerId };
  frame.setPointerCapture(event.pointerId);
  look();
}
function drag(event) {
  if (!held) {
    if (pressed && Math.hypot(event.clientX - pressed.left, event.clientY - pressed.top) >= SLIP) pressed = null;
    if (event.pointerType === "mouse" && view === "cuts") {
      const name = under(...at(event));
      for (const [other, node] of cuts) node.classList.toggle("hot", other === name);
      frame.style.cursor = name ? "grab" : picked ? "" : "crosshair";
    }
    return;
  }
  if (event.pointerId !== held.id) return;
  const [x, y] = at(event), { start, handle } = held, move = move_of(held.name), [mx, my] = middle_of(thing_of(held.name));
  if (!handle) {
    // Whole pixels: the picture's own are then copied bit for bit.
    let dx = x - held.x, dy = y - held.y;
    if (event.shiftKey) Math.abs(dx) > Math.abs(dy) ? (dy = 0) : (dx = 0);
    move.x = Math.round(within(start.x + dx, -mx, scene.width - mx));
    move.y = Math.round(within(start.y + dy, -my, scene.height - my));
  } else if (handle === "turn") {
    const cx = mx + start.x, cy = my + start.y;
    const swung = ((Math.atan2(y - cy, x - cx) - Math.atan2(held.y - cy, held.x - cx)) * 180) / Math.PI;
    const angle = tidy(start.turn + swung), quarter = round(angle, event.shiftKey ? 15 : 90);
    move.turn = tidy(Math.abs(angle - quarter) < (event.shiftKey ? 8 : 2.5) ? quarter : round(angle, 0.5));
  } else {
    // Along the object's own sides, about its middle.
    const angle = (-start.turn * Math.PI) / 180;
    const along = (px, py) => {
      const dx = px - mx - start.x, dy = py - my - start.y;
      return [dx * Math.cos(angle) - dy * Math.sin(angle), dx * Math.sin(angle) + dy * Math.cos(angle)];
    };
    const [fx, fy] = along(held.x, held.y), [tx, ty] = along(x, y);
    let wide = tx / fx, high = ty / fy;
    if (handle.length === 2 && !event.shiftKey) wide = high = (tx * fx + ty * fy) / (fx * fx + fy * fy);
    else if (handle === "n" || handle === "s") wide = 1;
    else if (handle === "e" || handle === "w") high = 1;
    move.wide = within(round(start.wide * wide, 0.001), LEAST, MOST);
    move.high = within(round(start.high * high, 0.001), LEAST, MOST);
    for (const side of ["wide", "high"]) move[side] = Number(move[side].toFixed(3));
  }
  look();
}
function up(event) {
  if (pressed?.id === event.pointerId) {
    const { x, y } = pressed;
    pressed = null;
    if (event.type === "pointerup") ask(x, y);
    return;
  }
  if (!held || event.pointerId !== held.id) return;
  const next = copy(moves), before = held.before;
  if (event.type === "pointercancel") {
    moves = before;
    held = null;
    return look();
  }
  held = null;
  moves = before;
  commit(next);
}

// A ring shows where the server was asked to look.
function ask(x, y) {
  const spot = make("div", "spot", frame);
  spot.style.left = `${(100 * x) / scene.width}%`;
  spot.style.top = `${(100 * y) / scene.height}%`;
  setTimeout(() => spot.remove(), 1800);
  trigger("pointed", { x, y });
}

root.addEventListener("keydown", (event) => {
  if (!scene?.objects.length) return;
  const step = event.shiftKey ? 10 : 1, command = event.ctrlKey || event.metaKey;
  const typed = {
    ArrowLeft: () => shift(picked, -step, 0),
    ArrowRight: () => shift(picked, step, 0),
    ArrowUp: () => shift(picked, 0, -step),
    ArrowDown: () => shift(picked, 0, step),
    Delete: () => toggle(picked),
    Backspace: () => toggle(picked),
    F2: () => rename(picked),
    Escape: () => { document.activeElement?.blur(); pick(null); },
    "+": () => resize(1.05),
    "=": () => resize(1.05),
    "-": () => resize(1 / 1.05),
    "[": () => turn(-1),
    "]": () => turn(1),
    f: flip,
    F: flip,
  };
  if (command && event.key.toLowerCase() === "z") event.shiftKey ? travel(coming, past) : travel(past, coming);
  else if (command && event.key.toLowerCase() === "y") travel(coming, past);
  else if (!command && !event.altKey && typed[event.key] && (picked || event.key === "Escape")) typed[event.key]();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

// A picture is dropped anywhere on the stage, or chosen.
const chooser = make("input", "chooser", root);
chooser.type = "file";
chooser.accept = "image/png,image/jpeg,image/webp,image/tiff,image/bmp";
chooser.setAttribute("aria-label", "Picture");
chooser.addEventListener("change", () => send(chooser.files[0]));
async function send(file) {
  if (!file) return;
  root.classList.add("sending");
  hint.textContent = "Taking the picture.";
  try {
    trigger("uploaded", { path: (await upload(file)).path });
  } catch {
    hint.textContent = "The picture did not arrive: it may be too large. Try it again.";
  }
  root.classList.remove("sending");
  chooser.value = "";
}
for (const type of ["dragenter", "dragover"])
  root.addEventListener(type, (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    root.classList.add("over");
  });
root.addEventListener("dragleave", (event) => root.contains(event.relatedTarget) || root.classList.remove("over"));
root.addEventListener("drop", (event) => {
  root.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  send(event.dataTransfer.files[0]);
});

function nothing() {
  root.classList.add("empty");
  root.classList.remove("plain");
  take(null);
  showResult();
  const box = make("button", "nothing");
  box.type = "button";
  box.addEventListener("click", () => chooser.click());
  const inner = make("div", "", box), svg = icon("front");
  svg.firstChild.setAttribute("d", "M4 5h16v14H4zM4 15l4-4 4 4 3-3 5 5M15 9.500a1 1 0 1 0 .1 0");
  inner.append(svg);
  make("strong", "", inner).textContent = "Drop a picture here, or choose one";
  make("p", "", inner).textContent = "Then click its objects, or name them. They become cut-outs that you move, scale, turn, stack and remove, as if they were paper.";
  field.replaceChildren(box);
  if (examples.length) {
    make("h4", "", field).textContent = "Or begin with an example";
    const cards = make("div", "examples", field);
    examples.forEach((one, index) => {
      const card = make("button", "example", cards);
      card.type = "button";
      make("img", "", card).src = one.picture;
      card.firstChild.alt = "";
      make("span", "", card).textContent = one.title;
      card.addEventListener("click", () => trigger("example", { index }));
    });
  }
  list.replaceChildren();
  hint.textContent = "";
}

function show() {
  const value = props.value;
  examples = value?.examples ?? examples;
  if (value?.objects) scenes.set(value.id, value);
  const known = value?.id && scenes.get(value.id);
  if (!known) {
    scene = null;
    return nothing();
  }
  if (value.result && !value.objects && scene) {
    // Just made. Whoever has moved on meanwhile keeps what he sees.
    if (scene.id === value.id) take(value.result);
    props.value = { id: scene.id, moves: copy(moves) };
    return look();
  }
  if (scene?.id === value.id && scene.objects === known.objects) {
    if (same(moves, value.moves)) return;
    past.push(copy(moves));
    coming = [];
    moves = copy(value.moves);
    if (picked && move_of(picked)?.gone) picked = null;
    return look();
  }
  scene = known;
  moves = copy(value.moves);
  picked = held = pressed = null;
  naming = false;
  past = [];
  coming = [];
  take(value.result ?? null);
  build();
  // From now on the moves alone go to and fro.
  props.value = { id: scene.id, moves: copy(moves) };
}

function build() {
  root.classList.remove("empty");
  root.classList.toggle("plain", !scene.objects.length);
  field.replaceChildren();
  room = make("div", "room", field);
  frame = make("div", "frame", room);
  sheet = make("div", "sheet", frame);
  sheet.style.backgroundImage = `url("${scene.ground}")`;
  cuts = new Map();
  for (const thing of scene.objects) {
    const node = make("div", "cut", sheet), img = make("img", "", node);
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", thing.name);
    node.dataset.name = thing.name;
    img.src = thing.picture;
    img.alt = "";
    img.draggable = false;
    img.addEventListener("load", () => {
      const canvas = document.createElement("canvas");
      canvas.width = img.naturalWidth;
      canvas.height = img.naturalHeight;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(img, 0, 0);
      node.pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    });
    node.addEventListener("focus", () => picked !== thing.name && pick(thing.name, false));
    cuts.set(thing.name, node);
  }
  ring = make("div", "ring", frame);
  ring.style.zIndex = 1000;
  ring.hidden = true;
  makeCompare(frame);
  handles = { stem: make("b", "", ring), turn: make("i", "turn", ring) };
  handles.turn.style.left = "50%";
  handles.turn.dataset.handle = "turn";
  handles.turn.title = "Turn; Shift snaps to 15°";
  for (const [name, x, y] of [["nw", 0, 0], ["ne", 100, 0], ["se", 100, 100], ["sw", 0, 100], ["n", 50, 0], ["e", 100, 50], ["s", 50, 100], ["w", 0, 50]]) {
    const node = (handles[name] = make("i", name.length === 1 ? "side" : "", ring));
    node.style.left = `${x}%`;
    node.style.top = `${y}%`;
    node.dataset.handle = name;
    if (name.length === 1) node.dataset.side = "1";
    node.style.cursor = { nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize", n: "ns-resize", s: "ns-resize" }[name] ?? "ew-resize";
    node.title = name.length === 1 ? (name === "n" || name === "s" ? "Higher or lower" : "Wider or narrower") : "Scale; with Shift freely";
  }
  frame.addEventListener("pointerdown", down);
  frame.addEventListener("pointermove", drag);
  frame.addEventListener("pointerup", up);
  frame.addEventListener("pointercancel", up);
  if (!scene.objects.length) {
    for (const key of Object.values(keys)) key.disabled = key !== keys.another;
    list.replaceChildren();
    hint.textContent = "Click an object to cut it out, or name them in the field Objects.";
  }
  fit();
}
function fit() {
  if (!scene || !room) return;
  const style = getComputedStyle(room), wide = room.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  if (wide <= 0) return;
  // What is below the stage, down to the button and what it says, shows without scrolling.
  const top = room.getBoundingClientRect().top + window.scrollY + parseFloat(style.paddingTop);
  const high = Math.max(240, window.innerWidth > 900 ? window.innerHeight - top - BELOW : window.innerHeight * 0.55);
  scale = Math.min(wide / scene.width, high / scene.height, Math.max(1, 960 / Math.max(scene.width, scene.height)));
  frame.style.width = `${scene.width * scale}px`;
  frame.style.height = `${scene.height * scale}px`;
  for (const thing of scene.objects) {
    const node = cuts.get(thing.name), [x0, y0, x1, y1] = thing.around;
    node.style.width = `${(x1 - x0) * scale}px`;
    node.style.height = `${(y1 - y0) * scale}px`;
  }
  look();
}
let wide = 0;
new ResizeObserver(() => {
  if (!wide && field.clientWidth) trigger("opened");
  wide = field.clientWidth;
  fit();
}).observe(field);
window.addEventListener("resize", fit);
watch("value", show);
show();
