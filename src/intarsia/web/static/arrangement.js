// The moves of a scene's objects, from back to front, and how they came about: what undo and redo need.
import { centerOf, restack, scaleMove, shiftMove, wrapDegrees } from "./geometry.js";
import { copyMoves, describeMove, sameMoves } from "./studio_moves.js";

export { copyMoves, describeMove, sameMoves };
const unmoved = (name) => ({ name, x: 0, y: 0, wide: 1, high: 1, turn: 0, flip: false, gone: false });

export class Arrangement {
  // `onChange` is called after each change that a visitor made.
  constructor(onChange) {
    this.onChange = onChange;
    this.open(null, []);
  }

  open(scene, moves) {
    this.scene = scene;
    this.moves = copyMoves(moves);
    this.picked = null; // name of the object that buttons and keys act on
    this.past = [];
    this.future = [];
    this.beforeDrag = null; // the moves as they were when a drag began
  }

  moveOf(name) {
    return this.moves.find((move) => move.name === name);
  }

  objectOf(name) {
    return this.scene.objects.find((object) => object.name === name);
  }

  centerOf(name) {
    return centerOf(this.objectOf(name).box);
  }

  // The move of the picked object, if it is there.
  get pickedMove() {
    const move = this.picked && this.moveOf(this.picked);
    return move && !move.gone ? move : null;
  }

  get unmoved() {
    return this.scene.objects.map((object) => unmoved(object.name));
  }

  get isUnmoved() {
    return sameMoves(this.moves, this.unmoved);
  }

  // Every change of a visitor goes through here: it is kept for undo, and told if it changed anything.
  commit(next) {
    const changed = !sameMoves(next, this.moves);
    if (changed) {
      this.past.push(copyMoves(this.beforeDrag ?? this.moves));
      this.future = [];
      this.moves = next;
    }
    this.onChange(changed);
  }

  // Moves that came from the server; a visitor may take them back.
  replace(moves) {
    this.past.push(copyMoves(this.moves));
    this.future = [];
    this.moves = copyMoves(moves);
    this.unpickGone();
  }

  undo() {
    this.travel(this.past, this.future);
  }

  redo() {
    this.travel(this.future, this.past);
  }

  travel(from, to) {
    if (!from.length) return;
    to.push(copyMoves(this.moves));
    this.moves = from.pop();
    this.unpickGone();
    this.onChange(true);
  }

  unpickGone() {
    if (this.picked && this.moveOf(this.picked)?.gone) this.picked = null;
  }

  // While something is dragged, its move changes in place; the end of the drag is one change.

  beginDrag() {
    this.beforeDrag = copyMoves(this.moves);
  }

  drag(name, values) {
    Object.assign(this.moveOf(name), values);
  }

  endDrag(keep) {
    const next = copyMoves(this.moves);
    this.moves = this.beforeDrag;
    this.beforeDrag = null;
    if (keep) this.commit(next);
  }

  // Changes

  change(name, values) {
    this.commit(this.moves.map((move) => (move.name === name ? { ...move, ...values } : { ...move })));
  }

  shift(name, dx, dy) {
    this.change(name, shiftMove(this.moveOf(name), dx, dy, this.centerOf(name), this.scene));
  }

  scale(name, factor) {
    if (name) this.change(name, scaleMove(this.moveOf(name), factor));
  }

  turn(name, degrees) {
    if (name) this.change(name, { turn: wrapDegrees(this.moveOf(name).turn + degrees) });
  }

  // Left becomes right as it is seen, so a turn goes the other way round.
  flip(name) {
    if (name) this.change(name, { flip: !this.moveOf(name).flip, turn: -this.moveOf(name).turn });
  }

  restack(name, by) {
    if (name) this.commit(restack(this.moves, name, by));
  }

  reset() {
    this.commit(this.unmoved);
  }
}
