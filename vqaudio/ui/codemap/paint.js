// Drawing codes and time on a canvas. `frame` is where: {context, width, height, view}, in CSS pixels and seconds.

import { isLight, mix, viridis } from "../shared/colours.js";
import { offscreen } from "../shared/canvas.js";
import { idAt, surpriseAt } from "./clip.js";
import { cellAt } from "./geometry.js";

const GREY = [128, 128, 128];
const TIME_STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];

/** @typedef {{context: CanvasRenderingContext2D, width: number, height: number, view: [number, number]}} Frame */

/**
 * @param {import("./clip.js").Clip} clip
 * @param {import("./geometry.js").Stage} stage
 * @param {number} id a codeword; grey if it is not decided yet
 * @returns {import("../shared/colours.js").Colour}
 */
export function colourOf(clip, stage, id) {
  if (id >= stage.vocab) return GREY;
  return viridis(clip.colour_ranks[stage.number][id] / Math.max(1, stage.vocab - 1));
}

/** @returns {import("../shared/colours.js").Colour} of a cell: its codeword's, or how surprising it is */
function cellColour(clip, surprise, stage, cell) {
  const bits = surpriseAt(clip, surprise, cell);
  return bits === null ? colourOf(clip, stage, idAt(clip, cell)) : viridis(bits / surprise.top);
}

/** The same over the paper, unless the cell is undecided or shows its surprise: a colour scale must not be paled. */
function paleColour(clip, surprise, stage, cell, { strength, paper }) {
  const colour = cellColour(clip, surprise, stage, cell);
  const isExact = surpriseAt(clip, surprise, cell) !== null || idAt(clip, cell) >= stage.vocab;
  return isExact ? colour : mix(paper, colour, strength);
}

/**
 * @param {import("./clip.js").Clip} clip
 * @param {?object} surprise
 * @param {import("./geometry.js").Stage} stage
 * @param {{strength: number, paper: import("../shared/colours.js").Colour}} pale how strong the colours are
 * @returns {HTMLCanvasElement} one pixel a cell, low bands at the bottom
 */
export function stageImage(clip, surprise, stage, pale) {
  return offscreen(stage.width, stage.bands,
    (x, y) => paleColour(clip, surprise, stage, cellAt(stage, x, stage.bands - 1 - y), pale));
}

/**
 * Draw an image that spans `span` seconds, so that the view's seconds fill the frame.
 * @param {Frame} frame
 * @param {HTMLCanvasElement} image
 * @param {number} span
 * @param {boolean} smooth
 */
export function drawImage({ context, width, height, view }, image, span, smooth) {
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  const left = (view[0] / span) * image.width;
  const wide = ((view[1] - view[0]) / span) * image.width;
  context.drawImage(image, left, 0, wide, image.height, 0, 0, width, height);
}

/**
 * @param {Frame} frame
 * @param {number} secondsEach of a cell
 * @param {number} bands
 * @returns {{wide: number, high: number, left: function(number): number, top: function(number): number}} of cells, by x and band
 */
export function gridOf({ width, height, view }, secondsEach, bands) {
  const scale = width / (view[1] - view[0]);
  const high = height / bands;
  return {
    wide: secondsEach * scale, high,
    left: (x) => (x * secondsEach - view[0]) * scale,
    top: (band) => height - (band + 1) * high,
  };
}

/**
 * @param {import("./clip.js").Clip} clip
 * @param {import("./geometry.js").Stage} stage
 * @returns {number} seconds of one of its cells
 */
export function secondsOfCell({ geometry }, { steps }) {
  return 1 / (geometry.frameRate * steps);
}

/**
 * The first cell in view, and the last + 1.
 * @param {Frame} frame
 * @param {number} secondsEach
 * @param {number} n cells
 * @returns {[number, number]}
 */
export function cellsInView({ view }, secondsEach, n) {
  return [Math.max(0, Math.floor(view[0] / secondsEach)), Math.min(n, Math.ceil(view[1] / secondsEach))];
}

/** Gaps between the cells, and their codewords, where there is room for them. @param {Frame} frame @param {string} paper */
export function drawCells(frame, clip, surprise, stage, paper) {
  const { context, height } = frame;
  const each = secondsOfCell(clip, stage);
  const { wide, high, left, top } = gridOf(frame, each, stage.bands);
  if (wide < 5) return;
  context.font = `${Math.min(12, wide / 2.6)}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const [first, last] = cellsInView(frame, each, stage.width);
  for (let x = first; x < last; x++) {
    for (let band = 0; band < stage.bands; band++) {
      if (wide >= 22 && high >= 13) {
        const cell = cellAt(stage, x, band);
        const id = idAt(clip, cell);
        context.fillStyle = isLight(cellColour(clip, surprise, stage, cell)) ? "rgba(0,0,0,.8)" : "rgba(255,255,255,.88)";
        context.fillText(id < stage.vocab ? id : "?", left(x) + wide / 2, top(band) + high / 2 + 0.5);
      }
      context.fillStyle = paper;
      if (band && high >= 5) context.fillRect(left(x), top(band) + high - 0.5, wide, 1);
    }
    context.fillStyle = paper;
    context.fillRect(left(x) - 0.5, 0, 1, height);
  }
}

/** A frame around one cell. @param {Frame} frame @param {{stage: object, x: number, band: number}} place */
export function drawOutline(frame, clip, { stage, x, band }, colour, thick) {
  const { wide, high, left, top } = gridOf(frame, secondsOfCell(clip, stage), stage.bands);
  frame.context.strokeStyle = colour;
  frame.context.lineWidth = thick;
  frame.context.strokeRect(left(x) + thick / 2, top(band) + thick / 2, Math.max(2, wide - thick), high - thick);
}

/** Seconds under the lanes. @param {Frame} frame @param {string} ink */
export function drawAxis({ context, width, view }, ink) {
  const wanted = (view[1] - view[0]) / Math.max(2, width / 90);
  const step = TIME_STEPS_S.find((s) => s >= wanted) || 60;
  context.fillStyle = ink;
  context.font = '11px system-ui, "Segoe UI", sans-serif';
  context.textBaseline = "top";
  for (let i = Math.ceil(view[0] / step - 1e-6); i * step <= view[1] + 1e-6; i++) {
    const x = ((i * step - view[0]) / (view[1] - view[0])) * width;
    context.fillRect(Math.min(width - 1, x), 0, 1, 4);
    context.textAlign = x < 12 ? "left" : x > width - 24 ? "right" : "center";
    context.fillText(`${(i * step).toFixed(step < 0.1 ? 2 : step < 1 ? 1 : 0)}${i === 0 ? " s" : ""}`, x, 7);
  }
}
