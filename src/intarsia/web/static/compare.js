// The slider between a picture before and after: what lies to the right of its handle is the picture after.
import { make, setAttributes } from "./dom.js";
import { clamp } from "./geometry.js";

const KEYS = { ArrowLeft: -5, ArrowRight: 5, Home: -100, End: 100 };

export class CompareSlider {
  // `after`: the picture that is uncovered; `near`: percent of the width that a tag takes at its side.
  constructor({ after, handleClass, tagClasses, near }) {
    Object.assign(this, { after, near });
    this.share = 50; // percent of the width that show what was before
    this.pointer = null;
    this.handle = make("div", handleClass);
    this.handle.tabIndex = 0;
    setAttributes(this.handle, {
      role: "slider",
      "aria-label": "Before and after",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    });
    this.tags = ["before", "after"].map((side, k) => make("span", tagClasses[k], side));
  }

  set(share) {
    this.share = clamp(share, 0, 100);
    this.after.style.clipPath = `inset(0 0 0 ${this.share}%)`;
    this.handle.style.left = `${this.share}%`;
    this.handle.setAttribute("aria-valuenow", Math.round(this.share));
    const covered = [this.share < this.near, this.share > 100 - this.near];
    this.tags.forEach((tag, k) => (tag.style.visibility = covered[k] ? "hidden" : ""));
  }

  // `surface` is pressed and dragged over `frame`, whose width is the whole, while `active()`.
  dragOn(surface, frame, active = () => true) {
    const follow = (event) => {
      const edge = frame.getBoundingClientRect();
      this.set((100 * (event.clientX - edge.left)) / edge.width);
    };
    surface.addEventListener("pointerdown", (event) => {
      if (event.button || !active()) return;
      this.pointer = event.pointerId;
      surface.setPointerCapture(this.pointer);
      if (event.target !== this.handle) follow(event);
      event.stopPropagation();
    });
    surface.addEventListener("pointermove", (event) => this.pointer === event.pointerId && follow(event));
    for (const type of ["pointerup", "pointercancel"]) surface.addEventListener(type, () => (this.pointer = null));
  }

  keysOn(surface, active = () => true) {
    surface.addEventListener("keydown", (event) => {
      const step = KEYS[event.key];
      if (!step || !active()) return;
      this.set(this.share + step);
      event.preventDefault();
      event.stopPropagation();
    });
  }
}
