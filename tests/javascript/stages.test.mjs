import assert from "node:assert/strict";
import test from "node:test";

import { enabledStages, formatStages, isPrefix, listStages, nameStages, parseStages, solo } from "../../vqaudio/ui/shared/stages.js";
import { range } from "../../vqaudio/ui/shared/text.js";

test("stages as people write them", () => {
  const cases = { 3: [2], "2-4": [1, 2, 3], "1,3": [0, 2], "2-": [1, 2, 3, 4, 5], "3 – 4": [2, 3], "4,1-2,2": [0, 1, 3] };
  for (const [text, stages] of Object.entries(cases)) assert.deepEqual(parseStages(text, 6), stages, text);
});

test("other texts are refused", () => {
  for (const text of ["", "0", "7", "5-7", "4-2", "a", "1,", "1-2-3", "1.5", "-3"]) assert.equal(parseStages(text, 6), null, text);
});

test("what is written is read back, for every set of six stages", () => {
  for (const bits of range(64).slice(1)) {
    const stages = range(6).filter((stage) => bits & (1 << stage));
    assert.deepEqual(parseStages(formatStages(stages), 6), stages);
    assert.deepEqual(parseStages(listStages(stages), 6), stages);
    assert.equal(isPrefix(stages), bits === (1 << stages.length) - 1);
    assert.deepEqual(enabledStages(range(6).map((stage) => stages.includes(stage))), stages);
  }
});

test("stages by name", () => {
  assert.equal(nameStages([2]), "stage 3");
  assert.equal(nameStages([0, 1, 2, 5]), "stages 1–3, 6");
});

test("solo, and back to what was on before", () => {
  const before = [true, false, true];
  const alone = solo(before, null, 1);
  assert.deepEqual(alone, { enabled: [false, true, false], before });
  const other = solo(alone.enabled, alone.before, 2);
  assert.deepEqual(other, { enabled: [false, false, true], before });
  assert.deepEqual(solo(other.enabled, other.before, 2), { enabled: before, before: null });
  assert.deepEqual(solo([false, true], null, 1), { enabled: [false, true], before: null });
});
