// The canvas: one photo, what is selected on it, and everything that was done to it. This module holds the parts
// together; it alone talks with the server, through the component's value and its events.
import { make } from "./dom.js";
import { StudioActions } from "./studio_actions.js";
import { Draft, addressOf, latest, readAddress } from "./studio_draft.js";
import { KeptArea } from "./studio_keep.js";
import { StudioKeys } from "./studio_keys.js";
import { Look } from "./studio_look.js";
import { Models } from "./studio_models.js";
import { Objects } from "./studio_objects.js";
import { LayoutPaint } from "./studio_paint.js";
import { Result } from "./studio_result.js";
import { Selection } from "./studio_selection.js";
import { Settings } from "./studio_settings.js";
import { Stage } from "./studio_stage.js";
import { Start } from "./studio_start.js";
import { Strip } from "./studio_strip.js";
import { Tools } from "./studio_tools.js";
import { TopBar } from "./studio_top.js";
import { Verbs } from "./studio_verbs.js";

const SAVING = 400; // milliseconds after the last change until it is saved
const STORED = "intarsia-draft-"; // first part of the browser's own keys
const LAST = "intarsia-last";

export function mount({ element, trigger, props, upload, watch }) {
  hideNavigation(element.ownerDocument);
  const app = new Studio({ root: element.querySelector(".s-root"), trigger, props, upload });
  watch("value", () => app.take());
  app.take();
}

// Gradio's links between its pages lie under the canvas, which has one of its own: the Tab key passes them by.
function hideNavigation(page) {
  for (const links of page.querySelectorAll(".nav-holder")) Object.assign(links, { inert: true, hidden: true });
}

class Studio extends StudioActions {
  constructor({ root, trigger, props, upload }) {
    super();
    Object.assign(this, { root, trigger, props });
    this.uploadFile = upload;
    this.state = { n: -1, phase: "arriving", steps: [], models: {}, drafts: [], answers: {} };
    this.draft = new Draft();
    this.said = { text: "", problem: false };
    this.saidNumber = -1; // of the server's message that was shown last
    this.tickets = new Map(); // of questions that wait for an answer
    this.ticket = 0;
    this.sending = 0; // of the state after which what was sent has arrived; 0 where nothing is on its way
    this.scenes = new Map(); // by their ids
    this.named = null; // the word that the last selection was found by
    this.arrived = false;
    this.build();
  }

  build() {
    this.stage = new Stage(this);
    this.selection = new Selection(this, this.stage);
    this.objects = new Objects(this, this.stage);
    this.objects.onChange = (moves, merge) => this.change({ moves }, merge);
    this.paint = new LayoutPaint(this, this.stage, this.objects);
    this.kept = new KeptArea(this);
    this.look = new Look(this);
    this.stage.world.append(this.kept.element, this.look.element);
    this.tools = new Tools(this, { stage: this.stage, selection: this.selection, objects: this.objects });
    this.start = new Start(this);
    this.models = new Models(this);
    this.result = new Result(this);
    this.settings = new Settings(this);
    this.strip = new Strip(this);
    this.top = new TopBar(this);
    this.verbs = new Verbs(this);
    this.keys = new StudioKeys(this);
    this.placed = make("div", "s-placed", this.objects.list, this.objects.panel.numbers);
    this.edges = make("section", "s-edges", make("h2", "", "Selection"), this.tools.edges);
    this.side = make("aside", "s-side", this.edges, this.result.element, this.paint.element, this.placed, this.settings.element);
    this.side.setAttribute("aria-label", "The result, and settings");
    this.rail = make("div", "s-rail", this.tools.element);
    this.top.placeView();
    this.main = make("div", "s-main", this.tools.options, this.stage.element, this.start.element);
    const body = make("div", "s-body", this.rail, this.main, this.side);
    this.root.replaceChildren(this.top.element, body, this.verbs.element, this.strip.element);
    window.addEventListener("popstate", () => this.followAddress());
    window.addEventListener("pagehide", () => this.saveNow());
  }

  // What the server says

  take() {
    const { value } = this.props;
    if (!value || !(value.n > this.state.n)) return;
    this.state = { ...value, drafts: value.drafts ?? [], answers: value.answers ?? {} };
    if (this.sending && value.n > this.sending) this.sending = 0;
    this.answer();
    if (value.n > 0 && !this.arrived) this.arrive(); // it knows its visitor from then on
    else this.takeDraft();
    // After the result that it tells of, which takes the former message away.
    if (value.said && value.said.n !== this.saidNumber) {
      this.saidNumber = value.said.n;
      this.said = { text: value.said.text, problem: value.said.problem };
    }
    this.render();
  }

  arrive() {
    this.arrived = true;
    this.tell("arrived", { draft: readAddress(location.hash).draft ?? stored(LAST) });
  }

  answer() {
    for (const [ticket, { resolve, reject }] of this.tickets) {
      const answer = this.state.answers[ticket];
      if (!answer) continue;
      this.tickets.delete(ticket);
      if (answer.kind === "problem") reject(new Error(answer.text));
      else resolve(answer);
    }
  }

  takeDraft() {
    const { draft } = this.state;
    if (draft && draft.id !== this.draft.id) {
      this.saveNow(); // what was done to the former photo a moment ago
      this.open(draft);
    }
    if (!draft && this.draft.id) this.draft = new Draft();
    if (draft) this.takeResults(draft);
  }

  // Another photo, or the same one after a reload: as it was left.
  open(draft) {
    const saved = latest(draft.saved, stored(STORED + draft.id));
    this.draft = new Draft(draft.id, saved);
    for (const snapshot of [this.draft.now, ...this.draft.past, ...this.draft.future])
      if (!draft.steps.some(({ id }) => id === snapshot.step)) snapshot.step = "";
    const { step } = readAddress(location.hash);
    if (!saved && step && draft.steps.some(({ id }) => id === step)) this.draft.amend({ step });
    this.said = { text: "", problem: false };
    store(LAST, draft.id);
    this.scenes.clear();
    this.stage.open(this.photo);
    this.selection.open(this.photo);
    this.restoreParts();
    this.writeAddress({ replace: !location.hash || readAddress(location.hash).draft === draft.id });
    if (!saved && draft.suggest) this.suggest(draft.suggest);
  }

  // Results that were made since: the latest is shown.
  takeResults({ steps }) {
    this.leaveLost(steps);
    const fresh = steps.filter(({ id }) => !this.draft.known.has(id));
    if (!fresh.length) return;
    for (const { id } of fresh) this.draft.known.add(id);
    this.leaveParts();
    this.change({ step: fresh.at(-1).id, selection: null, scene: null, moves: null, layout: null, candidate: 0 });
    this.restoreParts();
    this.writeAddress();
  }

  // A quick view that was stopped is gone: back to what it was made of.
  leaveLost(steps) {
    const { draft } = this, here = new Set(["", ...steps.map(({ id }) => id)]), isHere = ({ step }) => here.has(step);
    draft.past = draft.past.filter(isHere);
    draft.future = draft.future.filter(isHere);
    if (isHere(draft.now)) return;
    if (draft.undo()) draft.future.pop();
    else draft.amend({ step: "" });
    this.restoreParts();
    this.keepSaved();
    this.writeAddress({ replace: true });
  }

  // An example says what can be tried.
  async suggest({ points, box, source, prompt, words }) {
    if (source || prompt) this.change({ source: source ?? "", prompt: prompt ?? "" });
    if (words) return void this.tools.words.search(words);
    if (!points?.length && !box) return;
    try {
      const answer = await this.ask("pointed", { points: points ?? [], box: box ?? null });
      await this.selection.load(answer.url, "new");
      this.change({ selection: this.selection.save() });
    } catch (problem) {
      this.say(problem.message, true);
    }
  }

  // Facts

  get examples() {
    return this.props.examples ?? [];
  }

  get fields() {
    return this.props.fields ?? {};
  }

  get step() {
    return this.stepOf(this.draft.now.step);
  }

  stepOf(wanted) {
    return this.state.draft?.steps.find(({ id }) => id === wanted) ?? null;
  }

  // Whether objects are cut out, which are dragged.
  get isMoving() {
    return Boolean(this.objects.scene || this.objects.ghosted);
  }

  // The result that what is done now begins with; "" is the photo itself. Objects lie over what they were cut out of.
  get base() {
    const { scene, step } = this.draft.now;
    return (scene && this.scenes.get(scene)?.base) ?? step;
  }

  // The picture that is shown: a result, or another one of its pictures, or the photo.
  get photo() {
    const { draft } = this.state, step = this.stepOf(this.base);
    if (!draft) return null;
    if (!step) return draft.original;
    const other = step.candidates?.[this.draft.now.candidate];
    return other ? { ...step.picture, url: other.picture } : step.picture;
  }

  // What the shown result was made of.
  get before() {
    const base = this.step && this.stepOf(this.step.base);
    return base ? base.picture : this.state.draft?.original ?? null;
  }

  get busy() {
    return Boolean(this.sending) || ["waiting", "working"].includes(this.state.phase);
  }

  // To the server

  tell(name, data) {
    const { base } = this, { candidate, step } = this.draft.now;
    this.trigger(name, { draft: this.draft.id, base, candidate: base === step ? candidate : 0, ...data });
  }

  ask(name, data) {
    const ticket = `${Date.now().toString(36)}-${(this.ticket += 1)}`;
    return new Promise((resolve, reject) => {
      this.tickets.set(ticket, { resolve, reject });
      this.tell(name, { ticket, ...data });
    });
  }

  async upload(file) {
    const sent = await this.uploadFile(file);
    return sent.path;
  }

  say(text, problem = false) {
    this.said = { text, problem };
    this.verbs.render();
  }

  // Changes

  change(patch, merge = null) {
    if (!this.draft.change(patch, merge)) return;
    this.said = { text: "", problem: false };
    this.keepSaved();
    this.render();
  }

  show(step) {
    if (step === this.draft.now.step) return;
    this.leaveParts();
    this.change({ step, selection: null, scene: null, moves: null, layout: null, candidate: 0 });
    this.restoreParts();
    this.writeAddress();
  }

  undo() {
    this.travel(this.draft.undo());
  }

  redo() {
    this.travel(this.draft.redo());
  }

  travel(moved) {
    if (!moved || this.busy) return;
    this.said = { text: "", problem: false };
    this.restoreParts();
    this.keepSaved();
    this.writeAddress({ replace: true });
    this.render();
  }

  // The parts show what the snapshot says.
  restoreParts() {
    const { now } = this.draft;
    this.selection.restore(now.selection);
    if (!now.scene) this.paint.close();
    if (now.scene) this.openScene(now.scene, now.moves);
    else if (this.isMoving) this.leaveObjectsAlone();
    this.result.setComparing(false);
  }

  leaveParts() {
    this.paint.close();
    this.leaveObjectsAlone();
    this.selection.restore(null);
  }

  leaveObjectsAlone() {
    const hadFocus = this.stage.element.contains(document.activeElement);
    this.objects.ghost(null);
    this.objects.open(null);
    if (hadFocus) this.stage.element.focus({ preventScroll: true });
  }

  async openScene(id, moves) {
    try {
      const scene = this.scenes.get(id) ?? (await this.ask("scene_again", { scene: id })).scene;
      this.scenes.set(id, scene);
      if (this.draft.now.scene === id) this.objects.open(scene, this.draft.now.moves ?? moves ?? scene.moves);
    } catch (problem) {
      this.draft.amend({ scene: null, moves: null });
      this.say(problem.message, true);
    }
    this.render();
  }

  compare(on) {
    this.stage.compare(on && this.before ? this.before.url : null);
  }

  peek(on) {
    if (this.before) this.stage.peek(this.before.url, on);
  }

  // Nothing is lost: the browser keeps it at once, the server a moment later.

  keepSaved() {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => this.saveNow(), SAVING);
  }

  saveNow() {
    clearTimeout(this.saveTimer);
    if (!this.draft.id) return;
    const saved = this.draft.toJSON();
    if (saved.time === this.savedTime) return;
    this.savedTime = saved.time;
    store(STORED + this.draft.id, saved);
    this.tell("saved", { saved });
  }

  writeAddress({ replace = false } = {}) {
    const address = this.draft.id ? addressOf(this.draft.id, this.draft.now.step) : "#/";
    if (location.hash === address) return;
    if (replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  followAddress() {
    const { draft, step } = readAddress(location.hash);
    if (draft !== this.draft.id) this.tell("reopened", { draft });
    else if (!this.busy) this.show(step);
  }

  // What is seen

  render() {
    const { photo } = this;
    this.root.dataset.phase = this.verbs.phase;
    this.root.classList.toggle("s-empty", !photo);
    if (photo) this.stage.open(photo);
    this.objects.render();
    this.paint.render();
    this.kept.render();
    this.look.render();
    for (const part of [this.start, this.models, this.result, this.settings, this.strip, this.top, this.verbs, this.tools])
      part.render();
    for (const part of [this.paint.element, this.placed]) part.inert = this.busy;
    this.placed.hidden = !this.objects.scene;
    document.title = this.state.draft ? `${this.state.draft.name} – Intarsia` : "Intarsia";
    this.edges.hidden = this.selection.isEmpty || this.busy;
    this.rail.hidden = this.side.hidden = this.tools.options.hidden = !photo;
  }
}

// The browser's own store, which may be full or closed.

function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // The server has it, too.
  }
}

function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}
