// The results of a session, in both tabs.
import { button, image, make } from "./dom.js";

// The tab "Edit by layout": a result by layout is gone on from, one by words becomes the picture on the canvas.
export function mount({ element, trigger, props, watch }) {
  const strip = make("div", "layout-past");
  element.replaceChildren(strip);
  const show = () => {
    const results = Array.isArray(props.value) ? props.value : [];
    const list = make("ol", "", ...results.map((one, k) => make("li", "", layoutCard(one, k, trigger))));
    strip.hidden = !results.length;
    strip.replaceChildren(make("h4", "", "History"), list);
    list.scrollLeft = list.scrollWidth;
  };
  watch("value", show);
  show();
}

function layoutCard(one, k, trigger) {
  const byWords = one.kind === "words", action = byWords ? "Use as picture" : "Go on from";
  const use = () => (byWords ? trigger("taken", { folder: one.folder }) : trigger("chosen", { index: one.index }));
  const label = make("span", "", byWords ? `By words: ${one.words}` : one.words);
  const card = button(byWords ? "by-words" : "by-layout", use, image("", "", one.picture), label);
  card.title = `${action}: ${one.words}`;
  card.setAttribute("aria-label", `${action} ${k + 1}: ${one.words}`);
  return card;
}

// The tab "Edit by words": each result is shown again, or becomes the photo.
export class EditHistory {
  constructor(tab) {
    this.tab = tab;
    this.shown = ""; // what the strip shows, so that it is made once
    this.title = make("h3", "w-title w-past-title", "This visit's results");
    this.strip = make("div", "w-strip w-past");
    this.parts = [this.title, this.strip];
  }

  render() {
    const { history, result } = this.tab.facts;
    const shown = JSON.stringify([history, result && result.folder, this.tab.busy]);
    this.title.hidden = this.strip.hidden = !(history && history.length);
    if (shown === this.shown) return;
    this.shown = shown;
    this.strip.replaceChildren(...(history || []).map((one) => this.card(one, result)));
  }

  card(one, result) {
    const { busy, trigger } = this.tab;
    const thumb = image("", "");
    thumb.loading = "lazy";
    thumb.src = one.url;
    const show = button("w-button w-open", () => trigger("shown", { folder: one.folder }), thumb);
    show.setAttribute("aria-label", `Show: ${one.said}`);
    const use = button("w-button w-small", () => trigger("taken", { folder: one.folder, index: 0 }), "Use as photo");
    show.disabled = use.disabled = busy;
    const caption = make("figcaption", "", one.said);
    caption.title = one.said;
    const card = make("figure", "w-card", show, caption, use);
    card.classList.toggle("w-current", Boolean(result && result.folder === one.folder));
    return card;
  }
}
