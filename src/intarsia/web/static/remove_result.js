// What came out of a removal: a slider to the photo before, the files, the record, and all results of the visit.
import { CompareSlider } from "./compare.js";
import { button, image, make, setDownload, setSource } from "./dom.js";
import { copyRecord, tellCopied } from "./record.js";

const BEGIN = 50, CLEAR = 3; // percent of the width where the slider begins; left of what has changed by so much

export class RemoveResult {
  constructor(tab) {
    this.tab = tab;
    this.shown = ""; // folder of the result that is shown
    this.listed = ""; // what the strip shows, so that it is made once
    this.before = image("w-layer", "The photo before");
    this.after = image("w-layer w-after", "The picture without what was marked");
    this.slider = new CompareSlider({
      after: this.after,
      handleClass: "w-handle",
      tagClasses: ["w-tag w-tag-before", "w-tag w-tag-after"],
      near: 22,
    });
    this.frame = make("div", "w-frame r-compare", this.before, this.after, ...this.slider.tags, this.slider.handle);
    this.slider.dragOn(this.frame, this.frame);
    this.slider.keysOn(this.frame);
    this.record = make("pre", "w-record");
    this.record.tabIndex = 0;
    this.record.setAttribute("aria-label", "Record");
    this.record.hidden = true;
    this.title = make("h3", "w-title", "This visit's results");
    this.strip = make("div", "w-strip");
    this.parts = [this.makeActions(), this.record, this.title, this.strip];
  }

  makeActions() {
    const { tab } = this, folder = () => ({ folder: tab.facts.result.folder });
    const link = (name, label, className) => {
      const node = make("a", `w-button ${className}`, label);
      node.id = `remove-get-${name}`;
      return node;
    };
    this.links = {
      picture: link("picture", "Download picture", "w-strong"),
      record: link("record", "Download record", ""),
      mask: link("mask", "Download mask", ""),
    };
    this.copy = button("w-button", () => this.copyRecord(), "Copy record");
    const more = button("w-button", () => tab.trigger("taken", folder()), "Remove more");
    more.title = "Go on from this result";
    const replay = button("w-button", () => tab.trigger("replayed", folder()), "Replay");
    replay.title = "Make it again from its record, and compare the pixels";
    this.actions = make("div", "w-actions", more, ...Object.values(this.links), this.copy, replay);
    return this.actions;
  }

  async copyRecord() {
    if (!this.record.hidden) {
      this.record.hidden = true;
      return;
    }
    const { text, copied } = await copyRecord(this.tab.facts.result.record);
    this.record.textContent = text;
    this.record.hidden = copied;
    tellCopied(this.copy, copied);
  }

  render() {
    const { result } = this.tab.facts, { comparing } = this.tab;
    this.frame.hidden = this.actions.hidden = !comparing;
    if (!comparing) this.record.hidden = true;
    this.renderStrip();
    if (!comparing) return;
    const { photo } = result;
    this.frame.style.aspectRatio = `${photo.width} / ${photo.height}`;
    this.frame.style.setProperty("--shape", photo.width / photo.height);
    setSource(this.before, photo.url);
    setSource(this.after, result.picture);
    for (const [name, node] of Object.entries(this.links)) setDownload(node, result[name], result[`${name}_name`]);
    // What has changed is seen at once: the slider begins left of it.
    if (this.shown !== result.folder) {
      this.shown = result.folder;
      const left = result.box ? (100 * result.box[0]) / photo.width - CLEAR : BEGIN;
      this.slider.share = Math.min(BEGIN, Math.max(CLEAR, left));
    }
    this.slider.set(this.slider.share);
  }

  renderStrip() {
    const { history, result } = this.tab.facts, { busy, comparing } = this.tab;
    const listed = JSON.stringify([history, comparing && result.folder, busy]);
    this.title.hidden = this.strip.hidden = !history?.length;
    if (listed === this.listed) return;
    this.listed = listed;
    this.strip.replaceChildren(...(history ?? []).map((one) => this.card(one, comparing ? result.folder : "", busy)));
  }

  // A removal is shown again; what was made in another tab becomes the photo.
  card({ folder, url, said }, current, busy) {
    const own = folder.startsWith("remove-"), { trigger } = this.tab;
    const act = () => (own ? trigger("shown", { folder }) : trigger("taken", { folder }));
    const show = button("w-button w-open", act, image("", "", url));
    show.setAttribute("aria-label", `${own ? "Show" : "Use as photo"}: ${said}`);
    show.disabled = busy;
    const card = make("figure", "w-card", show, make("figcaption", "", said));
    card.classList.toggle("w-current", folder === current);
    return card;
  }
}
