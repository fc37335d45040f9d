// The objects of a scene on the canvas: cut-outs that are dragged, scaled, turned, flipped, duplicated, restacked and
// removed. All places are in pixels of the photo. What is done is told to `onChange`; undo is the app's.
import { make, setAttributes } from "./dom.js";
import { centerOf, clamp, cutoutTransform, hitTest, restack, scaleMove, shiftMove, wrapDegrees } from "./geometry.js";
import { Cutouts } from "./studio_cutouts.js";
import { ObjectDrag } from "./studio_drag.js";
import { GHOST, makeGhost } from "./studio_ghost.js";
import { Handles } from "./studio_handles.js";
import { ObjectBar } from "./studio_object_bar.js";
import { ObjectList } from "./studio_object_list.js";
import {
  carryMove, changeMove, copyMoves, duplicateMove, flipMove, knownMoves, movedBox, overlap, removeMove, sameMoves, unmoved,
} from "./studio_moves.js";

const LARGER = 1.05; // by a key
const LEAST_PROXY = 24; // pixels of the screen of what the keyboard reaches

export class Objects {
  constructor(app, stage) {
    Object.assign(this, { app, stage });
    this.onChange = () => {};
    this.onPick = () => {};
    this.scene = this.ghosted = this.hot = null;
    this.moves = [];
    this.chosen = null; // name of the object that buttons and keys act on, or the ghost's
    this.locked = false; // while something else is done on the canvas
    this.canvas = { width: 0, height: 0 };
    this.ghosts = make("div", "o-ghosts");
    stage.world.append(this.ghosts);
    this.cutouts = new Cutouts(stage.world);
    this.handles = new Handles();
    this.proxies = new Map(); // name -> what the keyboard reaches of an object, over it
    this.group = make("div", "o-proxies");
    setAttributes(this.group, { role: "group", "aria-label": "Objects on the canvas", tabindex: "-1" });
    this.over = make("div", "o-over", this.group, this.handles.element);
    stage.screen.append(this.over);
    this.drag = new ObjectDrag(this);
    this.panel = new ObjectBar(this);
    this.rows = new ObjectList(this);
    this.group.addEventListener("keydown", (event) => this.key(event));
    // What has the focus is told by the handles, too: a ring is for who came by the keyboard.
    window.addEventListener("keydown", () => this.over.classList.add("o-keyed"), { capture: true });
    window.addEventListener("pointerdown", () => this.over.classList.remove("o-keyed"), { capture: true });
    stage.element.addEventListener("keydown", (event) => {
      if (event.target === stage.element && !event.defaultPrevented) this.key(event);
    });
    stage.element.addEventListener("pointermove", (event) => this.hover(event));
    stage.onView(() => this.renderScreen());
    new ResizeObserver(() => this.measure()).observe(stage.screen);
    this.measure();
    this.render();
  }

  get bar() {
    return this.panel.element;
  }

  get list() {
    return this.rows.element;
  }

  get size() {
    return this.scene ?? this.app.photo;
  }

  get isUnmoved() {
    return !this.scene || sameMoves(this.moves, this.unmoved);
  }

  get unmoved() {
    return this.scene.objects.map((object) => unmoved(object.name));
  }

  moveOf(name) {
    return name === GHOST ? this.ghosted?.move : this.moves.find((move) => move.name === name);
  }

  objectOf(name) {
    return name === GHOST ? this.ghosted : this.cutouts.objectOf(this.moveOf(name));
  }

  centerOf(name) {
    return centerOf(this.objectOf(name).box);
  }

  // Name of the picked object; the ghost has none.
  get picked() {
    return typeof this.chosen === "string" ? this.chosen : null;
  }

  // The move of the picked object or of the ghost, if it is there.
  get pickedMove() {
    const move = this.chosen && this.moveOf(this.chosen);
    return move && !move.gone ? move : null;
  }

  // What is on the canvas

  // A scene and its moves, from back to front; null closes. A scene that is open already keeps its cut-outs.
  open(scene, moves = null) {
    if (!scene) return this.close();
    const given = knownMoves(moves ?? scene.moves ?? [], scene.objects.map((object) => object.name));
    if (this.scene && keyOf(this.scene) === keyOf(scene)) return this.set(given);
    const carried = this.carried(scene, given), waiting = this.ghosted;
    if (!carried || this.drag.held?.name !== GHOST) this.drag.finish(false);
    this.scene = scene;
    this.moves = carried?.moves ?? given;
    const shown = this.cutouts.open(scene);
    if (carried) this.carry(carried);
    if (!this.pickedMove) this.pick(null);
    this.render();
    shown.then((isShown) => {
      if (isShown && this.ghosted === waiting) this.ghost(null);
      if (isShown) this.render();
    });
    return undefined;
  }

  close() {
    this.drag.finish(false);
    this.cutouts.close();
    this.scene = null;
    this.moves = [];
    if (this.chosen !== GHOST) this.pick(null);
    this.render();
  }

  // The moves of an undo, say. Those that a drag began with do not end it.
  set(moves) {
    if (!this.scene || this.drag.isBefore(moves) || sameMoves(moves, this.moves)) return;
    this.drag.finish(false);
    this.moves = knownMoves(moves, this.scene.objects.map((object) => object.name));
    if (!this.pickedMove && this.chosen !== GHOST) this.pick(null);
    this.render();
  }

  // A cut-out of the selection that is there at once, while the server makes the object; null takes it away. Whether
  // there is one.
  ghost(selection, photo = this.app.photo) {
    this.ghosts.replaceChildren();
    this.ghosted = null;
    if (this.chosen === GHOST) {
      if (this.drag.held?.name === GHOST) this.drag.finish(false);
      this.chosen = null;
    }
    const [[x0], [x1]] = [[0, 0], [1, 0]].map((point) => this.stage.toScreen(point));
    const picture = [...this.stage.world.querySelectorAll("img")].find((node) => node.getAttribute("src") === photo?.url);
    const scale = (x1 - x0) * (window.devicePixelRatio || 1);
    const ghost = selection && makeGhost(selection, photo, picture ?? null, scale);
    if (ghost) {
      this.ghosted = { ...ghost, move: unmoved(GHOST), follows: null };
      for (const node of [ghost.hatch, ghost.cut]) {
        const [left, top, right, bottom] = ghost.around;
        Object.assign(node.style, { width: `${right - left}px`, height: `${bottom - top}px` });
        node.style.transform = `translate(${left}px, ${top}px)`;
      }
      this.ghosts.append(ghost.hatch, ghost.cut);
      const { ghosted } = this;
      ghost.ready.then((pixels) => (ghosted.pixels = pixels), () => this.ghosted === ghosted && this.ghost(null));
      this.chosen = GHOST;
    }
    this.render();
    return Boolean(ghost);
  }

  // What the ghost's move is for the object of a new scene that it stands for: { name, moves, from, to }.
  carried(scene, moves) {
    const { ghosted } = this;
    if (!ghosted || ghosted.follows) return null;
    const known = new Set(this.scene?.objects.map((object) => object.name) ?? []);
    const fresh = scene.objects.filter((object) => !known.has(object.name));
    const near = (object) => overlap(object.box, ghosted.box);
    const object = (fresh.length ? fresh : scene.objects).reduce((a, b) => (near(b) > near(a) ? b : a));
    const centers = [centerOf(ghosted.box), centerOf(object.box)], { name } = object;
    const { x, y, ...rest } = carryMove(ghosted.move, ...centers), found = moves.find((move) => move.name === name);
    if (!found || !near(object)) return null;
    const values = { ...rest, x: Math.round(x), y: Math.round(y), name, copy_of: null };
    return { name, before: moves, moves: changeMove(moves, name, values), centers };
  }

  carry({ name, before, moves, centers }) {
    this.ghosted.follows = { name, centers };
    if (this.chosen === GHOST) this.chosen = name;
    if (this.drag.held?.name === GHOST) {
      this.drag.rename(name, (move) => ({ ...carryMove(move, ...centers), name, copy_of: null }), before);
    } else if (!sameMoves(before, moves)) queueMicrotask(() => this.onChange(copyMoves(moves), `lift ${name}`));
    this.onPick(this.picked);
  }

  // What the visitor does

  pick(name, { focus = true } = {}) {
    const changed = this.chosen !== name;
    this.chosen = name;
    if (name && name !== GHOST && focus) this.proxyOf(name).focus({ preventScroll: true });
    if (!changed) return;
    this.render();
    this.onPick(this.picked);
  }

  // A press that the canvas's tools leave to the objects: on a handle, or on a cut-out.
  takes(event, point) {
    if (this.locked || (!this.scene && !this.ghosted)) return false;
    return this.drag.takes(event, point);
  }

  // A drag of an object starts at once; without a name, of the ghost.
  begin(name, event, point) {
    const known = name && this.moveOf(name) ? name : this.ghosted ? GHOST : null;
    if (!known) return;
    this.pick(known);
    this.drag.hold(known, event, point);
  }

  // While something else is done on the canvas, the objects are seen and not taken.
  lock(on) {
    this.drag.finish(false);
    this.locked = on;
    this.render();
  }

  // Name of the object at a point of the photo, or null.
  at(point) {
    const { ghosted, chosen } = this, isGhost = ghosted && !ghosted.follows;
    const moves = isGhost ? [...this.moves, ghosted.move] : this.moves;
    const pixels = (name) => (name === GHOST ? ghosted.pixels : this.cutouts.pixels.get(this.objectOf(name).name));
    return hitTest(moves, (name) => this.objectOf(name), pixels, chosen, point);
  }

  hover(event) {
    if (event.pointerType !== "mouse" || this.drag.held) return;
    const free = !this.locked && !event.buttons && (this.scene || this.ghosted);
    const hot = free ? this.at(this.drag.pointOf(event)) : null;
    if (hot === this.hot) return;
    this.hot = hot;
    this.stage.element.classList.toggle("o-grab", Boolean(hot));
    this.renderScreen();
  }

  putMove(name, values) {
    const move = this.moveOf(name);
    Object.assign(move, values);
    // What else must be drawn before or behind it changes on the way.
    if (name !== GHOST) this.renderCutouts();
    this.renderGhost();
    this.renderScreen();
    this.panel.render();
  }

  endDrag({ name, before, merge }, keep) {
    const next = copyMoves(this.moves);
    if (name === GHOST) {
      if (!keep && this.ghosted) this.ghosted.move = unmoved(GHOST);
      return this.render();
    }
    this.moves = before;
    return keep ? this.commit(next, merge) : this.render();
  }

  // Every change of a visitor goes through here.
  commit(next, merge) {
    const changed = !sameMoves(next, this.moves);
    this.moves = next;
    if (!this.pickedMove) this.pick(null);
    this.render();
    if (changed) this.onChange(copyMoves(next), merge);
  }

  change(name, values, merge) {
    if (this.has(name)) this.commit(changeMove(this.moves, name, values), merge);
  }

  has(name) {
    return typeof name === "string" && Boolean(this.moveOf(name));
  }

  shift(name, dx, dy) {
    this.change(name, shiftMove(this.moveOf(name), dx, dy, this.centerOf(name), this.size), `nudge ${name}`);
  }

  scale(name, factor) {
    this.change(name, scaleMove(this.moveOf(name), factor), `scale ${name}`);
  }

  turn(name, degrees) {
    this.change(name, { turn: wrapDegrees(this.moveOf(name).turn + degrees) }, `turn ${name}`);
  }

  flip(name) {
    if (this.has(name)) this.change(name, flipMove(this.moveOf(name)));
  }

  // The name of the copy.
  duplicate(name) {
    if (!this.has(name)) return null;
    const taken = [...this.moves, ...this.scene.objects].map((each) => each.name);
    const made = duplicateMove(this.moves, name, taken, this.centerOf(name), this.size);
    this.commit(made.moves);
    this.pick(made.name);
    return made.name;
  }

  remove(name) {
    if (!this.has(name)) return;
    const focused = this.over.contains(document.activeElement);
    this.commit(removeMove(this.moves, name));
    if (focused) this.group.focus({ preventScroll: true });
    this.panel.say(`${name} is removed.`);
  }

  bringBack(name) {
    this.change(name, { gone: false });
    this.pick(name, { focus: false });
  }

  restack(name, by) {
    if (this.has(name)) this.commit(restack(this.moves, name, by));
  }

  // One object, or all of them, to where they were; copies go.
  reset(name = null) {
    if (!this.scene) return;
    if (!name) this.commit(this.unmoved);
    else if (this.has(name)) this.change(name, { ...unmoved(name), copy_of: this.moveOf(name).copy_of });
  }

  // Whether the key was one of the objects'.
  key(event) {
    const action = this.locked ? null : this.actionOf(event);
    if (!action) return false;
    event.preventDefault();
    event.stopPropagation();
    action();
    return true;
  }

  actionOf(event) {
    const { picked } = this, command = event.ctrlKey || event.metaKey;
    if (event.key === "Escape" && (this.drag.held || this.chosen))
      return () => (this.drag.held ? this.drag.finish(false) : this.pick(null));
    const reached = [...this.proxies.keys()].find((name) => this.proxies.get(name) === event.target);
    if (reached && (event.key === " " || (event.key === "Enter" && !picked))) return () => this.pick(reached);
    if (!picked || !this.pickedMove || event.altKey) return null;
    if (command) return event.key.toLowerCase() === "d" ? () => this.duplicate(picked) : null;
    const step = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => this.shift(picked, -step, 0),
      ArrowRight: () => this.shift(picked, step, 0),
      ArrowUp: () => this.shift(picked, 0, -step),
      ArrowDown: () => this.shift(picked, 0, step),
      Delete: () => this.remove(picked),
      Backspace: () => this.remove(picked),
      "+": () => this.scale(picked, LARGER),
      "=": () => this.scale(picked, LARGER),
      "-": () => this.scale(picked, 1 / LARGER),
      "[": () => this.restack(picked, -1),
      "]": () => this.restack(picked, 1),
      ",": () => this.turn(picked, -1),
      ".": () => this.turn(picked, 1),
      f: () => this.flip(picked),
      F: () => this.flip(picked),
      Enter: () => this.app.arrange?.(),
    };
    return Object.hasOwn(actions, event.key) ? actions[event.key] : null;
  }

  // What is seen

  measure() {
    this.canvas = { width: this.stage.screen.clientWidth, height: this.stage.screen.clientHeight };
    this.renderScreen();
  }

  render() {
    this.renderCutouts();
    this.renderGhost();
    this.renderScreen();
    this.panel?.render();
    if (!this.drag?.held) this.rows?.render();
  }

  renderCutouts() {
    const { name, moved } = this.drag?.held ?? {};
    this.cutouts.render(this.moves, moved && typeof name === "string" ? name : null);
  }

  renderGhost() {
    const { ghosted } = this;
    if (!ghosted) return;
    const { follows } = ghosted;
    const followed = follows && this.moveOf(follows.name);
    if (followed) ghosted.move = { ...carryMove(followed, follows.centers[1], follows.centers[0]), name: GHOST };
    ghosted.cut.style.transform = cutoutTransform(ghosted.move, ghosted.box, ghosted.around, 1);
  }

  // What keeps its size at every zoom.
  renderScreen() {
    const { pickedMove, chosen, stage, canvas } = this;
    this.over.hidden = this.locked;
    if (!canvas.width || this.locked) return;
    const toScreen = (point) => stage.toScreen(point);
    this.handles.render(pickedMove, pickedMove && this.objectOf(chosen).box, toScreen, canvas);
    const present = this.moves.filter((move) => !move.gone), names = new Set(present.map((move) => move.name));
    for (const [name, node] of this.proxies)
      if (!names.has(name)) {
        node.remove();
        this.proxies.delete(name);
      }
    for (const move of present) this.placeProxy(move);
  }

  placeProxy(move) {
    const node = this.proxyOf(move.name), { box } = this.objectOf(move.name), { width, height } = this.canvas;
    const [x0, y0, x1, y1] = movedBox(move, box, centerOf(box));
    const [[left, top], [right, bottom]] = [[x0, y0], [x1, y1]].map((corner) => this.stage.toScreen(corner));
    // All of it is within the canvas, so that nothing scrolls when it is reached.
    const at = [clamp(left, 0, width - LEAST_PROXY), clamp(top, 0, height - LEAST_PROXY)];
    const sides = [clamp(right, at[0] + LEAST_PROXY, width) - at[0], clamp(bottom, at[1] + LEAST_PROXY, height) - at[1]];
    Object.assign(node.style, { width: `${sides[0]}px`, height: `${sides[1]}px` });
    node.style.transform = `translate(${at[0]}px, ${at[1]}px)`;
    node.setAttribute("aria-pressed", String(move.name === this.picked));
    node.classList.toggle("o-hot", move.name === this.hot && move.name !== this.picked);
  }

  proxyOf(name) {
    let node = this.proxies.get(name);
    if (!node) {
      node = make("div", "o-proxy");
      setAttributes(node, { role: "button", tabindex: "0", "aria-label": name });
      node.addEventListener("focus", () => this.pick(name, { focus: false }));
      this.proxies.set(name, node);
      this.group.append(node);
    }
    return node;
  }
}

const keyOf = (scene) => JSON.stringify([scene.id, scene.ground, scene.objects.map(({ name, picture }) => [name, picture])]);
