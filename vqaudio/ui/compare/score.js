// The score of a blind test.

import { number } from "../shared/text.js";

const HEAD = [
  "trial", "clip", "a_model", "a_stages", "a_bits_per_second", "b_model", "b_stages", "b_bits_per_second", "x_was", "answer",
  "right", "switches", "seconds", "right_so_far", "p_so_far", "level_matched",
];

/** @typedef {{x: "a"|"b", answer: "a"|"b", switches: number, seconds: number}} Trial */

/** @returns {"a"|"b"} a fair coin */
export function toss() {
  return crypto.getRandomValues(new Uint8Array(1))[0] & 1 ? "a" : "b";
}

/**
 * @param {number} n
 * @returns {number[]} the chance of exactly 0, 1, ... n right answers among n guesses
 */
export function guessChances(n) {
  const chances = [Math.pow(0.5, n)];
  for (let k = 1; k <= n; k++) chances.push((chances[k - 1] * (n - k + 1)) / k);
  return chances;
}

/**
 * The chance that guessing gets `right` or more of n: a one-sided binomial test.
 * @param {number} right
 * @param {number} n
 * @returns {number}
 */
export function pValue(right, n) {
  return Math.min(1, guessChances(n).slice(right).reduce((sum, chance) => sum + chance, 0));
}

/**
 * @param {Trial} trial
 * @returns {boolean}
 */
export function isRight({ x, answer }) {
  return x === answer;
}

/**
 * @param {number} right
 * @param {number} n trials answered
 * @param {number} planned
 * @returns {string} what the score means
 */
export function verdict(right, n, planned) {
  const p = pValue(right, n);
  const often = p < 0.0005 ? "less than 1 in 1,000" : `${number(100 * p, p < 0.095 ? 1 : 0)} in 100`;
  const exact = p < 0.0005 ? "below 0.001" : p.toFixed(3);
  const score = `${right} of ${n} right. Someone who only guesses scores this or better in ${often} such tests (p = ${exact}).`;
  const meaning = p < 0.05 ? "So you most likely hear the difference."
    : "So this does not show that you hear a difference; more trials may.";
  const early = n < planned ? ` The test was stopped after ${n} of ${planned} trials, so take the number with care.` : "";
  return `${score} ${meaning}${early}`;
}

/**
 * Rows of values as CSV. What holds a comma, a quote or a line break is quoted; what a spreadsheet would compute is escaped.
 * @param {(string|number)[][]} rows
 * @returns {string}
 */
export function csvOf(rows) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/**
 * @param {string} title of the clip
 * @param {{a: object, b: object}} sides as the server described them
 * @param {Trial[]} trials
 * @param {boolean} matched whether A and B were played at one level
 * @returns {string} CSV, a row for each trial
 */
export function scoreSheet(title, { a, b }, trials, matched) {
  const side = ({ model, stages, bits_per_second }) => [model, stages, bits_per_second];
  let rightSoFar = 0;
  const rows = trials.map((trial, i) => {
    rightSoFar += Number(isRight(trial));
    const said = [trial.x.toUpperCase(), trial.answer.toUpperCase(), Number(isRight(trial))];
    const score = [rightSoFar, pValue(rightSoFar, i + 1).toPrecision(4)];
    return [i + 1, title, ...side(a), ...side(b), ...said, trial.switches, trial.seconds.toFixed(1), ...score, Number(matched)];
  });
  return csvOf([HEAD, ...rows]);
}
