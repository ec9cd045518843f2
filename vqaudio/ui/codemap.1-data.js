// What a clip is made of: bytes to arrays, and where a cell lies. No drawing, no sound.

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

function upTo(n) {
  return Array.from({ length: n }, (_, j) => j);
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
  const finest = spec.stages.reduce((most, stage) => (stage.bands > most.bands ? stage : most));
  const scale = scaleOf(finest.edges_hz);
  const stages = spec.stages.map((stage, number) => {
    const heights = stage.edges_hz.map(scale.height);
    const placed = { ...stage, number, row, heights, width: columns * stage.steps, rate: stage.bands * stage.steps * stage.bits * spec.frame_rate };
    row += stage.bands * stage.steps;
    return placed;
  });
  return { stages, columns, frameRate: spec.frame_rate, rows: row, scale, finest: spec.stages.indexOf(finest) };
}

// The frequency axis of the pictures: the bands of the stage with most of them are equally high. `height`: Hz -> 0 (bottom) to
// 1; `hz`: the way back. With one band that is a linear axis.
function scaleOf(edges) {
  const n = edges.length - 1;
  const between = (x, from, to) => {
    const i = Math.min(n - 1, Math.max(0, from.findLastIndex((edge) => edge <= x)));
    return to[i] + Math.min(1, Math.max(0, (x - from[i]) / (from[i + 1] - from[i]))) * (to[i + 1] - to[i]);
  };
  const heights = edges.map((_, i) => i / n);
  return { edges, height: (hz) => between(hz, edges, heights), hz: (height) => between(height, heights, edges) };
}

// The bands of a stage that touch a span of heights: [low, high], both inside.
function bandsAt(stage, [bottom, top]) {
  const touched = upTo(stage.bands).filter((band) => stage.heights[band] < top - 1e-6 && stage.heights[band + 1] > bottom + 1e-6);
  return touched.length ? [touched[0], touched[touched.length - 1]] : null;
}

// [1250, 3400] -> "1.3 to 3.4 kHz"
function spokenHz(low, high) {
  return high < 1000 ? `${number(low)} to ${number(high)} Hz` : `${number(low / 1000, 1)} to ${number(high / 1000, 1)} kHz`;
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
