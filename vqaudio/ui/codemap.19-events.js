// What a person does, and what the server sends.

function cellUnder(event) {
  const lane = event.target.closest(".cm-lane-stage");
  const box = event.target.closest(".cm-track");
  if (!lane || !box || !clip) return null;
  const stage = clip.geometry.stages[Number(lane.dataset.stage)];
  const area = box.getBoundingClientRect();
  const seconds = view[0] + ((event.clientX - area.left) / area.width) * (view[1] - view[0]);
  const x = Math.floor(seconds * clip.geometry.frameRate * stage.steps);
  const band = stage.bands - 1 - Math.floor(((event.clientY - area.top) / area.height) * stage.bands);
  if (x < 0 || x >= stage.width || band < 0 || band >= stage.bands) return null;
  return cellAt(stage, x, band);
}

function moveTip(event, cell) {
  const tip = $(".cm-tip");
  tip.hidden = !cell;
  if (!cell) return;
  tip.textContent = textOf(cell);
  const area = $(".cm-body").getBoundingClientRect();
  tip.style.left = `${Math.max(0, Math.min(event.clientX - area.left + 14, area.width - tip.offsetWidth))}px`;
  tip.style.top = `${event.clientY - area.top + 18}px`;
}

lanesNode.addEventListener("pointermove", (event) => {
  const cell = cellUnder(event);
  if (event.pointerType !== "touch" && !drag) moveTip(event, cell);
  if (drag || (mode === "select" && anchor)) return;
  if (cell && (!focus || focus.row !== cell.row || focus.column !== cell.column)) setFocus(cell, false);
});

lanesNode.addEventListener("pointerleave", (event) => {
  moveTip(event, null);
  if (mode === "look") setFocus(picked, false);
});

lanesNode.addEventListener("click", (event) => {
  if (mode === "select" && !event.target.closest(".cm-lane-axis")) return;
  const cell = cellUnder(event);
  if (cell) return pick(cell);
  const box = event.target.closest(".cm-track");
  if (!box || !clip) return;
  const area = box.getBoundingClientRect();
  const at = Math.min(clip.seconds, view[0] + ((event.clientX - area.left) / area.width) * (view[1] - view[0]));
  const wasPlaying = player.playing;
  player.stop();
  player.seek(at);
  if (wasPlaying) play();
  drawHeads();
});

lanesNode.addEventListener("wheel", (event) => {
  if (!clip) return;
  const span = view[1] - view[0];
  if (event.ctrlKey) {
    event.preventDefault();
    setView(view[0], span * (event.deltaY > 0 ? 1.2 : 1 / 1.2));
  } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    setView(view[0] + (event.deltaX / 600) * span, span);
  }
}, { passive: false });

// One cell to the left, right, up or down of the one in focus; between stages the time is kept.
function stepFocus(key) {
  if (!focus) return { row: 0, column: Math.floor(view[0] * clip.geometry.frameRate) };
  const { stage, x, band } = placeOf(clip.geometry, focus.row, focus.column);
  if (key === "ArrowLeft" || key === "ArrowRight") return cellAt(stage, Math.min(stage.width - 1, Math.max(0, x + (key === "ArrowLeft" ? -1 : 1))), band);
  if (key === "Home" || key === "End") return cellAt(stage, key === "Home" ? 0 : stage.width - 1, band);
  const up = key === "ArrowUp" ? 1 : -1;
  if (band + up >= 0 && band + up < stage.bands) return cellAt(stage, x, band + up);
  const next = clip.geometry.stages[stage.number - up];
  if (!next) return focus;
  return cellAt(next, Math.floor((x / stage.steps) * next.steps), up > 0 ? 0 : next.bands - 1);
}

lanesNode.addEventListener("keydown", (event) => {
  if (!clip || event.target !== lanesNode) return;
  if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
    setFocus(stepFocus(event.key), true);
    const at = focus.column / clip.geometry.frameRate;
    if (at < view[0] || at >= view[1]) setView(at - (view[1] - view[0]) / 2, view[1] - view[0]);
    if (mode === "select") selectByKey(event.shiftKey);
  } else if (event.key === "Enter" && focus && mode === "look") {
    pick(focus);
  } else return;
  event.preventDefault();
});

// On the document, because a button that vanishes when it is pressed leaves the focus to the body: Ctrl-Z still works then.
document.addEventListener("keydown", (event) => {
  const lost = event.target === document.body;
  if (!root.isConnected || !root.offsetWidth || event.defaultPrevented || !(lost || root.contains(event.target))) return;
  if (event.target.closest("input, select, textarea") || (lost && !event.ctrlKey && !event.metaKey)) return;
  if (event.key === "Enter" && event.target.closest("button")) return;
  if (selectKey(event)) event.preventDefault();
});

root.addEventListener("keydown", (event) => {
  if (!clip || event.key !== " " || event.target.closest("button, input, select, textarea")) return;
  event.preventDefault();
  player.playing ? stop() : play();
});

$(".cm-play").addEventListener("click", () => (player.playing ? stop() : play()));
$(".cm-slider").addEventListener("input", (event) => {
  beforeSolo = null;
  setStages(on.map((_, j) => j < Number(event.target.value)));
});
$(".cm-loop").addEventListener("change", (event) => player.setLoop(event.target.checked));
$(".cm-boost").addEventListener("change", (event) => {
  boost = event.target.checked;
  hear("added");
});
for (const button of root.querySelectorAll("[data-source]")) button.addEventListener("click", () => hear(button.dataset.source));
$(".cm-zoom-in").addEventListener("click", () => zoom(0.5));
$(".cm-zoom-out").addEventListener("click", () => zoom(2));
$(".cm-zoom-fit").addEventListener("click", () => setView(0, clip.span));
$(".cm-pan").addEventListener("input", (event) => setView(Number(event.target.value) * (clip.span - view[1] + view[0]), view[1] - view[0]));

function zoom(factor) {
  const middle = player.position() || (view[0] + view[1]) / 2;
  const span = (view[1] - view[0]) * factor;
  setView(middle - span / 2, span);
}

for (const button of root.querySelectorAll("[data-kind]")) {
  button.addEventListener("click", async () => {
    if (!clip || clip.drafted) return;
    button.disabled = true;
    const answer = await call(server.export, { token: clip.token, kind: button.dataset.kind, stages: chosen(on) });
    button.disabled = false;
    if (!answer.ok) return say(answer.error);
    const url = URL.createObjectURL(new Blob([bytesOf(answer.data)], { type: answer.type }));
    el("a", { href: url, download: answer.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    say(`Saved ${answer.name}.`);
  });
}

// A new clip, or none.
function open(value) {
  player.stop();
  player.seek(0);
  if (job) cancelJob();
  closeGallery();
  decoded.clear();
  heardKey = "";
  addedStage = 0;
  on = [];
  if (value) useModel(value.model);
  if (!value || !value.token) return leave();
  enter(opened(value));
  say(`Opened ${clip.title}: ${number(clip.seconds, 2)} s, ${clip.geometry.columns} columns. Space plays; arrow keys move over the cells.`);
  restoreMask();
}

// Put a clip in the lanes: the one that was opened, or a new one. What was decoded of others stays, and so does the place.
function enter(next) {
  leavePreview();
  if (gallery && !gallery.made && gallery.base !== next) closeGallery();
  clip = next;
  images.clear();
  focus = picked = beforeSolo = drag = anchor = null;
  source = "decoded";
  if (on.length !== clip.geometry.stages.length) on = clip.geometry.stages.map(() => true);
  root.dataset.state = "open";
  buildLanes();
  describe();
  select(clip.selection || new Selection(clip.geometry), false);
  setView(0, clip.span);
  if (!clip.drafted) fetchPrefixes();
  if ($(".cm-colour").value) showSurprise();
}

function leave() {
  player.stop();
  images.clear();
  clip = null;
  root.dataset.state = "empty";
}

function buildLanes() {
  root.classList.toggle("cm-banded", clip.geometry.scale.edges.length > 2);
  const sounds = clip.original ? ["original", "decoded"] : ["decoded"];
  lanes = [...sounds.map((which) => spectrogramLane(which, clip.geometry.scale)), ...clip.geometry.stages.map((stage) => stageLane(stage, stageActions)), axisLane()];
  lanesNode.replaceChildren(...lanes.map((lane) => lane.node));
}

function describe() {
  const stages = clip.geometry.stages;
  $(".cm-length").textContent = clip.seconds.toFixed(2);
  $(".cm-slider").max = stages.length;
  const same = stages.every((s) => s.vocab === stages[0].vocab && s.bands * s.steps === 1);
  const each = same ? `${stages.length} numbers, one for each stage, and each names one of ${stages[0].vocab} learned codewords`
    : `${clip.geometry.rows} numbers in ${stages.length} stages, and each names a learned codeword`;
  $(".cm-intro").textContent = `Every ${number(1000 / clip.geometry.frameRate)} ms of sound become ${each}. Each stage corrects what the stages above it left over: switch them off to hear what they do.${stages.some((s) => s.bands > 1) ? " A stage with bands is a picture: time to the right, low tones at the bottom." : ""}`;
  $(".cm-cell").replaceChildren(el("p", { class: "cm-help", text: "Click a cell, or press Enter on one, to see why that codeword was chosen and to put another one in its place." }));
  const context = $(".cm-scale canvas").getContext("2d");
  for (let x = 0; x < 128; x++) {
    context.fillStyle = `rgb(${viridis(x / 127)})`;
    context.fillRect(x, 0, 1, 1);
  }
}

new ResizeObserver(show).observe(root);
new MutationObserver(() => {
  images.clear();
  show();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
setMode("look");
setShape("rectangle");
loadPriors();
watch("value", () => open(props.value));
open(props.value);
