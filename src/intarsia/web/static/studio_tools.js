// The tools over the photo: the toolbar, the row of what the tool at hand can do, and their keys.
import { add, button, make, setAttributes, setText } from "./dom.js";
import { clamp } from "./geometry.js";
import { icon, iconButton } from "./icons.js";
import { BrushGesture, HandGesture, LassoGesture, PlainBoxGesture, SelectGesture } from "./studio_gestures.js";
import { Marks } from "./studio_marks.js";
import { Pointing } from "./studio_pointing.js";
import { WordsField } from "./studio_finding.js";

const TOOLS = {
  select: { label: "Select", key: "v", icon: "select" },
  box: { label: "Box", key: "m", icon: "marquee" },
  lasso: { label: "Lasso", key: "l", icon: "lasso" },
  brush: { label: "Brush", key: "b", icon: "brush" },
  eraser: { label: "Eraser", key: "e", icon: "eraser" },
  hand: { label: "Hand", key: "h", icon: "hand" },
};
const HOW_LABELS = { new: "New", add: "Add", subtract: "Take away", intersect: "Overlap" };
const HINTS = {
  select: ["Click an object or drag a box around it. Shift adds, Alt takes away.", "Tap an object, or draw a box around it."],
  box: ["Drag a box. Shift adds, Alt takes away.", "Draw a box."],
  lasso: ["Draw around something. Shift adds, Alt takes away.", "Draw around something."],
  brush: ["Paint over what is to be selected. Shift joins strokes by a line.", "Paint over what is to be selected."],
  eraser: ["Rub out what is not to be selected.", "Rub out what is not to be selected."],
  hand: ["Drag the photo. The wheel zooms; so does Space with the mouse in every tool.", "Drag the photo; two fingers zoom."],
};
const MARKED_HINTS = {
  select: ["Drag it to move it. Shift and a click adds, Alt takes away.", "Drag it to move it. Add and Take away mend it."],
};
const ZOOM = 1.5, BRUSH_BY_KEY = 1.2;
const BRUSH_SHARE = 0.06, MOST_BRUSH_SHARE = 0.5; // of the photo's short side: the first diameter, and the largest
const GROWTH = 0.006, MOST_FEATHER = 0.05; // of the photo's short side
const STEPS = 100; // of a slider
const TEXTS = "input:not([type=range], [type=radio], [type=checkbox], [type=button]), textarea, select, [contenteditable]";

export class Tools {
  constructor(app, { stage, selection, objects = null }) {
    Object.assign(this, { app, stage, selection, objects });
    this.name = "select";
    this.how = "new"; // how what is marked next combines with what is selected
    this.brush = 40; // its diameter, in pixels of the photo
    this.marks = new Marks(stage);
    this.pointing = new Pointing(this);
    this.words = new WordsField(this);
    this.gestures = {
      select: new SelectGesture(this),
      box: new PlainBoxGesture(this),
      lasso: new LassoGesture(this),
      brush: new BrushGesture(this, 1),
      eraser: new BrushGesture(this, 0),
      hand: new HandGesture(this),
    };
    this.makeToolbar();
    this.makeView();
    this.makeOptions();
    stage.tool = this.gestures.select;
    stage.onView(() => this.renderZoom());
    document.addEventListener("keydown", (event) => this.key(event) && event.preventDefault());
    this.render();
  }

  // The toolbar: one stop of the tab key, arrows go on within it.

  makeToolbar() {
    this.element = make("div", "v-toolbar");
    setAttributes(this.element, { role: "toolbar", "aria-label": "Tools" });
    this.buttons = {};
    for (const [name, { label, key, icon: sign }] of Object.entries(TOOLS)) {
      this.buttons[name] = add(this.element, "button", "v-tool", icon(sign), make("span", "v-name", label));
      setAttributes(this.buttons[name], { type: "button", title: `${label} (${key})`, tabindex: "-1" });
      this.buttons[name].addEventListener("click", () => this.pick(name));
    }
    this.buttons.select.tabIndex = 0;
    this.element.addEventListener("keydown", (event) => this.rove(event));
    this.element.addEventListener("focusin", (event) => this.stopAt(event.target.closest("button")));
  }

  // How the photo is seen, beside the tools.
  makeView() {
    const { stage } = this, text = (label, title, action) => Object.assign(button("v-look", action, label), { title });
    this.share = make("span", "v-share");
    this.view = make("div", "v-view", iconButton("smaller", "Zoom out (-)", () => stage.zoom(1 / ZOOM)), this.share,
      iconButton("larger", "Zoom in (+)", () => stage.zoom(ZOOM)),
      text("Fit", "Fit: the whole photo (0)", () => stage.fit()),
      text("100 %", "100 %: the photo's own pixels (1)", () => stage.actual()));
    setAttributes(this.view, { role: "group", "aria-label": "View" });
  }

  rove(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const all = [...this.element.querySelectorAll("button")].filter((each) => each.offsetParent && !each.disabled);
    const at = all.indexOf(event.target);
    const to = by && all[(at + by + all.length) % all.length], end = { Home: all[0], End: all.at(-1) }[event.key];
    if (at < 0 || !(to ?? end)) return;
    (to ?? end).focus();
    event.preventDefault();
  }

  stopAt(node) {
    if (node) for (const each of Object.values(this.buttons)) each.tabIndex = each === node ? 0 : -1;
  }

  // The second row.

  makeOptions() {
    this.options = make("div", "v-options");
    this.size = this.slider("Brush size", "Brush size ([ and ])", (share) => this.setBrush(1 + (this.mostBrush - 1) * share ** 2));
    this.hows = this.makeHows();
    this.feather = this.slider("Soft edge", "Soft edge: how wide the edge fades", (share) => this.selection.setFeather(Math.round(this.mostFeather * share ** 2)));
    this.feather.input.addEventListener("change", () => this.changed("feather"));
    const { selection } = this, edit = (act) => () => {
      act();
      this.changed();
    };
    this.edits = {
      grow: this.labelled("grow", "Grow", edit(() => selection.grow(this.growth))),
      shrink: this.labelled("shrink", "Shrink", edit(() => selection.grow(-this.growth))),
      invert: this.labelled("invert", "Invert", edit(() => selection.invert())),
      clear: this.labelled("clear", "Clear", () => this.clear()),
    };
    this.edges = make("div", "v-group", ...Object.values(this.edits), this.feather.element);
    setAttributes(this.edges, { role: "group", "aria-label": "Selection" });
    this.hint = make("p", "v-hint", make("span", "w-mouse"), make("span", "w-finger"));
    this.row = make("div", "v-row", this.size.element, this.words.element, this.hows, this.edges);
    this.options.append(this.row, this.hint, this.words.list);
  }

  labelled(sign, label, action) {
    return button("v-button", action, icon(sign), make("span", "", label));
  }

  slider(label, title, action) {
    const input = make("input"), text = make("span", "", label), value = make("output", "v-value");
    setAttributes(input, { type: "range", min: "0", max: String(STEPS), "aria-label": label });
    input.title = title;
    input.addEventListener("input", () => {
      action(input.valueAsNumber / STEPS);
      this.render();
    });
    return { input, value, element: make("label", "v-slide", text, input, value) };
  }

  makeHows() {
    const group = make("fieldset", "v-hows", make("legend", "v-hidden", "What is marked next"));
    this.howInputs = {};
    for (const [how, label] of Object.entries(HOW_LABELS)) {
      const input = make("input");
      setAttributes(input, { type: "radio", name: "v-how", value: how });
      input.addEventListener("change", () => this.setHow(how));
      this.howInputs[how] = input;
      add(group, "label", "v-how", input, make("span", "", label));
    }
    return group;
  }

  // What is chosen

  pick(name) {
    if (!this.gestures[name]) return;
    this.name = name;
    this.stage.tool = this.gestures[name];
    if (name !== "select") this.words.close();
    this.marks.set({ box: null, path: null, ring: null, cursor: null });
    this.selection.setHot(false);
    this.render();
  }

  setHow(how) {
    this.how = how;
    this.render();
  }

  get shortSide() {
    const { photo } = this.stage;
    return photo ? Math.min(photo.width, photo.height) : 1000;
  }

  get mostBrush() {
    return Math.max(2, MOST_BRUSH_SHARE * this.shortSide);
  }

  get mostFeather() {
    return Math.max(4, Math.round(MOST_FEATHER * this.shortSide));
  }

  get growth() {
    return Math.max(1, Math.round(GROWTH * this.shortSide));
  }

  setBrush(diameter) {
    this.brush = clamp(diameter, 1, this.mostBrush);
    const { ring } = this.marks.now;
    if (ring) this.marks.set({ ring: { ...ring, diameter: this.brush } });
    this.render();
  }

  // What was selected has changed: one step to undo. `merge`: a key; changes of the same key in a row are one step.
  changed(merge) {
    this.app.change({ selection: this.selection.save() }, merge);
    this.pointing.render();
    this.render();
  }

  combine(map, how) {
    this.pointing.drop();
    this.selection.combine(map, how);
    this.changed();
  }

  // A click that draws nothing takes the selection away, as a new one would.
  clickedNothing(how) {
    if (how === "new" && !this.selection.isEmpty) this.clear();
  }

  clear() {
    this.pointing.drop();
    if (this.selection.isEmpty) return;
    this.selection.clear();
    this.setHow("new");
    this.changed();
  }

  // Keys: letters everywhere but in a text, a list or a dialog. Whether it was one of them.
  key(event) {
    const { target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.stage.photo) return false;
    if (!this.element.isConnected || target.closest?.(`${TEXTS}, dialog, [role=dialog], [role=menu]`)) return false;
    if (event.key === "Escape") return this.escape();
    const letter = event.key.toLowerCase();
    const picked = !event.shiftKey && Object.keys(TOOLS).find((name) => TOOLS[name].key === letter);
    const { stage } = this;
    const actions = {
      "[": () => this.setBrush(this.brush / BRUSH_BY_KEY - 0.5),
      "]": () => this.setBrush(this.brush * BRUSH_BY_KEY + 0.5),
      "+": () => stage.zoom(ZOOM),
      "=": () => stage.zoom(ZOOM),
      "-": () => stage.zoom(1 / ZOOM),
      0: () => stage.fit(),
      1: () => stage.actual(),
    };
    const act = picked ? () => this.pick(picked) : Object.hasOwn(actions, event.key) && actions[event.key];
    if (!act) return false;
    act();
    return true;
  }

  // One thing after another ends: a gesture, a question, what was found, the selection.
  escape() {
    const gesture = this.gestures[this.name];
    if (gesture.held || gesture.theirs || gesture.corner || gesture.corners?.length) {
      this.stage.pointer.drop();
      gesture.cancel();
      return true;
    }
    if (this.pointing.drop() || this.words.close()) return true;
    if (this.selection.isEmpty) return false;
    this.clear();
    return true;
  }

  // What is shown

  render() {
    const { selection, name } = this, { photo } = this.stage, empty = selection.isEmpty;
    if (photo && this.sized !== this.shortSide) {
      this.sized = this.shortSide;
      this.brush = clamp(BRUSH_SHARE * this.shortSide, 1, this.mostBrush);
    }
    for (const each of Object.keys(TOOLS)) {
      this.buttons[each].setAttribute("aria-pressed", String(each === name));
      this.buttons[each].disabled = !photo;
    }
    const paints = name === "brush" || name === "eraser";
    if (empty) this.how = "new";
    this.options.classList.toggle("v-marked", !empty);
    this.options.hidden = !photo;
    this.hows.hidden = empty || paints || name === "hand";
    this.size.element.hidden = !paints;
    this.words.element.hidden = name !== "select";
    this.howInputs[this.how].checked = true;
    for (const each of ["grow", "shrink", "clear"]) this.edits[each].disabled = empty;
    this.edges.hidden = empty;
    this.renderSliders();
    const hints = empty || !Object.hasOwn(MARKED_HINTS, name) ? HINTS[name] : MARKED_HINTS[name];
    [...this.hint.children].forEach((node, k) => setText(node, hints[k]));
    if (empty) selection.setHot(false);
    this.pointing.render();
    this.renderZoom();
    this.stage.render();
  }

  renderSliders() {
    const { brush, selection } = this, side = (value, most) => String(Math.round(STEPS * Math.sqrt(Math.max(0, value / most))));
    this.size.input.value = side(brush - 1, this.mostBrush - 1);
    this.feather.input.value = side(selection.feather, this.mostFeather);
    for (const [slide, value] of [[this.size, brush], [this.feather, selection.feather]]) {
      setText(slide.value, `${Math.round(value)} px`);
      slide.input.setAttribute("aria-valuetext", `${Math.round(value)} pixels`);
    }
  }

  renderZoom() {
    const { actualScale, photo, view } = this.stage;
    setText(this.share, photo ? `${Math.round((100 * view.scale) / actualScale)} %` : "");
  }
}
