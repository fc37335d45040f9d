// Objects that are clicked or boxed: the server outlines them, and further clicks mend the outline of the last one.

const LOOKING = "Looking for its outline…";
const LOST = "The outline did not arrive. Click again.";

export class Pointing {
  constructor(tools) {
    Object.assign(this, { tools, app: tools.app, selection: tools.selection, marks: tools.marks });
    this.asked = 0; // number of the latest question
    this.waiting = null; // the object that is asked for, until its answer comes
  }

  // The object that the next click mends: the one asked for, or the last one.
  get object() {
    return this.waiting ?? this.selection.object;
  }

  // A new object begins with a plain click. With add or take away, a click belongs to the last object, if there is one.
  click(point, how) {
    const { object } = this, mends = object && (how === "add" || how === "subtract");
    if (mends) return this.ask({ ...object, points: [...object.points, [...point, how === "add" ? 1 : 0]] }, point);
    return this.ask({ points: [[...point, 1]], box: null, how }, point);
  }

  box(box, how) {
    return this.ask({ points: [], box, how }, [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], box);
  }

  async ask(object, at, box = null) {
    const { app, marks, selection } = this, asked = (this.asked += 1);
    this.waiting = object;
    marks.set({ pulse: at, box });
    app.say(LOOKING);
    this.render();
    try {
      const answer = await app.ask("pointed", { points: object.points, box: object.box });
      if (asked !== this.asked) return;
      await selection.load(answer.url, object.how, object);
      if (asked !== this.asked) return;
      this.rest();
      this.tools.changed();
      app.say("");
      if (selection.isEmpty) app.say("Nothing is found there.");
    } catch (problem) {
      if (asked !== this.asked) return;
      this.rest();
      app.say(problem?.message || LOST, true);
    }
  }

  rest() {
    this.waiting = null;
    this.marks.set({ pulse: null, box: null });
    this.render();
  }

  // What is asked for is no longer wanted; whether there was anything.
  drop() {
    const { waiting } = this;
    this.asked += 1;
    if (waiting) {
      this.rest();
      this.app.say("");
    }
    return Boolean(waiting);
  }

  render() {
    this.marks.set({ points: this.tools.name === "select" ? (this.object?.points ?? []) : [] });
  }
}
