// Moving an edge of a selection.

import { range } from "../shared/text.js";
import { DRAWN, Selection } from "./selection.js";

/**
 * A selection whose edge is moved: cells past it are dropped, and new room is filled as the row or column at the edge is.
 * @param {Selection} selection
 * @param {"left"|"right"|"top"|"bottom"} edge
 * @param {number} to the column or stage that is the first or last inside
 * @returns {Selection}
 */
export function moveEdge(selection, edge, to) {
  const bounds = selection.bounds();
  if (!bounds) return selection;
  const isTime = edge === "left" || edge === "right";
  return isTime ? moveInTime(selection, bounds, edge === "left", to) : moveStages(selection, bounds, edge === "top", to);
}

function moveInTime(selection, { first, last }, isLeft, wanted) {
  const { geometry, columns } = selection;
  const to = isLeft ? Math.max(0, Math.min(last, wanted)) : Math.min(columns - 1, Math.max(first, wanted));
  const [start, end] = isLeft ? [to, last] : [first, to];
  const inside = (column) => Math.max(first, Math.min(last, column));
  const next = new Selection(geometry);
  for (const { number, bands } of geometry.stages) {
    for (const band of range(bands)) {
      for (let column = start; column <= end; column++) {
        next.set(number, band, column, selection.at(number, band, inside(column)));
      }
    }
  }
  return next;
}

function moveStages(selection, { first, last, top, bottom }, isTop, wanted) {
  const { geometry } = selection;
  const n = geometry.stages.length;
  const to = isTop ? Math.max(0, Math.min(bottom, wanted)) : Math.min(n - 1, Math.max(top, wanted));
  const [from, until] = isTop ? [to, bottom] : [top, to];
  const edge = isTop ? top : bottom;
  const next = new Selection(geometry);
  for (let stage = from; stage <= until; stage++) {
    const isNew = stage < top || stage > bottom;
    for (const band of range(geometry.stages[stage].bands)) {
      for (let column = first; column <= last; column++) {
        const hasColumn = () => range(geometry.stages[edge].bands).some((each) => selection.at(edge, each, column));
        const value = isNew ? (hasColumn() ? DRAWN : 0) : selection.at(stage, band, column);
        next.set(stage, band, column, value);
      }
    }
  }
  return next;
}
