// Before Change in a photo that the loaded models cannot paint in: what can be done instead, in plain words.
import { button, image, make, setText } from "./dom.js";
import { Dialog } from "./studio_dialog.js";
import { Downloads, canFetch } from "./studio_downloads.js";

const COPIED = 1500; // milliseconds that a button tells what happened
const MARKED = "The result is marked as a toy preview.";
const MOST_EXAMPLES = 3;

// The examples that a toy model paints in, with their numbers: those of Change. Others are photographs.
export const paintable = (examples) =>
  examples.map((example, index) => ({ ...example, index })).filter(({ verb }) => verb === "change").slice(0, MOST_EXAMPLES);

export class ToyChoice {
  constructor(app) {
    this.app = app;
    this.accepted = new Set(); // ids of the drafts whose visitor wants toy previews
    this.shown = "";
    this.text = make("p", "u-lead");
    this.real = make("section", "u-way");
    this.downloads = new Downloads(app);
    this.command = make("code", "u-command");
    this.copy = button("u-button", () => this.copyCommand(), "Copy command");
    this.run = make("div", "", make("p", "u-quiet", "Run this where Intarsia was started, then start it again:"),
      make("div", "u-command-row", this.command, this.copy));
    this.others = make("ul", "u-model-choices");
    this.real.append(make("h3", "u-small-title", "Use a real model"), this.others, this.downloads.element, this.run);
    this.examples = make("ul", "u-cards u-cards-small");
    this.example = make("section", "u-way", make("h3", "u-small-title", "Try an example that this model can paint in"), this.examples);
    const instead = make("section", "u-way", make("h3", "u-small-title", "Remove and Move work now"),
      make("p", "u-quiet", "They take the photo's own pixels, so that any model will do."),
      button("u-button", () => this.dialog.close("cancel"), "Remove or Move instead"));
    this.outcome = make("p", "u-quiet");
    const anyway = make("section", "u-way u-anyway",
      button("u-button", () => this.dialog.close("anyway"), "Try anyway"), this.outcome);
    this.dialog = new Dialog("This model cannot paint in photos", this.text, this.real, instead, this.example, anyway);
    this.dialog.element.classList.add("u-toy-choice");
    this.ready = button("u-button u-strong", () => this.dialog.close("go"), "Change now");
    this.dialog.body.prepend(this.ready);
    this.element = this.dialog.element;
  }

  // "go", "anyway" or "cancel". Toy previews of one photo are agreed to once.
  async ask(outcome = MARKED) {
    const { draft } = this.app.state;
    if (!draft?.toy || this.dialog.isOpen) return draft?.toy ? "cancel" : "go";
    if (this.accepted.has(draft.id)) return "anyway";
    setText(this.outcome, outcome);
    this.render(true);
    const answer = (await this.dialog.open()) || "cancel";
    if (answer === "anyway") this.accepted.add(draft.id);
    return answer;
  }

  render(opening = false) {
    if (!opening && !this.dialog.isOpen) return;
    const { models, draft } = this.app.state, toy = draft?.toy;
    this.ready.hidden = Boolean(toy);
    this.dialog.setTitle(toy ? "This model cannot paint in photos" : "The model is here");
    setText(this.text, toy?.text ?? "It can paint in this photo.");
    for (const way of this.dialog.body.querySelectorAll(":scope > section")) way.hidden = !toy;
    if (!toy) return this.ready.focus();
    setText(this.command, toy.command ?? "");
    this.run.hidden = !toy.command || canFetch(models).length > 0;
    this.downloads.render();
    this.renderLists(models.choices ?? []);
    this.real.hidden = this.run.hidden && this.downloads.element.hidden && !this.others.childElementCount;
    this.example.hidden = !this.examples.childElementCount;
  }

  renderLists(choices) {
    const examples = paintable(this.app.examples ?? []);
    const shown = JSON.stringify([choices, examples]);
    if (shown === this.shown) return this.dialog.holdFocus();
    this.shown = shown;
    this.others.replaceChildren(...choices.filter(({ toy }) => !toy).map((choice) => this.other(choice)));
    this.examples.replaceChildren(...examples.map(({ url, title, index }) => {
      const card = button("u-card", () => this.leave("tried", { index }), image("", "", url), make("span", "u-card-words", title));
      return make("li", "", card);
    }));
    this.dialog.holdFocus();
  }

  other({ name, label, can }) {
    const words = make("span", "u-row-words", make("strong", "", label), " ", make("span", "u-quiet", can));
    const mark = make("span", "u-choice-mark", "Use");
    return make("li", "", button("u-choice", () => this.leave("chosen", { models: name }), words, mark));
  }

  leave(name, data) {
    this.app.tell(name, data);
    this.dialog.close("cancel");
  }

  async copyCommand() {
    try {
      await navigator.clipboard.writeText(this.command.textContent);
      setText(this.copy, "Copied");
    } catch {
      getSelection().selectAllChildren(this.command);
      setText(this.copy, "Selected: copy it");
    }
    setTimeout(() => setText(this.copy, "Copy command"), COPIED);
  }
}
