// A map of labels as a PNG in a palette of colours, or of levels as one in grey. It is written here, byte for byte: browsers that hide what tells
// them apart change the pixels that a canvas gives back.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const BLACK_AND_WHITE = [[0, 0, 0], [255, 255, 255]];
const GREY = 0, PALETTE = 3; // kinds of pixels

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let k = 0; k < 8; k += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRCS[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function chunk(name, body) {
  const bytes = new Uint8Array(12 + body.length), view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(body, 8);
  view.setUint32(8 + body.length, crc(bytes.subarray(4, 8 + body.length)));
  return bytes;
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// `colours`: [red, green, blue] of each label, from 0. A mask is white where it is marked. `clear`: whether label 0 is
// transparent, too.
export async function labelsToPng({ width, height, labels }, colours = BLACK_AND_WHITE, { clear = false } = {}) {
  const chunks = [chunk("PLTE", Uint8Array.from(colours.flat()))];
  if (clear) chunks.push(chunk("tRNS", Uint8Array.of(0)));
  return written({ width, height }, labels, PALETTE, chunks);
}

// Levels of grey, from 0 (black) to 255 (white), one for each pixel.
export const levelsToPng = (size, levels) => written(size, levels, GREY);

// `kind`: what the bytes of the pixels mean.
async function written({ width, height }, pixels, kind, chunks = []) {
  const head = new Uint8Array(13), view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, kind], 8); // eight bits for each pixel
  const rows = new Uint8Array((width + 1) * height); // each after the number of its filter, none
  for (let y = 0; y < height; y += 1) rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const parts = [Uint8Array.from(SIGNATURE), chunk("IHDR", head), ...chunks];
  parts.push(chunk("IDAT", await deflated(rows)), chunk("IEND", new Uint8Array(0)));
  return new Blob(parts, { type: "image/png" });
}

// The labels of pixels in RGBA: of each, the label of the nearest colour.
export function labelsOfPixels(pixels, colours) {
  const labels = new Uint8Array(pixels.length / 4), known = new Map();
  for (let k = 0; k < labels.length; k += 1) {
    const red = pixels[4 * k], green = pixels[4 * k + 1], blue = pixels[4 * k + 2];
    const packed = (red << 16) | (green << 8) | blue;
    let label = known.get(packed);
    if (label === undefined) {
      const away = colours.map(([r, g, b]) => Math.max(Math.abs(r - red), Math.abs(g - green), Math.abs(b - blue)));
      label = away.indexOf(Math.min(...away));
      known.set(packed, label);
    }
    labels[k] = label;
  }
  return labels;
}
