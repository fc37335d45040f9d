// The bar on top: the photo, undo and redo, the view, and the models.
import { make, setText } from "./dom.js";
import { iconButton } from "./icons.js";

const NARROW = "(max-width: 48rem)"; // a phone: what zooms stands beside the tools

export class TopBar {
  constructor(app) {
    this.app = app;
    this.open = app.start.opener;
    this.undo = iconButton("undo", "Undo (Ctrl+Z)", () => app.undo());
    this.redo = iconButton("redo", "Redo (Ctrl+Shift+Z)", () => app.redo());
    this.name = make("span", "s-name");
    this.batch = make("a", "s-plain s-batch", "Many pictures");
    this.batch.href = new URL("batch", document.baseURI).href;
    const mark = make("span", "s-mark");
    mark.setAttribute("aria-hidden", "true");
    this.steps = make("div", "s-group", this.undo, this.redo);
    this.element = make(
      "header", "s-top", mark, make("h1", "", "Intarsia"), this.open, this.name, this.steps,
      make("span", "s-space"), this.batch, app.models.element,
    );
    this.narrow = matchMedia(NARROW);
    this.narrow.addEventListener("change", () => this.placeView());
  }

  // Buttons that zoom are no tools; where the bar has no room for them they follow the tools.
  placeView() {
    const { rail, tools } = this.app;
    if (this.narrow.matches) rail.append(tools.view);
    else this.steps.after(tools.view);
  }

  render() {
    const { app } = this, { photo, draft, busy } = app;
    for (const node of [this.steps, this.name, app.tools.view]) node.hidden = !photo;
    setText(this.name, app.state.draft?.name ?? "");
    this.undo.disabled = busy || !draft.past.length;
    this.redo.disabled = busy || !draft.future.length;
    this.open.hidden = !photo;
    this.open.disabled = busy;
  }
}
