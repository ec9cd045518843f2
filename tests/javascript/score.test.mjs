import assert from "node:assert/strict";
import test from "node:test";

import { csvOf, guessChances, pValue, scoreSheet, toss, verdict } from "../../vqaudio/ui/compare/score.js";

function choose(n, k) {
  let ways = 1n;
  for (let i = 1n; i <= BigInt(k); i++) ways = (ways * (BigInt(n) - i + 1n)) / i;
  return ways;
}

test("the binomial p value is exact", () => {
  for (const n of [5, 16, 37, 100]) {
    for (const right of [0, 1, Math.floor(n / 2), n - 1, n]) {
      let ways = 0n;
      for (let k = right; k <= n; k++) ways += choose(n, k);
      const exact = Number((ways * 10n ** 40n) / 2n ** BigInt(n)) / 1e40;
      assert.ok(Math.abs(pValue(right, n) - exact) <= 1e-9 * exact, `${right} of ${n}`);
    }
    assert.ok(Math.abs(guessChances(n).reduce((a, b) => a + b) - 1) < 1e-12);
  }
});

test("the verdict says what the score means", () => {
  assert.match(verdict(15, 16, 16), /you most likely hear the difference/);
  assert.match(verdict(9, 16, 16), /does not show that you hear a difference/);
  assert.match(verdict(1, 1, 16), /stopped after 1 of 16 trials/);
  assert.doesNotMatch(verdict(16, 16, 16), /stopped/);
});

test("a spreadsheet computes nothing of the sheet", () => {
  assert.equal(csvOf([["=1+1", 'a,"b', 3]]), "'=1+1,\"a,\"\"b\",3\r\n");
});

test("the sheet has a row for each trial, and the score so far", () => {
  const side = (model) => ({ model, stages: 3, bits_per_second: 1500 });
  const trials = [{ x: "a", answer: "a", switches: 2, seconds: 1.26 }, { x: "b", answer: "a", switches: 0, seconds: 3 }];
  const [head, first, second, end] = scoreSheet("clip", { a: side("m"), b: side("n") }, trials, true).split("\r\n");
  assert.equal(head.split(",").length, first.split(",").length);
  assert.equal(first, "1,clip,m,3,1500,n,3,1500,A,A,1,2,1.3,1,0.5000,1");
  assert.equal(second, "2,clip,m,3,1500,n,3,1500,B,A,0,0,3.0,1,0.7500,1");
  assert.equal(end, "");
});

test("a toss is A or B", () => {
  const seen = new Set(Array.from({ length: 200 }, toss));
  assert.deepEqual([...seen].sort(), ["a", "b"]);
});
