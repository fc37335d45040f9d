// How a photo comes onto the canvas: opened, dropped, pasted, an example, or one from before. It fills the canvas while
// there is none; later the button `opener` shows the same in a dialog.
import { button, image, make, setText } from "./dom.js";
import { icon } from "./icons.js";
import { Dialog } from "./studio_dialog.js";
import { plural, sizeInWords } from "./studio_words.js";
import { acceptDrops, acceptPastes, photoChooser } from "./upload.js";

export const MOST_BYTES = 100e6;
const KINDS = /\.(png|jpe?g|webp|tiff?|bmp|gif|avif|hei[cf])$/i, TYPES = /^image\/(png|jpeg|webp|tiff|bmp|x-ms-bmp|gif|avif|hei[cf])$/;

// What is wrong with a file as a photo; "" where nothing is seen to be.
export function photoProblem({ name, type, size }) {
  if (!KINDS.test(name) && !TYPES.test(type))
    return `${name} is not a photo that can be opened here: open a JPEG, PNG, WebP, TIFF, HEIC or AVIF.`;
  if (!size) return `${name} is empty.`;
  if (size > MOST_BYTES) return `${name} has ${sizeInWords(size)}; a photo may have ${sizeInWords(MOST_BYTES)} at most.`;
  return "";
}

// What is already on the canvas is not offered.
export const otherPhotos = ({ drafts, draft }) => (drafts ?? []).filter(({ id }) => id !== draft?.id);

const pasteKeys = () => (/Mac|iPhone|iPad/.test(navigator.platform) ? "⌘V" : "Ctrl+V");

export class Start {
  constructor(app) {
    this.app = app;
    this.opening = ""; // name of a photo on its way
    this.told = null; // number of the state when the server was asked for it
    this.shown = "";
    this.chooser = photoChooser("", "Open a photo", (file) => this.take(file));
    this.chooser.hidden = true;
    this.openButton = button("u-button u-strong u-large", () => this.choose(), icon("photo"), make("span", "", "Open a photo"));
    this.label = this.openButton.lastChild;
    const mouse = make("span", "w-mouse", `or drop it here, or paste it (${pasteKeys()})`);
    const finger = make("span", "w-finger", "from your photos or your camera");
    this.examples = section("Or try an example", "u-examples");
    this.others = section("Your photos", "u-others");
    this.many = make("a", "u-many", "Many pictures at once");
    this.many.href = new URL("batch", document.baseURI).href;
    this.welcome = make("div", "u-welcome",
      make("h2", "u-welcome-title", "Change, move or remove what is in a photo"),
      make("p", "u-quiet", "Everything else in it stays as it was, pixel by pixel."),
      this.openButton, make("p", "u-quiet u-or", mouse, finger), this.examples.element, this.others.element, this.many);
    this.dialog = new Dialog("Photos");
    this.opener = button("u-button", () => this.showDialog(), icon("photo"), "Photos");
    this.drop = make("div", "u-drop", make("strong", "", "Open this photo"));
    // The layer is always there, and never in the way: what is not laid out gets no pastes.
    this.element = make("div", "u-ui u-start", this.welcome, this.drop, this.chooser, this.dialog.element);
    acceptDrops(document.body, this.element, "u-over", (file) => this.take(file));
    acceptPastes(this.element, (file) => this.take(file));
  }

  choose() {
    if (!this.opening) this.chooser.click();
  }

  async showDialog() {
    this.render();
    this.dialog.body.append(this.welcome);
    this.welcome.hidden = false; // what is hidden takes no focus
    await this.dialog.open(this.openButton);
    this.element.prepend(this.welcome);
    this.render();
  }

  async take(file) {
    if (!file || this.opening) return;
    const problem = photoProblem(file);
    if (problem) return this.app.say(problem, true);
    this.dialog.close();
    this.opening = file.name;
    this.render();
    this.app.say(`Opening ${file.name}…`);
    try {
      const path = await this.app.upload(file);
      this.app.tell("opened", { path, name: file.name });
    } catch (problem) {
      this.app.say(problem.message, true);
    } finally {
      this.opening = "";
      this.render();
    }
  }

  // Something is seen at once, and until the server has answered.
  tell(name, data, title) {
    this.dialog.close();
    this.opening = title;
    this.told = this.app.state.n;
    this.app.say(`Opening ${title}…`);
    this.render();
    this.app.tell(name, data);
  }

  render() {
    const { state } = this.app, arriving = state.phase === "arriving";
    const inDialog = this.dialog.isOpen;
    if (this.told !== null && state.n > this.told) {
      this.told = null;
      this.opening = "";
    }
    this.welcome.hidden = arriving || (Boolean(state.draft) && !inDialog);
    this.element.classList.toggle("u-empty", !state.draft);
    this.openButton.setAttribute("aria-disabled", Boolean(this.opening));
    setText(this.label, this.opening ? `Opening ${this.opening}…` : "Open a photo");
    const shown = JSON.stringify([this.app.examples, otherPhotos(state)]);
    if (shown === this.shown) return;
    this.shown = shown;
    const hadFocus = this.welcome.contains(document.activeElement);
    this.examples.fill((this.app.examples ?? []).map((example, index) => this.example(example, index)));
    this.others.fill(otherPhotos(state).map((draft) => this.other(draft)));
    if (hadFocus && !this.welcome.contains(document.activeElement)) this.openButton.focus();
  }

  example({ url, title, said }, index) {
    const words = make("span", "u-card-words", make("strong", "", title), " ", make("span", "u-quiet", said));
    return make("li", "", button("u-card", () => this.tell("tried", { index }, title), image("", "", url), words));
  }

  other({ id, name, thumb, steps }) {
    const count = Array.isArray(steps) ? steps.length : steps;
    const words = make("span", "u-card-words", make("strong", "", name), " ", make("span", "u-quiet", plural(count, "result")));
    const card = button("u-card", () => this.tell("reopened", { draft: id }, name), image("", "", thumb), words);
    return make("li", "u-other", card, forgetButton(name, () => this.app.tell("dropped", { draft: id })));
  }
}

// It cannot be taken back: pressed once it asks, pressed twice it does.
function forgetButton(name, forget) {
  const asked = make("span", "", "Forget?"), sign = icon("gone");
  const pressed = button("u-icon-button", () => (asked.hidden ? ask(true) : forget()), sign, asked);
  const ask = (on) => {
    asked.hidden = !on;
    sign.toggleAttribute("hidden", on);
    pressed.setAttribute("aria-label", on ? `Forget? ${name}` : `Forget ${name}`);
    pressed.title = on ? "Press again to forget it" : `Forget ${name}`;
  };
  pressed.addEventListener("blur", () => ask(false));
  ask(false);
  return pressed;
}

function section(title, className) {
  const list = make("ul", "u-cards");
  const element = make("section", className, make("h3", "u-small-title", title), list);
  const fill = (cards) => {
    list.replaceChildren(...cards);
    element.hidden = !cards.length;
  };
  return { element, fill };
}
