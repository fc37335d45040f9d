// Which model is loaded and what it can do: a chip that is always seen, and a dialog with the others.
import { button, make, setText } from "./dom.js";
import { Dialog } from "./studio_dialog.js";
import { Downloads } from "./studio_downloads.js";
import { ToyChoice } from "./studio_toy_choice.js";

export const currentModel = ({ choices, current }) => (choices ?? []).find(({ name }) => name === current) ?? null;

// What has come of a download, in percent; "" where nothing is downloaded.
export function percentOf(download) {
  if (!download) return "";
  return download.total ? `${Math.floor((100 * download.done) / download.total)} %` : "…";
}

export class Models {
  constructor(app) {
    this.app = app;
    this.shown = "";
    this.name = make("span", "u-chip-name");
    this.can = make("span", "u-chip-can");
    this.download = make("span", "u-chip-download");
    const words = make("span", "u-chip-words", this.name, this.can, this.download);
    this.chip = button("u-chip", () => this.showDialog(), make("span", "u-chip-dot"), words);
    this.chip.setAttribute("aria-haspopup", "dialog");
    this.choices = make("ul", "u-model-choices");
    this.downloads = new Downloads(app);
    this.more = make("section", "", make("h3", "u-small-title", "Get another model"), this.downloads.element);
    this.dialog = new Dialog("Model", this.choices, this.more);
    this.toy = new ToyChoice(app);
    this.element = make("div", "u-ui u-models", this.chip, this.dialog.element, this.toy.element);
  }

  // Before Change: "go" where the models can paint in this photo; else what the visitor chose, "anyway" or "cancel".
  // `outcome`: what comes of trying it anyway, in a sentence.
  askBeforeChange(outcome) {
    return this.toy.ask(outcome);
  }

  showDialog() {
    this.render();
    this.dialog.open(this.choices.querySelector("[aria-current]") ?? undefined);
  }

  choose(name) {
    this.dialog.close();
    if (name !== this.app.state.models.current) this.app.tell("chosen", { models: name });
  }

  render() {
    const { models } = this.app.state, current = models && currentModel(models);
    this.chip.hidden = !models;
    if (!models) return;
    this.chip.classList.toggle("u-toy", Boolean(current?.toy));
    setText(this.name, current?.label ?? "No model");
    setText(this.can, current?.can ? `: ${current.can}` : "");
    const percent = percentOf(models.download);
    setText(this.download, percent && ` (download ${percent})`);
    this.chip.classList.toggle("u-fetching", Boolean(percent));
    this.renderChoices(models);
    if (this.downloads.render()) this.dialog.holdFocus();
    this.more.hidden = this.downloads.element.hidden;
    this.toy.render();
  }

  renderChoices({ choices, current }) {
    const shown = JSON.stringify([choices, current, this.app.busy]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.choices.replaceChildren(...(choices ?? []).map((choice) => this.choice(choice, choice.name === current)));
    this.dialog.holdFocus();
  }

  choice({ name, label, can, toy }, isCurrent) {
    const words = make("span", "u-row-words", make("strong", "", label), " ", make("span", "u-quiet", can), " ");
    const use = button("u-choice", () => this.choose(name), words, make("span", "u-choice-mark", isCurrent ? "In use" : "Use"));
    if (isCurrent) use.setAttribute("aria-current", "true");
    use.classList.toggle("u-toy", toy);
    use.disabled = this.app.busy && !isCurrent;
    return make("li", "", use);
  }
}
