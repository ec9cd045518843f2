// Pictures on canvases.

import { viridis } from "./colours.js";
import { range } from "./text.js";
import { bytesOf } from "./wire.js";

/** @typedef {{data: string, height: number, width: number}} Picture base64 of shades 0 to 255, row 0 = 0 Hz */

/**
 * @param {number} width
 * @param {number} height
 * @param {function(number, number): number[]} colourAt x, y -> [red, green, blue]
 * @returns {HTMLCanvasElement} one pixel a point
 */
export function offscreen(width, height, colourAt) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [red, green, blue] = colourAt(x, y);
      image.data.set([red, green, blue, 255], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Fit a canvas to a size on the page, and clear it.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width in CSS pixels
 * @param {number} height in CSS pixels
 * @returns {{context: CanvasRenderingContext2D, width: number, height: number}} a context that draws in CSS pixels
 */
export function surfaceOf(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/**
 * A spectrogram with the low tones at the bottom, in the colours of the codes. Between two rows the shade is interpolated.
 * @param {Picture} picture
 * @param {function(number): number} [share] place on the frequency axis, 0 to 1 -> share of the highest frequency
 * @returns {HTMLCanvasElement}
 */
export function spectrogramImage(picture, share = (height) => height) {
  const { width, height } = picture;
  const shades = bytesOf(picture.data);
  const table = Array.from({ length: 256 }, (_, i) => viridis(Math.pow(i / 255, 1.1)));
  const rows = range(height).map((y) => share(1 - y / (height - 1)) * (height - 1));
  return offscreen(width, height, (x, y) => {
    const low = Math.min(height - 1, Math.floor(rows[y] + 1e-9));
    const [a, b] = [shades[low * width + x], shades[Math.min(height - 1, low + 1) * width + x]];
    return table[Math.round(a + Math.max(0, rows[y] - low) * (b - a))];
  });
}

/**
 * Stroke the edges between the cells for which `inside` holds and all others.
 * @param {CanvasRenderingContext2D} context
 * @param {function(number, number): boolean} inside column, row
 * @param {[number, number]} columns first, and last + 1
 * @param {number} rows
 * @param {function(number, number): [number, number]} corner column, row -> the cell's upper left corner on the canvas
 * @param {function(number, boolean): boolean} [beyond] column, whether below -> whether the contour goes on past the canvas
 */
export function strokeContour(context, inside, [first, last], rows, corner, beyond = () => false) {
  const isRow = (y) => y >= 0 && y < rows;
  const is = (x, y) => x >= first && x < last && (isRow(y) ? inside(x, y) : beyond(x, y >= rows));
  const scale = context.getTransform().a;
  const [width, height] = [context.canvas.width / scale, context.canvas.height / scale];
  const margin = context.lineWidth / 2;
  const clamp = ([x, y]) => [Math.max(margin, Math.min(width - margin, x)), Math.max(margin, Math.min(height - margin, y))];
  const line = (from, to) => {
    context.moveTo(...clamp(from));
    context.lineTo(...clamp(to));
  };
  context.lineCap = "square";
  context.beginPath();
  for (let y = 0; y < rows; y++) {
    for (let x = first; x < last; x++) {
      if (!is(x, y)) continue;
      if (!is(x, y - 1)) line(corner(x, y), corner(x + 1, y));
      if (!is(x, y + 1)) line(corner(x, y + 1), corner(x + 1, y + 1));
      if (!is(x - 1, y)) line(corner(x, y), corner(x, y + 1));
      if (!is(x + 1, y)) line(corner(x + 1, y), corner(x + 1, y + 1));
    }
  }
  context.stroke();
}
