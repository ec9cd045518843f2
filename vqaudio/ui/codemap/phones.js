// The phones of a recording: a strip over the codes, and which phone a codeword stands for.

import { number } from "../shared/text.js";

const MARGIN = 4; // pixels beside a name

/**
 * Each phone between lines at its ends, with its name where there is room for it.
 * @param {import("./paint.js").Frame} frame
 * @param {[string, number, number][]} phones name, start and end in seconds
 * @param {{ink: string, paper: string, soft: string}} colours
 */
export function drawPhones({ context, width, height, view }, phones, { ink, paper }) {
  const scale = width / (view[1] - view[0]);
  context.font = '12px system-ui, "Segoe UI", sans-serif';
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const [name, start, end] of phones) {
    const [left, right] = [(start - view[0]) * scale, (end - view[0]) * scale];
    if (right < 0 || left > width) continue;
    context.fillStyle = paper;
    context.fillRect(Math.round(right) - 1, 0, 1, height);
    const [from, to] = [Math.max(0, left), Math.min(width, right)];
    if (context.measureText(name).width + MARGIN > to - from) continue;
    context.fillStyle = ink;
    context.fillText(name, (from + to) / 2, height / 2 + 0.5);
  }
}

/**
 * @param {import("./clip.js").Clip} clip
 * @param {number} seconds
 * @returns {?[string, number, number]} the phone at that time
 */
export function phoneAt({ phones = [] }, seconds) {
  return phones.find(([, start, end]) => seconds >= start && seconds < end) || null;
}

/**
 * @param {[string, number, number]} phone
 * @returns {string}
 */
export function describePhone([name, start, end]) {
  return `Phone ${name}, ${number(start, 2)} to ${number(end, 2)} s.`;
}

/**
 * @param {import("./clip.js").Clip} clip
 * @param {number} id a codeword
 * @returns {string} "mostly s, 62 %"; "" where that was not measured
 */
export function describeCodePhone({ code_phones: measured }, id) {
  if (!measured) return "";
  if (!measured[id]) return "no phone";
  const [name, share] = measured[id];
  return `mostly ${name}, ${number(100 * share)} %`;
}
