import assert from "node:assert/strict";
import test from "node:test";

import { colourOf } from "../../vqaudio/ui/codemap/paint.js";
import { isLight, mix, viridis } from "../../vqaudio/ui/shared/colours.js";
import { boostFor } from "../../vqaudio/ui/shared/player.js";
import { describeChip, describeSpent } from "../../vqaudio/ui/shared/spent.js";
import { counted, decibel, hertzRange, jobText, number, withoutStop } from "../../vqaudio/ui/shared/text.js";
import { idsOf, samplesOf, Wire } from "../../vqaudio/ui/shared/wire.js";
import { base64, clipOfSpec, plainSpec } from "./toys.mjs";

test("numbers as the page writes them", () => {
  assert.equal(number(-1234.56, 1), "−1,234.6");
  assert.equal(decibel(null), "silent");
  assert.equal(decibel(-27), "−27.0 dB");
  assert.equal(hertzRange(100, 500), "100 to 500 Hz");
  assert.equal(hertzRange(1250, 3400), "1.3 to 3.4 kHz");
  assert.deepEqual([counted(1, "cell"), counted(2, "cell")], ["1 cell", "2 cells"]);
  assert.deepEqual(["All is well.", "Flute, C5"].map(withoutStop), ["All is well", "Flute, C5"]);
  assert.equal(describeSpent({ s: 0.12, joules: 0.48 }), "0.12 s, about 480 mJ");
  assert.equal(describeSpent({ s: 3, joules: 4.24 }), "3.00 s, about 4.2 J");
});

test("how far a job is, and what is left of it", () => {
  const job = { state: "waiting", waiting: 2, left_s: 14.4 };
  assert.equal(jobText(job, "Half done"), "Waiting: 2 before you, about 14 s left");
  assert.equal(jobText({ ...job, waiting: 0, left_s: null }, "Half done"), "Waiting: you are next");
  assert.equal(jobText({ ...job, state: "running", left_s: 0.2 }, "Half done"), "Half done, about 1 s left");
});

test("viridis goes from dark to light, and stays in it", () => {
  assert.deepEqual(viridis(0), [68, 1, 84]);
  assert.deepEqual(viridis(-1), viridis(0));
  assert.deepEqual(viridis(1).map(Math.round), [253, 231, 37]);
  assert.ok(!isLight(viridis(0)) && isLight(viridis(1)));
  assert.deepEqual(mix([0, 0, 0], [10, 20, 30], 0.5), [5, 10, 15]);
});

test("a codeword has its place on the scale, an undecided cell is grey", () => {
  const clip = { ...clipOfSpec(plainSpec(), 20), colour_ranks: [Array.from({ length: 32 }, (_, i) => 31 - i)] };
  const [stage] = clip.geometry.stages;
  assert.deepEqual(colourOf(clip, stage, 31), viridis(0));
  assert.deepEqual(colourOf(clip, stage, 0), viridis(1));
  assert.deepEqual(colourOf(clip, stage, 65535), [128, 128, 128]);
});

test("a soft sound is raised to the reference, and no sample above -1 dBFS", () => {
  const soft = Float32Array.of(0.01, -0.01);
  assert.equal(boostFor(soft, -40, -20), 20);
  assert.ok(Math.abs(boostFor(soft, -40, 20) - 39) < 1e-6);
  assert.equal(boostFor(soft, -20, -40), 0);
  assert.equal(boostFor(soft, null, -20), 0);
});

test("bytes of the server", () => {
  assert.deepEqual([...idsOf(base64([0, 5, 65535]))], [0, 5, 65535]);
  assert.deepEqual([...samplesOf({ data: base64([0, 16384, -32768]), factor: 0.5 })], [0, 0.25, -0.5]);
});

test("a broken connection is an answer with a sentence", async () => {
  const wire = new Wire({ f: () => Promise.reject(new Error("offline")) }, assert.fail);
  const answer = await wire.call("f", {});
  assert.equal(answer.ok, false);
  assert.match(answer.error, /reload the page/);
});

test("what a call took is reported", async () => {
  const costs = [];
  const wire = new Wire({ f: async ({ x }) => ({ ok: true, x, spent: { s: 1 } }) }, (spent) => costs.push(spent));
  assert.equal((await wire.call("f", { x: 3 })).x, 3);
  assert.deepEqual(costs, [{ s: 1 }]);
});

test("a job is followed to its end, and asked for what was not seen", async () => {
  const requests = [];
  const states = ["running", "running", "done"];
  const wire = new Wire({ progress: async (request) => ({ ok: true, state: states[requests.push(request) - 1] }) }, () => {});
  let seen = 0;
  const last = await wire.follow("job", { wanted: () => true, pauseMs: () => 0, react: () => ({ seen: ++seen }) });
  assert.equal(last.state, "done");
  assert.deepEqual(requests, [0, 1, 2].map((n) => ({ job: "job", seen: n })));
});

test("a job that nobody wants is left, a lost one is said", async () => {
  const wire = new Wire({ progress: async () => ({ ok: false, error: "gone" }) }, () => {});
  assert.equal(await wire.follow("job", { wanted: () => false }), null);
  assert.deepEqual(await wire.follow("job", { wanted: () => true }), { state: "lost", error_text: "gone" });
});

test("a waiting job says its place and the seconds left, a running one its progress", () => {
  assert.equal(jobText({ state: "waiting", waiting: 2, left_s: 7.6 }, "1 of 4"), "Waiting: 2 before you, about 8 s left");
  assert.equal(jobText({ state: "waiting", waiting: 0 }, "1 of 4"), "Waiting: you are next");
  assert.equal(jobText({ state: "running", left_s: 0.2 }, "1 of 4"), "1 of 4, about 1 s left");
});

test("the chip counts the seconds of one core, which the energy is estimated from", () => {
  assert.equal(describeChip({ s: 5, cpu: 1.23, joules: 4.92 }), "1.2 s of one core, about 4.9 J, estimated");
});
