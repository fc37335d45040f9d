// Download: one strong button that keeps the photo's own format, and the other formats beside it.
import { button, make, setDownload, setText } from "./dom.js";
import { icon } from "./icons.js";

const FORMATS = [["jpeg", "JPEG"], ["png", "PNG"], ["webp", "WebP"], ["avif", "AVIF"]];

export class DownloadButton {
  constructor(app) {
    this.app = app;
    this.asked = ""; // the format that is made ready
    this.label = make("span");
    this.main = button("u-button u-strong", () => this.download("keep"), icon("download"), this.label);
    this.more = button("u-button", () => this.toggle(!this.isOpen && !this.isLate), icon("down"));
    this.formats = FORMATS.map(([format, label]) => button("u-button", () => this.download(format), `Download as ${label}`));
    this.menu = make("div", "u-menu", ...this.formats);
    this.menu.id = "u-download-formats";
    this.more.setAttribute("aria-controls", this.menu.id);
    this.more.setAttribute("aria-label", "Other formats");
    this.more.title = "Other formats";
    this.element = make("div", "u-download", this.main, this.more, this.menu);
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.isOpen) return;
      this.toggle(false);
      this.more.focus();
      event.stopPropagation();
    });
    this.element.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.element.contains(relatedTarget)) this.toggle(false);
    });
    document.addEventListener("pointerdown", ({ target }) => this.element.contains(target) || this.toggle(false), true);
    this.toggle(false);
  }

  get isOpen() {
    return !this.menu.hidden;
  }

  get isLate() {
    return Boolean(this.app.step?.small || this.asked);
  }

  toggle(isOpen) {
    this.menu.hidden = !isOpen;
    this.more.setAttribute("aria-expanded", isOpen);
  }

  render() {
    const { isLate } = this, own = FORMATS.find(([, label]) => label === this.app.state.draft?.format)?.[1] ?? "";
    setText(this.label, this.asked ? "Preparing…" : `Download ${own}`.trim());
    for (const each of [this.main, this.more, ...this.formats]) each.setAttribute("aria-disabled", isLate);
    if (isLate) this.toggle(false);
  }

  // Only the full size is handed out. A button that waits keeps the focus.
  async download(format) {
    const { step, draft } = this.app;
    if (this.asked) return;
    if (step.small) return this.app.say("The full size follows in a moment: download it then.");
    if (this.isOpen) this.more.focus();
    this.asked = format;
    this.render();
    try {
      const { url, name } = await this.app.ask("exported", { step: step.id, candidate: draft.now.candidate ?? 0, format });
      const link = make("a");
      setDownload(link, url, name);
      link.click();
      this.app.say(`Downloaded as “${name}”.`);
    } catch (problem) {
      this.app.say(problem.message, true);
    } finally {
      this.asked = "";
      this.render();
    }
  }
}
