// What came out of an arrangement, in the place of the cut-outs: a slider to what was there before, the files, the
// record, and the pictures of further seeds.
import { CompareSlider } from "./compare.js";
import { add, button, image, make, setDownload, setSource } from "./dom.js";
import { copyRecord, tellCopied } from "./record.js";

const BEGIN = 12; // percent of the picture that show what was before, until the handle is dragged
const VIEWS = { cuts: "Cut-outs", result: "Result" };

export class ArrangeResult {
  constructor(canvas) {
    this.canvas = canvas;
    this.result = null; // the facts that the server told
    this.view = "cuts"; // or "result"
    this.seed = 0; // number of the picture that is shown
    this.slider = null;
    this.views = this.makeViews();
    this.seeds = make("div", "seeds");
    this.record = make("pre", "text");
    this.record.tabIndex = 0;
    this.record.setAttribute("aria-label", "Record");
    this.record.hidden = true;
    this.parts = [this.makeActions(), this.seeds, this.record];
  }

  makeViews() {
    const box = make("div", "views");
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "What the canvas shows");
    this.viewButtons = {};
    for (const [name, label] of Object.entries(VIEWS)) {
      this.viewButtons[name] = button("", () => this.turnTo(name), label);
      box.append(this.viewButtons[name]);
    }
    return box;
  }

  makeActions() {
    this.actions = make("div", "outcome");
    this.links = {};
    const link = (name, label, className = "key") => {
      const node = (this.links[name] = add(this.actions, "a", className, label));
      node.id = `layout-get-${name}`;
      return node;
    };
    link("picture", "Download picture", "key strong");
    for (const [name, label] of [["record", "Record"], ["layout", "Layout"], ["mask", "Mask"]])
      link(name, label).setAttribute("aria-label", `Download ${name}`);
    const act = (name, label, title, action) => {
      const node = button("key", action, label);
      node.title = title;
      node.id = `layout-${name}`;
      this.actions.append(node);
      return node;
    };
    this.copy = act("copy", "Copy record", "The whole record, to be kept or to be sent", () => this.copyRecord());
    act("replay", "Replay", "Make it again from its record, and compare the pixels", () =>
      this.canvas.trigger("replayed", { folder: this.result.folder, index: this.seed }));
    return this.actions;
  }

  // Before and after, over the cut-outs.
  makeCompare() {
    this.before = image("", "The picture before");
    const after = image("after", "The result"), tagClasses = ["tag before", "tag after"];
    this.slider = new CompareSlider({ after, handleClass: "grip", tagClasses, near: 18 });
    this.slider.keysOn(this.slider.handle);
    this.slider.set(BEGIN);
    this.compare = make("div", "compare", this.before, after, ...this.slider.tags, this.slider.handle);
    return this.compare;
  }

  async copyRecord() {
    if (!this.record.hidden) {
      this.record.hidden = true;
      return;
    }
    const { text, copied } = await copyRecord(this.result.pictures[this.seed].record);
    this.record.textContent = text;
    if (!copied) this.record.hidden = false;
    tellCopied(this.copy, copied);
  }

  // Another result, or null where there is none.
  take(result) {
    this.result = result;
    this.seed = 0;
    if (this.slider) this.slider.share = BEGIN;
    this.record.hidden = true;
    if (this.canvas.pointer.held) return;
    this.view = result ? "result" : "cuts";
    if (result) this.canvas.arrangement.picked = null;
  }

  turnTo(view) {
    if (this.view === view) return;
    this.view = view;
    if (view === "result") this.canvas.arrangement.picked = null;
    this.canvas.render();
  }

  render() {
    const shown = Boolean(this.view === "result" && this.result && this.slider);
    this.views.hidden = !this.result;
    for (const [name, node] of Object.entries(this.viewButtons))
      node.setAttribute("aria-pressed", String(this.view === name));
    this.actions.hidden = this.seeds.hidden = !shown;
    if (!shown) this.record.hidden = true;
    this.canvas.hint.hidden = shown;
    if (this.slider) this.compare.hidden = !shown;
    if (!shown) return;
    this.renderPicture();
    this.renderSeeds();
  }

  renderPicture() {
    const { result } = this, shown = result.pictures[this.seed];
    setSource(this.before, result.before);
    setSource(this.slider.after, shown.picture);
    this.slider.set(this.slider.share);
    setDownload(this.links.picture, shown.picture, shown.picture_name);
    setDownload(this.links.record, shown.record, shown.record_name);
    for (const name of ["layout", "mask"]) setDownload(this.links[name], result[name], result[`${name}_name`]);
  }

  renderSeeds() {
    const { pictures } = this.result, several = pictures.length > 1;
    this.seeds.hidden = !several;
    this.seeds.replaceChildren(...(several ? pictures.map((one, k) => this.seedButton(one, k)) : []));
  }

  seedButton(one, k) {
    const show = () => {
      this.seed = k;
      this.record.hidden = true;
      this.canvas.render();
    };
    const node = button("", show, image("", "", one.picture));
    node.setAttribute("aria-label", `Picture ${k + 1}`);
    node.setAttribute("aria-pressed", String(k === this.seed));
    return node;
  }
}
