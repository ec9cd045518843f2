// Names of notes, the computer's keys that play them, and which octaves to show.

import { range } from "../shared/text.js";

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const BLACK = [1, 3, 6, 8, 10];
const LOWER = ["KeyZ", "KeyS", "KeyX", "KeyD", "KeyC", "KeyV", "KeyG", "KeyB", "KeyH", "KeyN", "KeyJ", "KeyM"];
const UPPER = [
  "KeyQ", "Digit2", "KeyW", "Digit3", "KeyE", "KeyR", "Digit5", "KeyT", "Digit6", "KeyY", "Digit7", "KeyU", "KeyI",
];

/** Codes of the computer's keys, from the lowest note up. */
export const CODES = [...LOWER, ...UPPER];
export const [ONE_OCTAVE, TWO_OCTAVES] = [13, 25]; // keys, from a C to a C
export const [LOWEST, HIGHEST] = [0, 120];

/**
 * @param {number} key a MIDI note
 * @returns {string} such as "C♯4"
 */
export function nameOf(key) {
  return `${NAMES[key % 12]}${Math.floor(key / 12) - 1}`;
}

/**
 * @param {number} key
 * @returns {boolean}
 */
export function isBlack(key) {
  return BLACK.includes(key % 12);
}

/**
 * The C from which the keyboard shows most of these keys.
 * @param {number[]} keys
 * @param {number} [size] of the keyboard, in keys
 * @returns {number}
 */
export function bestOctave(keys, size = TWO_OCTAVES) {
  const inside = (c) => keys.filter((key) => key >= c && key < c + size).length;
  return range(9).map((octave) => 12 * octave).reduce((best, c) => (inside(c) > inside(best) ? c : best), 48);
}

/**
 * @param {number[]} keys
 * @param {number} wanted
 * @returns {number} the nearest of them
 */
export function nearestKey(keys, wanted) {
  return keys.reduce((best, key) => (Math.abs(key - wanted) < Math.abs(best - wanted) ? key : best));
}

/**
 * The keys that the training clips with these labels have; all of the prior's if that is not recorded.
 * @param {{keys: number[], trained_keys: ?Object<string, Object<string, number[]>>}} player
 * @param {Object<string, string>} labels
 * @returns {number[]}
 */
export function trainedKeys({ keys, trained_keys }, labels) {
  if (!trained_keys) return keys;
  return keys.filter((key) => Object.entries(labels).every(([kind, value]) => trained_keys[kind][value].includes(key)));
}
