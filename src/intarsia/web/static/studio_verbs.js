// What can be done: with what is selected, with the objects that were moved, or with the whole photo.
import { button, make, setAttributes, setText } from "./dom.js";
import { icon } from "./icons.js";
import { jobInWords } from "./studio_words.js";

const MOST_WORDS = 2000; // characters of a field
const HINTS = { selected: "Change, move, remove, duplicate or keep it.", painting: "Scribble where each object is to be, then press Apply." };

export class Verbs {
  constructor(app) {
    this.app = app;
    this.source = this.makeField("What to change", "the car", "source");
    this.prompt = this.makeField("Change it to", "a house", "prompt");
    this.change = this.makeVerb("wand", "Change", () => {}, "s-strong");
    this.change.type = "submit"; // so that Enter in either field does it, too
    this.again = this.makeVerb("again", "Another try", () => app.doAgain());
    this.move = this.makeVerb("move", "Move", () => app.lift());
    this.remove = this.makeVerb("gone", "Remove", () => app.doRemove());
    this.duplicate = this.makeVerb("duplicate", "Duplicate", () => app.lift(null, null, { copy: true }));
    this.keep = this.makeVerb("lock", "Keep", () => app.doKeep());
    this.release = this.makeVerb("unlock", "Release what is kept", () => this.letGo(), "s-small");
    this.onward = this.makeVerb("move", "Move more", () => app.goOn());
    this.paint = this.makeVerb("layout", "Paint a layout", () => app.paintLayout());
    this.apply = this.makeVerb("done", "Apply", () => this.doApply(), "s-strong");
    this.leave = this.makeVerb("clear", "Put back", () => app.leaveObjects());
    this.stop = this.makeVerb("clear", "Cancel", () => this.cancel());
    this.bar = make("div", "s-progress", make("i"));
    setAttributes(this.bar, { role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" });
    this.words = make("form", "s-words", this.source, this.prompt, this.change);
    this.words.addEventListener("submit", (event) => {
      event.preventDefault();
      if (app.draft.now.prompt.trim()) app.doChange();
      else this.askFor(this.prompt, "Say first what it is to become.");
    });
    this.acts = make("div", "s-acts", this.again, this.onward, this.move, this.remove, this.duplicate, this.keep);
    this.moved = make("div", "s-moved", this.apply, this.leave, this.paint, app.objects.bar);
    this.working = make("div", "s-working", this.bar, this.stop);
    this.message = make("p", "s-said");
    setAttributes(this.message, { role: "status", "aria-live": "polite" });
    this.hint = make("div", "", app.tools.hint);
    this.objectSaid = app.objects.panel.live;
    this.row = make("div", "s-row", this.words, this.acts, this.moved, this.working);
    setAttributes(this.row, { role: "group", "aria-label": "What to do" });
    this.element = make("div", "s-verbs", make("div", "s-tell", this.message, this.hint, this.objectSaid, this.release), this.row);
  }

  makeField(label, placeholder, name) {
    const input = make("input");
    setAttributes(input, { type: "text", maxlength: String(MOST_WORDS), placeholder, autocomplete: "off" });
    input.addEventListener("input", () => this.app.change({ [name]: input.value }, name));
    const field = make("label", "s-field", make("span", "", label), input);
    field.input = input;
    return field;
  }

  makeVerb(sign, text, action, className = "") {
    const node = button(`s-button ${className}`, action, icon(sign), make("span", "", text));
    node.dataset.verb = text;
    return node;
  }

  cancel() {
    this.stop.disabled = true;
    this.app.stage.element.focus({ preventScroll: true });
    this.app.tell("stopped", {});
  }

  // What cannot be done yet says what is missing.
  askFor(field, text) {
    this.app.say(text);
    field.input.focus();
  }

  get isUnmoved() {
    return this.app.objects.isUnmoved && this.app.paint.isEmpty;
  }

  doApply() {
    if (this.isUnmoved) this.app.say("Nothing is moved yet: drag an object, or paint a layout.");
    else this.app.arrange();
  }

  // The button is gone then, and the photo has the focus.
  letGo() {
    this.app.release();
    this.app.say("Released: changes may touch it again.");
    this.app.stage.element.focus({ preventScroll: true });
  }

  // What the row is about now.
  get phase() {
    const { app } = this;
    if (!app.photo) return "empty";
    if (app.busy) return "working";
    if (app.isMoving) return "moved";
    return app.selection.isEmpty ? "start" : "selected";
  }

  render() {
    const { app, phase } = this, { keep, prompt, source } = app.draft.now, selected = phase === "selected";
    this.element.hidden = phase === "empty" && !app.said.text;
    this.row.hidden = phase === "empty";
    this.element.dataset.phase = phase;
    this.words.hidden = !["start", "selected"].includes(phase);
    const more = phase === "moved" && !app.selection.isEmpty; // one more object
    this.acts.hidden = this.words.hidden && !more;
    this.moved.hidden = phase !== "moved";
    this.working.hidden = phase !== "working";
    this.source.hidden = selected;
    for (const [field, value] of [[this.source, source], [this.prompt, prompt]])
      if (field.input.value !== value) field.input.value = value;
    this.change.setAttribute("aria-disabled", String(!prompt.trim()));
    for (const node of [this.remove, this.keep]) node.hidden = !selected;
    for (const node of [this.move, this.duplicate]) node.hidden = !(selected || more);
    this.release.hidden = !keep || ["empty", "working"].includes(phase);
    this.again.hidden = phase !== "start" || !app.beginning;
    this.onward.hidden = phase !== "start" || app.step?.verb !== "arrange";
    this.apply.setAttribute("aria-disabled", String(this.isUnmoved));
    this.paint.hidden = app.paint.isOpen;
    this.renderMessage(phase);
    this.renderProgress();
  }

  renderMessage(phase) {
    const { said, state } = this.app;
    const hint = HINTS[this.app.paint.isOpen && phase === "moved" ? "painting" : phase] ?? "";
    setText(this.message, (phase === "working" && this.jobSaid(state)) || said.text || hint);
    this.hint.hidden = phase !== "start" || Boolean(said.text);
    this.objectSaid.hidden = phase !== "moved" || Boolean(said.text || hint);
    this.message.classList.toggle("s-problem", Boolean(said.problem));
  }

  jobSaid({ job, phase }) {
    if (!job) return "";
    const { left, stage } = jobInWords(job, phase);
    return left ? `${stage}: ${left}` : stage;
  }

  renderProgress() {
    const { job, phase } = this.app.state;
    if (!this.app.busy) this.stop.disabled = false;
    const known = phase === "working" && job?.total > 1 && job.done > 0;
    this.bar.classList.toggle("s-endless", !known);
    const share = known ? Math.round((100 * job.done) / job.total) : 0;
    this.bar.firstChild.style.width = known ? `${share}%` : "";
    if (known) this.bar.setAttribute("aria-valuenow", String(share));
    else this.bar.removeAttribute("aria-valuenow");
  }
}
