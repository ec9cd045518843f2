// Which cells are selected. A cell here is one column of one band of a stage: 0, DRAWN by the person, or FINER, selected
// because a coarser stage of its column is.

import { range } from "../shared/text.js";
import { bandsAt } from "./geometry.js";

export const DRAWN = 1;
export const FINER = 2;

/**
 * @typedef {object} Block ends inside
 * @property {number} first column
 * @property {number} last column
 * @property {number} top stage
 * @property {number} bottom stage
 * @property {?[number, number]} bands low and high; null: all
 * @property {?[number, number]} [heights] or those that touch these heights of the frequency axis
 */

export class Selection {
  /** @param {import("./geometry.js").Geometry} geometry */
  constructor(geometry) {
    this.geometry = geometry;
    this.columns = geometry.columns;
    let line = 0;
    this.lines = geometry.stages.map((stage) => {
      const first = line;
      line += stage.bands;
      return first;
    });
    this.cells = new Uint8Array(line * this.columns);
  }

  /** @returns {Selection} */
  copy() {
    const other = new Selection(this.geometry);
    other.cells.set(this.cells);
    return other;
  }

  /** @returns {number} 0, DRAWN or FINER */
  at(stage, band, column) {
    return this.cells[(this.lines[stage] + band) * this.columns + column];
  }

  set(stage, band, column, value) {
    this.cells[(this.lines[stage] + band) * this.columns + column] = value;
  }

  /** @param {Block} block @param {function(number, number, number): void} visit stage, band, column */
  each(block, visit) {
    const [first, last] = [Math.max(0, block.first), Math.min(this.columns - 1, block.last)];
    for (let stage = block.top; stage <= block.bottom; stage++) {
      const most = this.geometry.stages[stage].bands - 1;
      const bands = block.heights ? bandsAt(this.geometry.stages[stage], block.heights) : block.bands || [0, most];
      if (!bands) continue;
      for (let band = bands[0]; band <= Math.min(bands[1], most); band++) {
        for (let column = first; column <= last; column++) visit(stage, band, column);
      }
    }
  }

  /** The same columns and frequencies in the finer stages. @param {Block} block @returns {Block} */
  under(block) {
    const { heights } = this.geometry.stages[block.top];
    const span = block.heights || (block.bands && [heights[block.bands[0]], heights[block.bands[1] + 1]]);
    return { ...block, top: block.top + 1, bottom: this.geometry.stages.length - 1, bands: null, heights: span };
  }

  /** @param {Block} block @param {boolean} finer the finer stages too */
  add(block, finer) {
    this.each(block, (stage, band, column) => this.set(stage, band, column, DRAWN));
    if (finer) this.addFiner(block);
  }

  addFiner(block) {
    this.each(this.under(block), (stage, band, column) => this.at(stage, band, column) || this.set(stage, band, column, FINER));
  }

  /** @param {Block} block @param {boolean} finer the finer stages too */
  remove(block, finer) {
    const clear = (stage, band, column) => this.set(stage, band, column, 0);
    this.each(block, clear);
    if (finer) this.each(this.under(block), clear);
  }

  /** Select the finer stages too, or only what was drawn. @param {boolean} finer */
  setFiner(finer) {
    this.cells.forEach((value, i) => { if (value === FINER) this.cells[i] = 0; });
    if (finer) this.eachRun(DRAWN, (part) => this.addFiner(part));
  }

  /** Every run of cells of one value, or of any, as a block of one band. */
  eachRun(value, visit) {
    for (const { number: stage, bands } of this.geometry.stages) {
      for (const band of range(bands)) {
        for (const [first, last] of this.runs(stage, band, value)) {
          visit({ first, last, top: stage, bottom: stage, bands: [band, band] });
        }
      }
    }
  }

  /** @returns {number} how many cells of the matrix of ids are selected */
  get count() {
    return this.geometry.stages.reduce((sum, { number, bands, steps }) => {
      const lines = this.cells.subarray(this.lines[number] * this.columns, (this.lines[number] + bands) * this.columns);
      return sum + steps * lines.reduce((n, value) => n + (value ? 1 : 0), 0);
    }, 0);
  }

  /** @returns {number[]} the stages in which anything is selected */
  get stages() {
    const selected = ({ number, bands }) => range(bands).some((band) => this.runs(number, band).length);
    return this.geometry.stages.filter(selected).map((stage) => stage.number);
  }

  /** @returns {[number, number][]} first and last columns of each run in one band; with `value`, of that value only */
  runs(stage, band, value) {
    const found = [];
    for (let column = 0; column < this.columns; column++) {
      const cell = this.at(stage, band, column);
      if (value ? cell !== value : !cell) continue;
      const last = found[found.length - 1];
      if (last && last[1] === column - 1) last[1] = column;
      else found.push([column, column]);
    }
    return found;
  }

  /** @returns {?Block} the smallest block around all that is selected */
  bounds() {
    const blocks = this.blocks();
    if (!blocks.length) return null;
    const all = (key) => blocks.map((block) => block[key]);
    return {
      first: Math.min(...all("first")), last: Math.max(...all("last")), bands: null,
      top: Math.min(...all("top")), bottom: Math.max(...all("bottom")),
    };
  }

  /** Blocks that do not overlap: runs in time, joined over neighbouring stages where those are the same. @returns {Block[]} */
  blocks() {
    let open = new Map(); // runs that reach down to the stage above, by their columns
    const done = [];
    for (const { number: stage, bands } of this.geometry.stages) {
      const lines = range(bands).map((band) => this.runs(stage, band));
      const same = lines.every((line) => JSON.stringify(line) === JSON.stringify(lines[0]));
      const reaching = new Map();
      for (const [[first, last], only] of same ? lines[0].map((run) => [run, null]) : joinBands(lines)) {
        const key = `${first}-${last}`;
        const block = (!only && open.get(key)) || { first, last, top: stage, bottom: stage, bands: only };
        if (block.top === stage) done.push(block);
        block.bottom = stage;
        if (!only) reaching.set(key, block);
      }
      open = reaching;
    }
    return done;
  }

  /** As the server takes it: seconds, and stages and bands from 1. */
  rectangles() {
    const seconds = (columns) => Number((columns / this.geometry.frameRate).toFixed(6));
    return this.blocks().map((block) => ({
      start_s: seconds(block.first), end_s: seconds(block.last + 1), stages: `${block.top + 1}-${block.bottom + 1}`,
      bands: block.bands && `${block.bands[0] + 1}-${block.bands[1] + 1}`,
    }));
  }
}

/** Runs of each band -> [run, [low, high]], neighbouring bands with the same run together. */
function joinBands(lines) {
  const done = [];
  let open = new Map();
  lines.forEach((line, band) => {
    const reaching = new Map();
    for (const run of line) {
      const part = open.get(`${run}`) || [run, [band, band]];
      if (!open.has(`${run}`)) done.push(part);
      part[1][1] = band;
      reaching.set(`${run}`, part);
    }
    open = reaching;
  });
  return done;
}
