// The outline of the picked cut-out, with handles that scale and turn it.
import { add, make } from "./dom.js";
import { outlineOf } from "./geometry.js";

// Places in percent of the outline's sides.
const HANDLES = {
  nw: [0, 0], ne: [100, 0], se: [100, 100], sw: [0, 100], n: [50, 0], e: [100, 50], s: [50, 100], w: [0, 50],
};
const CURSORS = { nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize", n: "ns-resize", s: "ns-resize" };
const TITLES = { n: "Higher or lower", s: "Higher or lower", e: "Wider or narrower", w: "Wider or narrower" };
const NO_ROOM = -8; // pixels of the screen above which the handle that turns finds no room
const TIGHT = 64; // pixels of a side below which its handle would lie on those of the corners

export class Outline {
  constructor() {
    this.element = make("div", "ring");
    this.element.style.zIndex = 1000;
    this.element.hidden = true;
    this.stem = add(this.element, "b");
    this.turn = add(this.element, "i", "turn");
    this.turn.style.left = "50%";
    this.turn.dataset.handle = "turn";
    this.turn.title = "Turn; Shift snaps to 15°";
    this.sides = [];
    for (const [name, [x, y]] of Object.entries(HANDLES)) {
      const side = name.length === 1, node = add(this.element, "i", side ? "side" : "");
      node.style.left = `${x}%`;
      node.style.top = `${y}%`;
      node.style.cursor = CURSORS[name] ?? "ew-resize";
      node.dataset.handle = name;
      node.title = TITLES[name] ?? "Scale; with Shift freely";
      if (side) this.sides.push(node);
    }
  }

  // Around a moved box of the photo; hidden where there is no move.
  render(move, box, scale) {
    this.element.hidden = !move;
    if (!move) return;
    const { width, height, center, top } = outlineOf(move, box, scale);
    Object.assign(this.element.style, {
      width: `${width}px`,
      height: `${height}px`,
      transform: `translate(${center[0] - width / 2}px, ${center[1] - height / 2}px) rotate(${move.turn}deg)`,
    });
    // Above the object; below it where there is no room above.
    const below = top < NO_ROOM;
    this.turn.style.top = below ? `${height + 30}px` : "-30px";
    this.stem.style.top = below ? `${height}px` : "-24px";
    this.stem.style.height = "24px";
    for (const node of this.sides)
      node.classList.toggle("tight", ("ns".includes(node.dataset.handle) ? width : height) < TIGHT);
  }
}
