// The nodes of the lanes: what is left of each, and the canvas that is drawn on.

import { el } from "../shared/dom.js";
import { number } from "../shared/text.js";

const HELP = {
  original: "Your recording.",
  decoded: "What the decoder makes of the codewords in the lanes that are on.",
};
const TICKS_HZ = [0, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000];
const TICK_ROOM = 0.11; // of the height of a spectrogram

/**
 * @typedef {object} Lane a spectrogram (`which`), a stage (`stage`) or the time axis (`axis`)
 * @property {HTMLElement} node
 * @property {HTMLElement} track where cells and the playhead are
 * @property {HTMLCanvasElement} canvas
 */

/**
 * @param {import("./clip.js").Clip} clip
 * @param {{toggle: function(number), solo: function(number), adds: function(number)}} actions of a stage
 * @returns {Lane[]}
 */
export function lanesOf(clip, actions) {
  const sounds = clip.original ? ["original", "decoded"] : ["decoded"];
  return [
    ...sounds.map((which) => spectrogramLane(which, clip.geometry.scale)),
    ...clip.geometry.stages.map((stage) => stageLane(stage, actions)),
    axisLane(),
  ];
}

function lane(name, attributes, gutter, track, parts) {
  const node = el("div", { class: `cm-lane ${name}`, ...attributes }, gutter, track);
  return { node, track, canvas: track.querySelector("canvas"), ...parts };
}

function track() {
  return el("div", { class: "cm-track" }, el("canvas"), el("i", { class: "cm-hair" }), el("i", { class: "cm-head" }));
}

function spectrogramLane(which, scale) {
  const name = el("span", { class: "cm-name", text: which === "original" ? "Original" : "Decoded" });
  const note = el("span", { class: "cm-note", text: HELP[which] });
  const box = track();
  for (const [hz, height] of ticksOf(scale, TICK_ROOM)) {
    const text = height === 1 ? `${number(hz / 1000, hz % 1000 ? 1 : 0)} kHz` : hz < 1000 ? number(hz) : `${hz / 1000}k`;
    const label = el("span", { class: "cm-khz", text });
    Object.assign(label.style, { top: "auto", bottom: `calc(${height} * (100% - 18px) + 4px)` });
    box.append(label);
  }
  const gutter = el("div", { class: "cm-gutter" }, name, note);
  return lane("cm-lane-sound", { "data-which": which }, gutter, box, { which, name, note });
}

/**
 * The frequencies beside a spectrogram: of a linear axis the ends, else as many as there is room for.
 * @param {import("./geometry.js").Scale} scale
 * @param {number} room
 * @returns {[number, number][]} Hz and height
 */
export function ticksOf({ edges, height }, room) {
  const top = edges[edges.length - 1];
  const kept = [[top, 1], [edges[0], 0]];
  if (edges.length === 2) return kept;
  const inside = TICKS_HZ.filter((hz) => hz > edges[0] && hz < top).map((hz) => [hz, height(hz)]);
  for (const tick of inside) if (kept.every((other) => Math.abs(other[1] - tick[1]) > room)) kept.push(tick);
  return kept;
}

function stageLane(stage, actions) {
  const n = stage.number + 1;
  const button = (name, action, attributes) =>
    el("button", { type: "button", class: name, onclick: () => action(stage.number), ...attributes });
  const small = (name, action, text, title, attributes) =>
    button(`cm-small ${name}`, action, { text, title, "aria-pressed": "false", ...attributes });
  const toggle = button("cm-toggle", actions.toggle, { role: "switch", "aria-label": `Stage ${n}`, title: "On or off" });
  const level = el("span", { class: "cm-level", title: `The level of what stage ${n} adds, in dB re full scale` });
  const solo = small("cm-solo", actions.solo, "Solo", `Hear only stage ${n}`);
  const adds = small("cm-adds", actions.adds, "Adds", `Hear what stage ${n} adds to the stages above it, at its true level`,
    { "aria-label": `Hear what stage ${n} adds` });
  const rate = el("span", { class: "cm-rate", text: `${number(stage.rate)} bit/s` });
  const name = el("span", { class: "cm-name", text: `Stage ${n}` });
  const gutter = el("div", { class: "cm-gutter" }, toggle, name, el("span", { class: "cm-figures" }, rate, level), solo, adds);
  const made = lane("cm-lane-stage", { "data-stage": stage.number }, gutter, track(), { stage, toggle, level, solo, adds });
  made.node.style.setProperty("--lane", `${Math.max(34, Math.min(192, 12 * stage.bands + 6))}px`);
  return made;
}

function axisLane() {
  const box = el("div", { class: "cm-track" }, el("canvas"));
  return lane("cm-lane-axis", {}, el("div", { class: "cm-gutter" }), box, { axis: true });
}
