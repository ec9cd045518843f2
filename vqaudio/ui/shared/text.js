// Numbers and names as the page writes them.

/**
 * @param {number} n
 * @returns {number[]} 0 to n - 1.
 */
export function range(n) {
  return Array.from({ length: n }, (_, i) => i);
}

/**
 * 1234.5 -> "1,234.5", with a true minus sign.
 * @param {number} value
 * @param {number} [digits] after the decimal point
 * @returns {string}
 */
export function number(value, digits = 0) {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
}

/**
 * @param {?number} value a level in dB; null is digital silence
 * @returns {string}
 */
export function decibel(value) {
  return value === null ? "silent" : `${number(value, 1)} dB`;
}

/**
 * 1250, 3400 -> "1.3 to 3.4 kHz"
 * @param {number} low in Hz
 * @param {number} high in Hz
 * @returns {string}
 */
export function hertzRange(low, high) {
  return high < 1000 ? `${number(low)} to ${number(high)} Hz` : `${number(low / 1000, 1)} to ${number(high / 1000, 1)} kHz`;
}

/**
 * 1, "change" -> "1 change"; 2, "change" -> "2 changes"
 * @param {number} n
 * @param {string} noun whose plural ends in s
 * @returns {string}
 */
export function counted(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/**
 * "Since then, things have improved." -> "Since then, things have improved"
 * @param {string} title
 * @returns {string} a title as a part of a sentence
 */
export function withoutStop(title) {
  return title.replace(/\.$/, "");
}

/**
 * What a job on the server is doing: its place in the queue or its progress, and the seconds left.
 * @param {{state: string, waiting?: number, left_s?: ?number}} job as the server describes it
 * @param {string} progress what to say once it runs
 * @returns {string}
 */
export function jobText({ state, waiting, left_s }, progress) {
  const place = waiting ? `Waiting: ${waiting} before you` : "Waiting: you are next";
  const left = left_s == null ? "" : `, about ${Math.max(1, Math.round(left_s))} s left`;
  return (state === "waiting" ? place : progress) + left;
}
