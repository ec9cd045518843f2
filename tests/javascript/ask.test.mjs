import assert from "node:assert/strict";
import test from "node:test";

import { State } from "../../vqaudio/ui/ask/state.js";
import { barsOf, byType, suggestions, wordsOf } from "../../vqaudio/ui/ask/suggest.js";

const QUESTIONS = [
  { question: "How many cello sounds are there?", type: "How many" },
  { question: "Is there a cello tone with the note C#?", type: "Is there" },
  { question: "How many flute sounds come after the cello sound?", type: "How many" },
];

test("what begins as typed comes first, then what contains all words", () => {
  assert.deepEqual(suggestions(QUESTIONS, "how many cel"), [QUESTIONS[0].question, QUESTIONS[2].question]);
  assert.deepEqual(suggestions(QUESTIONS, "CELLO c#"), [QUESTIONS[1].question]);
  assert.deepEqual(suggestions(QUESTIONS, "  "), []);
  assert.deepEqual(suggestions(QUESTIONS, "piano"), []);
  assert.equal(suggestions(QUESTIONS, "cello", 1).length, 1);
  assert.deepEqual(wordsOf("Is it C#?"), ["is", "it", "c#"]);
});

test("examples by type", () => {
  assert.deepEqual([...byType(QUESTIONS)].map(([type, asked]) => [type, asked.length]), [["How many", 2], ["Is there", 1]]);
});

test("ten bars, or all", () => {
  const answers = Array.from({ length: 12 }, (_, i) => [String(i), i ? 0.05 : 0.45]);
  assert.equal(barsOf(answers, false).length, 10);
  assert.equal(barsOf(answers, true).length, 12);
  assert.deepEqual(barsOf(answers, false)[0], { text: "0", share: 1, percent: "45.0%" });
});

test("the true answer is hidden until it is asked for, and steps mark their sounds", () => {
  const state = new State();
  state.open({ stages: [0], kind: "sound" });
  const steps = [{ sounds: [0, 1, 2] }, { sounds: [1] }, { sounds: null, value: "1" }];
  state.show({ answers: [["1", 0.9]], truth: { answer: "1", steps } });
  assert.deepEqual([state.revealed, state.marked], [false, []]);
  state.reveal();
  assert.deepEqual([state.right, state.marked], [true, [1]]);
  state.mark(0);
  assert.deepEqual(state.marked, [0, 1, 2]);
  state.open({ stages: [0], kind: "sound" });
  assert.equal(state.answer, null);
});
