// What is done to the selected cells at once, without a prior (erase, randomise, blur), and refining, with one.

const touches = {
  erase: () => server.erase({ token: clip.token, rectangles: selection.rectangles() }),
  randomise: () => server.randomise({ token: clip.token, rectangles: selection.rectangles() }),
  blur: () => server.blur({ token: clip.token, rectangles: selection.rectangles(), radius: numberIn(".cm-radius"), strength: numberIn(".cm-strength") }),
};

async function touch(name) {
  if (!clip || clip.drafted) return;
  if (!selection.count) return say("No cell is selected: drag over the map, or press one of the mask buttons.");
  player.wake();
  adopt();
  const answering = call(touches[name], {});
  const answer = await answering;
  if (!answer.ok) return say(answer.error);
  return write(answering, answer.told);
}

// The stages of the coarsest level: those at the beginning that have the first one's bands and steps; the first alone where
// all have.
function topLevel() {
  const { stages } = clip.geometry;
  const other = stages.findIndex((stage) => stage.bands !== stages[0].bands || stage.steps !== stages[0].steps);
  return other < 0 ? 1 : other;
}

// What lies in and under the selection, or anywhere where nothing is selected, less the coarsest level.
function finerSelection() {
  const next = new Selection(clip.geometry);
  const last = { first: 0, last: clip.geometry.columns - 1, top: topLevel(), bottom: clip.geometry.stages.length - 1, bands: null };
  if (!selection.count) next.add(last, false);
  else selection.drawn(undefined, (part) => next.add(part, true));
  next.each({ ...last, top: 0, bottom: topLevel() - 1 }, (stage, band, column) => next.set(stage, band, column, 0));
  return next;
}

function refine() {
  if (!clip || clip.drafted) return;
  if (clip.geometry.stages.length < 2) return say("These codes have one stage only: there is nothing finer to write anew.");
  select(finerSelection(), false);
  return fill();
}

for (const button of root.querySelectorAll("[data-touch]")) button.addEventListener("click", () => touch(button.dataset.touch));
$(".cm-refine").addEventListener("click", refine);
