// Marks over the photo that a tool shows: the box or the path that is drawn, points that were clicked, the brush's ring,
// the cursor of the keys, and a pulse where an answer is waited for. All are given in pixels of the photo.
import { make, setAttributes, svg } from "./dom.js";

const POINT = 9; // radius of a point's mark, in pixels of the screen
const CROSS = 11;

export class Marks {
  constructor(stage) {
    this.stage = stage;
    this.now = { box: null, path: null, points: [], ring: null, cursor: null, pulse: null };
    this.paths = ["v-line-under", "v-line"].map((name) => svg("path", { class: name }));
    this.points = svg("g", {});
    this.drawing = svg("svg", { class: "v-marks", "aria-hidden": "true" }, ...this.paths, this.points);
    [this.ring, this.cursor, this.pulse] = ["v-ring", "v-cursor", "v-pulse"].map((name) => make("div", name));
    stage.screen.append(this.drawing, this.pulse, this.ring, this.cursor);
    stage.onView(() => this.render());
    this.render();
  }

  // Some of: box, path: { points, closed }, points: [x, y, 1 | 0], ring: { at, diameter, erases }, cursor: point,
  // pulse: point.
  set(marks) {
    Object.assign(this.now, marks);
    this.render();
  }

  render() {
    const { now, stage } = this;
    const line = this.lineOf();
    for (const path of this.paths) path.setAttribute("d", line);
    this.renderPoints();
    this.put(this.pulse, now.pulse);
    this.put(this.cursor, now.cursor);
    this.put(this.ring, now.ring?.at);
    if (!now.ring) return;
    const side = Math.max(3, now.ring.diameter * stage.view.scale);
    this.ring.style.width = this.ring.style.height = `${side}px`;
    this.ring.style.margin = `${-side / 2}px`;
    this.ring.classList.toggle("v-erases", now.ring.erases);
  }

  put(node, point) {
    node.hidden = !point;
    if (!point) return;
    const [x, y] = this.stage.toScreen(point);
    node.style.translate = `${x}px ${y}px`; // no transform, before which the pulse would be scaled
  }

  lineOf() {
    const { box, path } = this.now, pairs = (points) => points.map((point) => this.stage.toScreen(point).map((value) => value.toFixed(1)).join(" "));
    if (box) return `M${pairs([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]).join("L")}Z`;
    if (path?.points.length) return `M${pairs(path.points).join("L")}${path.closed ? "Z" : ""}`;
    return "";
  }

  renderPoints() {
    const { points } = this.now;
    while (this.points.childElementCount > points.length) this.points.lastChild.remove();
    while (this.points.childElementCount < points.length)
      this.points.append(svg("g", {}, svg("circle", { r: POINT }), svg("path", {})));
    points.forEach(([x, y, positive], k) => {
      const node = this.points.children[k], [left, top] = this.stage.toScreen([x, y]);
      setAttributes(node, { transform: `translate(${left} ${top})`, class: positive ? "v-plus" : "v-minus" });
      const half = CROSS / 2;
      node.lastChild.setAttribute("d", positive ? `M${-half} 0H${half}M0 ${-half}V${half}` : `M${-half} 0H${half}`);
    });
  }
}
