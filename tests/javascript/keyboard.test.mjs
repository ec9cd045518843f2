import assert from "node:assert/strict";
import test from "node:test";

import { Notes } from "../../vqaudio/ui/keyboard/notes.js";
import { bestOctave, CODES, isBlack, nameOf, nearestKey, ONE_OCTAVE, trainedKeys, TWO_OCTAVES } from "../../vqaudio/ui/keyboard/pitches.js";
import { State } from "../../vqaudio/ui/keyboard/state.js";
import { range } from "../../vqaudio/ui/shared/text.js";
import { Wire } from "../../vqaudio/ui/shared/wire.js";

const PLAYER = { name: "notes", keys: range(49).map((i) => 36 + i), labels: {}, trained_keys: { instrument: { cello: [36, 40, 43], flute: [72, 74] } } };

test("names and colours of keys", () => {
  assert.deepEqual([60, 61, 69].map(nameOf), ["C4", "C♯4", "A4"]);
  assert.deepEqual(range(12).filter(isBlack), [1, 3, 6, 8, 10]);
  assert.equal(CODES.length, TWO_OCTAVES);
});

test("the octaves that hold most of the keys", () => {
  assert.equal(bestOctave([60, 61]), 48, "of equally good ones the middle");
  assert.equal(bestOctave([84, 86, 100]), 84);
  assert.equal(bestOctave([60, 72, 79, 84], ONE_OCTAVE), 72);
  assert.equal(nearestKey([36, 40, 43], 72), 43);
});

test("the keys of the training clips with these labels", () => {
  assert.deepEqual(trainedKeys(PLAYER, { instrument: "flute" }), [72, 74]);
  assert.deepEqual(trainedKeys(PLAYER, {}), PLAYER.keys);
  assert.deepEqual(trainedKeys({ ...PLAYER, trained_keys: null }, { instrument: "flute" }), PLAYER.keys);
});

test("the keyboard stays within the notes of MIDI", () => {
  const state = new State();
  state.setPlayers([PLAYER]);
  state.choose("notes", { instrument: "cello" });
  assert.equal(state.lowest, 24);
  state.shift(-9);
  assert.equal(state.lowest, 0);
  state.shift(20);
  assert.equal(state.lowest, 96);
});

test("a narrow keyboard shows the octave with most keys", () => {
  const state = new State();
  state.setPlayers([PLAYER], -20);
  state.choose("notes", { instrument: "flute" });
  state.resize(ONE_OCTAVE);
  assert.deepEqual([state.size, state.lowest, state.levelDb], [13, 72, -20]);
  state.shift(9);
  assert.equal(state.lowest, 108);
});

test("two notes are asked for at a time, the pressed one next, and each once", async () => {
  const asked = [];
  const answers = [];
  const note = ({ key }) => new Promise((resolve) => {
    asked.push(key);
    answers.push(() => resolve({ ok: false, error: `no ${key}` }));
  });
  const errors = [];
  const notes = new Notes(new Wire({ note }, () => {}), () => {}, (sentence) => errors.push(sentence));
  const all = [1, 2, 3, 4].map((key) => notes.get({ key }, false));
  assert.equal(notes.get({ key: 4 }, true), all[3], "the same promise");
  assert.deepEqual([asked, notes.waiting, notes.stateOf({ key: 4 })], [[1, 2], 4, "waiting"]);
  while (answers.length < 4) {
    answers.at(-1)();
    await new Promise(setImmediate);
  }
  assert.deepEqual(asked, [1, 2, 4, 3]);
  answers.forEach((answer) => answer());
  assert.deepEqual(await Promise.all(all), [null, null, null, null]);
  assert.equal(errors.length, 4);
  assert.equal(notes.stateOf({ key: 1 }), "missing");
});

test("notes that wait are dropped, those under way come", async () => {
  const notes = new Notes(new Wire({ note: () => new Promise(() => {}) }, () => {}), () => {}, () => {});
  const promises = [1, 2, 3].map((key) => notes.get({ key }, false));
  notes.drop();
  assert.equal(await promises[2], null);
  assert.deepEqual([1, 2, 3].map((key) => notes.stateOf({ key })), ["waiting", "waiting", "missing"]);
});
