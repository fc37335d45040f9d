// Two pictures of the stage side by side: the other one lies on the left of a slider, or over all while it is held.
import { add, image, make, setAttributes, setText } from "./dom.js";
import { clamp } from "./geometry.js";

const KEYS = { ArrowLeft: -0.05, ArrowRight: 0.05, Home: -1, End: 1 };
const TAG = 90; // pixels of the screen that a tag takes at its side

export class StageCompare {
  constructor(stage) {
    this.stage = stage;
    this.share = 0.5; // of what is seen of the photo, to the left of the slider
    this.pictures = new Map(); // by URL
    this.over = make("div", "v-over");
    this.over.hidden = true;
    stage.world.append(this.over);
    this.element = add(stage.screen, "div", "v-compare");
    this.element.hidden = true;
    this.tags = ["Before", "After"].map((side, k) => add(this.element, "span", `v-tag v-tag-${k ? "right" : "left"}`, side));
    this.handle = add(this.element, "div", "v-slider", make("i", "v-grip"));
    this.handle.tabIndex = 0;
    setAttributes(this.handle, { role: "slider", "aria-label": "Before and after", "aria-valuemin": "0", "aria-valuemax": "100" });
    this.listen();
    stage.onView(() => this.render());
  }

  listen() {
    const { handle, stage } = this;
    handle.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      handle.setPointerCapture(event.pointerId);
      this.held = event.pointerId;
      event.stopPropagation();
    });
    handle.addEventListener("pointermove", (event) => {
      if (this.held !== event.pointerId) return;
      const [left, right] = this.seen();
      this.set((event.clientX - stage.element.getBoundingClientRect().left - left) / Math.max(1, right - left));
    });
    for (const type of ["pointerup", "pointercancel"]) handle.addEventListener(type, () => (this.held = null));
    handle.addEventListener("keydown", (event) => {
      const step = KEYS[event.key];
      if (!step) return;
      this.set(this.share + step);
      event.preventDefault();
      event.stopPropagation();
    });
  }

  async open(url) {
    this.wanted = url;
    this.share = 0.5;
    if (!(await this.put(url)) || this.wanted !== url) return;
    this.element.hidden = false;
    this.stage.element.classList.add("v-comparing");
    this.render();
  }

  close() {
    this.wanted = null;
    this.held = null;
    this.element.hidden = true;
    if (!this.peeked) this.over.hidden = true;
    this.stage.element.classList.remove("v-comparing");
  }

  async peek(url, on) {
    this.peeked = on ? url : null;
    this.stage.element.classList.toggle("v-peeking", on);
    if (!on) {
      if (this.wanted) return void (await this.open(this.wanted));
      this.over.hidden = true;
      return;
    }
    if (!(await this.put(url)) || this.peeked !== url) return;
    this.over.style.clipPath = "";
  }

  // A picture lies over the photo; whether it could be had.
  async put(url) {
    let picture = this.pictures.get(url);
    if (!picture) {
      picture = image("v-photo", "", url);
      try {
        await picture.decode();
      } catch {
        return false;
      }
      this.pictures.clear(); // one is kept: each takes some 50 megabytes
      this.pictures.set(url, picture);
    }
    if (this.wanted !== url && this.peeked !== url) return false;
    this.over.replaceChildren(picture);
    this.over.hidden = false;
    return true;
  }

  set(share) {
    this.share = clamp(share, 0, 1);
    this.render();
  }

  // What is seen of the photo's width, on the screen.
  seen() {
    const { frame, photo, view } = this.stage;
    return [Math.max(0, view.x), Math.min(frame.width, view.x + photo.width * view.scale)];
  }

  render() {
    const { stage, share } = this;
    if (this.element.hidden || !stage.photo) return;
    const [left, right] = this.seen(), x = left + (right - left) * share;
    const top = Math.max(0, stage.view.y), bottom = Math.min(stage.frame.height, stage.view.y + stage.photo.height * stage.view.scale);
    if (!this.peeked) this.over.style.clipPath = `inset(0 ${Math.max(0, stage.photo.width - stage.toPhoto([x, 0])[0])}px 0 0)`;
    Object.assign(this.handle.style, { left: `${x}px`, top: `${top}px`, height: `${bottom - top}px` });
    this.handle.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    setAttributes(this.handle, { "aria-valuetext": `${Math.round(100 * share)} percent before` });
    this.tags[0].style.left = `${left}px`;
    this.tags[1].style.right = `${stage.frame.width - right}px`;
    for (const tag of this.tags) tag.style.top = `${top}px`;
    this.tags[0].style.visibility = x - left < TAG ? "hidden" : "";
    this.tags[1].style.visibility = right - x < TAG ? "hidden" : "";
  }

  // What the two sides are called.
  name(before, after) {
    [before, after].forEach((text, k) => setText(this.tags[k], text));
  }
}
