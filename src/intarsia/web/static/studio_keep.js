// The area that no change may touch: it is drawn as a hatch over the photo, and sent beside each change.
import { make } from "./dom.js";
import { labelsToPng } from "./label_png.js";
import { combineMap, mapOfRuns, runsOf } from "./selection_map.js";

const HATCH = 9; // pixels of the screen between two lines

// Two areas as `Selection.save` gives them, together.
export function joined(one, { runs, width, height }) {
  const map = mapOfRuns(runs, { width, height });
  if (one) combineMap(map, mapOfRuns(one.runs, one), "add");
  return { runs: runsOf(map), width, height };
}

export class KeptArea {
  constructor(app) {
    this.app = app;
    this.shown = null; // the area that the hatch shows
    this.element = make("div", "s-keep");
    this.element.hidden = true;
    app.stage.onView(({ scale }) => this.element.style.setProperty("--hatch", `${HATCH / scale}px`));
  }

  async file() {
    const { keep } = this.app.draft.now;
    return keep && new File([await labelsToPng(mapOfRuns(keep.runs, keep))], "keep.png", { type: "image/png" });
  }

  async render() {
    const { keep } = this.app.draft.now;
    this.element.hidden = !keep;
    if (keep === this.shown) return;
    this.shown = keep;
    if (!keep) return;
    const address = URL.createObjectURL(await this.file());
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = address;
    const { width, height } = this.app.photo;
    Object.assign(this.element.style, { width: `${width}px`, height: `${height}px`, maskImage: `url("${address}")` });
  }
}
