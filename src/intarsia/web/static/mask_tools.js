// Buttons, the brush's size and keys of the canvas on which a mask is painted.
import { add, make, setAttributes, setText } from "./dom.js";
import { iconButton } from "./icons.js";

const SIZES = 100; // steps of the slider, fine for small brushes
const BY_KEY = 1.2; // of the brush's size
const ZOOM = 1.5;
const GROWTH = 0.006; // of the photo's short side, for a press of the button
const HINTS = {
  brush: "Paint over it.",
  eraser: "Rub out what was painted too much.",
  outline: "Drag a box around an object, or click it: it is outlined.",
};
const MOVING = ["The wheel zooms; Space and the mouse move the photo.", "Two fingers zoom and move the photo."];
const REDUCED = "This photo is large: the mask is kept at a part of its pixels.";

export class MaskTools {
  constructor(canvas) {
    this.canvas = canvas;
    this.buttons = {};
    this.element = make("div", "m-bar");
    setAttributes(this.element, { role: "toolbar", "aria-label": "Brush and mask" });
    this.said = make("span");
    const [mouse, finger] = [make("span", "w-mouse", ` ${MOVING[0]}`), make("span", "w-finger", ` ${MOVING[1]}`)];
    this.hint = make("p", "m-hint", this.said, mouse, finger);
    this.tools = this.group(
      ["brush", "Brush (b)", () => canvas.setTool("brush")],
      ["eraser", "Eraser (e)", () => canvas.setTool("eraser")],
      ...(canvas.onBox ? [["outline", "Outline an object (o)", () => canvas.setTool("outline")]] : []),
    );
    this.element.append(this.makeSize());
    this.group(
      ["undo", "Undo (Ctrl+Z)", () => canvas.undo()],
      ["redo", "Redo (Ctrl+Shift+Z)", () => canvas.redo()],
    );
    this.shapes = this.group(
      ["shrink", "Shrink", () => canvas.grow(-this.growth)],
      ["grow", "Grow", () => canvas.grow(this.growth)],
      ["invert", "Invert", () => canvas.invert()],
      ["clear", "Clear", () => canvas.clear()],
    );
    this.group(
      ["smaller", "Zoom out (-)", () => canvas.zoom(1 / ZOOM)],
      ["larger", "Zoom in (+)", () => canvas.zoom(ZOOM)],
      ["whole", "Whole photo (0)", () => canvas.fit()],
    );
  }

  group(...buttons) {
    const box = add(this.element, "div", "m-group");
    for (const [name, label, action] of buttons) {
      this.buttons[name] = iconButton(name, label, action);
      if (Object.hasOwn(NAMES, name)) this.buttons[name].append(make("span", "m-name", NAMES[name]));
      box.append(this.buttons[name]);
    }
    return box;
  }

  makeSize() {
    this.size = make("input");
    setAttributes(this.size, { type: "range", min: "0", max: String(SIZES), "aria-label": "Brush size" });
    this.size.title = "Brush size ([ and ])";
    this.size.addEventListener("input", () => {
      const most = this.most;
      this.canvas.setBrush(1 + (most - 1) * (this.size.valueAsNumber / SIZES) ** 2);
    });
    this.dot = make("i");
    return make("label", "m-size", make("span", "m-dot", this.dot), this.size);
  }

  get most() {
    const { width, height } = this.canvas.photo;
    return 0.5 * Math.min(width, height);
  }

  get growth() {
    const { width, height } = this.canvas.photo;
    return Math.max(1, Math.round(GROWTH * Math.min(width, height)));
  }

  render() {
    const { canvas, buttons } = this, { brush, disabled, history, photo, tool } = canvas;
    if (!photo) return;
    for (const name of ["brush", "eraser", "outline"])
      buttons[name]?.setAttribute("aria-pressed", String(tool === name));
    const empty = canvas.isEmpty;
    for (const [name, node] of Object.entries(buttons)) node.disabled = disabled && !ALWAYS.has(name);
    if (!disabled) {
      buttons.undo.disabled = !history.past.length;
      buttons.redo.disabled = !history.future.length;
      for (const name of ["shrink", "grow", "clear"]) buttons[name].disabled = empty;
    }
    for (const name of ["shrink", "grow", "invert", "outline"])
      if (buttons[name]) buttons[name].hidden = !canvas.isMask;
    this.size.disabled = disabled || tool === "outline";
    this.size.value = String(Math.round(SIZES * Math.sqrt((brush - 1) / Math.max(1, this.most - 1))));
    this.size.setAttribute("aria-valuetext", `${Math.round(brush)} pixels`);
    const side = 4 + 14 * Math.sqrt(brush / this.most);
    this.dot.style.width = this.dot.style.height = `${side}px`;
    setText(this.said, `${HINTS[tool]}${canvas.share < 1 ? ` ${REDUCED}` : ""}`);
    canvas.surface.classList.toggle("m-outlining", tool === "outline" && !disabled);
    canvas.surface.classList.toggle("m-disabled", disabled);
    this.renderZoom();
  }

  renderZoom() {
    const { canvas, buttons } = this;
    buttons.smaller.disabled = buttons.whole.disabled = !canvas.zoomed;
  }

  key(event) {
    const { canvas } = this;
    if (!canvas.photo || event.target.matches("input[type=text], textarea")) return;
    const action = event.ctrlKey || event.metaKey ? this.command(event) : this.action(event);
    if (!action || (canvas.disabled && !ALWAYS.has(action.name))) return;
    if (action.act() === false) return;
    event.preventDefault();
    event.stopPropagation();
  }

  command(event) {
    const { canvas } = this, key = event.key.toLowerCase();
    if (key === "z") return { act: () => (event.shiftKey ? canvas.redo() : canvas.undo()) };
    return key === "y" ? { act: () => canvas.redo() } : null;
  }

  action(event) {
    const { canvas } = this;
    if (event.altKey) return null;
    const onSurface = event.target === canvas.surface;
    const actions = {
      "[": () => canvas.setBrush(canvas.brush / BY_KEY),
      "]": () => canvas.setBrush(canvas.brush * BY_KEY),
      b: () => canvas.setTool("brush"),
      e: () => canvas.setTool("eraser"),
      ...(canvas.onBox && canvas.isMask ? { o: () => canvas.setTool("outline") } : {}),
    };
    const looks = { "+": () => canvas.zoom(ZOOM), "=": () => canvas.zoom(ZOOM), "-": () => canvas.zoom(1 / ZOOM), 0: () => canvas.fit() };
    if (Object.hasOwn(actions, event.key)) return { act: actions[event.key] };
    if (Object.hasOwn(looks, event.key)) return { name: "larger", act: looks[event.key] };
    if (!onSurface) return null;
    if (event.key === " ") return { name: "larger", act: () => canvas.pointer.space(true) };
    return { act: () => canvas.pointer.byKey(event) };
  }
}

const NAMES = { brush: "Brush", eraser: "Eraser", outline: "Outline" }; // written on the buttons
const ALWAYS = new Set(["smaller", "larger", "whole"]); // what changes nothing
