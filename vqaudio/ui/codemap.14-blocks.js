// Edits by hand: copy a block of cells, paste it elsewhere or into another clip of the same codec; undo and redo.

let block = null; // {spec, cells: [row, column from the left end, index], columns}

function copyBlock() {
  const b = clip && selection.bounds();
  if (!b) return say("No cell is selected: there is nothing to copy.");
  const cells = [];
  for (const part of selection.blocks()) {
    selection.each(part, (stage, band, column) => {
      const { row, steps } = clip.geometry.stages[stage];
      for (const step of upTo(steps)) cells.push([row + band * steps + step, column - b.first, clip.ids[(row + band * steps + step) * clip.geometry.columns + column]]);
    });
  }
  block = { spec: JSON.stringify(clip.spec), cells, columns: b.last - b.first + 1 };
  say(`Copied ${cells.length} cells of ${clip.title}. Select where they are to begin, here or in another clip, and paste.`);
}

function pasteBlock() {
  if (!clip || clip.drafted) return;
  if (!block) return say("Nothing was copied yet: select some cells and press Copy.");
  if (block.spec !== JSON.stringify(clip.spec)) return say("What was copied has another shape: it is from another codec.");
  const bounds = selection.bounds();
  const left = bounds ? bounds.first : focus ? focus.column : 0;
  const inside = block.cells.filter(([, column]) => left + column < clip.geometry.columns);
  const cut = block.cells.length - inside.length;
  const cells = inside.map(([row, column, index]) => [row, left + column, index]);
  return write(call(server.put, { token: clip.token, cells }), `Pasted ${cells.length} cells at ${number(left / clip.geometry.frameRate, 2)} s${cut ? `; ${cut} lay beyond the end` : ""}.`);
}

function undoChange() {
  if (!clip) return;
  if (clip.edits) return write(call(server.undo, { token: clip.token }), "Undone.");
  return clip.former ? goTo(clip.former, "Undone") : say("There is nothing to undo.");
}

function redoChange() {
  if (!clip) return;
  if (clip.redos) return write(call(server.redo, { token: clip.token }), "Done again.");
  return clip.later ? goTo(clip.later, "Done again") : say("There is nothing to redo.");
}

// The clip before or after a new one was taken for it.
function goTo(other, told) {
  if (gallery && gallery.made) gallery.base = other;
  enter(other);
  hear("decoded");
  say(`${told}: the clip is ${other.title}.`);
}

for (const [name, action] of Object.entries({ copy: copyBlock, paste: pasteBlock, undo: undoChange, redo: redoChange })) {
  for (const button of root.querySelectorAll(`[data-edit=${name}]`)) button.addEventListener("click", () => action());
}

// Keys of the selection; true: it was one.
function selectKey(event) {
  const held = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (held && (key === "z" || key === "y")) {
    key === "y" || event.shiftKey ? redoChange() : undoChange();
    return true;
  }
  if (mode !== "select" || !clip) return false;
  if (held && key === "c") copyBlock();
  else if (held && key === "v") pasteBlock();
  else if (held && key === "a") masks.all();
  else if (event.key === "Enter") fill();
  else if (event.key === "Escape") drag ? dropDrag() : job ? cancelJob() : masks.clear();
  else return false;
  return true;
}
