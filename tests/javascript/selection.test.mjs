import assert from "node:assert/strict";
import test from "node:test";

import { geometryOf } from "../../vqaudio/ui/codemap/geometry.js";
import { blocksOf, everyNth, finerStages, fromSecond, onsetColumns, randomShare, wholeClip } from "../../vqaudio/ui/codemap/masks.js";
import { overSpectrogram } from "../../vqaudio/ui/codemap/overlay.js";
import { DRAWN, FINER, Selection } from "../../vqaudio/ui/codemap/selection.js";
import { bandedSpec, block, plainSpec } from "./toys.mjs";

const plain = geometryOf(plainSpec(), 20);
const banded = geometryOf(bandedSpec(), 10);

function selected(geometry, ...blocks) {
  const selection = new Selection(geometry);
  for (const one of blocks) selection.add(one, false);
  return selection;
}

test("a block selects its columns and stages", () => {
  const selection = selected(plain, block(2, 4, 1, 2));
  assert.equal(selection.count, 6);
  assert.deepEqual(selection.stages, [1, 2]);
  assert.deepEqual(selection.bounds(), block(2, 4, 1, 2));
  assert.deepEqual(selection.rectangles(), [{ start_s: 0.04, end_s: 0.1, stages: "2-3", bands: null }]);
});

test("the finer stages come along, and go with the coarser one", () => {
  const selection = new Selection(plain);
  selection.add(block(3, 5, 1), true);
  assert.deepEqual([0, 1, 2, 3].map((stage) => selection.at(stage, 0, 4)), [0, DRAWN, FINER, FINER]);
  selection.setFiner(false);
  assert.deepEqual(selection.stages, [1]);
  selection.setFiner(true);
  selection.remove(block(4, 4, 1), true);
  assert.deepEqual(selection.blocks(), [block(3, 3, 1, 3), block(5, 5, 1, 3)]);
});

test("what is drawn stays drawn under a coarser block", () => {
  const selection = selected(plain, block(1, 1, 2));
  selection.add(block(0, 2, 0), true);
  assert.equal(selection.at(2, 0, 1), DRAWN);
  assert.equal(selection.at(2, 0, 0), FINER);
});

test("a band of a coarse stage lies over two bands of the fine one", () => {
  const selection = new Selection(banded);
  selection.add(block(0, 1, 0, 0, [1, 1]), true);
  assert.equal(selection.count, 2 + 2 * 2 * 2);
  assert.deepEqual(selection.rectangles().map(({ stages, bands }) => [stages, bands]), [["1-1", "2-2"], ["2-2", "3-4"]]);
});

test("heights select the bands that touch them", () => {
  const selection = new Selection(banded);
  selection.add({ ...block(0, 0, 0, 1), heights: [0.3, 0.4] }, false);
  assert.deepEqual(selection.rectangles().map(({ bands }) => bands), ["1-1", "2-2"]);
});

test("blocks do not overlap and cover the selection, whatever it is", () => {
  for (let seed = 1; seed < 60; seed++) {
    for (const geometry of [plain, banded]) {
      let x = seed;
      const random = () => (x = (x * 16807) % 2147483647) / 2147483647;
      const selection = randomShare(geometry, random(), random);
      const again = new Selection(geometry);
      let visits = 0;
      for (const one of selection.blocks()) again.each(one, (stage, band, column) => { visits++; again.set(stage, band, column, DRAWN); });
      assert.deepEqual(again.cells, selection.cells);
      assert.equal(visits, selection.cells.filter(Boolean).length);
    }
  }
});

test("a copy is independent", () => {
  const first = selected(plain, block(0, 0, 0));
  const second = first.copy();
  second.add(block(1, 1, 0), false);
  assert.deepEqual([first.count, second.count], [1, 2]);
});

test("nothing selected has no bounds", () => {
  assert.equal(new Selection(plain).bounds(), null);
  assert.deepEqual(new Selection(plain).rectangles(), []);
});

test("the ready-made masks", () => {
  assert.equal(wholeClip(plain).count, 80);
  assert.deepEqual(wholeClip(plain, 2).stages, [2, 3]);
  assert.deepEqual(fromSecond(plain, 0.3).bounds(), block(15, 19, 0, 3));
  assert.deepEqual(everyNth(plain, 5).runs(0, 0), [[4, 4], [9, 9], [14, 14], [19, 19]]);
  assert.equal(randomShare(plain, 0.5, () => 0.49).count, 80);
  assert.equal(randomShare(plain, 0.5, () => 0.5).count, 0);
});

test("refining leaves the coarsest level alone", () => {
  assert.deepEqual(finerStages(new Selection(plain)).stages, [1, 2, 3]);
  assert.deepEqual(finerStages(selected(plain, block(3, 4, 0))).bounds(), block(3, 4, 1, 3));
  assert.deepEqual(finerStages(selected(banded, block(0, 0, 0, 0, [0, 0]))).stages, [1]);
});

test("an onset is where the sound grows by more than 6 dB", () => {
  const samples = Float32Array.from({ length: 20 * 160 }, (_, i) => (i >= 5 * 160 && i < 9 * 160) || i >= 15 * 160 ? 0.5 : 0.001);
  assert.deepEqual(onsetColumns(samples, 8000, plain), [5, 15]);
  assert.deepEqual(onsetColumns(new Float32Array(20 * 160), 8000, plain), []);
});

test("seconds and stages as people write them", () => {
  assert.deepEqual(blocksOf(plain, 0.1, 0.2, "2-3"), [block(5, 9, 1), block(5, 9, 2)]);
  assert.equal(blocksOf(plain, 0, 0.4, "").length, 4);
  assert.match(blocksOf(plain, 0, 0.4, "5"), /there are stages 1 to 4/);
  assert.match(blocksOf(plain, 0.2, 0.1, "1"), /starts before it ends/);
  assert.match(blocksOf(plain, 0, 9, "1"), /0 to 0\.40 s/);
});

test("over a spectrogram, the frequencies of all stages are together", () => {
  const shown = overSpectrogram(selected(banded, block(2, 3, 0, 0, [1, 1]), block(2, 2, 1, 1, [0, 0])));
  assert.deepEqual([0, 1, 2, 3].map((band) => shown.runs(0, band)), [[[2, 2]], [], [[2, 3]], [[2, 3]]]);
});
