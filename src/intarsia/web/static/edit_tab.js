// The tab "Edit by words": photo, box, what was seen, candidates, result and history.
// It shows the facts in props.value and sends events.
import { button, make, setAttributes, setText } from "./dom.js";
import { EditCanvas } from "./edit_canvas.js";
import { EditMask } from "./edit_mask.js";
import { EditResults } from "./edit_results.js";
import { EditStart } from "./edit_start.js";
import { EditHistory } from "./history.js";
import { acceptDrops } from "./upload.js";

// That the networks which are loaded know no photographs, before an edit and after it.
class Banner {
  constructor() {
    this.text = make("span");
    this.command = make("code");
    this.element = make("p", "w-banner", this.text, " ", this.command);
    this.element.setAttribute("role", "status");
  }

  render(banner) {
    this.element.hidden = !banner;
    setText(this.text, banner ? banner.text : "");
    setText(this.command, banner ? banner.command : "");
  }
}

const TOO_LARGE = "The photo did not arrive. It may be larger than 100 MB: choose another.";

export function mount({ element, trigger, props, upload, watch }) {
  // On a small screen, what comes above the form would else push the picture out of sight. Gradio keeps our style
  // sheet from reaching the page's root.
  document.documentElement.style.overflowAnchor = "none";
  const tab = new EditTab({ root: element.querySelector(".words-root"), trigger, props, upload });
  watch("value", () => tab.render());
  tab.render();
}

class EditTab {
  constructor({ root, trigger, props, upload }) {
    Object.assign(this, { root, trigger, props, upload });
    this.resultFolder = "";
    this.chosen = 0; // number of the candidate that is shown
    this.chosenOf = {}; // ... of each result's folder
    this.boxing = false; // the box is being drawn
    this.masking = false; // a mask is being painted
    this.looking = false; // where the networks looked is shown
    this.record = "";
    this.start = new EditStart(this);
    this.mask = new EditMask(this);
    this.canvas = new EditCanvas(this);
    this.results = new EditResults(this);
    this.history = new EditHistory(this);
    this.banner = new Banner();
    this.message = make("p", "w-message");
    this.notes = make("ul", "w-notes");
    this.notes.setAttribute("aria-label", "What to know of the result");
    // Read out is what is news: each stage once, and not each of its steps.
    this.spoken = make("p", "w-spoken");
    setAttributes(this.spoken, { role: "status", "aria-live": "polite" });
    root.append(...this.start.parts, this.banner.element, this.canvas.frame, this.mask.element, this.message, this.spoken);
    root.append(this.makeProgress(), this.notes, this.makeTools(), ...this.results.parts, ...this.history.parts);
    acceptDrops(root, "w-over", (file) => this.send(file));
  }

  makeProgress() {
    this.bar = make("div", "w-bar", make("i"));
    setAttributes(this.bar, { role: "progressbar", "aria-label": "How far the edit is" });
    this.stop = button("w-button", () => {
      this.stop.disabled = true;
      this.trigger("stopped", {});
    }, "Cancel");
    this.progress = make("div", "w-way", this.bar, this.stop);
    return this.progress;
  }

  makeTools() {
    const toggle = (mode, label) =>
      button("w-button", () => {
        const on = !this[mode];
        this.boxing = this.looking = this.masking = false;
        this[mode] = on;
        this.render();
      }, label);
    this.boxButton = toggle("boxing", "Draw a box");
    this.unboxButton = button("w-button", () => this.change({ box: null }), "Remove the box");
    this.maskButton = toggle("masking", "Brush a mask");
    this.unmaskButton = button("w-button", () => this.mask.drop(), "Remove the mask");
    this.lookButton = toggle("looking", "Where it looked");
    const another = button("w-button", () => this.start.chooser.click(), "Another photo");
    this.tools = make("div", "w-tools", this.boxButton, this.unboxButton, this.maskButton);
    this.tools.append(this.unmaskButton, this.lookButton, another);
    return this.tools;
  }

  get facts() {
    return this.props.value || {};
  }

  get busy() {
    return ["waiting", "working"].includes(this.facts.phase);
  }

  get candidate() {
    return this.facts.result ? this.facts.result.candidates[this.chosen] : null;
  }

  get comparing() {
    return Boolean(this.facts.result && this.facts.phase === "done" && !this.boxing && !this.looking && !this.masking);
  }

  change(changes) {
    this.props.value = { ...this.facts, ...changes };
    this.render();
  }

  choose(number) {
    this.chosen = number;
    this.record = "";
    this.chosenOf[this.resultFolder] = number;
    this.canvas.uncover();
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

  render() {
    this.followResult();
    this.root.dataset.phase = this.facts.phase || "arriving";
    this.start.render();
    this.canvas.render();
    this.mask.render();
    this.renderProgress();
    this.renderMessage();
    this.renderTools();
    this.results.render();
    this.history.render();
  }

  followResult() {
    const folder = this.facts.result ? this.facts.result.folder : "";
    if (folder !== this.resultFolder) {
      this.resultFolder = folder;
      this.chosen = this.chosenOf[folder] || 0;
      this.looking = this.boxing = this.masking = false;
      this.record = "";
      this.canvas.slider.share = 50;
      this.canvas.uncover();
    }
    if (this.busy) this.boxing = this.looking = false;
    if (this.busy && this.facts.phase === "working" && !this.facts.outlining) this.masking = false;
  }

  renderProgress() {
    const { progress } = this.facts, bar = this.bar;
    this.progress.hidden = !this.busy;
    if (!this.busy) this.stop.disabled = false;
    bar.classList.toggle("w-endless", this.busy && !progress);
    const percent = progress && (100 * progress.done) / Math.max(progress.total, 1);
    if (progress) bar.setAttribute("aria-valuenow", String(Math.round(percent)));
    else bar.removeAttribute("aria-valuenow");
    bar.firstChild.style.width = progress ? `${percent}%` : "";
  }

  renderMessage() {
    const { message, phase, problem, progress } = this.facts;
    const news = message || (phase === "ready" ? "Say what it should become, and press Edit." : "");
    setText(this.message, news);
    setText(this.spoken, this.busy && progress ? `${progress.stage}.` : news);
    this.message.classList.toggle("w-problem", Boolean(problem));
    this.banner.render(this.facts.banner);
    this.renderNotes();
  }

  renderNotes() {
    const { phase, result } = this.facts, notes = (phase === "done" && result && result.notes) || [];
    const said = JSON.stringify(notes);
    this.notes.hidden = !notes.length;
    if (said === this.noted) return;
    this.noted = said;
    this.notes.replaceChildren(...notes.map((note) => make("li", "", note)));
  }

  renderTools() {
    const { box, look, mask, phase, photo, result } = this.facts;
    this.tools.hidden = !photo || this.busy;
    this.boxButton.setAttribute("aria-pressed", String(this.boxing));
    this.boxButton.textContent = this.boxing ? "Done with the box" : box ? "Change the box" : "Draw a box";
    this.unboxButton.hidden = !box;
    this.boxButton.hidden = Boolean(mask) || this.masking; // one of both says where
    this.maskButton.hidden = Boolean(box) || this.boxing;
    this.maskButton.setAttribute("aria-pressed", String(this.masking));
    this.maskButton.textContent = this.masking ? "Done with the mask" : mask ? "Change the mask" : "Brush a mask";
    this.unmaskButton.hidden = !mask || this.masking;
    this.lookButton.hidden = !(phase === "done" && result && look);
    this.lookButton.setAttribute("aria-pressed", String(this.looking));
  }
}
