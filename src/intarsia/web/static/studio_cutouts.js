// The pictures of a scene's objects over the photo, in its pixels. Only transforms change while one is dragged. Where
// an object was, a patch of the scene's bare ground lies; what has not changed is left to the photo itself.
import { image, make } from "./dom.js";
import { cutoutTransform } from "./geometry.js";
import { pixelsOf } from "./studio_ghost.js";
import { liftedNames, sourceOf } from "./studio_moves.js";

export class Cutouts {
  constructor(world) {
    this.world = world;
    this.close();
  }

  close() {
    this.sheet?.remove();
    this.scene = this.sheet = null;
    this.nodes = new Map(); // name of a move -> its element
    this.patches = new Map(); // name of an object -> the ground where it was
    this.pixels = new Map(); // name of an object -> ImageData of its picture
  }

  objectOf(move) {
    return this.scene.objects.find((object) => object.name === sourceOf(move));
  }

  // Another scene. What was seen stays until all of its pictures are there; resolves to whether they are shown.
  async open(scene) {
    const former = this.sheet;
    Object.assign(this, { scene, nodes: new Map(), patches: new Map(), pixels: new Map() });
    this.sheet = make("div", "o-sheet o-waiting");
    setSize(this.sheet, scene.width, scene.height);
    const ground = drawn("", scene.ground), pictures = scene.objects.map((object) => drawn("", object.picture));
    for (const object of scene.objects) this.patch(object);
    this.world.append(this.sheet);
    const sheet = this.sheet;
    const loads = await Promise.allSettled([ground, ...pictures].map((picture) => picture.decode()));
    if (this.sheet !== sheet) {
      sheet.remove();
      return false;
    }
    scene.objects.forEach(({ name }, k) => {
      if (loads[k + 1].status === "fulfilled") this.pixels.set(name, pixelsOf(pictures[k]));
    });
    sheet.classList.remove("o-waiting");
    former?.remove();
    return true;
  }

  patch({ name, around }) {
    const [x0, y0, x1, y1] = [...around.slice(0, 2).map(Math.floor), ...around.slice(2).map(Math.ceil)];
    const ground = drawn("", this.scene.ground), node = make("div", "o-patch", ground);
    setSize(node, x1 - x0, y1 - y0);
    Object.assign(node.style, { left: `${x0}px`, top: `${y0}px` });
    setSize(ground, this.scene.width, this.scene.height);
    Object.assign(ground.style, { left: `${-x0}px`, top: `${-y0}px` });
    this.patches.set(name, node);
    this.sheet.append(node);
  }

  nodeOf(move) {
    let node = this.nodes.get(move.name);
    if (!node) {
      const { around, picture } = this.objectOf(move);
      node = drawn("o-cut", picture);
      setSize(node, around[2] - around[0], around[3] - around[1]);
      this.nodes.set(move.name, node);
      this.sheet.append(node);
    }
    return node;
  }

  // Everything where it is. `held`: name of what is dragged.
  render(moves, held = null) {
    if (!this.scene) return;
    const lifted = liftedNames(moves, (move) => this.objectOf(move), held);
    const shown = new Set(moves.map((move) => move.name));
    for (const [name, node] of this.nodes)
      if (!shown.has(name)) {
        node.remove();
        this.nodes.delete(name);
      }
    for (const [name, node] of this.patches) node.classList.toggle("o-on", lifted.has(name));
    moves.forEach((move, place) => {
      const node = this.nodeOf(move), { box, around } = this.objectOf(move);
      node.style.zIndex = place + 1;
      node.classList.toggle("o-on", lifted.has(move.name) && !move.gone);
      node.classList.toggle("o-held", move.name === held);
      node.style.transform = cutoutTransform(move, box, around, 1);
    });
  }
}

// Not seen before all of it is there.
function drawn(className, url) {
  const node = image(className, "");
  node.decoding = "sync";
  node.src = url;
  return node;
}

function setSize(node, width, height) {
  node.style.width = `${width}px`;
  node.style.height = `${height}px`;
}
