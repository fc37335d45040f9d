// Painting in the place of the cut-outs: the outline of an object is mended, a new object is marked, or the whole
// layout is painted in the objects' colours.
import { add, button, make, setAttributes, setText } from "./dom.js";
import { centerOf, moveMatrix } from "./geometry.js";
import { placeLabel } from "./label_map.js";
import { MaskCanvas } from "./mask_canvas.js";

const PAPER = [254, 254, 254]; // of the background, where the scene has no colour for it
const TITLES = {
  mend: (name) => `The outline of ${name}`,
  add: () => "A new object",
  layout: () => "The layout: where each object should be",
};
const LOST_OUTLINE = "The outline did not arrive: leave it, and begin again.";
const LOST = "What you painted did not arrive: press Done again.";

export class ArrangePaint {
  constructor(canvas) {
    this.canvas = canvas;
    this.job = null; // what is painted: { kind, name }
    this.outline = ""; // URL of the outline that came last
    this.sending = false;
    this.problem = ""; // what went wrong on the way
    const ask = (wish) => this.canvas.trigger("outlined", { ...wish, former: this.job?.name ?? null });
    this.mask = new MaskCanvas({
      label: "Paint on the picture",
      onChange: () => this.render(),
      onBox: (box) => ask({ box }),
      onPoint: (point) => ask({ point }),
    });
    this.title = make("strong");
    this.name = make("input", "p-name");
    setAttributes(this.name, { type: "text", maxlength: "100", placeholder: "cup", "aria-label": "What the new object is" });
    this.name.addEventListener("input", () => this.render());
    this.done = button("key strong", () => this.send(), "Done");
    this.leave = button("key", () => this.close(), "Leave it");
    const head = make("div", "p-head", this.title, this.name, this.done, this.leave);
    this.chips = make("div", "p-chips");
    setAttributes(this.chips, { role: "group", "aria-label": "What the brush paints" });
    this.element = make("div", "p-root", head, this.chips, this.mask.element);
    // The canvas's own keys are for its cut-outs.
    this.element.addEventListener("keydown", (event) => event.stopPropagation());
  }

  get facts() {
    return this.canvas.scene.paint;
  }

  // What is begun

  async mend(name) {
    const { colours, mask, photo } = this.facts, names = Object.keys(colours);
    this.open({ kind: "mend", name });
    this.mask.open(photo);
    await this.load(mask, { first: true, colours: Object.values(colours), only: names.indexOf(name) });
  }

  add() {
    this.open({ kind: "add", name: null });
    this.name.value = "";
    this.mask.open(this.facts.photo);
  }

  // It begins with what the canvas shows, or with the layout that was painted before.
  async layout() {
    const { mask, photo } = this.facts, painted = this.canvas.painted;
    this.open({ kind: "layout", name: null });
    const names = this.names, colours = [this.colourOf("background"), ...names.map((name) => this.colourOf(name))];
    this.mask.open(photo, { colours });
    this.renderChips();
    await this.load(painted?.url ?? mask, { first: true });
    if (!painted && this.job?.kind === "layout") this.place(names);
    this.render();
  }

  get names() {
    return this.canvas.scene.objects.map(({ name }) => name);
  }

  colourOf(name) {
    return this.facts.colours[name] ?? PAPER;
  }

  // The objects where they were dragged, from back to front.
  place(names) {
    const { arrangement } = this.canvas, { map, share } = this.mask;
    const target = { ...map, labels: new Uint8Array(map.labels.length) };
    for (const move of arrangement.moves) {
      const matrix = moveMatrix(move, centerOf(arrangement.objectOf(move.name).box));
      if (!move.gone) placeLabel(target, map, names.indexOf(move.name) + 1, matrix, share);
    }
    this.mask.take(target, { first: true });
  }

  open(job) {
    this.job = job;
    this.problem = "";
    this.canvas.pick(null);
    this.canvas.root.classList.add("painting");
    this.chips.replaceChildren();
    this.render();
    (job.kind === "add" ? this.name : this.mask.surface).focus({ preventScroll: true });
  }

  close() {
    this.job = null;
    this.sending = false;
    this.canvas.root.classList.remove("painting");
    this.canvas.fit();
  }

  // What is sent

  async send() {
    const { kind, name } = this.job, wanted = this.name.value.trim();
    this.sending = true;
    this.problem = "";
    this.render();
    try {
      const { path } = await this.canvas.upload(await this.mask.file(`${kind}.png`));
      if (kind === "layout") this.canvas.trigger("painted", { path });
      else this.canvas.trigger("masked", { path, former: name, name: wanted });
    } catch {
      this.problem = LOST;
    }
    this.sending = false;
    this.render();
  }

  // An outline that the server has found comes in once.
  take(url) {
    if (!this.job || url === this.outline) return;
    this.outline = url;
    this.load(url, { over: true });
  }

  async load(url, how) {
    try {
      await this.mask.load(url, how);
    } catch {
      this.problem = LOST_OUTLINE;
    }
    this.render();
  }

  render() {
    const { job } = this;
    this.element.hidden = !job;
    if (!job) return;
    setText(this.title, this.problem || TITLES[job.kind](job.name));
    this.name.hidden = job.kind !== "add";
    this.done.disabled = this.sending || this.mask.isEmpty || (job.kind === "add" && !this.name.value.trim());
    this.chips.hidden = job.kind !== "layout";
    for (const chip of this.chips.children)
      chip.setAttribute("aria-pressed", String(Number(chip.dataset.label) === this.mask.label));
  }

  renderChips() {
    const chip = (name, label) => {
      const sign = make("i");
      sign.style.background = `rgb(${this.mask.colours[label].join(" ")})`;
      const node = button("p-chip", () => this.choose(label), sign, name);
      node.dataset.label = label;
      return node;
    };
    this.chips.replaceChildren(...this.names.map((name, k) => chip(name, k + 1)), chip("background", 0));
    add(this.chips, "span", "p-note", "An object that is painted nowhere is removed.");
  }

  choose(label) {
    this.mask.label = label;
    this.mask.setTool("brush");
    this.render();
  }
}
