// Models that can be downloaded: how large each is, what has come of it, and Stop.
import { button, make, setText } from "./dom.js";
import { downloadInWords, sizeInWords } from "./studio_words.js";

const FIRST = 3; // models that are offered before "More models" is pressed

export const canFetch = ({ downloads }) => (downloads ?? []).filter(({ here }) => !here);

// The best ones, and what is on its way. The server lists the best ones first.
export const offeredFirst = (items, download) => items.filter(({ name }, k) => k < FIRST || name === download?.name);

export class Downloads {
  constructor(app) {
    this.app = app;
    this.shown = "";
    this.rows = new Map(); // by name of the model
    this.list = make("ul", "u-downloads");
    this.isUnfolded = false;
    this.more = button("u-button", () => this.unfold(), "More models");
    this.help = make("p", "u-quiet", "A download that is stopped goes on where it broke off.");
    this.element = make("div", "u-fetching-list", this.list, this.more, this.help);
  }

  // Gives whether the rows were made once more.
  render() {
    const { models } = this.app.state, items = canFetch(models);
    this.element.hidden = !items.length;
    const shown = JSON.stringify(items), isNew = shown !== this.shown;
    if (isNew) {
      this.shown = shown;
      this.rows = new Map(items.map((item) => [item.name, new DownloadRow(this.app, item)]));
      this.list.replaceChildren(...[...this.rows.values()].map(({ element }) => element));
    }
    const first = new Set(offeredFirst(items, models.download).map(({ name }) => name));
    this.more.hidden = this.isUnfolded || first.size === items.length;
    for (const [name, row] of this.rows) {
      row.render(models.download, name, this.app.busy);
      row.element.hidden = !this.isUnfolded && !first.has(name);
    }
    return isNew;
  }

  // The first of the models that were hidden has the focus: the button is gone.
  unfold() {
    const next = [...this.rows.values()].find(({ element }) => element.hidden);
    this.isUnfolded = true;
    this.render();
    next?.fetch.focus();
  }

  get first() {
    return this.rows.values().next().value?.fetch ?? null;
  }
}

class DownloadRow {
  constructor(app, { name, label, bytes }) {
    this.fetch = button("u-button", () => app.tell("fetched", { name }), "Download");
    this.fetch.setAttribute("aria-label", `Download ${label}, ${sizeInWords(bytes)}`);
    this.stop = button("u-button", () => app.tell("stopped", {}), "Stop");
    this.stop.setAttribute("aria-label", `Stop the download of ${label}`);
    this.bar = make("progress", "u-progress");
    this.bar.setAttribute("aria-label", `Download of ${label}`);
    this.about = make("span", "u-quiet");
    this.size = sizeInWords(bytes);
    const words = make("span", "u-row-words", make("strong", "", label), this.about, this.bar);
    this.element = make("li", "u-row", words, this.fetch, this.stop);
  }

  render(download, name, busy) {
    const goes = download?.name === name, hadFocus = [this.fetch, this.stop].includes(document.activeElement);
    this.fetch.hidden = goes;
    this.stop.hidden = this.bar.hidden = !goes;
    this.fetch.disabled = Boolean(download) || busy;
    setText(this.about, goes ? downloadInWords(download) : this.size);
    if (goes && download.total) Object.assign(this.bar, { max: download.total, value: download.done });
    else this.bar.removeAttribute("value");
    if (hadFocus) (goes ? this.stop : this.fetch).focus();
  }
}
