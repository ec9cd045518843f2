import assert from "node:assert/strict";
import test from "node:test";

import { matchingGains, peakOf, scaled } from "../../vqaudio/ui/compare/levels.js";
import { State } from "../../vqaudio/ui/compare/state.js";
import { timeTicks } from "../../vqaudio/ui/compare/time_axis.js";

test("all sounds are brought to the original's level", () => {
  const gains = matchingGains({ original: { level: -20, peak: 0.4 }, a: { level: -26, peak: 0.2 }, b: { level: -17, peak: 0.5 } });
  assert.deepEqual(gains, { original: 0, a: 6, b: -3 });
});

test("no sound is raised until it clips, and the others follow it", () => {
  const sounds = { original: { level: -20, peak: 0.5 }, a: { level: -30, peak: 0.8 }, b: { level: null, peak: 0 } };
  const gains = matchingGains(sounds);
  assert.ok(Math.abs(0.8 * 10 ** (gains.a / 20) - 10 ** (-1 / 20)) < 1e-9);
  assert.ok(Math.abs(-20 + gains.original - (-30 + gains.a)) < 1e-9);
  assert.equal(gains.b, 0, "silence stays as it is");
});

test("the state's gains follow the switch", () => {
  const state = new State();
  state.addSide("original", { level_db: -20, peak: 0.3 });
  state.addSide("a", { level_db: -22, peak: 0.2 });
  assert.deepEqual(state.gains, { original: 0, a: 2 });
  state.match(false);
  assert.deepEqual(state.gains, { original: 0, a: 0 });
});

test("samples are scaled by decibels, and left alone at 0 dB", () => {
  const samples = new Float32Array([0.5, -0.25]);
  assert.equal(scaled(samples, 0), samples);
  assert.ok(Math.abs(scaled(samples, -20)[0] - 0.05) < 1e-7);
  assert.equal(peakOf(new Float32Array([0.5, -0.75])), 0.75);
});

test("an axis has at most nine round times", () => {
  assert.deepEqual(timeTicks(0.34), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(timeTicks(2.6), [0, 0.5, 1, 1.5, 2, 2.5]);
  assert.deepEqual(timeTicks(60), [0, 10, 20, 30, 40, 50, 60]);
});
