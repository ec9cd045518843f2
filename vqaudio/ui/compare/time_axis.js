// The time axis under the spectrograms, which share it.

import { el } from "../shared/dom.js";
import { number, range } from "../shared/text.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
const MOST = 8;

/**
 * @param {number} seconds length of the clip
 * @returns {number[]} round times from 0 on, at most nine
 */
export function timeTicks(seconds) {
  const step = STEPS.find((size) => seconds / size <= MOST) || STEPS.at(-1);
  return range(Math.floor(seconds / step + 1e-9) + 1).map((i) => Number((i * step).toFixed(1)));
}

/**
 * Label an axis that is as wide as the clip is long.
 * @param {Element} axis
 * @param {number} seconds
 */
export function showTimeAxis(axis, seconds) {
  const ticks = timeTicks(seconds);
  const digits = ticks.every(Number.isInteger) ? 0 : 1;
  const labels = ticks.map((time) => {
    const label = el("span", { text: time === 0 ? "0 s" : number(time, digits) });
    label.style.left = `${(100 * time) / seconds}%`;
    return label;
  });
  axis.replaceChildren(...labels);
}
