// What the verbs do: each asks the server for a result, or changes what lies on the canvas. The canvas itself is made of it.
import { joined } from "./studio_keep.js";

const LOST = "The server did not answer: try it again.";
const WAITING = "Waiting for a turn.";
const FETCHING = "Fetching the objects…";
const UNNAMED = "Say first which object each colour of the layout is.";
const BLURRED = "What is painted comes out as a blurred drawing.";

export class StudioActions {
  // Asks for a change: its result comes as a step.
  async run(name, data) {
    if (this.busy) return;
    this.sending = Infinity;
    this.say(WAITING);
    this.render();
    try {
      const keep = await this.kept.file(), sent = await data();
      const path = keep && (await this.upload(keep));
      this.tell(name, { keep: path ?? null, models: this.state.models.current, ...sent });
      this.sending = this.state.n;
    } catch (problem) {
      this.sending = 0;
      this.say(problem.message || LOST, true);
      this.render();
    }
  }

  async selected() {
    const file = await this.selection.file();
    return file && this.upload(file);
  }

  async doChange({ seed = null } = {}) {
    const { source, prompt } = this.draft.now;
    if (!prompt.trim()) return;
    const answer = await this.models.askBeforeChange();
    if (answer === "cancel") return;
    const settings = { ...this.settings.values("change"), ...(seed === null ? {} : { seed }) };
    const words = { source: this.selection.isEmpty ? source : "", prompt };
    const anyway = answer === "anyway";
    await this.run("changed", async () => ({ path: await this.selected(), ...words, settings, anyway }));
  }

  // The same again with other noise, from where the shown result began.
  async doAgain() {
    const { beginning, step } = this;
    if (!beginning || this.busy) return;
    const { steps } = this.state.draft, tries = steps.filter((each) => each.verb === "change" && each.base === step.base);
    this.change(beginning);
    this.restoreParts();
    await this.doChange({ seed: (step.candidates[0]?.seed ?? 0) + tries.length });
  }

  // What the shown change was asked for with.
  get beginning() {
    const { step } = this;
    if (step?.verb !== "change") return null;
    return this.draft.past.findLast((each) => each.step === step.base && !each.scene && each.prompt === this.draft.now.prompt) ?? null;
  }

  async doRemove() {
    if (this.selection.isEmpty) return;
    await this.run("removed", async () => ({ path: await this.selected(), settings: this.settings.values("remove") }));
  }

  doKeep() {
    if (this.selection.isEmpty) return;
    const area = this.selection.save();
    this.selection.clear();
    this.change({ keep: joined(this.draft.now.keep, area), selection: null });
    this.say("Kept: no change touches it.");
  }

  release() {
    this.change({ keep: null });
  }

  // The word that what is selected now was found by.
  remember(name) {
    this.named = name && { name, shape: shapeOf(this.selection) };
  }

  // That word, as long as the same is selected.
  get selectedName() {
    return this.named && this.named.shape === shapeOf(this.selection) ? this.named.name : null;
  }

  // What is selected becomes an object, which is dragged: at once, while the server cuts it out.
  async lift(event = null, point = null, { copy = false } = {}) {
    if (this.busy || this.selection.isEmpty || this.lifting) return;
    this.lifting = true;
    const word = this.selectedName;
    try {
      const file = await this.selection.file(), hasGhost = this.objects.ghost(this.selection, this.photo);
      if (event && hasGhost) this.objects.begin(null, event, point);
      this.selection.restore(null);
      this.render();
      const path = await this.upload(file), earlier = this.draft.now.scene ?? this.step?.scene ?? null;
      const { scene } = await this.ask("lifted", { scene: earlier, name: word, path });
      this.scenes.set(scene.id, scene);
      const name = scene.objects.at(-1).name, moves = this.movesOf(scene);
      this.change({ scene: scene.id, moves, selection: null });
      this.objects.open(scene, moves);
      if (copy) this.objects.duplicate(name);
      else if (!event) this.objects.pick(name);
    } catch (problem) {
      this.leaveObjectsAlone();
      this.restoreParts();
      this.say(problem.message || LOST, true);
    }
    this.lifting = false;
    this.render();
  }

  // The moves that were made already, and those of objects that have come since.
  movesOf(scene) {
    const made = this.draft.now.scene ? this.draft.now.moves : [], known = new Set(made.map(({ name }) => name));
    return [...made, ...scene.moves.filter(({ name }) => !known.has(name))];
  }

  // The objects of a result by layout are moved on, from where they are.
  async goOn() {
    const { step } = this;
    if (!step?.scene) return;
    this.say(FETCHING);
    try {
      const { scene } = await this.ask("gone_on", { step: step.id });
      this.scenes.set(scene.id, scene);
      this.selection.restore(null);
      this.change({ scene: scene.id, moves: scene.moves, selection: null });
      this.objects.open(scene, scene.moves);
    } catch (problem) {
      this.say(problem.message, true);
    }
  }

  leaveObjects() {
    this.leaveParts();
    this.change({ scene: null, moves: null, layout: null });
  }

  paintLayout() {
    this.paint.open();
    this.render();
  }

  async arrange() {
    const { moves, scene } = this.draft.now, settings = this.settings.values("arrange");
    if (!scene || this.busy) return;
    if (!this.paint.isEmpty && !this.paint.painted.size) return void this.say(UNNAMED, true);
    const paints = settings.mode === "regenerate", answer = paints ? await this.models.askBeforeChange(BLURRED) : "go";
    if (answer === "cancel") return;
    const anyway = answer === "anyway";
    await this.run("arranged", async () => {
      const file = await this.paint.file();
      if (!file) return { scene, moves, layout: null, settings, anyway };
      return { scene, moves: this.paint.moves, layout: await this.upload(file), settings, anyway };
    });
  }
}

function shapeOf(selection) {
  return JSON.stringify(selection.save()?.runs ?? null);
}
