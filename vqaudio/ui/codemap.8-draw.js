// Drawing the whole view from the state. `show` asks for it; it happens at most once a frame.

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
  const points = upTo(on.length).map((j) => decoded.facts(clip, upTo(j + 1))).filter(Boolean);
  const here = source === "original" || source === "variation" ? null : decoded.facts(clip, currentStages());
  showCurves($(".cm-curves"), points, here);
}

// The indices are others than before; the spectrograms are not.
function redrawStages() {
  for (const key of [...images.keys()]) if (typeof key === "string") images.delete(key);
  show();
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
    drawMarks(lane, context, width, height, colours);
    return drawSelection(lane, context, width, height, colours);
  }
  const sound = lane.which === "original" ? clip.original : shownDecoded();
  if (!sound) return;
  const image = kept(sound.picture, () => spectrogramImage(sound.picture, rgb(colours.paper), rgb(colours.ink), (height) => (2 * clip.geometry.scale.hz(height)) / clip.sample_rate));
  drawWindow(context, image, clip.seconds, view, width, height, true);
  drawSelection(lane, context, width, height, colours);
}

function shownDecoded() {
  return source === "original" ? decoded.get(clip, currentStages()) : current();
}

function drawMarks(lane, context, width, height, colours) {
  for (const [cell, thick] of [[focus, 2], [picked, 3]]) {
    const place = cell && placeOf(clip.geometry, cell.row, cell.column);
    if (!place || place.stage !== lane.stage) continue;
    drawFrame(context, clip, place, view, width, height, colours.paper, thick + 1.5);
    drawFrame(context, clip, place, view, width, height, thick === 3 ? colours.now : colours.ink, thick);
  }
  const [now, before] = clip.preview ? [clip.preview, clip.ids] : [clip.ids, clip.firstIds];
  if (clip.preview ? !preview || preview.step >= 0 || gallery.made : !clip.edits) return;
  const { bands, steps, width: cells } = lane.stage;
  const each = 1 / (clip.geometry.frameRate * steps);
  const seen = [Math.max(0, Math.floor(view[0] / each)), Math.min(cells, Math.ceil(view[1] / each))];
  const differs = (x, y) => {
    const { row, column } = cellAt(lane.stage, x, bands - 1 - y);
    return now[row * clip.geometry.columns + column] !== before[row * clip.geometry.columns + column];
  };
  context.strokeStyle = colours.now;
  context.lineWidth = 2;
  strokeContour(context, differs, seen, bands, (x, y) => [(x * each - view[0]) * (width / (view[1] - view[0])), (y * height) / bands]);
}

function drawControls() {
  const stages = currentStages();
  const waiting = !current();
  root.classList.toggle("cm-waiting", waiting);
  root.classList.toggle("cm-playing", player.playing);
  $(".cm-play").setAttribute("aria-label", player.playing ? "Stop" : "Play");
  $(".cm-play").disabled = waiting;
  for (const button of root.querySelectorAll("[data-source]")) {
    button.setAttribute("aria-checked", String(button.dataset.source === source));
    button.disabled = button.dataset.source === "original" && !clip.original;
  }
  for (const button of root.querySelectorAll("[data-edit=undo]")) button.disabled = !(clip.edits || clip.former);
  for (const button of root.querySelectorAll("[data-edit=redo]")) button.disabled = !(clip.redos || clip.later);
  $(".cm-added-n").textContent = addedStage + 1;
  $(".cm-boost-label").hidden = source !== "added";
  $(".cm-boost-db").textContent = `+${number(boostDb(), 1)} dB`;
  const listed = chosen(on);
  const rate = clip.geometry.stages.filter((s) => on[s.number]).reduce((sum, s) => sum + s.rate, 0);
  $(".cm-slider").value = isPrefix(listed) ? listed.length : Math.max(...listed) + 1;
  $(".cm-depth").classList.toggle("cm-custom", !isPrefix(listed));
  $(".cm-depth-text").textContent = `${isPrefix(listed) ? `${listed.length} of ${on.length} stages` : `stage${listed.length > 1 ? "s" : ""} ${spoken(listed)}`} · ${number(rate)} bit/s`;
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
  const found = decoded.facts(clip, upTo(j + 1));
  lane.level.textContent = found ? decibel(found.added.level) : "…";
  lane.level.style.setProperty("--share", found && found.added.level !== null ? Math.max(0, 1 + found.added.level / 60) : 0);
}

function drawDecodedName(waiting) {
  const lane = lanes.find((l) => l.which === "decoded");
  const listed = chosen(on);
  const shown = shownVariation();
  lane.name.textContent = shown !== null && source !== "added" ? `Variation ${shown + 1}` : source === "added" ? `Added by stage ${addedStage + 1}` : "Decoded";
  if (preview) lane.note.textContent = preview.step < 0 ? (gallery.made ? "All stages." : "All stages. Outlined cells differ from the clip.") : `After step ${preview.step + 1}. Grey cells are not decided yet; they play the codeword that adds least.`;
  else if (clip.preview) lane.note.textContent = "Being drawn: grey cells are not decided yet.";
  else if (waiting) lane.note.textContent = "Decoding…";
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
