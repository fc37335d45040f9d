// What the tab "Edit by words" shows before there is a photo: a place to drop one, and examples.
import { button, image, make } from "./dom.js";
import { photoChooser } from "./upload.js";

export class EditStart {
  constructor(tab) {
    this.tab = tab;
    this.chooser = photoChooser("w-chooser", "Photo to edit", (file) => tab.send(file));
    this.drop = dropPlace(this.chooser);
    const examples = tab.props.examples || [];
    this.cards = make("div", "w-tries-cards", ...examples.map((example, index) => this.card(example, index)));
    this.examples = make("section", "w-tries", make("h3", "w-title", "No photo at hand? Try one of these"), this.cards);
    this.examples.setAttribute("aria-label", "Examples");
    this.parts = [this.drop, this.examples];
  }

  card(example, index) {
    const words = make("span", "w-try-words", make("span", "w-try-source", example.source));
    words.append(make("span", "w-try-arrow", "→"), make("strong", "", example.prompt));
    const action = () => this.tab.trigger("tried", { index });
    const card = button("w-button w-try", action, image("", "", example.url), words);
    card.setAttribute("aria-label", `Try it: ${example.source} becomes ${example.prompt}`);
    return card;
  }

  render() {
    const { phase, photo } = this.tab.facts;
    this.drop.classList.toggle("w-gone", Boolean(photo));
    this.chooser.disabled = phase === "arriving" || this.tab.busy;
    this.examples.hidden = Boolean(photo) || !this.cards.childElementCount;
    for (const card of this.cards.children) card.disabled = this.chooser.disabled;
  }
}

// Where a photo is dropped, or chosen with `chooser`.
export function dropPlace(chooser) {
  const help = worded("or click to choose one: PNG, JPEG, WebP, TIFF or BMP", "PNG, JPEG, WebP, TIFF or BMP");
  const title = make("strong", "", ...worded("Drop a photo here", "Choose a photo"));
  return make("label", "w-drop", make("span", "w-drop-sign"), title, make("span", "w-drop-help", ...help), chooser);
}

// With a finger nothing is dropped, and nothing clicked.
const worded = (mouse, finger) => [make("span", "w-mouse", mouse), make("span", "w-finger", finger)];
