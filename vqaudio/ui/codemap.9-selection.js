// Which cells a prior is to write. A cell here is one column of one band of a stage: 0 not selected, DRAWN by the person, or
// FINER, selected because a coarser stage of its column is.

const DRAWN = 1;
const FINER = 2;

class Selection {
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

  copy() {
    const other = new Selection(this.geometry);
    other.cells.set(this.cells);
    return other;
  }

  at(stage, band, column) {
    return this.cells[(this.lines[stage] + band) * this.columns + column];
  }

  set(stage, band, column, value) {
    this.cells[(this.lines[stage] + band) * this.columns + column] = value;
  }

  // {first, last} columns, {top, bottom} stages, ends inside; of their bands all, or `bands` [low, high], or those that touch
  // `heights` on the frequency axis.
  each(block, visit) {
    for (let stage = block.top; stage <= block.bottom; stage++) {
      const most = this.geometry.stages[stage].bands - 1;
      const found = block.heights ? bandsAt(this.geometry.stages[stage], block.heights) : block.bands || [0, most];
      if (!found) continue;
      for (let band = found[0]; band <= Math.min(found[1], most); band++) {
        for (let column = Math.max(0, block.first); column <= Math.min(this.columns - 1, block.last); column++) visit(stage, band, column);
      }
    }
  }

  // What lies under a block in the finer stages: the same columns and frequencies.
  under(block) {
    const { heights } = this.geometry.stages[block.top];
    const span = block.heights || (block.bands && [heights[block.bands[0]], heights[block.bands[1] + 1]]);
    return { first: block.first, last: block.last, top: block.top + 1, bottom: this.geometry.stages.length - 1, bands: null, heights: span };
  }

  add(block, finer) {
    this.each(block, (stage, band, column) => this.set(stage, band, column, DRAWN));
    if (finer) this.addFiner(block);
  }

  addFiner(block) {
    this.each(this.under(block), (stage, band, column) => this.at(stage, band, column) || this.set(stage, band, column, FINER));
  }

  remove(block, finer) {
    const clear = (stage, band, column) => this.set(stage, band, column, 0);
    this.each(block, clear);
    if (finer) this.each(this.under(block), clear);
  }

  setFiner(finer) {
    this.cells.forEach((value, i) => { if (value === FINER) this.cells[i] = 0; });
    if (finer) this.drawn(DRAWN, (part) => this.addFiner(part));
  }

  // Every run of cells of one value, or of any, as a block of one band.
  drawn(value, visit) {
    for (const { number: stage, bands } of this.geometry.stages) {
      for (const band of upTo(bands)) {
        for (const [first, last] of this.runs(stage, band, value)) visit({ first, last, top: stage, bottom: stage, bands: [band, band] });
      }
    }
  }

  get count() {
    return this.geometry.stages.reduce((sum, stage) => sum + stage.steps * this.cells.subarray(this.lines[stage.number] * this.columns, (this.lines[stage.number] + stage.bands) * this.columns).reduce((n, value) => n + (value ? 1 : 0), 0), 0);
  }

  // The stages in which anything is selected.
  get stages() {
    return this.geometry.stages.filter((stage) => upTo(stage.bands).some((band) => this.runs(stage.number, band).length)).map((stage) => stage.number);
  }

  // [first, last] columns selected in one line; with `value`, only cells of that value.
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

  // The smallest block around all that is selected, or null.
  bounds() {
    const blocks = this.blocks();
    if (!blocks.length) return null;
    const all = (key) => blocks.map((block) => block[key]);
    return { first: Math.min(...all("first")), last: Math.max(...all("last")), top: Math.min(...all("top")), bottom: Math.max(...all("bottom")) };
  }

  // The selection as blocks that do not overlap: runs in time, joined over the stages below where those are the same.
  blocks() {
    const open = new Map();
    const done = [];
    for (const { number: stage, bands } of this.geometry.stages) {
      const lines = upTo(bands).map((band) => this.runs(stage, band));
      const same = lines.every((line) => JSON.stringify(line) === JSON.stringify(lines[0]));
      const here = new Set();
      const parts = same ? lines[0].map((run) => [run, null]) : joined(lines);
      for (const [[first, last], only] of parts) {
        const key = `${first}-${last}`;
        const above = !only && open.get(key);
        if (above) above.bottom = stage;
        else done.push({ first, last, top: stage, bottom: stage, bands: only });
        if (!only) {
          if (!above) open.set(key, done[done.length - 1]);
          here.add(key);
        }
      }
      for (const key of [...open.keys()]) if (!here.has(key)) open.delete(key);
    }
    return done;
  }

  // As the server takes it: seconds, and stages and bands as people write them.
  rectangles() {
    const rate = this.geometry.frameRate;
    const round = (x) => Number(x.toFixed(6));
    return this.blocks().map((b) => ({ start_s: round(b.first / rate), end_s: round((b.last + 1) / rate), stages: `${b.top + 1}-${b.bottom + 1}`, bands: b.bands && `${b.bands[0] + 1}-${b.bands[1] + 1}` }));
  }
}

// Runs of each band -> [run, [low, high]], neighbouring bands with the same run together.
function joined(lines) {
  const done = [];
  let open = new Map();
  lines.forEach((line, band) => {
    const now = new Map();
    for (const run of line) {
      const part = open.get(`${run}`) || [run, [band, band]];
      if (!open.has(`${run}`)) done.push(part);
      part[1][1] = band;
      now.set(`${run}`, part);
    }
    open = now;
  });
  return done;
}

// "2-4", "3", "1,3" or "2-" -> stages from 0, in order; null where it is none of these.
function stagesOf(text, n) {
  const found = new Set();
  for (const part of text.split(",")) {
    const match = part.trim().match(/^(\d+)(?:\s*([-–])\s*(\d*))?$/);
    const first = match ? Number(match[1]) : 0;
    const last = match && match[2] ? Number(match[3] || n) : first;
    if (!(first >= 1 && first <= last && last <= n)) return null;
    for (let j = first; j <= last; j++) found.add(j - 1);
  }
  return [...found].sort((a, b) => a - b);
}

// [0, 1, 3] -> "1-2,4"
function stagesText(stages) {
  return spoken(stages).replaceAll("–", "-").replaceAll(" ", "");
}

// Seconds and stages -> blocks, or a sentence that says what is wrong.
function blocksOf(geometry, start, end, text) {
  const seconds = geometry.columns / geometry.frameRate;
  const n = geometry.stages.length;
  const stages = stagesOf(String(text).trim() || "1-", n);
  if (!stages) return `Stages are a number, a span such as 2-, or a list such as 1,3; there are stages 1 to ${n}.`;
  if (!(start >= 0 && start < end && end <= seconds + 0.0051)) return `A selection starts before it ends and lies inside the clip, 0 to ${seconds.toFixed(2)} s.`;
  const last = Math.min(geometry.columns, Math.ceil(end * geometry.frameRate - 1e-6)) - 1;
  const first = Math.min(last, Math.floor(start * geometry.frameRate + 1e-6));
  return stages.map((stage) => ({ first, last, top: stage, bottom: stage, bands: null }));
}

// Columns in which the sound suddenly grows: 6 dB over the loudest of the two columns before, and not silent.
function onsetColumns(samples, rate, geometry) {
  const size = rate / geometry.frameRate;
  const level = Array.from({ length: geometry.columns }, (_, t) => {
    const part = samples.subarray(Math.floor(t * size), Math.floor((t + 1) * size));
    return part.length ? 10 * Math.log10(part.reduce((sum, x) => sum + x * x, 0) / part.length + 1e-10) : -100;
  });
  const loudest = Math.max(...level);
  return level.flatMap((x, t) => (x > loudest - 35 && x > Math.max(t > 0 ? level[t - 1] : -100, t > 1 ? level[t - 2] : -100) + 6 ? [t] : []));
}
