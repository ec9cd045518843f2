// Selecting: the mode, the gestures, the mask buttons, the fields. The selection itself is in 9-selection.

let mode = "look";
let selection = null;
let finer = true;
let stroke = "set"; // what a drag does: set, add or remove; Shift and Alt say so for one drag
let shape = "rectangle"; // or "brush"
let drag = null;
let anchor = null; // where Shift+arrows extends from

function setMode(next) {
  mode = next;
  root.dataset.mode = mode;
  for (const button of root.querySelectorAll("[data-mode-is]")) button.setAttribute("aria-checked", String(button.dataset.modeIs === mode));
  if (mode === "select") {
    moveTip(null, null);
    loadPriors();
    say(selection && selection.count ? toldSelection() : "Drag over the map, or over the spectrogram for all stages.");
  } else if (preview) hear("decoded");
  show();
}

function toldSelection() {
  const b = selection.bounds();
  if (!b) return "Nothing is selected.";
  const rate = clip.geometry.frameRate;
  const n = selection.count;
  return `${n} ${n === 1 ? "cell" : "cells"} selected: ${number(b.first / rate, 2)} to ${number((b.last + 1) / rate, 2)} s, stage${b.top === b.bottom ? "" : "s"} ${spoken(selection.stages)}.${toldFrequencies()}`;
}

// Of a clip whose stages have bands: between which frequencies the selected cells lie.
function toldFrequencies() {
  const { stages, scale } = clip.geometry;
  const heights = [];
  selection.drawn(DRAWN, ({ top, bands }) => heights.push(stages[top].heights[bands[0]], stages[top].heights[bands[0] + 1]));
  return scale.edges.length > 2 && heights.length ? ` ${spokenHz(scale.hz(Math.min(...heights)), scale.hz(Math.max(...heights)))}.` : "";
}

function select(next, aloud = true) {
  selection = clip.selection = next;
  const b = selection.bounds();
  const rate = clip.geometry.frameRate;
  $(".cm-from").value = b ? Number((b.first / rate).toFixed(3)) : "";
  $(".cm-to").value = b ? Number(((b.last + 1) / rate).toFixed(3)) : "";
  $(".cm-stages").value = stagesText(selection.stages);
  $(".cm-count").textContent = `${selection.count} of ${clip.geometry.rows * clip.geometry.columns} cells`;
  if (aloud) say(toldSelection());
  show();
}

function selectBlock(block, op = "set") {
  const next = op === "set" ? new Selection(clip.geometry) : selection.copy();
  if (op === "remove") next.remove(block, finer);
  else next.add(block, finer);
  select(next);
}

// --- gestures -----------------------------------------------------------------------------------------------------------

// The column under the pointer; on a stage's lane the stage and band, on a spectrogram the height. The nearest ones if the
// pointer is outside; a drag that started on a spectrogram, at `from`, stays on it.
function placeUnder(event, from = null) {
  const tracks = lanes.filter((lane) => !lane.axis).map((lane) => ({ lane, box: lane.node.querySelector(".cm-track").getBoundingClientRect() }));
  const far = (box) => Math.max(box.top - event.clientY, event.clientY - box.bottom, 0);
  const { lane, box } = tracks.find((one) => from && !from.lane.stage && one.lane === from.lane) || tracks.reduce((best, one) => (far(one.box) < far(best.box) ? one : best));
  const seconds = view[0] + ((event.clientX - box.left) / box.width) * (view[1] - view[0]);
  const column = Math.max(0, Math.min(clip.geometry.columns - 1, Math.floor(seconds * clip.geometry.frameRate)));
  const share = (event.clientY - box.top) / box.height;
  if (!lane.stage) return { lane, column, stage: null, band: 0, height: Math.max(0, Math.min(1, 1 - share)) };
  return { lane, column, stage: lane.stage.number, band: Math.max(0, Math.min(lane.stage.bands - 1, lane.stage.bands - 1 - Math.floor(share * lane.stage.bands))) };
}

// The block between two places. Bands count only inside one stage, heights only on a spectrogram of codes with bands.
function blockBetween(a, b) {
  const [first, last] = [Math.min(a.column, b.column), Math.max(a.column, b.column)];
  const heights = a.stage === null && clip.geometry.scale.edges.length > 2 ? [Math.min(a.height, b.height), Math.max(a.height, b.height)] : null;
  if (a.stage === null) return { first, last, top: 0, bottom: clip.geometry.stages.length - 1, bands: null, heights };
  const [from, to] = [a.stage, b.stage === null ? 0 : b.stage];
  const bands = from === to && clip.geometry.stages[from].bands > 1 ? [Math.min(a.band, b.band), Math.max(a.band, b.band)] : null;
  return { first, last, top: Math.min(from, to), bottom: Math.max(from, to), bands };
}

function dragTo(event) {
  if (shape === "brush") return brushTo(event);
  const next = drag.op === "set" ? new Selection(clip.geometry) : drag.before.copy();
  const block = blockBetween(drag.from, placeUnder(event, drag.from));
  if (drag.op === "remove") next.remove(block, finer);
  else next.add(block, finer);
  select(next, false);
}

lanesNode.addEventListener("pointerdown", (event) => {
  if (mode !== "select" || !clip || event.button > 0 || !event.target.closest(".cm-lane-stage .cm-track, .cm-lane-sound .cm-track")) return;
  event.preventDefault();
  lanesNode.focus({ preventScroll: true });
  lanesNode.setPointerCapture(event.pointerId);
  const op = event.shiftKey ? "add" : event.altKey ? "remove" : stroke;
  drag = { from: placeUnder(event), before: selection.copy(), op, id: event.pointerId };
  if (drag.from.stage !== null) {
    focus = cellOf(drag.from);
    anchor = drag.from;
  }
  dragTo(event);
});

lanesNode.addEventListener("pointermove", (event) => {
  if (drag && drag.id === event.pointerId) dragTo(event);
});

lanesNode.addEventListener("pointerup", (event) => {
  if (!drag || drag.id !== event.pointerId) return;
  drag = null;
  say(toldSelection());
});

lanesNode.addEventListener("pointercancel", dropDrag);

function dropDrag() {
  if (drag) select(drag.before);
  drag = null;
}

function cellOf(place) {
  const stage = clip.geometry.stages[place.stage];
  return cellAt(stage, place.column * stage.steps, place.band);
}

function placeOfCell(cell) {
  const { stage, band } = placeOf(clip.geometry, cell.row, cell.column);
  return { stage: stage.number, band, column: cell.column };
}

// Arrows move the selected cell; with Shift they move the far corner of the selection.
function selectByKey(extend) {
  const here = placeOfCell(focus);
  if (!extend || !anchor) anchor = here;
  selectBlock(blockBetween(anchor, here));
}

// --- mask buttons and fields --------------------------------------------------------------------------------------------

function columnsAsMask(columns, top = 0) {
  const next = new Selection(clip.geometry);
  for (const column of columns) next.add({ first: column, last: column, top, bottom: clip.geometry.stages.length - 1, bands: null }, false);
  select(next);
}

const masks = {
  all: () => columnsAsMask(upTo(clip.geometry.columns)),
  end() {
    const seconds = player.position() > 0.01 ? player.position() : clip.span / 2;
    columnsAsMask(upTo(clip.geometry.columns).slice(Math.floor(seconds * clip.geometry.frameRate)));
  },
  nth() {
    const n = Math.max(2, Math.round(Number($(".cm-nth").value)) || 2);
    columnsAsMask(upTo(clip.geometry.columns).filter((t) => t % n === n - 1));
  },
  onsets() {
    const sound = clip.original && clip.original.samples ? clip.original : decoded.get(clip, upTo(on.length));
    if (!sound) return say("The sound is still being decoded: press again in a moment.");
    const found = onsetColumns(sound.samples, clip.sample_rate, clip.geometry);
    if (!found.length) return say("No onset was found: the sound never grows suddenly.");
    columnsAsMask(found.flatMap((t) => [t, t + 1]).filter((t) => t < clip.geometry.columns));
  },
  random() {
    const share = Math.min(100, Math.max(1, Number($(".cm-share").value) || 50)) / 100;
    const next = new Selection(clip.geometry);
    next.cells.forEach((_, i) => { if (Math.random() < share) next.cells[i] = DRAWN; });
    select(next);
  },
  stage() {
    const top = Math.min(clip.geometry.stages.length, Math.max(1, Math.round(Number($(".cm-top").value)) || 1)) - 1;
    columnsAsMask(upTo(clip.geometry.columns), top);
  },
  clear: () => select(new Selection(clip.geometry)),
};

for (const button of root.querySelectorAll("[data-mask]")) button.addEventListener("click", () => clip && masks[button.dataset.mask]());
for (const button of root.querySelectorAll("[data-mode-is]")) button.addEventListener("click", () => setMode(button.dataset.modeIs));
function setStroke(next) {
  stroke = next;
  for (const button of root.querySelectorAll("[data-stroke]")) button.setAttribute("aria-checked", String(button.dataset.stroke === next));
}

for (const button of root.querySelectorAll("[data-stroke]")) button.addEventListener("click", () => setStroke(button.dataset.stroke));
$(".cm-finer").addEventListener("change", (event) => {
  finer = event.target.checked;
  const next = selection.copy();
  next.setFiner(finer);
  select(next);
});
for (const field of root.querySelectorAll(".cm-from, .cm-to, .cm-stages")) {
  field.addEventListener("change", () => {
    const [from, to] = [$(".cm-from").value, $(".cm-to").value];
    if (from === "" || to === "") return;
    const blocks = blocksOf(clip.geometry, Number(from), Number(to), $(".cm-stages").value);
    if (typeof blocks === "string") return say(blocks);
    const next = new Selection(clip.geometry);
    for (const block of blocks) next.add(block, false);
    select(next);
  });
}
