// Buttons and keys that act on the picked cut-out.
import { add, make, setAttributes } from "./dom.js";
import { iconButton } from "./icons.js";

const LARGER = 1.1, LARGER_BY_KEY = 1.05, TURN = 5; // degrees
const ON_PICKED = ["smaller", "larger", "left", "right", "flip", "back", "front", "gone", "mend"];
const WITHOUT_OBJECTS = new Set(["another", "add"]); // what can be done before there are any

export class Toolbar {
  constructor(canvas) {
    this.canvas = canvas;
    const { arrangement } = canvas;
    const picked = () => arrangement.picked;
    this.bar = make("div", "bar");
    setAttributes(this.bar, { role: "toolbar", "aria-label": "What to do with the object" });
    this.buttons = {};
    const put = (name, label, action) => (this.buttons[name] = iconButton(name, label, action));
    const groups = [
      [
        put("undo", "Undo (Ctrl+Z)", () => arrangement.undo()),
        put("redo", "Redo (Ctrl+Shift+Z)", () => arrangement.redo()),
      ],
      [
        put("smaller", "Smaller (-)", () => arrangement.scale(picked(), 1 / LARGER)),
        put("larger", "Larger (+)", () => arrangement.scale(picked(), LARGER)),
        put("left", "Turn left ([)", () => arrangement.turn(picked(), -TURN)),
        put("right", "Turn right (])", () => arrangement.turn(picked(), TURN)),
        put("flip", "Flip (f)", () => arrangement.flip(picked())),
      ],
      [
        put("back", "To back", () => arrangement.restack(picked(), -Infinity)),
        put("front", "To front", () => arrangement.restack(picked(), Infinity)),
        put("gone", "Remove (Delete)", () => canvas.toggle(picked())),
      ],
      [
        put("mend", "Mend its outline (o)", () => canvas.paint.mend(picked())),
        put("add", "New object: brush or outline it", () => canvas.paint.add()),
        put("layout", "Paint the layout", () => canvas.paint.layout()),
        put("forget", "Forget the painted layout", () => canvas.forgetPainted()),
      ],
      [
        put("another", "Another picture", () => canvas.chooser.click()),
        put("reset", "Put everything back", () => arrangement.reset()),
      ],
    ];
    groups.forEach((buttons, k) => {
      if (k) add(this.bar, "span", "gap");
      this.bar.append(...buttons);
    });
  }

  // Where there are no cut-outs, all that is left is another photo.
  disable() {
    for (const [name, node] of Object.entries(this.buttons)) node.disabled = !WITHOUT_OBJECTS.has(name);
    this.buttons.forget.hidden = true;
  }

  render() {
    const { moves, past, future, picked, pickedMove, isUnmoved } = this.canvas.arrangement, { buttons } = this;
    for (const name of ON_PICKED) buttons[name].disabled = !pickedMove;
    if (pickedMove) {
      buttons.back.disabled = moves[0].name === picked;
      buttons.front.disabled = moves.at(-1).name === picked;
    }
    buttons.undo.disabled = !past.length;
    buttons.redo.disabled = !future.length;
    buttons.reset.disabled = isUnmoved;
    for (const name of ["add", "layout", "forget", "another"]) buttons[name].disabled = false;
  }

  key(event) {
    if (this.canvas.paint.job || !this.canvas.scene?.objects.length) return;
    const command = event.ctrlKey || event.metaKey, action = command ? this.command(event) : this.action(event);
    if (!action) return;
    action();
    event.preventDefault();
    event.stopPropagation();
  }

  command(event) {
    const { arrangement } = this.canvas, key = event.key.toLowerCase();
    if (key === "z") return () => (event.shiftKey ? arrangement.redo() : arrangement.undo());
    return key === "y" ? () => arrangement.redo() : null;
  }

  action(event) {
    if (event.altKey) return null;
    const { canvas } = this, { arrangement } = canvas, { picked } = arrangement;
    const leave = () => {
      document.activeElement?.blur();
      canvas.pick(null);
    };
    if (event.key === "Escape") return leave;
    if (!picked) return null;
    const step = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => arrangement.shift(picked, -step, 0),
      ArrowRight: () => arrangement.shift(picked, step, 0),
      ArrowUp: () => arrangement.shift(picked, 0, -step),
      ArrowDown: () => arrangement.shift(picked, 0, step),
      Delete: () => canvas.toggle(picked),
      Backspace: () => canvas.toggle(picked),
      o: () => canvas.paint.mend(picked),
      F2: () => canvas.list.rename(picked),
      "+": () => arrangement.scale(picked, LARGER_BY_KEY),
      "=": () => arrangement.scale(picked, LARGER_BY_KEY),
      "-": () => arrangement.scale(picked, 1 / LARGER_BY_KEY),
      "[": () => arrangement.turn(picked, -1),
      "]": () => arrangement.turn(picked, 1),
      f: () => arrangement.flip(picked),
      F: () => arrangement.flip(picked),
    };
    return Object.hasOwn(actions, event.key) ? actions[event.key] : null;
  }
}
