// What a visitor does to one photo, as a chain of snapshots: undo and redo go along it, over everything alike. It knows
// nothing of the page, and can be written as JSON.

export const EMPTY = Object.freeze({
  step: "", // the result that is shown; "" is the photo itself
  selection: null, // as Selection.save() gives it
  keep: null, // the area that no change may touch, likewise
  source: "", // what is there
  prompt: "", // what it becomes
  scene: null, // id of the objects that are cut out
  moves: null, // theirs, from back to front
  layout: null, // where they were painted, as LayoutPaint.save() gives it
  candidate: 0, // which picture of the result
});

const MOST_STEPS = 100; // that can be undone
const MOST_CHARACTERS = 3_000_000; // of all of it as JSON; the oldest steps are left out first

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export class Draft {
  constructor(id = null, saved = null) {
    this.id = id;
    this.now = { ...EMPTY, ...read(saved?.now) };
    this.past = list(saved?.past);
    this.future = list(saved?.future);
    this.known = new Set(Array.isArray(saved?.known) ? saved.known.map(String) : []); // results that were shown once
    this.time = Number(saved?.time) || 0; // of the last change, milliseconds
    this.merge = null; // key of the last change
  }

  // A change, which undo takes back; those of the same key in a row are one. Whether anything changed.
  change(patch, merge = null) {
    const next = { ...this.now, ...patch };
    if (same(next, this.now)) return false;
    if (!merge || merge !== this.merge) this.past.push(this.now);
    this.past.splice(0, this.past.length - MOST_STEPS);
    this.future = [];
    this.merge = merge;
    this.set(next);
    return true;
  }

  // A change that undo does not stop at.
  amend(patch) {
    this.set({ ...this.now, ...patch });
  }

  set(next) {
    this.now = next;
    this.time = Date.now();
    if (next.step) this.known.add(next.step);
  }

  undo() {
    return this.travel(this.past, this.future);
  }

  redo() {
    return this.travel(this.future, this.past);
  }

  travel(from, to) {
    const next = from.pop();
    if (!next) return false;
    to.push(this.now);
    this.merge = null;
    this.set(next);
    return true;
  }

  toJSON() {
    const { id, now, known, time } = this;
    const past = [...this.past], future = [...this.future];
    const written = () => ({ id, now, past, future, known: [...known], time });
    while ((past.length || future.length) && JSON.stringify(written()).length > MOST_CHARACTERS)
      (past.length ? past : future).shift();
    return written();
  }
}

// The later of what the server and the browser have kept.
export const latest = (one, other) => ((Number(other?.time) || 0) > (Number(one?.time) || 0) ? other : one ?? other ?? null);

const list = (snapshots) => (Array.isArray(snapshots) ? snapshots.map((each) => ({ ...EMPTY, ...read(each) })) : []);

// Of something that may have been written by another version: what a snapshot has.
function read(given) {
  if (!given || typeof given !== "object") return {};
  return Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(EMPTY, name)));
}

// Addresses of what is shown: "#/draft-0001/edit-0003".

export const addressOf = (draft, step) => `#/${[draft, step].filter(Boolean).join("/")}`;

export function readAddress(hash) {
  const found = /^#\/(draft-\d{4,})(?:\/([a-z]+-\d{4,}))?$/.exec(hash);
  return found ? { draft: found[1], step: found[2] ?? "" } : { draft: null, step: "" };
}
