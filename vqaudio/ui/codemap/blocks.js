// Copying a block of cells, and pasting it elsewhere or into another clip of the same codec.

import { range } from "../shared/text.js";

/**
 * @typedef {object} Copied
 * @property {string} spec of the codes that it was copied from
 * @property {[number, number, number][]} cells row, column from the left end, codeword
 */

/**
 * @param {import("./clip.js").Clip} clip
 * @param {import("./selection.js").Selection} selection
 * @returns {?Copied} null if nothing is selected
 */
export function copyCells(clip, selection) {
  const bounds = selection.bounds();
  if (!bounds) return null;
  const { stages, columns } = clip.geometry;
  const cells = [];
  for (const part of selection.blocks()) {
    selection.each(part, (stage, band, column) => {
      for (const step of range(stages[stage].steps)) {
        const row = stages[stage].row + band * stages[stage].steps + step;
        cells.push([row, column - bounds.first, clip.ids[row * columns + column]]);
      }
    });
  }
  return { spec: JSON.stringify(clip.spec), cells };
}

/**
 * @param {Copied} copied
 * @param {import("./clip.js").Clip} clip
 * @param {number} left the column of its left end
 * @returns {{cells: [number, number, number][], cut: number}} row, column, codeword; how many are past the end
 */
export function pasteCells(copied, clip, left) {
  const inside = copied.cells.filter(([, column]) => left + column < clip.geometry.columns);
  return { cells: inside.map(([row, column, id]) => [row, left + column, id]), cut: copied.cells.length - inside.length };
}

/**
 * @param {Copied} copied
 * @param {import("./clip.js").Clip} clip
 * @returns {boolean} whether the clip's codes have the same shape
 */
export function fits(copied, clip) {
  return copied.spec === JSON.stringify(clip.spec);
}
