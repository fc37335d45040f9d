// The objects beside the canvas, from front to back: picked, restacked, removed and brought back.
import { button, image, make, setSource, setText } from "./dom.js";
import { iconButton } from "./icons.js";

export class ObjectList {
  constructor(objects) {
    this.objects = objects;
    this.rows = new Map(); // name -> { row, name, up, down, gone, back, thumb }
    this.list = make("ol", "o-rows");
    this.element = make("div", "o-list", make("h2", "o-title", "Objects, front to back"), this.list);
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  // The keys of the canvas act on the row that is reached.
  key(event) {
    const name = event.target.closest("li")?.dataset.name;
    if (!name || event.key === "Enter" || event.key === " ") return;
    if (name === this.objects.picked) this.objects.key(event);
  }

  render() {
    const { scene, moves } = this.objects;
    this.element.hidden = !scene?.objects.length;
    if (!scene) return;
    const names = new Set(moves.map((move) => move.name)), order = [...moves].reverse();
    for (const [name, { row }] of this.rows)
      if (!names.has(name)) {
        row.remove();
        this.rows.delete(name);
      }
    order.forEach((move, k) => this.show(move, { first: k === 0, last: k === order.length - 1 }));
    this.sort(order.map((move) => this.rowOf(move.name).row));
  }

  // A row that has the focus stays where it is in the page while the others go around it, so that it keeps it.
  sort(wanted) {
    const focused = wanted.find((row) => row.contains(document.activeElement));
    if (wanted.every((row, k) => row === this.list.children[k])) return;
    const place = wanted.indexOf(focused);
    wanted.forEach((row, k) => {
      if (row === focused) return;
      if (focused && k < place) focused.before(row);
      else this.list.append(row);
    });
  }

  rowOf(name) {
    if (!this.rows.has(name)) this.rows.set(name, this.make(name));
    return this.rows.get(name);
  }

  make(name) {
    const { objects } = this, row = make("li", "o-row"), thumb = image("o-thumb", ""), label = make("span", "", name);
    row.dataset.name = name;
    const act = () => (objects.moveOf(name).gone ? objects.bringBack(name) : objects.pick(name, { focus: false }));
    const parts = {
      row, thumb,
      name: button("o-name", act, thumb, label),
      up: iconButton("up", `${name}: forward`, () => objects.restack(name, 1)),
      down: iconButton("down", `${name}: backward`, () => objects.restack(name, -1)),
      gone: iconButton("gone", `${name}: remove`, () => this.swap(name, () => objects.remove(name))),
      back: iconButton("comeBack", `${name}: bring back`, () => this.swap(name, () => objects.bringBack(name))),
    };
    row.append(parts.name, make("div", "o-keys", parts.up, parts.down, parts.gone, parts.back));
    return parts;
  }

  // The focus stays in the row, though another button takes the pressed one's place.
  swap(name, action) {
    action();
    const parts = this.rows.get(name);
    if (parts) (this.objects.moveOf(name).gone ? parts.back : parts.gone).focus();
    else this.list.querySelector(".o-name")?.focus();
  }

  show(move, { first, last }) {
    const parts = this.rowOf(move.name), picked = move.name === this.objects.picked;
    setSource(parts.thumb, this.objects.objectOf(move.name).picture);
    setText(parts.name.lastChild, move.name);
    parts.name.setAttribute("aria-pressed", String(picked));
    parts.row.classList.toggle("o-picked", picked);
    parts.row.classList.toggle("o-gone", move.gone);
    parts.up.disabled = first;
    parts.down.disabled = last;
    parts.gone.hidden = move.gone;
    parts.back.hidden = !move.gone;
  }
}
