// What was done, for the result that is shown: Download, compare, the other results, and the facts.
import { add, button, make, setDownload, setText } from "./dom.js";
import { icon } from "./icons.js";
import { copyRecord, tellCopied } from "./record.js";
import { Candidates } from "./studio_candidates.js";
import { DownloadButton } from "./studio_download.js";
import { VERBS, capital } from "./studio_words.js";

const HOLDING_KEYS = [" ", "Enter"];

// Facts of any shape as lines of text.
export function factLines(facts) {
  if (!facts) return [];
  if (Array.isArray(facts)) return facts.map(String);
  if (typeof facts === "object") return Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  return String(facts).split("\n");
}

export class Result {
  constructor(app) {
    this.app = app;
    this.shown = "";
    this.comparing = false;
    this.verb = make("span", "u-result-verb");
    this.said = make("span", "u-result-said");
    this.toggle = button("u-icon-button", () => this.fold(!this.isFolded), icon("up"));
    this.toggle.setAttribute("aria-controls", "u-result-body");
    this.badge = make("p", "u-badge", "Toy preview: this model cannot paint in photos.");
    this.small = make("p", "u-quick", make("span", "u-spinner"), "Quick view; the full size follows.");
    this.download = new DownloadButton(app);
    this.compare = button("u-button", () => this.setComparing(!this.comparing), icon("compare"), "Compare");
    this.hold = new HoldButton((on) => app.peek(on));
    this.how = make("div", "u-how");
    this.candidates = new Candidates(app);
    this.advanced = new Advanced(app);
    this.body = make("div", "u-result-body", this.how, this.candidates.element, this.advanced.element);
    this.body.id = "u-result-body";
    this.element = make("section", "u-ui u-panel u-result",
      make("div", "u-panel-head", make("h2", "u-result-title", this.verb, " ", this.said), this.toggle),
      this.badge, this.small, this.download.element,
      make("div", "u-comparing", this.compare, this.hold.element), this.body);
    this.element.setAttribute("aria-label", "Result");
    this.fold(false);
  }

  get isFolded() {
    return this.body.hidden;
  }

  fold(isFolded) {
    this.body.hidden = isFolded;
    this.toggle.setAttribute("aria-expanded", !isFolded);
    this.toggle.setAttribute("aria-label", "Details");
    this.toggle.title = isFolded ? "Show the details" : "Hide the details";
    this.element.classList.toggle("u-folded", isFolded);
  }

  setComparing(on) {
    if (this.comparing === on) return;
    this.comparing = on;
    this.compare.setAttribute("aria-pressed", on);
    this.app.compare(on);
  }

  render() {
    const { step } = this.app;
    this.element.hidden = !step;
    const shown = JSON.stringify(step && [step.id, step.said, step.method, step.reason, step.facts, step.notes, step.advanced]);
    if (shown !== this.shown) this.renderStep(step);
    this.shown = shown;
    if (!step) return;
    this.badge.hidden = !step.watermarked;
    this.small.hidden = !step.small;
    this.compare.setAttribute("aria-pressed", this.comparing);
    this.download.render();
    this.candidates.render();
    this.advanced.render();
  }

  renderStep(step) {
    this.hold.release();
    this.setComparing(false);
    if (!step) return;
    setText(this.verb, VERBS[step.verb]);
    setText(this.said, step.said);
    this.how.replaceChildren();
    if (step.method) {
      const method = add(this.how, "p", "", make("strong", "", capital(step.method)));
      if (step.reason) method.append(`: ${step.reason}`);
    }
    if (step.facts) add(this.how, "p", "u-quiet", step.facts);
    if (step.notes?.length) add(this.how, "ul", "u-notes", ...step.notes.map((note) => make("li", "", note)));
    this.advanced.open(step);
  }
}

// Shows something while it is held, by a pointer or a key. onHold(true | false)
export class HoldButton {
  constructor(onHold) {
    this.onHold = onHold;
    this.held = false;
    this.element = button("u-button u-hold", () => {}, icon("seen"), "Hold: before");
    this.element.setAttribute("aria-pressed", "false");
    const on = (types, action) => types.forEach((type) => this.element.addEventListener(type, action));
    on(["pointerdown"], (event) => event.button || this.set(true));
    on(["pointerup", "pointercancel", "pointerleave", "blur"], () => this.release());
    on(["contextmenu"], (event) => event.preventDefault());
    on(["keydown", "keyup"], (event) => {
      if (!HOLDING_KEYS.includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      this.set(event.type === "keydown");
    });
  }

  set(held) {
    if (held === this.held) return;
    this.held = held;
    this.element.setAttribute("aria-pressed", held);
    this.onHold(held);
  }

  release() {
    this.set(false);
  }
}

// The technical side of a result.
class Advanced {
  constructor(app) {
    this.app = app;
    this.asked = false;
    this.facts = make("ul", "u-facts");
    this.links = make("div", "u-links");
    this.copy = button("u-button", () => this.copyRecord(), "Copy record");
    this.again = button("u-button", () => this.replay(), "Make it again and compare");
    this.text = make("pre", "u-record");
    this.text.tabIndex = 0;
    this.text.setAttribute("aria-label", "Record");
    this.element = make("details", "u-fold",
      make("summary", "", "Advanced"), make("div", "u-fold-body", this.facts, this.links, this.copy, this.again, this.text));
  }

  open({ advanced }) {
    const { facts, record, record_name: name, mask, layout } = advanced ?? {};
    this.facts.replaceChildren(...factLines(facts).map((line) => make("li", "", line)));
    const links = [["Record", record, name], ["Mask", mask, ""], ["Layout", layout, ""]].filter(([, url]) => url);
    this.links.replaceChildren(...links.map(([label, url, file]) => {
      const link = make("a", "", label);
      setDownload(link, url, file ?? "");
      return link;
    }));
    this.copy.hidden = !record;
    this.text.hidden = true;
    this.record = record;
  }

  render() {
    this.again.disabled = this.asked || this.app.busy || Boolean(this.app.step?.small);
  }

  async copyRecord() {
    try {
      const { text, copied } = await copyRecord(this.record);
      tellCopied(this.copy, copied);
      this.text.hidden = copied;
      setText(this.text, copied ? "" : text);
    } catch (problem) {
      this.app.say(`The record did not arrive: ${problem.message}`, true);
    }
  }

  async replay() {
    const { step, draft } = this.app;
    this.asked = true;
    this.render();
    try {
      await this.app.ask("replayed", { step: step.id, candidate: draft.now.candidate ?? 0 });
    } catch (problem) {
      this.app.say(problem.message, true);
    } finally {
      this.asked = false;
      this.render();
    }
  }
}
