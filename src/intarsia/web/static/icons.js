// The icons of the canvas's buttons: paths of a stroke in a square of 24.
import { button, svg } from "./dom.js";

const PATHS = {
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  flip: "M12 3v18M8 7l-5 10h5zM16 7l5 10h-5z",
  scaleDown: "M20 4l-7 7M13 5v6h6M4 20l7-7M11 19v-6H5",
  scaleUp: "M13 11l7-7M14 4h6v6M11 13l-7 7M10 20H4v-6",
  duplicate: "M9 9h11v11H9zM15 9V4H4v11h5M14.500 12v5M12 14.500h5",
  forward: "M8 8h12v12H8zM8 14H4V4h10v4",
  backward: "M4 4h12v12H4zM16 10h4v10H10v-4",
  comeBack: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  putBack: "M3 12a9 9 0 1 0 3-6.700L3 8M3 3v5h5",
  numbers: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  load: "M4 16v4h16v-4M12 15V4M7 9l5-5 5 5",
  front: "M4 4h10v10H4zM18 10v10H10",
  back: "M10 10h10v10H10zM4 14V4h10",
  smaller: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM8 11h6M16.5 16.5 21 21",
  larger: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM8 11h6M11 8v6M16.5 16.5 21 21",
  left: "M4 4v6h6M4.6 10a8 8 0 1 1-.6 5",
  right: "M20 4v6h-6M19.4 10a8 8 0 1 0 .6 5",
  gone: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  reset: "M3 12a9 9 0 1 0 3-6.7L3 8M3 3v5h5M12 8v4l3 2",
  seen: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  hidden:
    "M3 3l18 18M6 6.5C3.500 8.500 2 12 2 12s4 7 10 7c2 0 3.700-.7 5-1.600M10 5.200C16.500 4 22 12 22 12s-.8 1.600-2.400 3.200",
  download: "M12 4v11M7 10l5 5 5-5M5 20h14",
  compare: "M4 5h16v14H4zM12 3v18M8 10l-2 2 2 2M16 10l2 2-2 2",
  up: "m6 15 6-6 6 6",
  down: "m6 9 6 6 6-6",
  brush: "M20 4c-4 1-9 6-11 10l1 1c4-2 9-7 10-11zM9 14c-3 0-4 2-4 4 0 1-1 2-2 2 3 1 8 0 8-4z",
  select: "M5 3l13 8-6 1.500L9 18zM17 16v5M14.500 18.500h5",
  marquee: "M4 7V4h3M10 4h4M17 4h3v3M20 10v4M20 17v3h-3M14 20h-4M7 20H4v-3M4 14v-4",
  lasso: "M12 4c5 0 9 2.500 9 6s-4 6-9 6-9-2.500-9-6 4-6 9-6zM6 14.500c-2 1-2 3.500 0 3.500s2-2 1-3M6.500 18c.5 1.500 0 2.500-1 3",
  hand: "M7 12V6a1.500 1.500 0 0 1 3 0v5M10 11V4.500a1.500 1.500 0 0 1 3 0V11M13 11V5.500a1.500 1.500 0 0 1 3 0V12M16 9a1.500 1.500 0 0 1 3 0v5c0 4-2 7-6 7-3 0-4.500-1-6-4l-2.500-4.500c-.8-1.500 1-2.700 2.200-1.500L8 13",
  pixels: "M4 4h16v16H4zM12 4v16M4 12h16",
  eraser: "m4 15 9-10 7 6-8 9H8zM9 9.500l7 6.500M8 20h12",
  add: "M12 4v16M4 12h16",
  layout: "M4 4h16v16H4zM4 13l6-3 4 3 6-4M10 10V4M14 13v7",
  grow: "M15 3h6v6M21 3l-7 7M9 21H3v-6M3 21l7-7",
  shrink: "M20 10h-6V4M14 10l7-7M4 14h6v6M10 14l-7 7",
  invert: "M12 3a9 9 0 1 0 .1 0M12 3v18M12 7h7M12 11h9M12 15h8M12 19h5",
  clear: "M5 5l14 14M19 5 5 19",
  whole: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  wand: "M4 20 15 9M13 7l4 4M18 3v4M16 5h4M20 12v3M18.500 13.500h3M8 3v3M6.500 4.500h3",
  again: "M20 4v6h-6M4 20v-6h6M19.500 10a8 8 0 0 0-14-3M4.500 14a8 8 0 0 0 14 3",
  move: "M12 3v18M3 12h18M12 3 9 6M12 3l3 3M12 21l-3-3M12 21l3-3M3 12l3-3M3 12l3 3M21 12l-3-3M21 12l-3 3",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 6.800-1.200",
  done: "m5 13 4.500 4.500L19 8",
  photo: "M4 5h16v14H4zM4 15l4-4 4 4 3-3 5 5M15 9.500a1 1 0 1 0 .1 0",
};

export const icon = (name) => svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));

// A label may end in its key: "Undo (Ctrl+Z)".
export function iconButton(name, label, action) {
  const node = button("", action, icon(name));
  node.title = label;
  node.setAttribute("aria-label", label.replace(/ \(.*\)$/, ""));
  return node;
}
