// The bar on top: the photo, undo and redo, the view, and the models.
import { make, setText } from "./dom.js";
import { iconButton } from "./icons.js";

export class TopBar {
  constructor(app) {
    this.app = app;
    this.open = app.start.opener;
    this.undo = iconButton("undo", "Undo (Ctrl+Z)", () => app.undo());
    this.redo = iconButton("redo", "Redo (Ctrl+Shift+Z)", () => app.redo());
    this.name = make("span", "s-name");
    this.batch = make("a", "s-plain", "Many pictures");
    this.batch.href = new URL("batch", document.baseURI).href;
    const mark = make("span", "s-mark");
    mark.setAttribute("aria-hidden", "true");
    this.steps = make("div", "s-group", this.undo, this.redo);
    this.element = make(
      "header", "s-top", mark, make("h1", "", "Intarsia"), this.open, this.name, this.steps,
      make("span", "s-space"), this.batch, app.models.element,
    );
  }

  render() {
    const { app } = this, { photo, draft, busy } = app;
    for (const node of [this.steps, this.name]) node.hidden = !photo;
    setText(this.name, app.state.draft?.name ?? "");
    this.undo.disabled = busy || !draft.past.length;
    this.redo.disabled = busy || !draft.future.length;
    this.open.hidden = !photo;
    this.open.disabled = busy;
  }
}
