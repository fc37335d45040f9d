// Before Change in a photo that the loaded models cannot paint in: what can be done instead, in plain words.
import { button, image, make, setText } from "./dom.js";
import { Dialog } from "./studio_dialog.js";
import { Downloads, canFetch } from "./studio_downloads.js";

const COPIED = 1500; // milliseconds that a button tells what happened
const MOST_EXAMPLES = 3;

export class ToyChoice {
  constructor(app) {
    this.app = app;
    this.accepted = new Set(); // ids of the drafts whose visitor wants toy previews
    this.shown = "";
    this.text = make("p", "p-lead");
    this.real = make("section", "p-way");
    this.downloads = new Downloads(app);
    this.command = make("code", "p-command");
    this.copy = button("p-button", () => this.copyCommand(), "Copy command");
    this.run = make("div", "", make("p", "p-quiet", "Run this where Intarsia was started, then start it again:"),
      make("div", "p-command-row", this.command, this.copy));
    this.others = make("ul", "p-model-choices");
    this.real.append(make("h3", "p-small-title", "Use a real model"), this.others, this.downloads.element, this.run);
    this.examples = make("ul", "p-cards p-cards-small");
    this.example = make("section", "p-way", make("h3", "p-small-title", "Try an example that this model can paint in"), this.examples);
    const instead = make("section", "p-way", make("h3", "p-small-title", "Remove and Move work now"),
      make("p", "p-quiet", "They take the photo's own pixels, so that any model will do."),
      button("p-button", () => this.dialog.close("cancel"), "Remove or Move instead"));
    const anyway = make("section", "p-way p-anyway",
      button("p-button", () => this.dialog.close("anyway"), "Try anyway"),
      make("p", "p-quiet", "The result is marked as a toy preview."));
    this.dialog = new Dialog("This model cannot paint in photos", this.text, this.real, instead, this.example, anyway);
    this.dialog.element.classList.add("p-toy-choice");
    this.ready = button("p-button p-strong", () => this.dialog.close("go"), "Change now");
    this.dialog.body.prepend(this.ready);
    this.element = this.dialog.element;
  }

  // "go", "anyway" or "cancel". Toy previews of one photo are agreed to once.
  async ask() {
    const { draft } = this.app.state;
    if (!draft?.toy || this.dialog.isOpen) return draft?.toy ? "cancel" : "go";
    if (this.accepted.has(draft.id)) return "anyway";
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
    if (!toy) return this.dialog.holdFocus();
    setText(this.command, toy.command ?? "");
    this.run.hidden = !toy.command || canFetch(models).length > 0;
    this.downloads.render();
    this.renderLists(models.choices ?? []);
    this.real.hidden = this.run.hidden && this.downloads.element.hidden && !this.others.childElementCount;
    this.example.hidden = !this.examples.childElementCount;
  }

  renderLists(choices) {
    const examples = (this.app.examples ?? []).slice(0, MOST_EXAMPLES);
    const shown = JSON.stringify([choices, examples]);
    if (shown === this.shown) return this.dialog.holdFocus();
    this.shown = shown;
    this.others.replaceChildren(...choices.filter(({ toy }) => !toy).map((choice) => this.other(choice)));
    this.examples.replaceChildren(...examples.map(({ url, title }, index) => {
      const card = button("p-card", () => this.leave("tried", { index }), image("", "", url), make("span", "p-card-words", title));
      return make("li", "", card);
    }));
    this.dialog.holdFocus();
  }

  other({ name, label, can }) {
    const words = make("span", "p-row-words", make("strong", "", label), make("span", "p-quiet", can));
    const mark = make("span", "p-choice-mark", "Use");
    return make("li", "", button("p-choice", () => this.leave("chosen", { models: name }), words, mark));
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
