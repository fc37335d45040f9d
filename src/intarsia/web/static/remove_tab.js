// The tab "Remove": a photo, a brush for what should go, the result under a slider, and what came of it before.
// It shows the facts in props.value and sends events.
import { button, make, setAttributes, setText } from "./dom.js";
import { MaskCanvas } from "./mask_canvas.js";
import { RemoveResult } from "./remove_result.js";
import { RemoveStart } from "./remove_start.js";
import { acceptDrops, acceptPastes } from "./upload.js";

const TOO_LARGE = "The photo did not arrive. It may be larger than 100 MB: choose another.";
const LOST = "What you painted did not arrive: press Remove again.";

export function mount({ element, trigger, props, upload, watch }) {
  const tab = new RemoveTab({ root: element.querySelector(".r-root"), trigger, props, upload });
  watch("value", () => tab.render());
  tab.render();
}

class RemoveTab {
  constructor({ root, trigger, props, upload }) {
    Object.assign(this, { root, trigger, props, upload });
    this.painted = ""; // URL of the photo that the canvas has
    this.loaded = ""; // URL of the mask that it was given last
    this.sending = false; // what is painted is on its way
    this.start = new RemoveStart(this);
    this.canvas = new MaskCanvas({
      label: "What should go: paint over it",
      onChange: () => this.render(),
      onBox: (box) => this.outline({ box }),
      onPoint: (point) => this.outline({ point }),
    });
    this.result = new RemoveResult(this);
    this.message = make("p", "w-message");
    this.message.id = "remove-message";
    setAttributes(this.message, { role: "status", "aria-live": "polite" });
    root.append(...this.start.parts, this.canvas.element, this.result.frame, this.makeGo(), this.message);
    root.append(...this.result.parts);
    acceptDrops(root, "w-over", (file) => this.send(file));
    acceptPastes(root, (file) => this.send(file));
  }

  makeGo() {
    this.go = button("w-button w-strong", () => this.remove(), "Remove");
    this.go.id = "remove-go";
    this.stop = button("w-button", () => {
      this.stop.disabled = true;
      this.trigger("stopped", {});
    }, "Cancel");
    this.bar = make("div", "w-bar w-endless", make("i"));
    setAttributes(this.bar, { role: "progressbar", "aria-label": "It is being worked on" });
    this.back = button("w-button", () => this.trigger("undone", {}), "Undo");
    this.back.title = "One step back: the result before, or the photo with what was marked";
    this.another = button("w-button", () => this.start.chooser.click(), "Another photo");
    this.actions = make("div", "r-go", this.go, this.stop, this.bar, this.back, this.another);
    return this.actions;
  }

  get facts() {
    return this.props.value || {};
  }

  get busy() {
    return this.sending || ["waiting", "working"].includes(this.facts.phase);
  }

  get comparing() {
    return this.facts.phase === "done" && Boolean(this.facts.result);
  }

  change(changes) {
    this.props.value = { ...this.facts, ...changes };
    this.render();
  }

  async send(file) {
    if (!file || this.start.chooser.disabled) return;
    this.change({ message: `Uploading ${file.name}.`, problem: false });
    try {
      const sent = await this.upload(file);
      this.trigger("uploaded", { path: sent.path });
    } catch {
      this.change({ message: TOO_LARGE, problem: true });
    }
  }

  async remove() {
    if (this.busy || this.canvas.isEmpty) return;
    this.sending = true;
    this.change({ message: "Taking what you painted.", problem: false });
    try {
      const sent = await this.upload(await this.canvas.file());
      this.trigger("wanted", { path: sent.path });
    } catch {
      this.sending = false;
      this.change({ message: LOST, problem: true });
    }
  }

  outline(wish) {
    if (!this.busy) this.trigger("outlined", wish);
  }

  render() {
    const { message, phase, photo, problem, result } = this.facts;
    if (["waiting", "working"].includes(phase) || problem) this.sending = false;
    this.root.dataset.phase = phase || "arriving";
    this.start.render();
    this.renderCanvas();
    this.result.render();
    const { busy, comparing } = this;
    this.actions.hidden = !photo;
    this.go.hidden = busy || comparing;
    this.go.disabled = this.canvas.isEmpty;
    this.stop.hidden = this.bar.hidden = !busy;
    if (!busy) this.stop.disabled = false;
    this.back.hidden = busy || !(comparing || this.facts.trail?.length);
    this.another.hidden = busy;
    setText(this.message, message || (comparing ? result.facts : ""));
    this.message.classList.toggle("w-problem", Boolean(problem));
  }

  renderCanvas() {
    const { marked, outline, photo } = this.facts, { canvas } = this;
    canvas.element.hidden = !photo || this.comparing;
    canvas.setDisabled(this.busy);
    if (!photo) {
      this.painted = "";
      return;
    }
    if (photo.url !== this.painted) {
      this.painted = photo.url;
      canvas.open(photo);
    }
    this.load(marked, { first: true });
    this.load(outline, { over: true });
  }

  // A mask that the server has comes in once.
  async load(url, how) {
    if (!url || url === this.loaded) return;
    this.loaded = url;
    try {
      await this.canvas.load(url, how);
    } catch {
      this.loaded = "";
      this.change({ message: "The outline did not arrive: try it again.", problem: true });
    }
    this.render();
  }
}
