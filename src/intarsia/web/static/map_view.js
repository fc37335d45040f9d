// What part of a photo is seen, and how its labels look there. A view is { scale, x, y }: pixels of the screen for one
// of the photo, and where the photo's corner lies. It knows nothing of the page.
import { clamp } from "./geometry.js";

const MOST_ZOOM = 12, LEAST_PIXEL = 8; // pixels of the screen that one of a photo may always become

export const toPhoto = ({ scale, x, y }, [sx, sy]) => [(sx - x) / scale, (sy - y) / scale];
export const toScreen = ({ scale, x, y }, [px, py]) => [px * scale + x, py * scale + y];

// All of the photo, in the middle of a frame.
export function fitView(photo, frame) {
  const scale = Math.min(frame.width / photo.width, frame.height / photo.height);
  return { scale, x: (frame.width - photo.width * scale) / 2, y: (frame.height - photo.height * scale) / 2 };
}

export const isFit = (view, photo, frame) => view.scale <= fitView(photo, frame).scale * 1.001;

// No larger and no smaller than makes sense, and nothing beside the photo that need not be. A frame may have a `least`
// scale, which is allowed where it shows even more than all of the photo.
export function heldView(view, photo, frame) {
  const whole = fitView(photo, frame).scale, least = Math.min(whole, frame.least ?? Infinity);
  const scale = clamp(view.scale, least, Math.max(MOST_ZOOM * whole, LEAST_PIXEL));
  const held = (start, side, room) => (side <= room ? (room - side) / 2 : clamp(start, room - side, 0));
  return {
    scale,
    x: held(view.x, photo.width * scale, frame.width),
    y: held(view.y, photo.height * scale, frame.height),
  };
}

// What lies under a point of the screen stays there.
export function zoomView(view, [x, y], factor, photo, frame) {
  const { scale } = heldView({ ...view, scale: view.scale * factor }, photo, frame), by = scale / view.scale;
  return heldView({ scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by }, photo, frame);
}

export const panView = (view, dx, dy, photo, frame) =>
  heldView({ ...view, x: view.x + dx, y: view.y + dy }, photo, frame);

// Two fingers that were at two points of the screen are at others.
export function pinchView(view, [a, b], [c, d], photo, frame) {
  const length = (one, other) => Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));
  const middle = (one, other) => [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
  const from = middle(a, b), to = middle(c, d);
  const zoomed = zoomView(view, from, length(c, d) / length(a, b), photo, frame);
  return panView(zoomed, to[0] - from[0], to[1] - from[1], photo, frame);
}

// The box of the screen that shows a box of the photo.
export function boxToScreen(view, [x0, y0, x1, y1]) {
  const [left, top] = toScreen(view, [x0, y0]), [right, bottom] = toScreen(view, [x1, y1]);
  return [left, top, right, bottom];
}

// A colour as a canvas keeps it in 32 bits, lowest byte first, on all machines that browsers run on.
export const packColour = ([red, green, blue], alpha) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// Paint labels as they are seen: each in its tint, with a line along the inside of its edge.
//   pixels: Uint32Array of a box of the screen, row by row.
//   view: as above, but in pixels of the map instead of the photo's.
//   tints, lines: packed colours by label; label 0 stays clear.
//   line: its width, in pixels of the screen.
export function renderLabels(pixels, box, map, view, { tints, lines, line = 1 }) {
  const [x0, y0, x1, y1] = box, wide = x1 - x0, { width, height, labels } = map;
  // The column of the map at each column of the screen, with room for neighbours on both sides; -1 beside the map.
  const placesOf = (from, count, start, side) => {
    const places = new Int32Array(count + 2 * line);
    for (let k = 0; k < places.length; k += 1) {
      const place = Math.floor((from - line + k + 0.5 - start) / view.scale);
      places[k] = place >= 0 && place < side ? place : -1;
    }
    return places;
  };
  const columns = placesOf(x0, wide, view.x, width), rows = placesOf(y0, y1 - y0, view.y, height);
  for (let y = 0; y < y1 - y0; y += 1) {
    const row = rows[y + line];
    const above = rows[y] < 0 ? row : rows[y], below = rows[y + 2 * line] < 0 ? row : rows[y + 2 * line];
    for (let x = 0, out = y * wide; x < wide; x += 1, out += 1) {
      const column = columns[x + line];
      const label = row < 0 || column < 0 ? 0 : labels[row * width + column];
      if (!label) {
        pixels[out] = 0;
        continue;
      }
      const left = columns[x], right = columns[x + 2 * line];
      const inside =
        labels[above * width + column] === label &&
        labels[below * width + column] === label &&
        (left < 0 || labels[row * width + left] === label) &&
        (right < 0 || labels[row * width + right] === label);
      pixels[out] = inside ? tints[label] : lines[label];
    }
  }
}
