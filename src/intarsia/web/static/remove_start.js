// What the tab "Remove" shows before there is a photo: a place to drop one, and examples.
import { button, image, make } from "./dom.js";
import { dropPlace } from "./edit_start.js";
import { photoChooser } from "./upload.js";

export class RemoveStart {
  constructor(tab) {
    this.tab = tab;
    this.chooser = photoChooser("w-chooser", "Photo to remove something from", (file) => tab.send(file));
    this.drop = dropPlace(this.chooser);
    const cards = (tab.props.examples || []).map((example, index) => this.card(example, index));
    this.cards = make("div", "w-tries-cards", ...cards);
    this.examples = make("section", "w-tries", make("h3", "w-title", "No photo at hand? Try one of these"), this.cards);
    this.examples.setAttribute("aria-label", "Examples");
    this.parts = [this.drop, this.examples];
  }

  card({ title, url }, index) {
    const action = () => this.tab.trigger("tried", { index });
    const card = button("w-button w-try", action, image("", "", url), make("span", "", title));
    card.setAttribute("aria-label", `Try it: ${title}`);
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
