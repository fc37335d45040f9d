// The objects beside the canvas, from front to back: picked, renamed, restacked, removed and brought back.
import { button, image, make } from "./dom.js";
import { iconButton } from "./icons.js";

export class ObjectList {
  constructor(canvas) {
    this.canvas = canvas;
    this.element = make("div", "list");
    this.naming = false; // a name is being written, which no change elsewhere may take away
  }

  clear() {
    this.element.replaceChildren();
  }

  render() {
    if (this.naming) return;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const title = make("h4", "", "Objects, front to back"), list = make("ol");
    const moves = [...this.canvas.arrangement.moves].reverse();
    list.append(...moves.map((move, k) => this.row(move, { first: k === 0, last: k === moves.length - 1 })));
    this.element.replaceChildren(title, list);
    if (!focused) return;
    [...this.element.querySelectorAll("button")].find((node) => node.dataset.key === focused)?.focus();
  }

  row(move, { first, last }) {
    const { arrangement } = this.canvas, { name, gone } = move;
    const row = make("li", `${gone ? "gone" : ""} ${name === arrangement.picked ? "picked" : ""}`);
    row.dataset.name = name;
    const keys = make("div", "keys");
    row.append(this.nameButton(move), keys);
    const put = (kind, icon, label, action) => {
      const node = iconButton(icon, label, action);
      node.dataset.key = `${kind} ${name}`;
      keys.append(node);
      return node;
    };
    put("up", "up", `${name}: one up`, () => arrangement.restack(name, 1)).disabled = first;
    put("down", "down", `${name}: one down`, () => arrangement.restack(name, -1)).disabled = last;
    const wanted = gone ? "bring back" : "remove";
    put("eye", gone ? "hidden" : "seen", `${name}: ${wanted}`, () => this.canvas.toggle(name));
    return row;
  }

  nameButton({ name, gone }) {
    const action = () => (gone ? this.canvas.toggle(name) : this.canvas.pick(name, false));
    const { picture } = this.canvas.arrangement.objectOf(name);
    const node = button("name", action, image("", "", picture), make("span", "", name));
    node.dataset.key = `name ${name}`;
    node.title = `${name} (double click or F2: another name)`;
    node.addEventListener("dblclick", () => this.rename(name));
    return node;
  }

  // The name becomes a field until Enter, or until something else is done.
  rename(name) {
    const row = [...this.element.querySelectorAll("li")].find((each) => each.dataset.name === name);
    if (!row || this.naming) return;
    this.naming = true;
    const input = make("input", "rename");
    input.value = name;
    input.maxLength = 100;
    input.setAttribute("aria-label", `Another name for ${name}`);
    row.firstChild.replaceWith(input);
    input.focus();
    input.select();
    const done = (keep) => {
      if (!this.naming) return;
      this.naming = false;
      const wanted = input.value.trim();
      this.render();
      if (keep && wanted && wanted !== name) this.canvas.trigger("renamed", { name, wanted });
    };
    input.addEventListener("blur", () => done(true));
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") done(event.key === "Enter");
    });
  }
}
