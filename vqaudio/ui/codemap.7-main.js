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
let images = new Map();
let drawRequested = false;
let pendingTimer = null;

const player = new Player(() => {
  show();
  if ($(".cm-status").textContent.startsWith("Playing")) say("Stopped at the end.");
});
const decoded = new Decoded(server, () => { changeSound(); show(); }, say);

function say(sentence) {
  $(".cm-status").textContent = sentence;
}

// --- what is heard ------------------------------------------------------------------------------------------------------

function currentStages() {
  return source === "added" ? upTo(addedStage + 1) : chosen(on);
}

// {samples, picture, level} of what is to be heard now, or undefined while it is decoded.
function current() {
  if (source === "original") return clip.original.samples ? clip.original : undefined;
  if (source === "variation") return preview ? preview.sound : undefined;
  return decoded.get(clip, currentStages(), source === "added" ? "added" : "sound");
}

// What is fetched of the stages that are to be heard.
function toFetch() {
  return clip.long ? [source === "added" ? "added" : "sound"] : ALL;
}

function boostDb() {
  if (source !== "added") return 0;
  const sound = current();
  const whole = clip.original || decoded.facts(clip, upTo(on.length));
  return sound && whole ? boostFor(sound.samples, sound.level, whole.level) : 0;
}

function gain() {
  return boost ? Math.pow(10, boostDb() / 20) : 1;
}

let heardKey = "";
function changeSound() {
  if (!clip) return; // closed while its sound was on the way
  const sound = current();
  const key = sound && `${source}/${clip.version}/${currentStages()}/${boost}/${source === "variation" ? preview.key : ""}`;
  if (!sound || key === heardKey) return;
  heardKey = key;
  player.change(sound.samples, clip.sample_rate, gain());
}

// Ask for what is to be heard: at once if it is a prefix or one stage, a little later if more clicks may follow.
function want() {
  clearTimeout(pendingTimer);
  if (source !== "original" && source !== "variation" && !clip.drafted && !current()) {
    pendingTimer = setTimeout(() => decoded.ask(clip, currentStages(), toFetch()), isPrefix(currentStages()) ? 0 : PENDING_AFTER_MS);
  }
  changeSound();
  show();
}

// Every prefix, one after the other: for the curve, the levels, and so that the slider answers at once.
async function fetchPrefixes() {
  const mine = clip.token + clip.version;
  const same = () => clip && mine === clip.token + clip.version;
  if (!(await decoded.ask(clip, upTo(on.length), toFetch())) || !same()) return;
  if (clip.original && !clip.original.samples) await fetchOriginal();
  for (let n = 1; n <= on.length && same(); n++) {
    if (!(await decoded.ask(clip, upTo(n), clip.long ? [] : ALL))) return;
  }
}

async function fetchOriginal() {
  const mine = clip;
  const answer = await call(server.original, { token: clip.token });
  if (!answer.ok) return say(answer.error);
  mine.original.samples = samplesOf(answer.sound);
  if (clip !== mine) return;
  changeSound();
  show();
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
  if (source === "variation") return `${gallery.made ? "the new clip" : `variation ${preview.number + 1}`}${preview.step < 0 ? "" : ` after step ${preview.step + 1}`}`;
  if (source === "added") return `what stage ${addedStage + 1} adds${boost ? `, raised by ${number(boostDb(), 1)} dB` : ", at its true level"}`;
  const stages = chosen(on);
  return stages.length === on.length ? "the sound of all stages" : `the sound of ${stages.length === 1 ? "stage" : "stages"} ${spoken(stages)}`;
}

function hear(what) {
  source = what;
  leavePreview();
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
    const next = on.map((is, i) => (i === j ? !is : is));
    if (next.some(Boolean)) beforeSolo = null;
    setStages(next);
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
  return `Stage ${stage.number + 1}${where}, ${number(x * each, 2)} to ${number((x + 1) * each, 2)} s: ${id < stage.vocab ? `codeword ${id}, ${frequency(clip, cell.row, id)}` : "not decided yet"}.${surprising(cell)}`;
}

function surprising(cell) {
  const bits = surpriseAt(cell.row, cell.column);
  return bits === null ? "" : ` ${number(bits, 2)} bits of surprise.`;
}

function setFocus(cell, aloud) {
  focus = cell;
  if (aloud && cell) say(textOf(cell));
  show();
}

async function pick(cell, aloud = true) {
  if (clip.drafted) return;
  picked = cell;
  setFocus(cell, aloud);
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

// After a change on the server: take its indices, and hear them.
async function write(promise, told) {
  const mine = clip;
  const answer = await promise;
  if (!answer.ok) return say(answer.error);
  Object.assign(mine, { edits: answer.edits, redos: answer.redo, version: answer.version, ids: idsOf(answer.ids) });
  if (mine !== clip) return;
  if (clip.edits) clip.later = null;
  adopt();
  preview = clip.preview = null;
  images.clear();
  source = "decoded";
  want();
  if (gallery) showGallery();
  if (surprise) showSurprise();
  const changes = clip.edits ? `${clip.edits} ${clip.edits === 1 ? "change" : "changes"} in all.` : clip.original ? "As it was encoded." : "As it was.";
  const cell = answer.row === undefined ? null : { row: answer.row, column: answer.column };
  say(told ? `${told} ${changes}` : cell ? `${textOf(cell)} ${changes}` : changes);
  if (cell && mode === "look") await pick(cell, false);
  fetchPrefixes();
}

function showUndo() {
  if (clip.edits) $(".cm-cell").append(el("button", { type: "button", class: "cm-small cm-undo", text: `Undo the last of ${clip.edits} change${clip.edits > 1 ? "s" : ""}`, onclick: cellActions.undo }));
}
