// The round brush: a dab selects what a disc touches, on a spectrogram in all stages, on a stage's lane in that stage.

const ring = el("i", { class: "cm-ring", hidden: "" });
lanesNode.before(ring);

function brushRadius() {
  return Number($(".cm-size").value);
}

function setShape(next) {
  shape = next;
  root.dataset.shape = next;
  for (const button of root.querySelectorAll("[data-shape-is]")) button.setAttribute("aria-checked", String(button.dataset.shapeIs === next));
  setStroke(next === "brush" ? "add" : "set");
  ring.hidden = true;
}

// From where the brush was to where it is, in steps of half its radius.
function brushTo(event) {
  drag.selection ||= drag.op === "set" ? new Selection(clip.geometry) : drag.before.copy();
  const box = drag.from.lane.node.querySelector(".cm-track").getBoundingClientRect();
  const to = [event.clientX - box.left, event.clientY - box.top];
  const from = drag.at || to;
  const n = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / (brushRadius() / 2)));
  for (const i of upTo(n)) dab(from.map((a, k) => a + ((to[k] - a) * (i + 1)) / n), drag.from.lane, box);
  drag.at = to;
  select(drag.selection, false);
}

function dab([x, y], lane, { width, height }) {
  const radius = brushRadius();
  const rate = clip.geometry.frameRate;
  for (const stage of lane.stage ? [lane.stage] : clip.geometry.stages) {
    for (const band of upTo(stage.bands)) {
      const [low, high] = (lane.stage ? [band / stage.bands, (band + 1) / stage.bands] : [stage.heights[band], stage.heights[band + 1]]).map((share) => (1 - share) * height);
      const away = Math.max(high - y, y - low, 0);
      if (away > radius) continue;
      const half = Math.sqrt(radius * radius - away * away);
      const [first, last] = [x - half, x + half].map((at) => Math.floor((view[0] + (at / width) * (view[1] - view[0])) * rate));
      const block = { first, last, top: stage.number, bottom: stage.number, bands: [band, band] };
      const finerToo = finer && Boolean(lane.stage);
      drag.op === "remove" ? drag.selection.remove(block, finerToo) : drag.selection.add(block, finerToo);
    }
  }
}

function showRing(event) {
  const over = mode === "select" && shape === "brush" && clip && (drag || event.target.closest(".cm-lane-stage .cm-track, .cm-lane-sound .cm-track"));
  ring.hidden = !over;
  if (!over) return;
  const area = root.querySelector(".cm-body").getBoundingClientRect();
  const radius = brushRadius();
  Object.assign(ring.style, { left: `${event.clientX - area.left - radius}px`, top: `${event.clientY - area.top - radius}px`, width: `${2 * radius}px`, height: `${2 * radius}px` });
}

lanesNode.addEventListener("pointermove", showRing);
lanesNode.addEventListener("pointerdown", showRing);
lanesNode.addEventListener("pointerleave", () => { ring.hidden = true; });
for (const button of root.querySelectorAll("[data-shape-is]")) button.addEventListener("click", () => setShape(button.dataset.shapeIs));
