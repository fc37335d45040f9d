// What is done with the picked object: buttons, the numbers of its move, and a sentence about it.
import { add, make, setAttributes, setText } from "./dom.js";
import { iconButton } from "./icons.js";
import { FIELDS, describeMove, typedMove } from "./studio_moves.js";

const LARGER = 1.1, TURN = 5; // by a button, degrees
const HELP = [
  ["w-mouse", "Drag an object to move it. Tab reaches each, the arrow keys move it."],
  ["w-finger", "Drag an object to move it; two fingers on it scale and turn it."],
];

export class ObjectBar {
  constructor(objects) {
    this.objects = objects;
    this.said = ""; // a sentence that stays until something is done
    this.buttons = {};
    this.tools = make("div", "o-buttons");
    setAttributes(this.tools, { role: "toolbar", "aria-label": "The picked object" });
    this.fill();
    this.fields = new Map();
    this.numbers = make("div", "o-numbers");
    setAttributes(this.numbers, { role: "group", "aria-label": "Numbers of the move" });
    for (const [field, { label }] of Object.entries(FIELDS)) this.numbers.append(this.field(field, label));
    this.keep = make("input");
    this.keep.type = "checkbox";
    this.keep.checked = true;
    add(this.numbers, "label", "o-keep", this.keep, "Keep shape");
    this.help = make("span", "o-help", ...HELP.map(([className, text]) => make("span", className, text)));
    this.sentence = make("span");
    this.live = make("p", "o-said", this.sentence, this.help);
    this.live.setAttribute("aria-live", "polite");
    this.element = make("div", "o-bar", this.tools, this.numbers, this.live);
    // Keys that press a button or write into a field are theirs.
    this.element.addEventListener("keydown", (event) => {
      if (event.target.tagName !== "INPUT" && event.key !== "Enter" && event.key !== " ") this.objects.key(event);
    });
  }

  fill() {
    const { objects } = this, picked = (action) => () => action(objects.picked);
    const put = (name, icon, label, action) => this.tools.append((this.buttons[name] = iconButton(icon, label, action)));
    const gap = () => add(this.tools, "span", "o-gap");
    put("smaller", "scaleDown", "Smaller (-)", picked((name) => objects.scale(name, 1 / LARGER)));
    put("larger", "scaleUp", "Larger (+)", picked((name) => objects.scale(name, LARGER)));
    put("left", "left", "Turn left (,)", picked((name) => objects.turn(name, -TURN)));
    put("right", "right", "Turn right (.)", picked((name) => objects.turn(name, TURN)));
    for (const name of ["smaller", "larger", "left", "right"]) this.buttons[name].classList.add("o-extra");
    put("flip", "flip", "Flip (F)", picked((name) => objects.flip(name)));
    gap();
    put("back", "backward", "Backward ([)", picked((name) => objects.restack(name, -1)));
    put("front", "forward", "Forward (])", picked((name) => objects.restack(name, 1)));
    gap();
    put("copy", "duplicate", "Duplicate (Ctrl+D)", picked((name) => objects.duplicate(name)));
    put("gone", "gone", "Remove (Delete)", picked((name) => objects.remove(name)));
    put("undone", "putBack", "Put back where it was", picked((name) => objects.reset(name)));
    gap();
    put("reset", "reset", "Put everything back", () => objects.reset());
    // On a narrow screen, what the handles and two fingers do as well is there on demand.
    this.more = iconButton("numbers", "Size, turn and numbers", () => this.fold(!this.isUnfolded));
    this.more.classList.add("o-more");
    this.more.setAttribute("aria-expanded", "false");
    this.tools.append(this.more);
  }

  fold(open) {
    this.isUnfolded = open;
    this.more.setAttribute("aria-expanded", String(open));
    this.element.classList.toggle("o-unfolded", open);
  }

  field(field, label) {
    const input = make("input", "o-number");
    setAttributes(input, { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false" });
    input.addEventListener("change", () => this.typed(field, input.value));
    input.addEventListener("keydown", (event) => this.key(event, field, input));
    this.fields.set(field, input);
    return make("label", "o-field", make("span", "", label), input);
  }

  // Arrows count up and down; Enter takes what is typed.
  key(event, field, input) {
    event.stopPropagation();
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Escape") input.value = this.shown(field);
    if (event.key === "Enter") this.typed(field, input.value);
    if (!by) return;
    event.preventDefault();
    this.typed(field, String((Number(input.value) || 0) + by * (event.shiftKey ? 10 : 1)));
  }

  typed(field, text) {
    const { objects } = this, move = objects.pickedMove;
    if (!move || !objects.picked) return;
    const values = typedMove(move, field, text, objects.centerOf(move.name), objects.size);
    if (values && this.keep.checked && ["wide", "high"].includes(field)) {
      const other = field === "wide" ? "high" : "wide", factor = values[field] / move[field];
      Object.assign(values, typedMove(move, other, String(100 * move[other] * factor)));
    }
    // What is shown already was not typed: it may be rounded.
    if (values && Number(text) !== FIELDS[field].of(move)) objects.change(move.name, values, `type ${field} ${move.name}`);
    this.fields.get(field).value = this.shown(field);
  }

  shown(field) {
    const move = this.objects.pickedMove;
    return move && this.objects.picked ? String(FIELDS[field].of(move)) : "";
  }

  // A sentence, until something else is picked or moved.
  say(text) {
    this.said = text;
    this.saidOf = this.objects.moves;
    this.render();
  }

  render() {
    const { moves, picked, pickedMove, scene, isUnmoved, drag, locked } = this.objects;
    this.element.hidden = !scene && !pickedMove;
    this.element.inert = locked;
    this.element.classList.toggle("o-off", locked);
    const move = picked ? pickedMove : null;
    for (const [name, node] of Object.entries(this.buttons)) if (name !== "reset") node.disabled = !move;
    if (move) {
      this.buttons.back.disabled = moves[0].name === picked;
      this.buttons.front.disabled = moves.at(-1).name === picked;
    }
    this.buttons.reset.disabled = isUnmoved;
    for (const [field, input] of this.fields) {
      input.disabled = !move;
      if (document.activeElement !== input || drag?.held) input.value = this.shown(field);
    }
    this.keep.disabled = !move;
    this.numbers.hidden = !move;
    if (pickedMove || this.saidOf !== moves) this.said = "";
    const sentence = move ? describeMove(move) : pickedMove ? "Cutting it out." : this.said;
    this.live.setAttribute("aria-live", drag?.held ? "off" : "polite");
    setText(this.sentence, sentence);
    this.help.hidden = Boolean(sentence);
  }
}
