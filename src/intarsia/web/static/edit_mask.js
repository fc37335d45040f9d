// The mask of "Edit by words": where to paint, brushed by hand. Each change is sent, so that Edit finds the latest.
import { make } from "./dom.js";
import { MaskCanvas } from "./mask_canvas.js";

const LOST = "The mask did not arrive: paint a little more.";

export class EditMask {
  constructor(tab) {
    this.tab = tab;
    this.painted = ""; // URL of the photo that the canvas has
    this.outline = ""; // URL of the outline that it was given last
    this.sent = this.wanted = 0; // numbers of the change that was sent, and of the latest
    this.canvas = new MaskCanvas({
      label: "Where to paint: mark it",
      onChange: () => this.send(),
      onBox: (box) => tab.busy || tab.trigger("outlined", { box }),
      onPoint: (point) => tab.busy || tab.trigger("outlined", { point }),
    });
    this.element = this.canvas.element;
    this.glow = make("div", "w-layer w-masked"); // the mask while it is not painted
  }

  // One after another; what changes meanwhile goes last.
  async send() {
    this.wanted += 1;
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.sent !== this.wanted) {
        this.sent = this.wanted;
        const file = await this.canvas.file();
        const path = file && (await this.tab.upload(file)).path;
        if (this.sent === this.wanted) this.tab.trigger("masked", { path });
      }
    } catch {
      this.tab.change({ message: LOST, problem: true });
    }
    this.sending = false;
  }

  // The next mask begins with nothing.
  drop() {
    if (this.painted) this.canvas.open(this.tab.facts.photo); // and tells nobody
    this.tab.change({ mask: null });
  }

  render() {
    const { mask, outline, photo } = this.tab.facts, { masking } = this.tab;
    this.element.hidden = !(photo && masking);
    if (photo && masking && photo.url !== this.painted) {
      this.painted = photo.url;
      this.canvas.open(photo);
    }
    if (this.painted) this.canvas.setDisabled(this.tab.busy);
    this.glow.hidden = !mask;
    if (mask) this.glow.style.maskImage = `url("${mask.url}")`;
    if (outline && outline !== this.outline) {
      this.outline = outline;
      this.load(outline);
    }
  }

  async load(url) {
    try {
      await this.canvas.load(url, { over: true });
    } catch {
      this.tab.change({ message: LOST, problem: true });
    }
  }
}
