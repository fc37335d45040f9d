// The filmstrip: the photo, then every result in the order of their making.
import { button, image, make, setSource, setText } from "./dom.js";
import { VERBS, jobInWords } from "./studio_words.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
const PHOTO = { id: "", verb: "", said: "" };

// The result that is shown and all that it was made from, by their ids; "" is the photo.
export function lineage(steps, shown) {
  const bases = new Map(steps.map(({ id, base }) => [id, base]));
  const line = new Set([""]);
  for (let id = shown; id && !line.has(id); id = bases.get(id) ?? "") line.add(id);
  return line;
}

// What a result was made from, where that is not the one before it.
export function originOf(steps, index) {
  const { base } = steps[index], before = index ? steps[index - 1].id : "";
  if (base === before) return "";
  const origin = steps.findIndex(({ id }) => id === base);
  return origin < 0 ? "from the photo" : `from result ${origin + 1}`;
}

export class Strip {
  constructor(app) {
    this.app = app;
    this.cards = new Map(); // of steps, by id
    this.draft = null; // id of the draft whose cards they are
    this.shown = null;
    this.title = make("h2", "u-strip-title");
    this.about = make("span", "u-quiet");
    this.list = make("ol", "u-strip-list");
    this.job = jobCard();
    this.list.append(this.job.element);
    this.element = make("section", "u-ui u-strip", make("div", "u-strip-head", this.title, this.about), this.list);
    this.element.setAttribute("aria-label", "Photo and results");
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  render() {
    const { state, step } = this.app, { draft } = state;
    this.element.hidden = !draft;
    if (!draft) return;
    if (draft.id !== this.draft) this.restart(draft);
    const steps = [PHOTO, ...draft.steps];
    this.reconcile(steps, draft);
    const shown = step?.id ?? "", line = lineage(draft.steps, shown);
    steps.forEach(({ id }, k) => {
      const card = this.cards.get(id);
      card.element.classList.toggle("u-pale", !line.has(id));
      card.element.classList.toggle("u-follows", k > 0 && steps[k].base === steps[k - 1].id);
      if (id === shown) card.button.setAttribute("aria-current", "true");
      else card.button.removeAttribute("aria-current");
      card.button.tabIndex = id === shown ? 0 : -1;
    });
    const worked = this.app.busy && Boolean(state.job);
    const began = worked && this.job.element.hidden;
    this.job.render(worked ? state.job : null, state.phase);
    if (shown !== this.shown) this.reveal(this.cards.get(shown).element);
    if (began) this.reveal(this.job.element);
    this.shown = shown;
  }

  restart({ id, name, original }) {
    for (const card of this.cards.values()) card.element.remove();
    this.cards.clear();
    this.draft = id;
    this.shown = null;
    setText(this.title, name);
    this.title.title = name;
    setText(this.about, `${original.width} × ${original.height}`);
  }

  // Cards that stay are left alone, so that none loses the focus.
  reconcile(steps, draft) {
    const known = new Set(steps.map(({ id }) => id));
    for (const [id, card] of this.cards) {
      if (known.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    steps.forEach((step, k) => {
      if (!this.cards.has(step.id)) this.cards.set(step.id, this.card(step));
      const { element, thumb, small, said, button: pressed } = this.cards.get(step.id);
      setSource(thumb, step.id ? step.thumb : draft.original.thumb ?? draft.original.url);
      setText(small, step.id ? VERBS[step.verb] : "Photo");
      setText(said, step.id ? step.said : "as it was");
      const origin = k > 1 ? originOf(draft.steps, k - 1) : "";
      pressed.title = [step.id ? `${VERBS[step.verb]}: ${step.said}` : draft.name, origin].filter(Boolean).join(", ");
      const place = this.list.children[k];
      if (place !== element) this.list.insertBefore(element, place);
    });
  }

  card({ id }) {
    const thumb = image("u-thumb", ""), small = make("span", "u-strip-verb"), said = make("span", "u-strip-said");
    thumb.decoding = "async";
    const words = make("span", "u-strip-words", small, " ", said);
    const show = button("u-strip-card", () => this.app.show(id), thumb, words);
    show.dataset.step = id;
    return { element: make("li", "", show), button: show, thumb, small, said };
  }

  key(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...this.list.querySelectorAll(".u-strip-card")], now = all.indexOf(document.activeElement);
    if (now < 0) return;
    const next = all[Math.max(0, Math.min(all.length - 1, now + step))];
    next.focus({ preventScroll: true });
    this.reveal(next.parentElement);
    event.preventDefault();
    event.stopPropagation();
  }

  // Scrolls the list alone, never the page.
  reveal(element) {
    const list = this.list.getBoundingClientRect(), card = element.getBoundingClientRect();
    const far = Math.max(0, card.right + 12 - list.right) || Math.min(0, card.left - 12 - list.left);
    if (far) this.list.scrollBy({ left: far });
  }
}

// Where the next result comes to be: what the job does, and the picture as far as there is one.
function jobCard() {
  const picture = image("u-thumb", ""), spinner = make("span", "u-spinner");
  const stage = make("span", "u-strip-verb"), left = make("span", "u-strip-said");
  const look = make("span", "u-strip-look", picture, spinner);
  const element = make("li", "u-strip-job", look, make("span", "u-strip-words", stage, left));
  element.hidden = true;
  const render = (job, phase) => {
    element.hidden = !job;
    if (!job) return;
    const url = job.preview ?? job.look?.url ?? "", words = jobInWords(job, phase);
    setSource(picture, url);
    picture.hidden = !url;
    setText(stage, words.stage);
    setText(left, words.left);
  };
  return { element, render };
}
