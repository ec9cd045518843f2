import assert from "node:assert/strict";
import test from "node:test";

import { moveEdge } from "../../vqaudio/ui/codemap/resizing.js";
import { rowHeight, rowShare, rowStrength } from "../../vqaudio/ui/codemap/rows.js";
import { Selection } from "../../vqaudio/ui/codemap/selection.js";
import { levelOf, wavOf } from "../../vqaudio/ui/codemap/wav.js";
import { describeRate } from "../../vqaudio/ui/codemap/words.js";
import { gainToLevel } from "../../vqaudio/ui/shared/player.js";
import { block, clipOfSpec, plainSpec } from "./toys.mjs";

test("rows fall in height and strength with what their stage contributes", () => {
  const contributions = [0, -10, -20, -60];
  const shares = contributions.map((_, stage) => rowShare(contributions, stage, false));
  const heights = shares.map((share) => rowHeight({ bands: 1 }, share));
  assert.deepEqual([...heights].sort((a, b) => b - a), heights);
  assert.equal(new Set(heights).size, 4);
  assert.ok(heights[3] >= 13 && rowStrength(shares[3]) >= 0.5 && rowStrength(shares[0]) === 1);
  assert.deepEqual(contributions.map((_, stage) => rowShare(contributions, stage, true)), [1, 1, 1, 1]);
  assert.equal(rowShare(null, 2, false), 1);
});

test("an edge of a selection moves in and out", () => {
  const { geometry } = clipOfSpec(plainSpec(), 20);
  const selection = new Selection(geometry);
  selection.add(block(5, 9, 1, 2), false);
  const boundsAfter = (edge, to) => {
    const { first, last, top, bottom } = moveEdge(selection, edge, to).bounds();
    return [first, last, top, bottom];
  };
  assert.deepEqual(boundsAfter("left", 2), [2, 9, 1, 2]);
  assert.deepEqual(boundsAfter("left", 7), [7, 9, 1, 2]);
  assert.deepEqual(boundsAfter("left", 15), [9, 9, 1, 2]);
  assert.deepEqual(boundsAfter("right", 30), [5, 19, 1, 2]);
  assert.deepEqual(boundsAfter("top", 0), [5, 9, 0, 2]);
  assert.deepEqual(boundsAfter("top", 3), [5, 9, 2, 2]);
  assert.deepEqual(boundsAfter("bottom", 3), [5, 9, 1, 3]);
  assert.equal(selection.count, 10);
});

test("a selection with holes keeps them when an edge moves", () => {
  const { geometry } = clipOfSpec(plainSpec(), 20);
  const selection = new Selection(geometry);
  selection.add(block(2, 3, 0), false);
  selection.add(block(8, 9, 0), false);
  assert.deepEqual(moveEdge(selection, "right", 12).runs(0, 0), [[2, 3], [8, 12]]);
  assert.equal(moveEdge(new Selection(geometry), "left", 3).count, 0);
});

test("a rate is given in kbit/s, and against 16-bit PCM", () => {
  const clip = { ...clipOfSpec(plainSpec(), 20), sample_rate: 8000 };
  assert.equal(describeRate(clip, [0, 1, 2, 3]), "1.0 kbit/s, 128 times smaller");
  assert.equal(describeRate(clip, [0]), "0.25 kbit/s, 512 times smaller");
});

test("a recording becomes a WAV file", () => {
  const bytes = wavOf([Float32Array.of(0, 1), Float32Array.of(-1, 2)], 48000);
  const view = new DataView(bytes.buffer);
  assert.equal(String.fromCharCode(...bytes.slice(0, 4)), "RIFF");
  assert.equal(view.getUint32(24, true), 48000);
  assert.deepEqual([44, 46, 48, 50].map((at) => view.getInt16(at, true)), [0, 32767, -32767, 32767]);
  assert.ok(Math.abs(levelOf(Float32Array.of(0.1, -0.1)) + 20) < 1e-4 && levelOf(new Float32Array(4)) === -100);
});

test("a generated sound is brought to a level, and never clips", () => {
  const soft = Float32Array.of(0.001, -0.001);
  assert.ok(Math.abs(gainToLevel(soft, -60, -23) - 37) < 1e-4);
  assert.ok(Math.abs(gainToLevel(Float32Array.of(0.5, 0), -40, -23) - (-1 - 20 * Math.log10(0.5))) < 1e-4);
  assert.equal(gainToLevel(soft, null, -23), 0);
});
