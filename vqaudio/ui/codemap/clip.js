// A clip as the page keeps it.

import { idsOf, samplesOf } from "../shared/wire.js";
import { geometryOf } from "./geometry.js";
import { Selection } from "./selection.js";

export const UNDECIDED = 65535;

/**
 * @typedef {object} ClipSound
 * @property {?number} level in dB; null is digital silence
 * @property {import("../shared/canvas.js").Picture} [picture]
 * @property {Float32Array} [samples]
 *
 * @typedef {object} Clip
 * @property {string} token of the clip on the server
 * @property {string} version of its ids
 * @property {string} title
 * @property {import("./geometry.js").Geometry} geometry
 * @property {Uint16Array} ids rows of columns
 * @property {Uint16Array} firstIds as they were when it was opened
 * @property {?Uint16Array} preview ids shown in place of its own: a variation, or cells that are being sampled
 * @property {number} edits that can be undone
 * @property {number} redos that can be redone
 * @property {?Clip} former the clip that Undo goes back to when there are no edits left
 * @property {?Clip} later the clip that Redo goes on to
 * @property {boolean} draft none of its cells is decided yet
 * @property {?ClipSound} original
 * @property {Selection} selection
 * @property {number} seconds
 * @property {number} span in seconds, whole columns
 */

/**
 * @param {object} value what `describe` on the server returns
 * @returns {Clip}
 */
export function clipOf(value) {
  const geometry = geometryOf(value.spec, value.columns);
  const seconds = value.samples / value.sample_rate;
  const ids = idsOf(value.ids);
  return {
    ...value, geometry, seconds, ids, firstIds: ids.slice(), preview: null, edits: 0, redos: 0, former: null, later: null,
    draft: false, original: value.original && clipSoundOf(value.original), selection: new Selection(geometry),
    span: Math.max(seconds, geometry.columns / geometry.frameRate),
  };
}

/**
 * A new clip before any of its cells is decided.
 * @param {object} value
 * @returns {Clip}
 */
export function draftOf(value) {
  const clip = clipOf(value);
  return { ...clip, draft: true, preview: new Uint16Array(clip.ids.length).fill(UNDECIDED) };
}

/**
 * @param {object} answer of the server, with a level and perhaps a picture and a sound
 * @returns {ClipSound}
 */
export function clipSoundOf(answer) {
  const found = { level: answer.level_db };
  if (answer.picture) found.picture = answer.picture;
  if (answer.sound) found.samples = samplesOf(answer.sound);
  return found;
}

/**
 * @param {Clip} clip
 * @param {import("./geometry.js").Cell} cell
 * @returns {number} the codeword that is shown there
 */
export function idAt(clip, { row, column }) {
  return (clip.preview || clip.ids)[row * clip.geometry.columns + column];
}

/**
 * @param {Clip} clip
 * @param {?object} surprise of each cell under a prior, see surprise.js
 * @param {import("./geometry.js").Cell} cell
 * @returns {?number} bits; null if the scores are of another clip or version, or none are shown
 */
export function surpriseAt(clip, surprise, { row, column }) {
  if (!surprise || clip.preview || surprise.version !== clip.version || surprise.token !== clip.token) return null;
  return surprise.bits[row * clip.geometry.columns + column];
}

/**
 * What Undo and Redo do: an edit on the server, another clip, or nothing.
 * @param {Clip} clip
 * @param {"undo"|"redo"} way
 * @returns {{edit: boolean, clip: ?Clip}}
 */
export function historyStep(clip, way) {
  const edit = Boolean(way === "undo" ? clip.edits : clip.redos);
  return { edit, clip: edit ? null : way === "undo" ? clip.former : clip.later };
}
