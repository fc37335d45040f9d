// What stands beside the canvas while a layout is painted: the palette, the brush, what becomes of the other objects,
// and the layout that was loaded with its colours.
import { add, button, make, setAttributes, setText } from "./dom.js";
import { icon } from "./icons.js";
import { cssColour } from "./studio_layout.js";

const REST = [["stay", "stay where they are"], ["gone", "are removed"]];
const HINT = "Choose an object and scribble where it is to be.";
const STEPS = 100; // of the brush's slider
const COPIES = "Duplicates are left out of a layout.";
const NO_OBJECTS = "There is no object yet: select one in the photo and move it, and it stands here.";
const percent = (share) => `${share < 0.01 ? "under 1" : Math.round(100 * share)} %`;

const withIcon = (className, name, text, action) => button(className, action, icon(name), make("span", "", text));

export class PaintPanel {
  constructor(paint) {
    this.paint = paint;
    this.shown = ""; // what the chips and the colours show
    const title = make("h2", "o-title", "Paint the layout");
    this.hint = make("p", "y-hint");
    this.chips = make("div", "y-chips");
    setAttributes(this.chips, { role: "group", "aria-label": "Object to paint" });
    this.element = make("section", "y-root", title, this.hint, this.chips, this.makeTools(), this.makeRest(), this.makeFile());
    this.element.setAttribute("aria-label", "Paint the layout");
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  makeTools() {
    const { paint } = this;
    this.brush = withIcon("y-button", "brush", "Brush", () => paint.setErasing(false));
    this.eraser = withIcon("y-button", "eraser", "Eraser", () => paint.setErasing(true));
    this.clear = withIcon("y-button", "gone", "Clear", () => paint.clear());
    this.size = make("input");
    setAttributes(this.size, { type: "range", min: "0", max: String(STEPS), step: "1" });
    this.size.addEventListener("input", () => paint.setShare(0.01 * 60 ** (Number(this.size.value) / STEPS)));
    const size = make("label", "y-size", make("span", "", "Size"), this.size);
    return (this.tools = make("div", "y-tools", this.brush, this.eraser, size, this.clear));
  }

  makeRest() {
    this.rest = make("fieldset", "y-rest", make("legend", "", "Objects that you do not paint"));
    this.choices = REST.map(([value, text]) => {
      const input = make("input");
      setAttributes(input, { type: "radio", name: "studio-rest", value });
      input.addEventListener("change", () => this.paint.setRest(value));
      add(this.rest, "label", "y-choice", input, make("span", "", text));
      return input;
    });
    return this.rest;
  }

  makeFile() {
    const { paint } = this;
    this.chooser = make("input", "y-chooser");
    setAttributes(this.chooser, { type: "file", accept: "image/*", tabindex: "-1", "aria-hidden": "true" });
    this.chooser.addEventListener("change", async () => {
      await paint.load(this.chooser.files[0]);
      this.chooser.value = ""; // the same file may be chosen again
    });
    this.load = withIcon("y-button", "load", "Load a layout", () => this.chooser.click());
    this.done = button("y-button y-strong", () => paint.close(), "Done");
    this.file = make("p", "y-hint");
    this.replace = button("y-button y-strong", () => this.answer(true), "Replace");
    this.keep = button("y-button", () => this.answer(false), "Keep them");
    const question = make("p", "", "Replace the moves you made?");
    question.id = "studio-replace-moves";
    this.confirm = make("div", "y-confirm", question, this.replace, this.keep);
    setAttributes(this.confirm, { role: "group", "aria-labelledby": question.id });
    this.colours = make("ul", "y-colours");
    return make("div", "y-file", this.file, this.confirm, this.colours, make("div", "y-tools", this.load, this.done, this.chooser));
  }

  ask() {
    this.replace.focus();
  }

  answer(replaces) {
    this.paint.answer(replaces);
    this.load.focus();
  }

  // The brush's keys work from here, too, but those that a control uses itself.
  key(event) {
    const isField = ["INPUT", "SELECT"].includes(event.target.tagName);
    if (event.key === "Escape" || (!isField && event.key !== " " && event.key !== "Enter")) this.paint.onKey(event);
  }

  render() {
    const { paint } = this, { names, colours, loaded, pending } = paint, scene = Boolean(names.length);
    this.element.hidden = !paint.isOpen;
    const copied = paint.objects.moves.some((move) => move.copy_of && !move.gone);
    setText(this.hint, scene ? `${HINT}${copied ? ` ${COPIES}` : ""}` : NO_OBJECTS);
    for (const part of [this.chips, this.tools, this.rest, this.load]) part.hidden = !scene;
    this.renderChips(names, colours);
    this.brush.setAttribute("aria-pressed", String(!paint.isErasing));
    this.eraser.setAttribute("aria-pressed", String(paint.isErasing));
    this.clear.disabled = paint.isEmpty;
    this.size.value = String(Math.round((STEPS * Math.log(paint.share / 0.01)) / Math.log(60)));
    this.size.setAttribute("aria-valuetext", `${Math.round(paint.brush)} pixels`);
    for (const choice of this.choices) choice.checked = choice.value === paint.rest;
    this.confirm.hidden = !pending;
    this.file.hidden = !loaded;
    const unknown = loaded?.labels.some((label) => label === null);
    setText(this.file, loaded ? `${loaded.name}${unknown ? ": say what each colour is." : ""}` : "");
    this.renderColours(names, loaded);
  }

  renderChips(names, colours) {
    const shown = JSON.stringify([names, colours]), { paint } = this;
    if (shown !== this.shown) {
      this.shown = shown;
      this.chips.replaceChildren(...names.map((name, k) => {
        const sign = make("i", "y-swatch");
        sign.style.background = cssColour(colours[k + 1]);
        return button("y-button y-chip", () => paint.choose(k + 1), sign, make("span", "", name));
      }));
    }
    const { painted } = paint;
    [...this.chips.children].forEach((chip, k) => {
      chip.setAttribute("aria-pressed", String(!paint.isErasing && paint.label === k + 1));
      chip.classList.toggle("y-painted", painted.has(names[k]));
    });
  }

  renderColours(names, loaded) {
    const shown = loaded ? JSON.stringify([loaded.name, loaded.colours, names]) : "";
    this.colours.hidden = !loaded;
    if (shown !== this.assigned) {
      this.assigned = shown;
      this.colours.replaceChildren(...(loaded?.colours ?? []).map((each, k) => this.colourRow(each, k, names)));
    }
    if (loaded) this.colours.querySelectorAll("select").forEach((select, k) => (select.value = String(loaded.labels[k] ?? "")));
  }

  colourRow({ colour, share }, k, names) {
    const sign = make("i", "y-swatch"), select = make("select", "y-select");
    sign.style.background = cssColour(colour);
    ["nothing yet", "background", ...names].forEach((name, place) => {
      const option = add(select, "option", "", name);
      option.value = place ? String(place - 1) : "";
    });
    select.addEventListener("change", () => this.paint.assign(k, select.value ? Number(select.value) : null));
    const text = make("span", "y-share", `Colour ${k + 1}, ${percent(share)}`);
    return make("li", "", make("label", "y-colour", sign, text, select));
  }
}
