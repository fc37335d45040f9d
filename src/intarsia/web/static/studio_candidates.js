// The other results of the same words, as thumbnails of the place where they differ.
import { button, image, make, setSource } from "./dom.js";
import { likelihood } from "./studio_words.js";

const MARGIN = 1.3; // sides of the square that is shown, of the box's longer one

// The square around a box that a thumbnail shows, on the picture as far as it has room: { x, y, side }.
export function cropAround(box, { width, height }) {
  const [x0, y0, x1, y1] = box ?? [0, 0, width, height];
  const side = Math.min(Math.max(x1 - x0, y1 - y0) * MARGIN, width, height);
  const place = (from, to, room) => Math.min(Math.max((from + to - side) / 2, 0), room - side);
  return { x: place(x0, x1, width), y: place(y0, y1, height), side };
}

export class Candidates {
  constructor(app) {
    this.app = app;
    this.shown = "";
    this.list = make("ol", "u-candidates");
    this.element = make("section", "", make("h3", "u-small-title", "Other results"), this.list);
  }

  render() {
    const candidates = this.app.step?.candidates ?? [];
    this.element.hidden = candidates.length < 2;
    const shown = JSON.stringify([this.app.step?.id, candidates]);
    if (shown !== this.shown) this.list.replaceChildren(...candidates.map((candidate, k) => this.card(candidate, k)));
    this.shown = shown;
    const current = this.app.draft.now.candidate ?? 0;
    [...this.list.children].forEach((item, k) => item.firstChild.setAttribute("aria-pressed", k === current));
  }

  card({ picture, box, score }, k) {
    const { width, height } = this.app.step.picture, { x, y, side } = cropAround(box, { width, height }), thumb = image("", "");
    Object.assign(thumb, { loading: "lazy", decoding: "async" });
    setSource(thumb, picture);
    thumb.style.width = `${(100 * width) / side}%`;
    thumb.style.height = `${(100 * height) / side}%`;
    thumb.style.left = `${(-100 * x) / side}%`;
    thumb.style.top = `${(-100 * y) / side}%`;
    const look = make("span", "u-candidate-look", thumb, make("span", "u-candidate-number", `${k + 1}`));
    const show = button("u-candidate", () => this.app.change({ candidate: k }), look, " ", likelihood(score));
    return make("li", "", show);
  }
}
