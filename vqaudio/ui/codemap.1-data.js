// What a clip is made of: bytes to arrays, and where a cell lies. No drawing, no sound.

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

// {data, factor} -> Float32Array in [-1, 1]
function samplesOf(sound) {
  const whole = new Int16Array(bytesOf(sound.data).buffer);
  return Float32Array.from(whole, (x) => (x / 32768) * sound.factor);
}

// A spec as Python sends it, with the first row of each stage. Row `band * steps + step` of a stage holds its sub-column
// `step` of that band, as in vqaudio.codes.
function geometryOf(spec, columns) {
  let row = 0;
  const stages = spec.stages.map((stage, number) => {
    const placed = { ...stage, number, row, width: columns * stage.steps, rate: stage.bands * stage.steps * stage.bits * spec.frame_rate };
    row += stage.bands * stage.steps;
    return placed;
  });
  return { stages, columns, frameRate: spec.frame_rate, rows: row };
}

// Sub-column x and band of a stage -> row and column of the matrix of ids.
function cellAt(stage, x, band) {
  return { row: stage.row + band * stage.steps + (x % stage.steps), column: Math.floor(x / stage.steps) };
}

// And back: where a cell of the matrix is drawn.
function placeOf(geometry, row, column) {
  const stage = geometry.stages.findLast((s) => s.row <= row);
  const inside = row - stage.row;
  return { stage, x: column * stage.steps + (inside % stage.steps), band: Math.floor(inside / stage.steps) };
}

function idAt(clip, row, column) {
  return (clip.preview || clip.ids)[row * clip.geometry.columns + column];
}

// The stages that are on, as a list of numbers from 0.
function chosen(on) {
  return on.flatMap((is, j) => (is ? [j] : []));
}

function isPrefix(stages) {
  return stages.every((j, i) => j === i);
}

// [0, 1, 2, 5] -> "1–3, 6"
function spoken(stages) {
  const runs = [];
  for (const j of stages) {
    const last = runs[runs.length - 1];
    if (last && last[1] === j) last[1] = j + 1;
    else runs.push([j + 1, j + 1]);
  }
  return runs.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(", ");
}

function number(value, digits = 0) {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
}

function decibel(value) {
  return value === null ? "silent" : `${number(value, 1)} dB`;
}
