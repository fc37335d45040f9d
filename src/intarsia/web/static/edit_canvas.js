// The photo of "Edit by words": before and after, where the networks looked, and the box that is drawn on it.
import { CompareSlider } from "./compare.js";
import { image, make, setAttributes, setSource, svg } from "./dom.js";
import {
  boxCorners, clampPoint, gripBox, growBox, isLargeBox, middleBox, pointerToPhoto, pullBox, roundBox, shiftBox,
} from "./geometry.js";

const REACH = 18; // pixels of the screen about a corner that take hold of it
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class EditCanvas {
  constructor(tab) {
    this.tab = tab;
    this.grip = null; // what a pointer holds of the box
    this.draft = null; // the box while it is pulled
    this.wasBusy = false;
    this.before = image("w-layer", "The photo");
    this.after = image("w-layer w-after", "The edited picture");
    this.glow = image("w-layer w-glow", "");
    this.marks = svg("svg", { class: "w-layer w-marks", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.slider = new CompareSlider({
      after: this.after,
      handleClass: "w-handle",
      tagClasses: ["w-tag w-tag-before", "w-tag w-tag-after"],
      near: 22,
    });
    const help = "Drag to draw the box. Drag inside it to move it, at a corner to resize it.";
    this.hint = make("span", "w-hint", help);
    this.frame = make("div", "w-frame", this.before, this.after, this.glow, tab.mask.glow, this.marks);
    this.frame.append(...this.slider.tags, this.slider.handle, this.hint);
    const comparing = () => tab.comparing && Boolean(tab.facts.photo);
    this.slider.dragOn(this.frame, this.frame, comparing);
    this.slider.keysOn(this.frame, () => tab.comparing);
    this.listen();
  }

  // The box

  listen() {
    this.frame.addEventListener("pointerdown", (event) => this.press(event));
    this.frame.addEventListener("pointermove", (event) => this.pull(event));
    for (const type of ["pointerup", "pointercancel"]) this.frame.addEventListener(type, () => this.release());
    this.frame.addEventListener("keydown", (event) => this.moveByKey(event));
  }

  pointOf(event) {
    const { photo } = this.tab.facts;
    return clampPoint(pointerToPhoto(event, this.frame.getBoundingClientRect(), photo), photo);
  }

  press(event) {
    const { box, photo } = this.tab.facts;
    if (!photo || this.tab.busy || event.button > 0 || !this.tab.boxing) return;
    const reach = (REACH * photo.width) / this.frame.getBoundingClientRect().width;
    this.grip = gripBox(box, this.pointOf(event), reach);
    event.preventDefault();
    this.frame.setPointerCapture(event.pointerId);
  }

  pull(event) {
    if (!this.grip) return;
    this.draft = pullBox(this.grip, this.pointOf(event), this.tab.facts.photo);
    this.renderMarks();
  }

  release() {
    const draft = this.grip && this.draft;
    this.grip = null;
    if (!draft) return;
    this.draft = null;
    if (isLargeBox(draft)) this.tab.change({ box: roundBox(draft) });
    else this.tab.render();
  }

  moveByKey(event) {
    const arrow = ARROWS[event.key], { photo } = this.tab.facts;
    if (!arrow || !photo || this.tab.busy || !this.tab.boxing) return;
    const step = photo.width / 50, box = this.tab.facts.box || middleBox(photo);
    const change = event.shiftKey ? growBox : shiftBox;
    this.tab.change({ box: roundBox(change(box, arrow[0] * step, arrow[1] * step, photo)) });
    event.preventDefault();
  }

  // What is new is seen whole: the slider begins left of it.
  uncover() {
    const { candidate, facts } = this.tab;
    if (!candidate || !facts.photo) return;
    this.slider.share = Math.min(this.slider.share, Math.max(6, (100 * candidate.box[0]) / facts.photo.width - 3));
  }

  // What is shown

  render() {
    const { photo, box } = this.tab.facts, { boxing, busy, comparing } = this.tab;
    // On a small screen, the button lies below the picture, on which something happens now.
    if (busy && !this.wasBusy) requestAnimationFrame(() => this.frame.scrollIntoView({ block: "nearest" }));
    this.wasBusy = busy;
    this.frame.hidden = !photo || this.tab.masking;
    if (photo) {
      this.frame.style.aspectRatio = `${photo.width} / ${photo.height}`;
      this.frame.style.setProperty("--shape", photo.width / photo.height);
    }
    this.frame.classList.toggle("w-boxing", boxing);
    this.frame.tabIndex = boxing ? 0 : -1;
    if (boxing) {
      const label = "Box: arrow keys move it, with Shift they resize it";
      setAttributes(this.frame, { role: "group", "aria-label": label });
    } else for (const name of ["role", "aria-label"]) this.frame.removeAttribute(name);
    this.renderLayers();
    for (const part of [this.slider.handle, ...this.slider.tags]) part.hidden = !comparing;
    this.hint.hidden = !(boxing && !box && !this.draft);
    this.renderMarks();
  }

  renderLayers() {
    const { photo, phase, round, look, result } = this.tab.facts, { candidate, comparing, looking } = this.tab;
    const done = phase === "done" && result;
    const preview = phase === "working" && round ? round.best[0].url : null;
    const seen = (phase === "working" && !preview) || looking;
    showImage(this.before, photo && photo.url);
    showImage(this.after, done && candidate ? candidate.picture : preview);
    showImage(this.glow, seen && look ? look.url : null);
    if (comparing) this.slider.set(this.slider.share);
    else this.after.style.clipPath = done && looking ? "inset(0 0 0 100%)" : "none";
  }

  renderMarks() {
    const { photo, phase, round, look, box } = this.tab.facts, { boxing, candidate, looking } = this.tab;
    this.marks.replaceChildren();
    if (!photo) return;
    this.marks.setAttribute("viewBox", `0 0 ${photo.width} ${photo.height}`);
    const best = phase === "working" && round ? [...round.best].reverse() : [];
    best.forEach((seen, k) => this.mark(seen.box, k === best.length - 1 ? "w-best" : "w-tried"));
    if (look && (phase === "working" || looking)) for (const point of look.anchors) this.dot(point, "w-anchor");
    const own = this.draft || box;
    if (own) {
      this.mark(own, "w-own");
      if (boxing) for (const corner of boxCorners(own)) this.dot(corner, "w-corner");
    } else if (phase === "done" && candidate) this.mark(candidate.box, looking || boxing ? "w-best" : "w-faint");
  }

  mark([x0, y0, x1, y1], kind) {
    const place = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, "vector-effect": "non-scaling-stroke" };
    for (const edge of ["w-ground", kind]) this.marks.append(svg("rect", { ...place, class: edge }));
  }

  // A line of no length with round ends is a dot of the same size on every picture.
  dot([x, y], kind) {
    const place = { x1: x, y1: y, x2: x, y2: y, "vector-effect": "non-scaling-stroke" };
    for (const edge of ["w-ground-dot", kind]) this.marks.append(svg("line", { ...place, class: edge }));
  }
}

function showImage(node, url) {
  setSource(node, url);
  node.hidden = !url;
}
