// Where a cell is: in the matrix of ids, in time and in frequency.

import { range } from "../shared/text.js";

/**
 * @typedef {object} Stage
 * @property {number} number from 0
 * @property {number} row its first row in the matrix of ids
 * @property {number} bands
 * @property {number} steps cells per column and band
 * @property {number} vocab
 * @property {number[]} edges_hz of its bands
 * @property {number[]} heights the same edges on the frequency axis
 * @property {number} width cells in a row of a band
 * @property {number} rate in bit/s
 *
 * @typedef {object} Geometry
 * @property {Stage[]} stages
 * @property {number} columns
 * @property {number} frameRate columns per second
 * @property {number} rows of the matrix of ids
 * @property {Scale} scale
 * @property {number} finest the stage with most bands
 *
 * @typedef {object} Scale a frequency axis
 * @property {number[]} edges in Hz
 * @property {function(number): number} height Hz -> 0 (bottom) to 1
 * @property {function(number): number} hz the inverse
 *
 * @typedef {{row: number, column: number}} Cell in the matrix of ids
 */

/**
 * Row `band * steps + step` of a stage holds its sub-column `step` of that band, as in vqaudio.codes.
 * @param {{frame_rate: number, stages: object[]}} spec as the server sends it
 * @param {number} columns
 * @returns {Geometry}
 */
export function geometryOf(spec, columns) {
  let row = 0;
  const finest = spec.stages.reduce((most, stage) => (stage.bands > most.bands ? stage : most));
  const scale = scaleOf(finest.edges_hz);
  const stages = spec.stages.map((stage, number) => {
    const rate = stage.bands * stage.steps * stage.bits * spec.frame_rate;
    const placed = { ...stage, number, row, heights: stage.edges_hz.map(scale.height), width: columns * stage.steps, rate };
    row += stage.bands * stage.steps;
    return placed;
  });
  return { stages, columns, frameRate: spec.frame_rate, rows: row, scale, finest: spec.stages.indexOf(finest) };
}

/**
 * The frequency axis on which these bands are equally high. With one band it is linear.
 * @param {number[]} edges in Hz
 * @returns {Scale}
 */
export function scaleOf(edges) {
  const n = edges.length - 1;
  const between = (x, from, to) => {
    const i = Math.min(n - 1, Math.max(0, from.findLastIndex((edge) => edge <= x)));
    const share = Math.min(1, Math.max(0, (x - from[i]) / (from[i + 1] - from[i])));
    return to[i] + share * (to[i + 1] - to[i]);
  };
  const heights = edges.map((_, i) => i / n);
  return { edges, height: (hz) => between(hz, edges, heights), hz: (height) => between(height, heights, edges) };
}

/**
 * @param {Geometry} geometry
 * @returns {boolean} whether any stage has more than one band
 */
export function hasBands(geometry) {
  return geometry.scale.edges.length > 2;
}

/**
 * @param {Stage} stage
 * @param {[number, number]} heights bottom and top
 * @returns {?[number, number]} the first and last band that touch them
 */
export function bandsAt(stage, [bottom, top]) {
  const touches = (band) => stage.heights[band] < top - 1e-6 && stage.heights[band + 1] > bottom + 1e-6;
  const touched = range(stage.bands).filter(touches);
  return touched.length ? [touched[0], touched[touched.length - 1]] : null;
}

/**
 * @param {Stage} stage
 * @param {number} x sub-column
 * @param {number} band
 * @returns {Cell}
 */
export function cellAt(stage, x, band) {
  return { row: stage.row + band * stage.steps + (x % stage.steps), column: Math.floor(x / stage.steps) };
}

/**
 * The inverse of cellAt.
 * @param {Geometry} geometry
 * @param {Cell} cell
 * @returns {{stage: Stage, x: number, band: number}}
 */
export function placeOf(geometry, { row, column }) {
  const stage = stageOfRow(geometry, row);
  const inside = row - stage.row;
  return { stage, x: column * stage.steps + (inside % stage.steps), band: Math.floor(inside / stage.steps) };
}

/**
 * @param {Geometry} geometry
 * @param {number} row
 * @returns {Stage}
 */
export function stageOfRow(geometry, row) {
  return geometry.stages.findLast((stage) => stage.row <= row);
}

/**
 * How many stages at the beginning share the first one's bands and steps; 1 if all do.
 * @param {Geometry} geometry
 * @returns {number}
 */
export function coarsestLevel({ stages }) {
  const other = stages.findIndex((stage) => stage.bands !== stages[0].bands || stage.steps !== stages[0].steps);
  return other < 0 ? 1 : other;
}

/**
 * The cell beside another one; between stages the time is kept.
 * @param {Geometry} geometry
 * @param {Cell} cell
 * @param {string} key ArrowLeft, ArrowRight, ArrowUp, ArrowDown, Home or End
 * @returns {Cell} the same one at an edge
 */
export function neighbour(geometry, cell, key) {
  const { stage, x, band } = placeOf(geometry, cell);
  if (key === "Home") return cellAt(stage, 0, band);
  if (key === "End") return cellAt(stage, stage.width - 1, band);
  if (key === "ArrowLeft") return cellAt(stage, Math.max(0, x - 1), band);
  if (key === "ArrowRight") return cellAt(stage, Math.min(stage.width - 1, x + 1), band);
  const up = key === "ArrowUp" ? 1 : -1;
  if (band + up >= 0 && band + up < stage.bands) return cellAt(stage, x, band + up);
  const next = geometry.stages[stage.number - up];
  if (!next) return cell;
  return cellAt(next, Math.floor((x / stage.steps) * next.steps), up > 0 ? 0 : next.bands - 1);
}
