import assert from "node:assert/strict";
import test from "node:test";

import { State } from "../../vqaudio/ui/codemap/state.js";
import { Variations } from "../../vqaudio/ui/codemap/variations.js";
import { State as CompareState } from "../../vqaudio/ui/compare/state.js";
import { block, clipOfSpec, plainSpec } from "./toys.mjs";

function stateWithClip() {
  const state = new State();
  const clip = { ...clipOfSpec(plainSpec(), 20), span: 0.4, seconds: 0.4 };
  state.enter(clip);
  const heard = [];
  for (const event of ["clip", "ids", "edited", "sound", "selection", "gallery", "view", "change"]) state.on(event, () => heard.push(event));
  return { state, clip, heard };
}

function preview(number, step = -1) {
  return { number, step, key: `j/${number}/${step}`, ids: new Uint16Array(80), undecided: 0, sound: {} };
}

test("a clip opens with all of its stages on, and all of it in view", () => {
  const { state } = stateWithClip();
  assert.deepEqual(state.enabled, [true, true, true, true]);
  assert.deepEqual(state.view, [0, 0.4]);
  assert.equal(state.source, "decoded");
});

test("each change is announced, and asks for a drawing", () => {
  const { state, heard } = stateWithClip();
  state.listenTo("added", 2);
  assert.deepEqual(heard, ["sound", "change"]);
  assert.deepEqual([state.source, state.addedStage], ["added", 2]);
});

test("the view stays inside the clip and shows at least 12 columns", () => {
  const { state } = stateWithClip();
  state.setView(0.3, 0.01);
  assert.deepEqual(state.view.map((x) => x.toFixed(2)), ["0.16", "0.40"]);
  state.setView(-1, 9);
  assert.deepEqual(state.view, [0, 0.4]);
});

test("an edit ends the preview and forgets the clip that Redo led to", () => {
  const { state, clip, heard } = stateWithClip();
  state.openGallery(new Variations({ job: "j", total: 1, seed: 0 }, { base: clip, bounds: block(0, 1, 0), isNew: false }));
  state.showPreview(preview(0));
  clip.later = {};
  const ids = new Uint16Array(80).fill(3);
  state.edit(clip, { ids, edits: 1, redos: 0, version: "2" });
  assert.deepEqual([state.preview, clip.preview, clip.later, state.source, clip.ids], [null, null, null, "decoded", ids]);
  assert.ok(heard.includes("edited"));
});

test("an edit of a clip that was left changes that clip only", () => {
  const { state, clip, heard } = stateWithClip();
  const other = { ...clipOfSpec(plainSpec(), 20), span: 0.4, seconds: 0.4 };
  state.enter(other);
  heard.length = 0;
  state.edit(clip, { ids: new Uint16Array(80), edits: 1, redos: 0, version: "2" });
  assert.deepEqual([clip.version, other.version, heard], ["2", "1", []]);
});

test("a preview that is no longer wanted", () => {
  const { state, clip } = stateWithClip();
  state.openGallery(new Variations({ job: "j", total: 2, seed: 0 }, { base: clip, bounds: block(0, 1, 0), isNew: false }));
  state.awaitPreview("j/1/-1");
  state.listenTo("decoded");
  assert.equal(state.wantedPreview, "");
});

test("leaving a preview gives back the clip's own cells and sound", () => {
  const { state, clip } = stateWithClip();
  state.openGallery(new Variations({ job: "j", total: 2, seed: 0 }, { base: clip, bounds: block(0, 1, 0), isNew: false }));
  state.showPreview(preview(1));
  assert.deepEqual([state.source, state.shownVariation], ["variation", 1]);
  state.leavePreview();
  assert.deepEqual([state.source, state.shownVariation, clip.preview], ["decoded", null, null]);
});

test("another clip closes the gallery of a fill, not that of new clips", () => {
  for (const isNew of [false, true]) {
    const { state, clip } = stateWithClip();
    state.openGallery(new Variations({ job: "j", total: 2, seed: 0 }, { base: clip, bounds: block(0, 1, 0), isNew }));
    state.enter({ ...clipOfSpec(plainSpec(), 20), span: 0.4, seconds: 0.4 });
    assert.equal(state.gallery !== null, isNew);
  }
});

test("the stages that are on stay on in a clip of the same number of stages", () => {
  const { state } = stateWithClip();
  state.enableStages([true, false, true, false]);
  state.enter({ ...clipOfSpec(plainSpec(), 20), span: 0.4, seconds: 0.4 });
  assert.deepEqual(state.enabled, [true, false, true, false]);
});

test("a blind test counts switches and hides X", () => {
  const state = new CompareState();
  state.open({ title: "clip" });
  state.addSide("a", { model: "m", stages: 1 });
  assert.equal(state.ready, false);
  state.addSide("b", { model: "m", stages: 2 });
  state.startTest(2);
  assert.equal(state.hearing, "x");
  assert.equal(state.audible, state.test.x);
  for (const what of ["a", "b", "b", "x"]) state.hear(what);
  assert.equal(state.test.switches, 3);
  assert.equal(state.answer(state.test.x), false);
  state.nextTrial();
  assert.deepEqual([state.hearing, state.test.switches], ["x", 0]);
  assert.equal(state.answer(state.test.x === "a" ? "b" : "a"), true);
  const { right, trials } = state.endTest();
  assert.deepEqual([right, trials.length, state.test, state.hearing], [1, 2, null, "a"]);
});
