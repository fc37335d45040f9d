// Where the program looks while it works: a heat map over the photo, then the best picture of each round in its box.
import { image, make, setSource } from "./dom.js";

// What of a job is drawn: { look, picture, box }; URLs, or "" and null.
export function seenOf(job) {
  const best = job?.round?.best?.[0];
  return { look: best ? "" : job?.look?.url ?? "", picture: best?.url ?? "", box: best?.box ?? null };
}

export class Look {
  constructor(app) {
    this.app = app;
    this.heat = image("s-heat", "");
    this.round = image("s-heat", "");
    this.box = make("div", "s-looked");
    this.element = make("div", "s-looking", this.heat, this.round, this.box);
    this.element.hidden = true;
    app.stage.onView(({ scale }) => this.element.style.setProperty("--scale", scale));
  }

  render() {
    const { busy, photo, state } = this.app, { box, look, picture } = seenOf(busy && photo ? state.job : null);
    this.element.hidden = !look && !picture;
    for (const [node, url] of [[this.heat, look], [this.round, picture]]) {
      setSource(node, url);
      node.hidden = !url;
    }
    this.box.hidden = !box;
    this.round.style.clipPath = "";
    if (!box) return;
    const [left, top, right, bottom] = box, share = (value, whole) => `${(100 * value) / whole}%`;
    Object.assign(this.box.style, {
      left: share(left, photo.width), top: share(top, photo.height),
      width: share(right - left, photo.width), height: share(bottom - top, photo.height),
    });
    const edges = [share(top, photo.height), share(photo.width - right, photo.width), share(photo.height - bottom, photo.height), share(left, photo.width)];
    this.round.style.clipPath = `inset(${edges.join(" ")})`; // outside of it, the photo stays as it is
  }
}
