// A dialog over the page. The browser keeps the focus in it, closes it with Escape, and gives the focus back.
import { iconButton } from "./icons.js";
import { make, setText } from "./dom.js";

let count = 0;

export class Dialog {
  constructor(title, ...content) {
    this.title = make("h2", "u-dialog-title");
    this.title.id = `u-dialog-${++count}`;
    this.title.tabIndex = -1;
    this.setTitle(title);
    this.body = make("div", "u-dialog-body", ...content);
    this.shut = iconButton("clear", "Close (Esc)", () => this.close());
    this.shut.className = "u-icon-button";
    this.element = make("dialog", "u-ui u-dialog", make("div", "u-dialog-head", this.title, this.shut), this.body);
    this.element.setAttribute("aria-labelledby", this.title.id);
    // The page's own keys, such as Delete, are not meant here.
    this.element.addEventListener("keydown", (event) => event.stopPropagation());
    // Only its backdrop is the dialog itself: all of its inside lies in other elements.
    this.element.addEventListener("pointerdown", (event) => event.target === this.element && this.close());
  }

  get isOpen() {
    return this.element.open;
  }

  setTitle(text) {
    setText(this.title, text);
  }

  // Gives what it was closed with; "" where it was just closed.
  open(first = this.title) {
    this.element.returnValue = "";
    this.element.showModal();
    first.focus();
    return new Promise((resolve) =>
      this.element.addEventListener("close", () => resolve(this.element.returnValue), { once: true }),
    );
  }

  close(value = "") {
    if (this.isOpen) this.element.close(value);
  }

  // What had the focus may be gone after its rows are made once more.
  holdFocus() {
    if (this.isOpen && !this.element.contains(document.activeElement)) this.title.focus();
  }
}
