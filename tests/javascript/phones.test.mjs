import assert from "node:assert/strict";
import test from "node:test";

import { describePhone, phoneAt } from "../../vqaudio/ui/codemap/phones.js";
import { State } from "../../vqaudio/ui/codemap/state.js";
import { describeCell, describeCode, describeSource, speakerName } from "../../vqaudio/ui/codemap/words.js";
import { clipOfSpec, plainSpec } from "./toys.mjs";

const PHONES = [["pau", 0, 0.1], ["s", 0.1, 0.25]];

test("a phone ends where the next one begins", () => {
  const clip = { phones: PHONES };
  assert.deepEqual([0, 0.0999, 0.1, 0.25].map((at) => phoneAt(clip, at)), [PHONES[0], PHONES[0], PHONES[1], null]);
  assert.equal(phoneAt({}, 0), null);
  assert.equal(describePhone(PHONES[1]), "Phone s, 0.10 to 0.25 s.");
});

test("a cell names its codeword's phone, and the phone that is spoken there", () => {
  const clip = { ...clipOfSpec(plainSpec(), 20), phones: PHONES, code_phones: Array(32).fill(["s", 0.624]) };
  clip.code_phones[7] = null;
  const said = describeCell(clip, { row: 0, column: 5 }, null);
  assert.ok(said.endsWith("code 5, mostly s, 62 %. Here: s."), said);
  assert.equal(describeCode(clip, 0, 7), "no phone");
  assert.ok(describeCode({ ...clip, code_phones: null }, 0, 5).includes("was not measured"));
});

test("another speaker is heard at once, and named", () => {
  const state = new State();
  state.enter({ ...clipOfSpec(plainSpec(), 20), span: 0.4, seconds: 0.4, speaker: "", speakers: ["en_US"] });
  const heard = [];
  for (const event of ["sound", "speaker"]) state.on(event, () => heard.push(event));
  state.listenTo("original");
  state.setSpeaker("en_US");
  assert.equal(state.source, "decoded");
  assert.deepEqual(heard, ["sound", "sound", "speaker"]);
  assert.equal(describeSource(state, 0), "all stages as en US");
});

test("speakers of known corpora have names in plain words", () => {
  const named = {
    "asterisk-en_US_f_Allison": "Allison, American English", "asterisk-it_IT_m_Carlo": "Carlo, Italian (Italy)",
    "festvox-ru": "Russian (festvox)", "fsdd-george": "George (FSDD)", "vctk-p239": "P239 (VCTK)", ann_lee: "ann lee",
  };
  for (const [speaker, name] of Object.entries(named)) assert.equal(speakerName(speaker), name);
});
