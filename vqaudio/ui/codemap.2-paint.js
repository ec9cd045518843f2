// Pictures: spectrograms in the page's ink, codewords in viridis, whose lightness rises all the way, so that it reads the
// same with any colour vision.

const VIRIDIS = [
  [68, 1, 84], [72, 26, 108], [71, 47, 125], [65, 68, 135], [57, 86, 140], [49, 104, 142], [42, 120, 142], [35, 136, 142],
  [31, 152, 139], [34, 168, 132], [53, 183, 121], [84, 197, 104], [122, 209, 81], [165, 219, 54], [210, 226, 27], [253, 231, 37],
];

// share in [0, 1] -> [r, g, b]
function viridis(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (VIRIDIS.length - 1);
  const i = Math.floor(at);
  return VIRIDIS[i].map((low, k) => low + (at - i) * (VIRIDIS[i + 1][k] - low));
}

function colourOf(clip, stage, id) {
  if (id >= stage.vocab) return [128, 128, 128]; // not decided yet
  return viridis(clip.colour_ranks[stage.number][id] / Math.max(1, stage.vocab - 1));
}

function mix(low, high, share) {
  return low.map((x, k) => x + share * (high[k] - x));
}

// A CSS colour -> [r, g, b]
function rgb(colour) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

function offscreen(width, height, paint) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [r, g, b] = paint(x, y);
      image.data.set([r, g, b, 255], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// What a cell is painted with: its codeword, or how surprising it is.
function paintOf(clip, stage, row, column) {
  const bits = surpriseAt(row, column);
  return bits === null ? colourOf(clip, stage, idAt(clip, row, column)) : viridis(bits / surprise.top);
}

// A picture {data, height, width}, row 0 = 0 Hz -> a canvas with the low tones at the bottom. `share`: where on the frequency
// axis -> which share of the highest frequency is there. Between two rows the shade is between theirs.
function spectrogramImage(picture, paper, ink, share = (height) => height) {
  const { width, height } = picture;
  const shades = bytesOf(picture.data);
  const table = Array.from({ length: 256 }, (_, i) => mix(paper, ink, Math.pow(i / 255, 1.25)));
  const rows = upTo(height).map((y) => share(1 - y / (height - 1)) * (height - 1));
  return offscreen(width, height, (x, y) => {
    const low = Math.min(height - 1, Math.floor(rows[y] + 1e-9));
    const [a, b] = [shades[low * width + x], shades[Math.min(height - 1, low + 1) * width + x]];
    return table[Math.round(a + Math.max(0, rows[y] - low) * (b - a))];
  });
}

// The indices of a stage -> one pixel a cell, low bands at the bottom.
function stageImage(clip, stage) {
  return offscreen(stage.width, stage.bands, (x, y) => {
    const { row, column } = cellAt(stage, x, stage.bands - 1 - y);
    return paintOf(clip, stage, row, column);
  });
}

// Draw `image`, which spans `span` seconds, so that the view's seconds fill the canvas.
function drawWindow(context, image, span, view, width, height, smooth) {
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  const left = (view[0] / span) * image.width;
  const wide = ((view[1] - view[0]) / span) * image.width;
  context.drawImage(image, left, 0, wide, image.height, 0, 0, width, height);
}

// Gaps between the cells, and their numbers, where there is room for them.
function drawCells(context, clip, stage, view, width, height, paper) {
  const cellSeconds = 1 / (clip.geometry.frameRate * stage.steps);
  const wide = (width * cellSeconds) / (view[1] - view[0]);
  const high = height / stage.bands;
  if (wide < 5) return;
  const first = Math.max(0, Math.floor(view[0] / cellSeconds));
  const last = Math.min(stage.width, Math.ceil(view[1] / cellSeconds));
  context.font = `${Math.min(12, wide / 2.6)}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let x = first; x < last; x++) {
    const left = (x * cellSeconds - view[0]) * (width / (view[1] - view[0]));
    for (let band = 0; band < stage.bands; band++) {
      const top = height - (band + 1) * high;
      if (wide >= 22 && high >= 13) {
        const { row, column } = cellAt(stage, x, band);
        const id = idAt(clip, row, column);
        const [r, g, b] = paintOf(clip, stage, row, column);
        context.fillStyle = 0.3 * r + 0.59 * g + 0.11 * b > 118 ? "rgba(0,0,0,.8)" : "rgba(255,255,255,.88)";
        context.fillText(id < stage.vocab ? id : "?", left + wide / 2, top + high / 2 + 0.5);
      }
      if (stage.bands > 1 && band && high >= 5) {
        context.fillStyle = paper;
        context.fillRect(left, top + high - 0.5, wide, 1);
      }
    }
    context.fillStyle = paper;
    context.fillRect(left - 0.5, 0, 1, height);
  }
}

// A frame around one cell.
function drawFrame(context, clip, place, view, width, height, colour, thick) {
  const cellSeconds = 1 / (clip.geometry.frameRate * place.stage.steps);
  const scale = width / (view[1] - view[0]);
  const high = height / place.stage.bands;
  const left = (place.x * cellSeconds - view[0]) * scale;
  context.strokeStyle = colour;
  context.lineWidth = thick;
  context.strokeRect(left + thick / 2, height - (place.band + 1) * high + thick / 2, Math.max(2, cellSeconds * scale - thick), high - thick);
}

// The edges between cells of which `inside(x, y)` holds and the others: columns first to last - 1, rows 0 to rows - 1.
// `corner(x, y)`: where on the canvas the upper left corner of a cell is.
function strokeContour(context, inside, [first, last], rows, corner) {
  const is = (x, y) => x >= first && x < last && y >= 0 && y < rows && inside(x, y);
  const { width, height } = context.canvas;
  const scale = context.getTransform().a;
  const margin = context.lineWidth / 2;
  const line = (from, to) => {
    const [a, b] = [from, to].map(([x, y]) => [Math.max(margin, Math.min(width / scale - margin, x)), Math.max(margin, Math.min(height / scale - margin, y))]);
    context.moveTo(...a);
    context.lineTo(...b);
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

// Seconds under the lanes.
function drawAxis(context, view, width, ink) {
  const wanted = (view[1] - view[0]) / Math.max(2, width / 90);
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((s) => s >= wanted) || 60;
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
