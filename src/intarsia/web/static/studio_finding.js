// "Select by words": what the server finds is listed, each with its outline and how sure it is. What it is not sure of
// is taken only when somebody says so.
import { add, button, make, setAttributes, setText } from "./dom.js";

const LOST = "The search did not work. Try again.";

export class WordsField {
  constructor(tools) {
    Object.assign(this, { tools, app: tools.app, selection: tools.selection });
    this.asked = 0;
    this.things = [];
    this.words = this.missing = "";
    this.field = make("input", "v-field");
    setAttributes(this.field, { type: "text", placeholder: "a cat, a cup", autocomplete: "off", enterkeyhint: "search" });
    this.find = button("v-button", () => this.ask(), "Find");
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.ask();
      else if (event.key === "Escape" && this.things.length) this.close();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.element = make("div", "v-words", make("label", "v-labelled", make("span", "", "Select by words"), this.field), this.find);
    this.list = make("ul", "v-found");
    setAttributes(this.list, { "aria-label": "What was found" });
    this.list.hidden = true;
  }

  // Looks for words that an example brings.
  search(words) {
    this.field.value = words;
    return this.ask();
  }

  async ask() {
    const words = this.field.value.trim(), asked = (this.asked += 1);
    if (!words) return this.field.focus();
    this.waits(true);
    try {
      const answer = await this.app.ask("named", { words, models: this.app.state?.models?.current });
      if (asked === this.asked) this.show(words, answer.things, answer.missing);
    } catch (problem) {
      if (asked === this.asked) this.app.say(problem?.message || LOST, true);
    }
    if (asked === this.asked) this.waits(false);
    return undefined;
  }

  waits(waiting) {
    this.find.disabled = waiting;
    setText(this.find, waiting ? "Finding…" : "Find");
  }

  // One thing that is sure is taken at once: it is what was asked for.
  // `missing`: sentences about words that show nothing.
  show(words, things, missing = []) {
    this.words = words;
    this.missing = missing.join(" ");
    this.things = things.map((thing) => ({ ...thing, taken: false }));
    if (!things.length) this.app.say(`Nothing like “${words}” is found.`, true);
    else if (things.length === 1 && things[0].sure) return this.take(this.things[0]);
    else this.app.say(this.verdict());
    this.render();
    if (things.length === 1) this.selection.glow(things[0].url);
    return undefined;
  }

  verdict() {
    const unsure = this.things.filter((thing) => !thing.sure).map((thing) => `“${thing.name}”`);
    const found = unsure.length ? `Not sure about ${unsure.join(" and ")}. Look at the outline.` : `Found ${this.things.length}: take one, or all of them.`;
    return `${found} ${this.missing}`.trim();
  }

  async take(thing) {
    const { selection, tools } = this, how = this.things.some((other) => other.taken) ? "add" : tools.how;
    const isAlone = how === "new" || selection.isEmpty;
    selection.glow(null);
    try {
      await selection.load(thing.url, how);
    } catch {
      return this.app.say(LOST, true);
    }
    thing.taken = true;
    tools.changed();
    this.app.remember(isAlone ? thing.name : null);
    if (this.things.every((other) => other.taken)) this.close();
    else this.render();
    this.app.say(`${thing.name} is selected. ${this.missing}`.trim());
    this.missing = ""; // told once
    return undefined;
  }

  paint() {
    const [thing] = this.things;
    this.close();
    this.tools.pick("brush");
    this.app.say(`Paint over ${thing ? thing.name : "it"}.`);
    this.tools.stage.element.focus({ preventScroll: true });
  }

  others() {
    this.close();
    this.field.focus();
    this.field.select();
  }

  // Whether there was anything to close.
  close() {
    const open = this.things.length > 0;
    this.things = [];
    this.selection.glow(null);
    this.render();
    return open;
  }

  render() {
    const { list, things } = this;
    list.hidden = !things.length;
    list.replaceChildren(...things.map((thing) => this.item(thing)));
  }

  item(thing) {
    const { selection } = this, item = make("li", thing.sure ? "v-thing" : "v-thing v-unsure");
    add(item, "strong", "", thing.name);
    const percent = `${Math.round(100 * thing.confidence)} %`;
    add(item, "span", "v-confidence", thing.sure ? `${percent} sure` : `not sure (${percent})`);
    const take = button("v-button", () => this.take(thing), thing.taken ? "Taken" : "Take it");
    take.disabled = thing.taken;
    item.append(take);
    if (!thing.sure && !thing.taken)
      item.append(button("v-button", () => this.paint(), "Paint it"), button("v-button", () => this.others(), "Other words"));
    for (const type of ["pointerenter", "focusin"]) item.addEventListener(type, () => selection.glow(thing.url));
    for (const type of ["pointerleave", "focusout"]) item.addEventListener(type, () => selection.glow(null));
    return item;
  }
}
