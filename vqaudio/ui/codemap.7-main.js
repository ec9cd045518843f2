// The component: state in one place, `show` draws it, everything a person does changes the state and calls `show`.
// `element`, `props`, `server`, `trigger` and `watch` come from Gradio.

const root = element.querySelector(".cm");
const $ = (selector) => root.querySelector(selector);
const lanesNode = $(".cm-lanes");
let clip = null;
let lanes = [];
let on = [];
let beforeSolo = null;
let source = "decoded";
let addedStage = 0;
let boost = false;
let view = [0, 1];
let focus = null; // {row, column}
let picked = null;
let edits = 0;
let images = new Map();
let drawRequested = false;
let pendingTimer = null;

const player = new Player(() => { show(); say("Stopped at the end."); });
const decoded = new Decoded(server, () => { changeSound(); show(); }, say);

function say(sentence) {
  $(".cm-status").textContent = sentence;
}

// --- what is heard ------------------------------------------------------------------------------------------------------

function upTo(n) {
  return Array.from({ length: n }, (_, j) => j);
}

function currentStages() {
  return source === "added" ? upTo(addedStage + 1) : chosen(on);
}

// {samples, picture, level} of what is to be heard now, or undefined while it is decoded.
function current() {
  if (source === "original") return clip.original;
  const found = decoded.get(clip, currentStages());
  return found && source === "added" ? found.added : found;
}

function boostDb() {
  if (source !== "added") return 0;
  const sound = current();
  const whole = clip.original || decoded.get(clip, upTo(on.length));
  return sound && whole ? boostFor(sound.samples, sound.level, whole.level) : 0;
}

function gain() {
  return boost ? Math.pow(10, boostDb() / 20) : 1;
}

let heardKey = "";
function changeSound() {
  const sound = current();
  const key = sound && `${source}/${clip.version}/${currentStages()}/${boost}`;
  if (!sound || key === heardKey) return;
  heardKey = key;
  player.change(sound.samples, clip.sample_rate, gain());
}

// Ask for what is to be heard: at once if it is a prefix or one stage, a little later if more clicks may follow.
function want() {
  clearTimeout(pendingTimer);
  if (source !== "original" && !current()) {
    pendingTimer = setTimeout(() => decoded.ask(clip, currentStages()), isPrefix(currentStages()) ? 0 : PENDING_AFTER_MS);
  }
  changeSound();
  show();
}

// Every prefix, one after the other: for the curve, the levels, and so that the slider answers at once.
async function fetchPrefixes() {
  const mine = clip.token + clip.version;
  for (const n of [on.length, ...upTo(on.length - 1).map((j) => j + 1)]) {
    const done = await decoded.ask(clip, upTo(n));
    if (!done || !clip || mine !== clip.token + clip.version) return;
  }
}

function play() {
  const sound = current();
  if (!sound) return;
  const end = player.offset > clip.seconds - 0.02;
  player.start(sound.samples, clip.sample_rate, gain(), end ? 0 : player.offset);
  say(`Playing ${nameOfSource()}.`);
  show();
  requestAnimationFrame(follow);
}

function stop() {
  player.stop();
  say("Stopped.");
  show();
}

function nameOfSource() {
  if (source === "original") return "the original";
  if (source === "added") return `what stage ${addedStage + 1} adds${boost ? `, raised by ${number(boostDb(), 1)} dB` : ", at its true level"}`;
  const stages = chosen(on);
  return stages.length === on.length ? "the sound of all stages" : `the sound of ${stages.length === 1 ? "stage" : "stages"} ${spoken(stages)}`;
}

function hear(what) {
  source = what;
  player.wake();
  want();
  say(`${player.playing ? "Playing" : "Ready to play"} ${nameOfSource()}.`);
}

// --- stages -------------------------------------------------------------------------------------------------------------

function setStages(next) {
  if (!next.some(Boolean)) return say("At least one stage stays on.");
  on = next;
  hear("decoded");
}

const stageActions = {
  toggle(j) {
    beforeSolo = null;
    setStages(on.map((is, i) => (i === j ? !is : is)));
  },
  solo(j) {
    const alone = chosen(on).length === 1 && on[j];
    const next = alone && beforeSolo ? beforeSolo : on.map((_, i) => i === j);
    if (!alone) beforeSolo ||= on;
    else beforeSolo = null;
    setStages(next);
  },
  adds(j) {
    const again = source === "added" && addedStage === j;
    addedStage = j;
    hear(again ? "decoded" : "added");
    if (!again && !player.playing && current()) play();
  },
};

// --- cells --------------------------------------------------------------------------------------------------------------

function textOf(cell) {
  const { stage, x, band } = placeOf(clip.geometry, cell.row, cell.column);
  const each = 1 / (clip.geometry.frameRate * stage.steps);
  const id = idAt(clip, cell.row, cell.column);
  const where = stage.bands > 1 ? `, band ${band + 1}` : "";
  return `Stage ${stage.number + 1}${where}, ${number(x * each, 2)} to ${number((x + 1) * each, 2)} s: codeword ${id}, ${frequency(clip, cell.row, id)}.`;
}

function setFocus(cell, aloud) {
  focus = cell;
  if (aloud && cell) say(textOf(cell));
  show();
}

async function pick(cell) {
  picked = cell;
  setFocus(cell, true);
  trigger("pick_cell", cell);
  const answer = await call(server.inspect, { token: clip.token, ...cell });
  if (picked !== cell) return;
  if (!answer.ok) return say(answer.error);
  showCell($(".cm-cell"), clip, answer, cellActions);
  showUndo();
}

const cellActions = {
  put: (index) => write(call(server.swap, { token: clip.token, ...picked, index })),
  undo: () => write(call(server.undo, { token: clip.token })),
  async example(row, index, i) {
    const context = player.wake();
    const answer = await call(server.example, { token: clip.token, row, index, number: i });
    if (!answer.ok) return say(answer.error);
    player.stop();
    playOnce(context, samplesOf(answer.sound), clip.sample_rate);
  },
};

async function write(promise) {
  const answer = await promise;
  if (!answer.ok) return say(answer.error);
  edits = answer.edits;
  clip.version = answer.version;
  if (answer.row === undefined) return show();
  clip.ids[answer.row * clip.geometry.columns + answer.column] = answer.index;
  images.clear();
  source = "decoded";
  want();
  say(`${textOf(answer)} ${edits ? `${edits} changed by hand.` : "As it was encoded."}`);
  await pick({ row: answer.row, column: answer.column });
  fetchPrefixes();
}

function showUndo() {
  if (edits) $(".cm-cell").append(el("button", { type: "button", class: "cm-small cm-undo", text: `Undo the last of ${edits} change${edits > 1 ? "s" : ""}`, onclick: cellActions.undo }));
}

// --- drawing ------------------------------------------------------------------------------------------------------------

function show() {
  if (!clip || drawRequested) return;
  drawRequested = true;
  requestAnimationFrame(() => {
    drawRequested = false;
    draw();
  });
}

function inks() {
  const style = getComputedStyle(root);
  const get = (name) => style.getPropertyValue(name).trim();
  return { ink: get("--cm-ink"), paper: get("--cm-paper"), soft: get("--cm-soft"), now: get("--cm-now") };
}

function draw() {
  if (!clip || !root.offsetWidth) return;
  const colours = inks();
  for (const lane of lanes) drawLane(lane, colours);
  drawControls();
  drawHeads();
  const points = upTo(on.length).map((j) => decoded.get(clip, upTo(j + 1))).filter(Boolean);
  const here = source === "original" ? null : decoded.get(clip, currentStages());
  showCurves($(".cm-curves"), points, here);
}

function kept(key, make) {
  if (!images.has(key)) images.set(key, make());
  return images.get(key);
}

function drawLane(lane, colours) {
  const { context, width, height } = surfaceOf(lane);
  if (lane.axis) return drawAxis(context, view, width, colours.soft);
  if (lane.stage) {
    const image = kept(`stage ${lane.stage.number}`, () => stageImage(clip, lane.stage));
    drawWindow(context, image, clip.geometry.columns / clip.geometry.frameRate, view, width, height, false);
    drawCells(context, clip, lane.stage, view, width, height, colours.paper);
    return drawMarks(lane, context, width, height, colours);
  }
  const sound = lane.which === "original" ? clip.original : shownDecoded();
  if (!sound) return;
  const image = kept(sound.picture, () => spectrogramImage(sound.picture, rgb(colours.paper), rgb(colours.ink)));
  drawWindow(context, image, clip.seconds, view, width, height, true);
}

function shownDecoded() {
  const found = decoded.get(clip, currentStages());
  return found && source === "added" ? found.added : found;
}

function drawMarks(lane, context, width, height, colours) {
  for (const [cell, thick] of [[focus, 2], [picked, 3]]) {
    const place = cell && placeOf(clip.geometry, cell.row, cell.column);
    if (place && place.stage === lane.stage) drawFrame(context, clip, place, view, width, height, thick === 3 ? colours.now : colours.ink, thick);
  }
  if (!edits) return;
  for (let row = lane.stage.row; row < lane.stage.row + lane.stage.bands * lane.stage.steps; row++) {
    for (let column = 0; column < clip.geometry.columns; column++) {
      const i = row * clip.geometry.columns + column;
      if (clip.ids[i] === clip.firstIds[i]) continue;
      drawFrame(context, clip, placeOf(clip.geometry, row, column), view, width, height, colours.now, 1.5);
    }
  }
}

function drawControls() {
  const stages = currentStages();
  const waiting = source !== "original" && !current();
  root.classList.toggle("cm-waiting", waiting);
  root.classList.toggle("cm-playing", player.playing);
  $(".cm-play").setAttribute("aria-label", player.playing ? "Stop" : "Play");
  $(".cm-play").disabled = waiting;
  for (const button of root.querySelectorAll("[data-source]")) {
    button.setAttribute("aria-checked", String(button.dataset.source === source));
    button.disabled = button.dataset.source === "original" && !clip.original;
  }
  $(".cm-added-n").textContent = addedStage + 1;
  $(".cm-boost-label").hidden = source !== "added";
  $(".cm-boost-db").textContent = `+${number(boostDb(), 1)} dB`;
  const listed = chosen(on);
  const rate = clip.geometry.stages.filter((s) => stages.includes(s.number)).reduce((sum, s) => sum + s.rate, 0);
  $(".cm-slider").value = isPrefix(listed) ? listed.length : Math.max(...listed) + 1;
  $(".cm-depth").classList.toggle("cm-custom", !isPrefix(listed));
  $(".cm-depth-text").textContent = `${isPrefix(listed) ? `${listed.length} of ${on.length} stages` : `stages ${spoken(listed)}`} · ${number(rate)} bit/s`;
  $(".cm-zoom").classList.toggle("cm-zoomed", view[1] - view[0] < clip.span - 1e-6);
  for (const lane of lanes) if (lane.stage) drawGutter(lane, stages);
  drawDecodedName(waiting);
}

function drawGutter(lane, stages) {
  const j = lane.stage.number;
  const inUse = source !== "original" && stages.includes(j);
  lane.node.classList.toggle("cm-off", !(source === "added" ? stages.includes(j) : on[j]));
  lane.toggle.setAttribute("aria-checked", String(on[j]));
  lane.solo.setAttribute("aria-pressed", String(inUse && source === "decoded" && stages.length === 1));
  lane.adds.setAttribute("aria-pressed", String(source === "added" && addedStage === j));
  const found = decoded.get(clip, upTo(j + 1));
  lane.level.textContent = found ? decibel(found.added.level) : "…";
  lane.level.style.setProperty("--share", found && found.added.level !== null ? Math.max(0, 1 + found.added.level / 60) : 0);
}

function drawDecodedName(waiting) {
  const lane = lanes.find((l) => l.which === "decoded");
  const listed = chosen(on);
  lane.name.textContent = source === "added" ? `Added by stage ${addedStage + 1}` : "Decoded";
  if (waiting) lane.note.textContent = "Decoding…";
  else if (source === "added") lane.note.textContent = addedStage ? `Stages 1–${addedStage + 1} less stages 1–${addedStage}.` : "The first stage starts from silence.";
  else lane.note.textContent = `What the decoder makes of ${listed.length === on.length ? "all stages" : `stage${listed.length > 1 ? "s" : ""} ${spoken(listed)}`}.`;
}

function drawHeads() {
  const at = player.position();
  $(".cm-now").textContent = at.toFixed(2);
  const scale = 100 / (view[1] - view[0]);
  for (const node of root.querySelectorAll(".cm-head")) {
    node.style.left = `${(at - view[0]) * scale}%`;
    node.hidden = at < view[0] || at > view[1];
  }
  for (const node of root.querySelectorAll(".cm-hair")) {
    node.hidden = !focus;
    if (!focus) continue;
    node.style.left = `${(focus.column / clip.geometry.frameRate - view[0]) * scale}%`;
    node.style.width = `${scale / clip.geometry.frameRate}%`;
  }
}

function follow() {
  if (!player.playing || !root.isConnected) return;
  const at = player.position();
  if (at > view[1] || at < view[0]) setView(at, view[1] - view[0]);
  drawHeads();
  requestAnimationFrame(follow);
}

function setView(start, span) {
  const shortest = Math.min(clip.span, 12 / clip.geometry.frameRate);
  const wide = Math.min(clip.span, Math.max(shortest, span));
  const left = Math.min(clip.span - wide, Math.max(0, start));
  view = [left, left + wide];
  const room = clip.span - wide;
  $(".cm-pan").value = room > 0 ? left / room : 0;
  show();
}
