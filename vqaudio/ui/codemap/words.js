// Sentences about the map and the sound.

import { enabledStages, nameStages } from "../shared/stages.js";
import { counted, hertzRange, number } from "../shared/text.js";
import { idAt, surpriseAt } from "./clip.js";
import { placeOf, stageOfRow } from "./geometry.js";
import { describeCodePhone, phoneAt } from "./phones.js";
import { DRAWN } from "./selection.js";

/**
 * How often a codeword occurs in the training set.
 * @param {import("./clip.js").Clip} clip
 * @param {number} row
 * @param {number} id
 * @returns {?{count: number, share: string}} null if that was not measured
 */
export function trainingCount(clip, row, id) {
  const counts = clip.train_counts && clip.train_counts[stageOfRow(clip.geometry, row).number];
  if (!counts) return null;
  const share = (100 * counts[id]) / counts.reduce((a, b) => a + b, 0);
  return { count: counts[id], share: `${share === 0 ? "0" : share < 0.095 ? "<0.1" : number(share, 1)} %` };
}

/**
 * The same as a clause.
 * @param {import("./clip.js").Clip} clip
 * @param {number} row
 * @param {number} id
 * @returns {string}
 */
function describeFrequency(clip, row, id) {
  const found = trainingCount(clip, row, id);
  if (!found) return "how often it occurs in the training set was not measured";
  const { bands, steps } = stageOfRow(clip.geometry, row);
  const where = bands * steps === 1 ? "columns" : "cells of this stage";
  return found.count ? `in ${found.share} of the training set's ${where} (${number(found.count)})` : "never in the training set";
}

/**
 * Which phone a codeword stands for, and how often it occurs; only what was measured, if anything was.
 * @param {import("./clip.js").Clip} clip
 * @param {number} row
 * @param {number} id
 * @returns {string}
 */
export function describeCode(clip, row, id) {
  const phone = describeCodePhone(clip, id);
  return [phone, phone && !clip.train_counts ? "" : describeFrequency(clip, row, id)].filter(Boolean).join("; ");
}

/**
 * @param {import("./clip.js").Clip} clip
 * @param {import("./geometry.js").Cell} cell
 * @param {?object} surprise
 * @returns {string}
 */
export function describeCell(clip, cell, surprise) {
  const { stage, x, band } = placeOf(clip.geometry, cell);
  const each = 1 / (clip.geometry.frameRate * stage.steps);
  const id = idAt(clip, cell);
  const bits = surpriseAt(clip, surprise, cell);
  const where = `Stage ${stage.number + 1}${stage.bands > 1 ? `, band ${band + 1}` : ""}`;
  const what = id < stage.vocab ? `code ${id}, ${describeCode(clip, cell.row, id)}` : "not decided yet";
  const score = bits === null ? "" : ` ${number(bits, 2)} bits of surprise.`;
  const phone = phoneAt(clip, (x + 0.5) * each);
  const spoken = phone ? ` Here: ${phone[0]}.` : "";
  return `${where}, ${number(x * each, 2)} to ${number((x + 1) * each, 2)} s: ${what}.${spoken}${score}`;
}

/**
 * @param {import("./clip.js").Clip} clip
 * @returns {string}
 */
export function describeSelection({ geometry, selection }) {
  const bounds = selection.bounds();
  if (!bounds) return "Nothing is selected.";
  const [start, end] = [bounds.first / geometry.frameRate, (bounds.last + 1) / geometry.frameRate];
  const where = `${number(start, 2)} to ${number(end, 2)} s, ${nameStages(selection.stages)}`;
  return `${counted(selection.count, "cell")} selected: ${where}.${describeFrequencies(geometry, selection)}`;
}

function describeFrequencies({ stages, scale }, selection) {
  const heights = [];
  selection.eachRun(DRAWN, ({ top, bands: [band] }) => heights.push(stages[top].heights[band], stages[top].heights[band + 1]));
  if (scale.edges.length <= 2 || !heights.length) return "";
  return ` ${hertzRange(scale.hz(Math.min(...heights)), scale.hz(Math.max(...heights)))}.`;
}

/**
 * What the page plays, to follow "Playing".
 * @param {import("./state.js").State} state
 * @param {number} gainDb that is applied to it
 * @returns {string}
 */
export function describeSource({ clip, source, addedStage, enabled, shownVariation, preview, raisable }, gainDb) {
  const change = gainDb < 0 ? "lowered" : "raised";
  const level = gainDb ? `, ${change} by ${number(Math.abs(gainDb), 1)} dB` : raisable ? ", at its true level" : "";
  const voice = clip && clip.speaker && source !== "original" ? ` as ${speakerName(clip.speaker)}` : "";
  return `${sourceName({ source, addedStage, enabled, shownVariation, preview })}${voice}${level}`;
}

const CORPORA = { asterisk: "Asterisk", festvox: "festvox", fsdd: "FSDD", vctk: "VCTK" };
const LANGUAGES = new Intl.DisplayNames("en", { type: "language" });

/**
 * A speaker's name in plain words: `asterisk-en_US_f_Allison` is Allison, American English.
 * @param {string} speaker as the model calls it
 * @returns {string}
 */
export function speakerName(speaker) {
  const [, corpus, rest] = /^(asterisk|festvox|fsdd|vctk)-(.+)$/.exec(speaker) || [];
  if (!corpus) return speaker.replaceAll("_", " ");
  const [, locale, name] = /^([a-z]{2}_[A-Z]{2})_[a-z]_(.+)$/.exec(rest) || [];
  if (locale) return `${name}, ${LANGUAGES.of(locale.replace("_", "-"))}`;
  const person = corpus === "festvox" ? LANGUAGES.of(rest) : rest[0].toUpperCase() + rest.slice(1);
  return `${person} (${CORPORA[corpus]})`;
}

function sourceName({ source, addedStage, enabled, shownVariation, preview }) {
  if (source === "original") return "the original";
  if (source === "added") return `what stage ${addedStage + 1} adds`;
  if (source === "variation") {
    return `variation ${preview.number + 1}${preview.step < 0 ? "" : ` after step ${preview.step + 1}`}`;
  }
  return `${shownVariation === null ? "" : `variation ${shownVariation + 1}, `}${describeEnabled(enabled)}`;
}

/**
 * @param {boolean[]} enabled
 * @returns {string} "all stages" or "stages 1–3"
 */
function describeEnabled(enabled) {
  const stages = enabledStages(enabled);
  if (enabled.length === 1) return "the decoded sound";
  return stages.length === enabled.length ? "all stages" : nameStages(stages);
}

/**
 * How many bits the stages take, and how many times smaller than 16-bit PCM that is.
 * @param {import("./clip.js").Clip} clip
 * @param {number[]} stages
 * @returns {string} "6.0 kbit/s, 43 times smaller"
 */
export function describeRate({ geometry, sample_rate: sampleRate }, stages) {
  const bits = stages.reduce((sum, stage) => sum + geometry.stages[stage].rate, 0);
  const times = (16 * sampleRate) / bits;
  return `${number(bits / 1000, bits < 995 ? 2 : 1)} kbit/s, ${number(times, times < 10 ? 1 : 0)} times smaller`;
}

/**
 * @param {import("./clip.js").Clip} clip
 * @returns {string} what the numbers in the map are
 */
export function describeCodes({ geometry }) {
  const { stages, rows, frameRate } = geometry;
  if (rows === 1) {
    const ms = number(1000 / frameRate);
    return `Every ${ms} ms of sound become one code, the number of one of ${stages[0].vocab} learned codewords.`;
  }
  const same = stages.every(({ vocab, bands, steps }) => vocab === stages[0].vocab && bands * steps === 1);
  const numbers = same
    ? `${stages.length} codes, one for each stage; each is one of ${stages[0].vocab} learned codewords`
    : `${rows} codes in ${stages.length} stages; each names a learned codeword`;
  const bands = stages.some((stage) => stage.bands > 1)
    ? " A stage with bands is a picture: time to the right, low tones at the bottom." : "";
  return `Every ${number(1000 / frameRate)} ms of sound become ${numbers}. Each stage corrects the error of the stages above it; `
    + `the less it contributes, the lower and paler its row.${bands}`;
}

/**
 * @param {import("./clip.js").Clip} clip
 * @returns {string} how many changes can be undone
 */
export function describeEdits(clip) {
  if (clip.edits) return `${counted(clip.edits, "change")} in all.`;
  return clip.original ? "As it was encoded." : "As it was.";
}
