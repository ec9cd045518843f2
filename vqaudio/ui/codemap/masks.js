// Ready-made selections.

import { parseStages } from "../shared/stages.js";
import { range } from "../shared/text.js";
import { coarsestLevel } from "./geometry.js";
import { DRAWN, Selection } from "./selection.js";

const ONSET_DB = 6;
const QUIETEST_ONSET_DB = -35; // below the loudest column

/** Whole columns, of a stage and the finer ones. */
function columnsFrom(geometry, columns, top = 0) {
  const selection = new Selection(geometry);
  const bottom = geometry.stages.length - 1;
  for (const column of columns) selection.add({ first: column, last: column, top, bottom, bands: null }, false);
  return selection;
}

/**
 * @param {import("./geometry.js").Geometry} geometry
 * @param {number} [top] stage
 * @returns {Selection} every cell of that stage and the finer ones
 */
export function wholeClip(geometry, top = 0) {
  return columnsFrom(geometry, range(geometry.columns), top);
}

/**
 * @param {import("./geometry.js").Geometry} geometry
 * @param {number} seconds
 * @returns {Selection} every cell from there on
 */
export function fromSecond(geometry, seconds) {
  return columnsFrom(geometry, range(geometry.columns).slice(Math.floor(seconds * geometry.frameRate)));
}

/**
 * @param {import("./geometry.js").Geometry} geometry
 * @param {number} n
 * @returns {Selection} every nth column
 */
export function everyNth(geometry, n) {
  return columnsFrom(geometry, range(geometry.columns).filter((column) => column % n === n - 1));
}

/**
 * @param {import("./geometry.js").Geometry} geometry
 * @param {number} share of the cells, 0 to 1
 * @param {function(): number} [random] in [0, 1)
 * @returns {Selection}
 */
export function randomShare(geometry, share, random = Math.random) {
  const selection = new Selection(geometry);
  selection.cells.forEach((_, i) => { if (random() < share) selection.cells[i] = DRAWN; });
  return selection;
}

/**
 * @param {import("./geometry.js").Geometry} geometry
 * @param {number[]} onsets columns
 * @returns {Selection} each of them and the column after it
 */
export function aroundOnsets(geometry, onsets) {
  return columnsFrom(geometry, onsets.flatMap((column) => [column, column + 1]).filter((column) => column < geometry.columns));
}

/**
 * Columns in which the sound suddenly grows: by 6 dB over the louder of the two columns before.
 * @param {Float32Array} samples
 * @param {number} rate in Hz
 * @param {import("./geometry.js").Geometry} geometry
 * @returns {number[]}
 */
export function onsetColumns(samples, rate, geometry) {
  const size = rate / geometry.frameRate;
  const level = range(geometry.columns).map((column) => {
    const part = samples.subarray(Math.floor(column * size), Math.floor((column + 1) * size));
    return part.length ? 10 * Math.log10(part.reduce((sum, x) => sum + x * x, 0) / part.length + 1e-10) : -100;
  });
  const loudest = Math.max(...level);
  const before = (column) => Math.max(level[column - 1] ?? -100, level[column - 2] ?? -100);
  const isOnset = (column) => level[column] > loudest + QUIETEST_ONSET_DB && level[column] > before(column) + ONSET_DB;
  return range(geometry.columns).filter(isOnset);
}

/**
 * The finer stages in and under a selection, or of the whole clip if nothing is selected: all but the coarsest level.
 * @param {Selection} selection
 * @returns {Selection}
 */
export function finerStages(selection) {
  const { geometry } = selection;
  const top = coarsestLevel(geometry);
  const next = new Selection(geometry);
  const everything = { first: 0, last: geometry.columns - 1, top: 0, bottom: geometry.stages.length - 1, bands: null };
  if (!selection.count) next.add({ ...everything, top }, false);
  else selection.eachRun(undefined, (part) => next.add(part, true));
  next.remove({ ...everything, bottom: top - 1 }, false);
  return next;
}

/**
 * Seconds and stages as people write them.
 * @param {import("./geometry.js").Geometry} geometry
 * @param {number} start in seconds
 * @param {number} end in seconds
 * @param {string} text of the stages, such as "2-"; empty: all
 * @returns {import("./selection.js").Block[]|string} or a sentence that says what is wrong
 */
export function blocksOf(geometry, start, end, text) {
  const seconds = geometry.columns / geometry.frameRate;
  const n = geometry.stages.length;
  const stages = parseStages(String(text).trim() || "1-", n);
  if (!stages) return `Write stages as a number, a range such as 2-, or a list such as 1,3; there are stages 1 to ${n}.`;
  if (!(start >= 0 && start < end && end <= seconds + 0.0051)) {
    return `A selection starts before it ends and lies inside the clip, 0 to ${seconds.toFixed(2)} s.`;
  }
  const last = Math.min(geometry.columns, Math.ceil(end * geometry.frameRate - 1e-6)) - 1;
  const first = Math.min(last, Math.floor(start * geometry.frameRate + 1e-6));
  return stages.map((stage) => ({ first, last, top: stage, bottom: stage, bands: null }));
}
