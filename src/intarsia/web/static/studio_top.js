// The bar on top: the photo, undo and redo, the view, and the models.
import { button, make, setAttributes, setText } from "./dom.js";
import { iconButton } from "./icons.js";

const ZOOM = 1.5;

export class TopBar {
  constructor(app) {
    this.app = app;
    const { stage } = app;
    this.open = app.start.opener;
    this.undo = iconButton("undo", "Undo (Ctrl+Z)", () => app.undo());
    this.redo = iconButton("redo", "Redo (Ctrl+Shift+Z)", () => app.redo());
    this.smaller = iconButton("smaller", "Zoom out (-)", () => stage.zoom(1 / ZOOM));
    this.larger = iconButton("larger", "Zoom in (+)", () => stage.zoom(ZOOM));
    this.fit = button("s-plain", () => stage.fit(), "Fit");
    this.actual = button("s-plain", () => stage.actual(), "100 %");
    this.share = make("span", "s-share");
    this.name = make("span", "s-name");
    this.batch = make("a", "s-plain", "Many pictures");
    this.batch.href = new URL("batch", document.baseURI).href;
    const mark = make("span", "s-mark");
    mark.setAttribute("aria-hidden", "true");
    const view = make("div", "s-group s-view", this.smaller, this.share, this.larger, this.fit, this.actual);
    setAttributes(view, { role: "group", "aria-label": "View" });
    this.steps = make("div", "s-group", this.undo, this.redo);
    this.view = view;
    this.element = make(
      "header", "s-top", mark, make("h1", "", "Intarsia"), this.open, this.name, this.steps, view,
      make("span", "s-space"), this.batch, app.models.element,
    );
    stage.onView(() => this.renderView());
  }

  render() {
    const { app } = this, { photo, draft, busy } = app;
    for (const node of [this.steps, this.view, this.name]) node.hidden = !photo;
    setText(this.name, app.state.draft?.name ?? "");
    this.undo.disabled = busy || !draft.past.length;
    this.redo.disabled = busy || !draft.future.length;
    this.open.hidden = !photo;
    this.open.disabled = busy;
    this.renderView();
  }

  renderView() {
    const { view } = this.app.stage;
    if (view) setText(this.share, `${Math.round(100 * view.scale)} %`);
  }
}
