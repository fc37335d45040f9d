// What came out of an edit: the best of each round, the candidates, and what to do with the chosen one.
import { button, image, make, setDownload } from "./dom.js";
import { copyRecord, tellCopied } from "./record.js";

const TAB_WAIT = 5000, TAB_POLL = 50; // milliseconds
const LOCKED = "The next edits go into this box. Try again repeats it with another seed.";

export class EditResults {
  constructor(tab) {
    this.tab = tab;
    this.shown = ""; // what the strip shows, so that it is made once
    this.title = make("h3", "w-title");
    this.strip = make("div", "w-strip");
    this.record = make("pre", "w-record");
    this.record.tabIndex = 0;
    this.record.setAttribute("aria-label", "Record");
    this.parts = [this.title, make("div", "w-choice", this.strip, this.makeActions()), this.record];
  }

  makeActions() {
    const { tab } = this;
    const action = (label, act, title = "") => {
      const node = button("w-button", act, label);
      if (title) node.title = title;
      return node;
    };
    const chosen = () => ({ folder: tab.facts.result.folder, index: tab.chosen });
    this.download = make("a", "w-button w-strong", "Download picture");
    this.download.id = "words-download";
    this.downloadRecord = make("a", "w-button", "Download record");
    this.downloadRecord.id = "words-record";
    this.copy = action("Copy record", () => this.copyRecord());
    this.actions = make("div", "w-actions", this.download, this.downloadRecord, this.copy);
    this.actions.append(
      action("Try again", () => tab.trigger("again", {}), "The same words with another seed"),
      action("Lock this box", () => {
        if (!tab.candidate) return;
        tab.mask.drop();
        tab.change({ box: tab.candidate.box, message: LOCKED, problem: false });
      }),
      action("Use as photo", () => tab.trigger("taken", chosen())),
      action("Edit by layout", () => editByLayout(tab.candidate), "Move what is in this picture"),
      action("Replay", () => tab.trigger("replayed", chosen()), "Make it again from its record, and compare the pixels"),
    );
    return this.actions;
  }

  async copyRecord() {
    if (this.tab.record) {
      this.tab.record = "";
    } else {
      const { text, copied } = await copyRecord(this.tab.candidate.record);
      this.tab.record = text;
      tellCopied(this.copy, copied);
    }
    this.tab.render();
  }

  render() {
    const { phase, result } = this.tab.facts, { candidate, record } = this.tab;
    const done = phase === "done" && result;
    this.renderStrip();
    this.actions.hidden = !done;
    if (done && candidate) {
      setDownload(this.download, candidate.picture, candidate.picture_name);
      setDownload(this.downloadRecord, candidate.record, candidate.record_name);
    }
    this.record.hidden = !(done && record);
    this.record.textContent = record;
  }

  renderStrip() {
    const { phase, ...facts } = this.tab.facts;
    const round = phase === "working" ? facts.round : null, result = phase === "done" ? facts.result : null;
    const shown = JSON.stringify([round, result && result.folder, this.tab.chosen]);
    this.title.hidden = this.strip.hidden = !(round || result);
    if (shown === this.shown) return;
    this.shown = shown;
    if (round) {
      this.title.textContent = `Round ${round.number}: best of ${round.of}`;
      this.strip.replaceChildren(...round.best.map(previewCard));
    } else if (result) {
      this.title.textContent = result.candidates.length > 1 ? "Choose one" : "The result";
      this.strip.replaceChildren(...result.candidates.map((one, k) => this.candidateCard(one, k)));
    }
  }

  candidateCard(candidate, k) {
    const score = candidate.score.toFixed(2), label = make("span", "", `${k + 1} · ${score}`);
    const card = button("w-button w-card", () => this.tab.choose(k), image("", "", candidate.picture), label);
    card.setAttribute("aria-pressed", String(k === this.tab.chosen));
    card.setAttribute("aria-label", `Candidate ${k + 1}, score ${score}`);
    return card;
  }
}

function previewCard(seen, k) {
  const caption = make("figcaption", "", `${seen.score.toFixed(2)} · ${seen.steps} steps`);
  return make("figure", "w-card", image("", `Preview ${k + 1}`, seen.url), caption);
}

// The picture goes into the other tab as if it had been dropped there.
async function editByLayout(candidate) {
  const answer = await fetch(candidate.picture);
  const file = new File([await answer.blob()], candidate.picture_name, { type: "image/png" });
  const tabs = document.querySelectorAll(".tab-container:not(.visually-hidden) [role=tab]");
  [...tabs].find((tab) => tab.textContent.trim() === "Edit by layout").click();
  for (let waited = 0; waited < TAB_WAIT; waited += TAB_POLL) {
    const chooser = document.querySelector("#layout-stage input[type=file]");
    if (chooser) {
      const given = new DataTransfer();
      given.items.add(file);
      chooser.files = given.files;
      chooser.dispatchEvent(new Event("change", { bubbles: true }));
      return;
    }
    await new Promise((done) => setTimeout(done, TAB_POLL));
  }
}
