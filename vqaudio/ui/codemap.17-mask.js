// The selection as it is drawn: over the cells of a stage, and over the spectrograms, where it is seen in frequency.

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

function drawSelection(lane, context, width, height, colours) {
  if (mode !== "select" || !selection || !selection.count) return;
  const rate = clip.geometry.frameRate;
  const scale = width / (view[1] - view[0]);
  const x = (column) => (column / rate - view[0]) * scale;
  const grid = lane.stage ? selection : overSpectrogram();
  const [number, bands] = lane.stage ? [lane.stage.number, lane.stage.bands] : [0, grid.geometry.stages[0].bands];
  const high = height / bands;
  const stripes = hatch(context, colours.paper);
  if (!clip.preview) {
    for (const band of upTo(bands)) {
      for (const value of [DRAWN, FINER]) {
        for (const [first, last] of grid.runs(number, band, value)) {
          const [left, top, wide] = [x(first), height - (band + 1) * high, x(last + 1) - x(first)];
          if (left > width || left + wide < 0) continue;
          context.globalAlpha = value === FINER ? 0.1 : lane.stage ? 0.42 : 0.2;
          context.fillStyle = value === DRAWN ? colours.now : colours.paper;
          context.fillRect(left, top, wide, high);
          context.globalAlpha = 0.6;
          context.fillStyle = stripes;
          if (value === FINER && lane.stage) context.fillRect(left, top, wide, high);
        }
      }
    }
  }
  context.globalAlpha = 1;
  context.strokeStyle = colours.now;
  context.lineWidth = lane.stage ? 2 : 1.5;
  const seen = [Math.max(0, Math.floor(view[0] * rate)), Math.min(selection.columns, Math.ceil(view[1] * rate))];
  if (!clip.preview || !lane.stage) strokeContour(context, (column, y) => grid.at(number, bands - 1 - y, column), seen, bands, (column, y) => [x(column), y * high]);
}

// What is selected in any stage, on the grid of the stage with most bands.
function overSpectrogram() {
  const { stages, finest, columns } = clip.geometry;
  const all = new Selection({ columns, stages: [{ ...stages[finest], number: 0 }] });
  for (const value of [FINER, DRAWN]) {
    selection.drawn(value, ({ first, last, top, bands: [band] }) => {
      const heights = [stages[top].heights[band], stages[top].heights[band + 1]];
      all.each({ first, last, top: 0, bottom: 0, bands: null, heights }, (stage, over, column) => all.set(stage, over, column, value));
    });
  }
  return all;
}
