// What is drawn over the cells: the selection, the cell in focus, and which cells have changed.

import { strokeContour } from "../shared/canvas.js";
import { range } from "../shared/text.js";
import { cellAt, placeOf } from "./geometry.js";
import { cellsInView, drawOutline, gridOf, secondsOfCell } from "./paint.js";
import { DRAWN, FINER, Selection } from "./selection.js";

/**
 * The selected cells of a stage, or on a spectrogram the frequencies that are selected in any stage.
 * @param {import("./paint.js").Frame} frame
 * @param {import("./state.js").State} state
 * @param {?import("./geometry.js").Stage} stage null: on a spectrogram
 * @param {{now: string, paper: string}} colours
 */
export function drawSelection(frame, { clip, selection }, stage, colours) {
  if (!selection.count) return;
  const shown = stage ? selection : overSpectrogram(selection);
  const [number, bands] = stage ? [stage.number, stage.bands] : [0, shown.geometry.stages[0].bands];
  const each = 1 / clip.geometry.frameRate;
  const { high, left } = gridOf(frame, each, bands);
  if (!clip.preview) {
    for (const band of range(bands)) {
      for (const value of [DRAWN, FINER]) {
        fillRuns(frame, shown.runs(number, band, value), { each, bands, band, value, stage }, colours);
      }
    }
  } else if (stage) return;
  const { context } = frame;
  context.globalAlpha = 1;
  context.strokeStyle = colours.now;
  context.lineWidth = stage ? 2 : 1.5;
  const inside = (column, y) => shown.at(number, bands - 1 - y, column);
  const beyond = (column, isBelow) => Boolean(stage) && hasColumn(selection, stage.number + (isBelow ? 1 : -1), column);
  const columns = cellsInView(frame, each, selection.columns);
  strokeContour(context, inside, columns, bands, (column, y) => [left(column), y * high], beyond);
}

/** Whether anything of a column is selected in a stage: there the outlines of neighbouring lanes join. */
function hasColumn(selection, stage, column) {
  const found = selection.geometry.stages[stage];
  return Boolean(found) && range(found.bands).some((band) => selection.at(stage, band, column));
}

function fillRuns(frame, runs, { each, bands, band, value, stage }, colours) {
  const { context, width } = frame;
  const { high, left, top } = gridOf(frame, each, bands);
  const stripes = value === FINER && stage ? hatch(context, colours.paper) : null;
  for (const [first, last] of runs) {
    const [start, end] = [left(first), left(last + 1)];
    if (start > width || end < 0) continue;
    context.globalAlpha = value === FINER ? 0.1 : stage ? 0.42 : 0.2;
    context.fillStyle = value === DRAWN ? colours.now : colours.paper;
    context.fillRect(start, top(band), end - start, high);
    if (!stripes) continue;
    context.globalAlpha = 0.6;
    context.fillStyle = stripes;
    context.fillRect(start, top(band), end - start, high);
  }
}

function hatch(context, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 1.2;
  pen.beginPath();
  for (const x of [-8, 0, 8]) {
    pen.moveTo(x, 8);
    pen.lineTo(x + 8, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

/**
 * What is selected in any stage, on the bands of the stage that has most.
 * @param {Selection} selection
 * @returns {Selection} of one stage
 */
export function overSpectrogram(selection) {
  const { stages, finest, columns } = selection.geometry;
  const all = new Selection({ columns, stages: [{ ...stages[finest], number: 0 }] });
  for (const value of [FINER, DRAWN]) {
    selection.eachRun(value, ({ first, last, top, bands: [band] }) => {
      const heights = [stages[top].heights[band], stages[top].heights[band + 1]];
      const block = { first, last, top: 0, bottom: 0, bands: null, heights };
      all.each(block, (stage, over, column) => all.set(stage, over, column, value));
    });
  }
  return all;
}

/**
 * Frames around the cell in focus and the one in the inspector.
 * @param {import("./paint.js").Frame} frame
 * @param {import("./state.js").State} state
 * @param {import("./geometry.js").Stage} stage
 * @param {{now: string, paper: string, ink: string}} colours
 */
export function drawMarks(frame, { clip, focus, picked }, stage, colours) {
  for (const [cell, thick, colour] of [[focus, 2, colours.ink], [picked, 3, colours.now]]) {
    const place = cell && placeOf(clip.geometry, cell);
    if (!place || place.stage !== stage) continue;
    drawOutline(frame, clip, place, colours.paper, thick + 1.5);
    drawOutline(frame, clip, place, colour, thick);
  }
}

/**
 * A contour around the cells that differ: of a variation from the clip, else of the clip from how it was opened.
 * @param {import("./paint.js").Frame} frame
 * @param {import("./state.js").State} state
 * @param {import("./geometry.js").Stage} stage
 * @param {string} colour
 */
export function drawChanges(frame, { clip, preview, gallery }, stage, colour) {
  const isResult = clip.preview && preview && preview.step < 0 && !gallery.isNew;
  if (clip.preview ? !isResult : !clip.edits) return;
  const [now, before] = clip.preview ? [clip.preview, clip.ids] : [clip.ids, clip.firstIds];
  const each = secondsOfCell(clip, stage);
  const { high, left } = gridOf(frame, each, stage.bands);
  const differs = (x, y) => {
    const { row, column } = cellAt(stage, x, stage.bands - 1 - y);
    const at = row * clip.geometry.columns + column;
    return now[at] !== before[at];
  };
  frame.context.strokeStyle = colour;
  frame.context.lineWidth = 2;
  strokeContour(frame.context, differs, cellsInView(frame, each, stage.width), stage.bands, (x, y) => [left(x), y * high]);
}
