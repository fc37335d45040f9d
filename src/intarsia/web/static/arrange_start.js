// What the canvas shows before there is a photo: a place to drop one, and examples.
import { button, image, make } from "./dom.js";
import { icon } from "./icons.js";

const HELP =
  "Then click its objects, or name them. They become cut-outs that you move, scale, turn, stack and remove, as if they were paper.";

export class ArrangeStart {
  constructor(canvas) {
    this.canvas = canvas;
    this.examples = [];
  }

  parts() {
    const inner = make("div", "", icon("photo"), make("strong", "", "Drop a picture here, or choose one"), make("p", "", HELP));
    const box = button("nothing", () => this.canvas.chooser.click(), inner);
    if (!this.examples.length) return [box];
    const cards = make("div", "examples", ...this.examples.map((example, index) => this.card(example, index)));
    return [box, make("h4", "", "Or begin with an example"), cards];
  }

  card(example, index) {
    const action = () => this.canvas.trigger("example", { index });
    return button("example", action, image("", "", example.picture), make("span", "", example.title));
  }
}
