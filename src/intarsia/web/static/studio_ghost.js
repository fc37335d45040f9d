// A cut-out that is made in the browser from the photo and the selection, to be dragged while the server makes a
// better one. The place that it came from is hatched.
import { make } from "./dom.js";
import { boundsOf, clipBox, decodeRuns, emptyMap, mapSize, padBox, wholeBox } from "./label_map.js";

const MOST_PIXELS = 2_000_000; // of the cut-out: what a screen shows
const HATCH = 7; // pixels of the screen between two lines

export const GHOST = Symbol("ghost"); // its name among the objects

// The map that a selection holds.
function mapOf(selection) {
  if (selection.map) return { map: selection.map, feather: selection.feather ?? 0 };
  const saved = selection.runs ? selection : selection.save();
  if (!saved) return { map: null, feather: 0 };
  const map = emptyMap(saved);
  decodeRuns(map, wholeBox(map), saved.runs);
  return { map, feather: saved.feather ?? 0 };
}

// { box, around, cut, hatch, ready }: both canvases cover `around`, a box of the photo; `ready` once they are drawn.
//   picture: an image of the photo that is drawn already, or null to load it from the photo's URL.
//   scale: pixels of the screen for one of the photo, those of the device.
// null where nothing is selected.
export function makeGhost(selection, photo, picture, scale) {
  const { map, feather } = mapOf(selection), bounds = map && boundsOf(map);
  if (!bounds) return null;
  const share = mapSize(photo).share, onPhoto = bounds.map((edge) => edge / share);
  const around = clipBox(padBox(onPhoto, 2 + feather), photo);
  const [width, height] = [around[2] - around[0], around[3] - around[1]];
  const fine = Math.min(1, scale, Math.sqrt(MOST_PIXELS / (width * height)));
  const cut = make("canvas", "o-ghost"), hatch = make("canvas", "o-hatch");
  for (const canvas of [cut, hatch]) {
    canvas.width = Math.max(1, Math.round(width * fine));
    canvas.height = Math.max(1, Math.round(height * fine));
  }
  const shape = shapeOf(map, around.map((edge) => edge * share), cut, feather * fine);
  drawHatch(hatch, shape, fine / scale);
  const ready = drawCut(cut, shape, photo, picture, around);
  return { box: onPhoto, around, cut, hatch, ready };
}

// What is selected in a box of the map, as a canvas whose alpha says how much of it is.
function shapeOf(map, [x0, y0, x1, y1], { width, height }, blur) {
  const canvas = make("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), part = context.createImageData(width, height);
  const pixels = new Uint32Array(part.data.buffer);
  const columns = Int32Array.from({ length: width }, (_, x) =>
    Math.min(map.width - 1, Math.floor(x0 + ((x + 0.5) * (x1 - x0)) / width)));
  for (let y = 0; y < height; y += 1) {
    const row = Math.min(map.height - 1, Math.floor(y0 + ((y + 0.5) * (y1 - y0)) / height)) * map.width;
    for (let x = 0; x < width; x += 1) if (map.labels[row + columns[x]]) pixels[y * width + x] = 0xff000000;
  }
  context.putImageData(part, 0, 0);
  return softened(canvas, Math.max(0.7, blur / 2));
}

function softened(canvas, blur) {
  const soft = make("canvas");
  Object.assign(soft, { width: canvas.width, height: canvas.height });
  const context = soft.getContext("2d");
  if ("filter" in context) context.filter = `blur(${blur}px)`;
  context.drawImage(canvas, 0, 0);
  return soft;
}

async function drawCut(cut, shape, photo, picture, [x0, y0, x1, y1]) {
  const source = picture?.complete && picture.naturalWidth ? picture : await decoded(photo.url);
  // A proxy may stand for the photo.
  const wide = source.naturalWidth / photo.width, high = source.naturalHeight / photo.height;
  const context = cut.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(
    source, x0 * wide, y0 * high, (x1 - x0) * wide, (y1 - y0) * high, 0, 0, cut.width, cut.height,
  );
  context.globalCompositeOperation = "destination-in";
  context.drawImage(shape, 0, 0);
  return context.getImageData(0, 0, cut.width, cut.height);
}

async function decoded(url) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}

// Lines of black and white over a shade. `unit`: pixels of the canvas for one of the screen.
function drawHatch(canvas, shape, unit) {
  const context = canvas.getContext("2d"), step = HATCH * unit * 2, { width, height } = canvas;
  context.fillStyle = "rgb(0 0 0 / 45%)";
  context.fillRect(0, 0, width, height);
  context.lineWidth = Math.max(1, 1.5 * unit);
  context.strokeStyle = "rgb(255 255 255 / 55%)";
  context.beginPath();
  for (let x = -height; x < width; x += step) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.globalCompositeOperation = "destination-in";
  context.drawImage(shape, 0, 0);
}

// The pixels of a cut-out, which say what of it is hit.
export function pixelsOf(picture) {
  const canvas = make("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
