import assert from "node:assert/strict";
import test from "node:test";

import { bandsAt, cellAt, coarsestLevel, geometryOf, neighbour, placeOf, scaleOf } from "../../vqaudio/ui/codemap/geometry.js";
import { ticksOf } from "../../vqaudio/ui/codemap/lanes.js";
import { range } from "../../vqaudio/ui/shared/text.js";
import { bandedSpec, plainSpec } from "./toys.mjs";

const plain = geometryOf(plainSpec(), 20);
const banded = geometryOf(bandedSpec(), 10);

test("each row and column is one cell, and back", () => {
  for (const geometry of [plain, banded]) {
    for (const row of range(geometry.rows)) {
      for (const column of range(geometry.columns)) {
        const { stage, x, band } = placeOf(geometry, { row, column });
        assert.deepEqual(cellAt(stage, x, band), { row, column });
        assert.ok(x < stage.width && band < stage.bands);
      }
    }
  }
});

test("rows and rates of stages with bands and steps", () => {
  assert.equal(banded.rows, 2 + 8);
  assert.deepEqual(banded.stages.map(({ row, width, rate }) => [row, width, rate]), [[0, 10, 200], [2, 20, 800]]);
  assert.equal(banded.finest, 1);
  assert.deepEqual([coarsestLevel(plain), coarsestLevel(banded)], [1, 1]);
});

test("the bands of the finest stage are equally high", () => {
  const { scale } = banded;
  assert.deepEqual([0, 500, 1000, 2000, 4000].map(scale.height), [0, 0.25, 0.5, 0.75, 1]);
  for (const hz of [0, 130, 700, 1999, 4000]) assert.ok(Math.abs(scale.hz(scale.height(hz)) - hz) < 1e-9);
  assert.equal(scaleOf([0, 4000]).height(1000), 0.25);
  assert.deepEqual(bandsAt(banded.stages[0], [0, 0.5]), [0, 0]);
  assert.deepEqual(bandsAt(banded.stages[1], [0.2, 0.6]), [0, 2]);
});

test("arrows step over cells, bands and stages, and stop at the edges", () => {
  const { stages } = banded;
  assert.deepEqual(neighbour(banded, cellAt(stages[1], 5, 0), "ArrowRight"), cellAt(stages[1], 6, 0));
  assert.deepEqual(neighbour(banded, cellAt(stages[1], 0, 0), "ArrowLeft"), cellAt(stages[1], 0, 0));
  assert.deepEqual(neighbour(banded, cellAt(stages[1], 7, 3), "ArrowUp"), cellAt(stages[0], 3, 0));
  assert.deepEqual(neighbour(banded, cellAt(stages[0], 3, 0), "ArrowDown"), cellAt(stages[1], 6, 3));
  assert.deepEqual(neighbour(banded, cellAt(stages[0], 3, 1), "ArrowUp"), cellAt(stages[0], 3, 1));
  assert.deepEqual(neighbour(banded, cellAt(stages[1], 3, 2), "End"), cellAt(stages[1], 19, 2));
  assert.deepEqual(neighbour(banded, cellAt(stages[1], 3, 2), "Home"), cellAt(stages[1], 0, 2));
});

test("ticks of a frequency axis leave room for each other", () => {
  assert.deepEqual(ticksOf(scaleOf([0, 4000]), 0.11), [[4000, 1], [0, 0]]);
  const heights = ticksOf(banded.scale, 0.11).map(([, height]) => height).sort((a, b) => a - b);
  assert.ok(heights.length > 3 && heights.every((height, i) => !i || height - heights[i - 1] > 0.11));
});
