import assert from "node:assert/strict";
import test from "node:test";

import { copyCells, fits, pasteCells } from "../../vqaudio/ui/codemap/blocks.js";
import { historyStep, surpriseAt } from "../../vqaudio/ui/codemap/clip.js";
import { Variations } from "../../vqaudio/ui/codemap/variations.js";
import { bandedSpec, block, clipOfSpec, plainSpec } from "./toys.mjs";

test("cells are copied from the left end of the selection", () => {
  const clip = clipOfSpec(plainSpec(), 20);
  clip.selection.add(block(4, 5, 1, 2), false);
  assert.deepEqual(copyCells(clip, clip.selection).cells, [[1, 0, clip.ids[24]], [1, 1, clip.ids[25]], [2, 0, clip.ids[44]], [2, 1, clip.ids[45]]]);
});

test("of a stage with steps, every cell of a column is copied", () => {
  const clip = clipOfSpec(bandedSpec(), 10);
  clip.selection.add(block(0, 0, 1, 1, [3, 3]), false);
  assert.deepEqual(copyCells(clip, clip.selection).cells, [[8, 0, clip.ids[80]], [9, 0, clip.ids[90]]]);
});

test("what would be past the end is cut", () => {
  const clip = clipOfSpec(plainSpec(), 20);
  clip.selection.add(block(0, 3, 0), false);
  const copied = copyCells(clip, clip.selection);
  assert.deepEqual(pasteCells(copied, clip, 18), { cells: [[0, 18, clip.ids[0]], [0, 19, clip.ids[1]]], cut: 2 });
});

test("cells fit codes of the same shape only", () => {
  const clip = clipOfSpec(plainSpec(), 20);
  clip.selection.add(block(0, 0, 0), false);
  const copied = copyCells(clip, clip.selection);
  assert.ok(fits(copied, clipOfSpec(plainSpec(), 5)));
  assert.ok(!fits(copied, clipOfSpec(bandedSpec(), 20)));
});

test("nothing selected, nothing copied", () => {
  const clip = clipOfSpec(plainSpec(), 20);
  assert.equal(copyCells(clip, clip.selection), null);
});

test("undo takes back edits first, then the new clip", () => {
  const [old, fresh] = [clipOfSpec(plainSpec(), 20), clipOfSpec(plainSpec(), 20)];
  const gallery = new Variations({ job: "j", total: 4, seed: 1 }, { base: old, bounds: null, isNew: true });
  gallery.addClip(0, fresh);
  gallery.adopt(fresh);
  assert.deepEqual(historyStep({ ...fresh, edits: 2 }, "undo"), { edit: true, clip: null });
  assert.deepEqual(historyStep(fresh, "undo"), { edit: false, clip: old });
  assert.deepEqual(historyStep(old, "redo"), { edit: false, clip: fresh });
  assert.deepEqual(historyStep({ ...old, redos: 1 }, "redo"), { edit: true, clip: null });
  assert.deepEqual(historyStep(old, "undo"), { edit: false, clip: null });
});

test("which variation is shown, and which are compared", () => {
  const clip = clipOfSpec(plainSpec(), 20);
  const gallery = new Variations({ job: "j", total: 4, seed: 1 }, { base: clip, bounds: block(0, 1, 0), isNew: false });
  assert.deepEqual([gallery.a, gallery.b], [null, 0]);
  assert.equal(gallery.shown(clip, null), null);
  assert.equal(gallery.shown(clip, { number: 2 }), 2);
  gallery.compare(2);
  gallery.pin(2);
  assert.deepEqual([gallery.a, gallery.b], [2, 0]);
  gallery.compare(2);
  assert.equal(gallery.b, 0, "A is not compared with itself");
  gallery.pin(2);
  assert.equal(gallery.a, null);
});

test("new clips are shown by being open", () => {
  const [first, second] = [clipOfSpec(plainSpec(), 20), clipOfSpec(plainSpec(), 20)];
  const gallery = new Variations({ job: "j", total: 2, seed: 1 }, { base: null, bounds: null, isNew: true });
  gallery.addClip(0, first);
  gallery.addClip(1, second);
  assert.deepEqual([gallery.a, gallery.b], [0, 1]);
  assert.deepEqual([first, second].map((clip) => gallery.shown(clip, null)), [0, 1]);
  gallery.adopt(second);
  assert.equal(gallery.shown(second, null), null, "it is the clip now");
});

test("surprise is of one version of one clip", () => {
  const clip = clipOfSpec(plainSpec(), 20);
  const surprise = { token: "t", version: "1", bits: Float32Array.from({ length: 80 }, (_, i) => i) };
  assert.equal(surpriseAt(clip, surprise, { row: 1, column: 2 }), 22);
  assert.equal(surpriseAt({ ...clip, version: "2" }, surprise, { row: 1, column: 2 }), null);
  assert.equal(surpriseAt({ ...clip, preview: clip.ids }, surprise, { row: 1, column: 2 }), null);
  assert.equal(surpriseAt(clip, null, { row: 1, column: 2 }), null);
});
