// The nodes of the map: a lane for the spectrogram, each stage and the time axis, and the gutter with the stages' switches.

import { el } from "../shared/dom.js";
import { number } from "../shared/text.js";

const TICKS_HZ = [0, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000];
const TICK_ROOM = 0.14; // of the height of a spectrogram

/**
 * @typedef {object} Lane the spectrogram (`isSound`), phones, a stage (`stage`) or the time axis (`axis`)
 * @property {HTMLElement} node
 * @property {HTMLElement} gutter beside it
 * @property {HTMLElement} track with the cells and the playhead
 * @property {HTMLCanvasElement} canvas
 */

/**
 * @param {import("./clip.js").Clip} clip
 * @param {{toggle: function(number), solo: function(number), adds: function(number)}} actions of a stage
 * @returns {Lane[]}
 */
export function lanesOf(clip, actions) {
  const phones = clip.phones && clip.phones.length ? [phoneLane()] : [];
  const stages = clip.geometry.stages.map((stage) => stageLane(stage, actions));
  return [soundLane(clip.geometry.scale), ...phones, ...stages, axisLane()];
}

function lane(name, attributes, gutter, parts) {
  const box = el("div", { class: "cm-track" }, el("canvas"), el("i", { class: "cm-hair" }), el("i", { class: "cm-head" }));
  const node = el("div", { class: `cm-lane ${name}`, ...attributes }, box);
  return { node, gutter, track: box, canvas: box.querySelector("canvas"), ...parts };
}

function soundLane(scale) {
  const name = el("b", { class: "cm-name" });
  const gutter = el("div", { class: "cm-gutter cm-gutter-sound" }, name, el("span", { class: "cm-note" }));
  const made = lane("cm-lane-sound", { "data-which": "sound" }, gutter, { isSound: true, name, note: gutter.lastChild });
  for (const [hz, height] of ticksOf(scale, TICK_ROOM)) {
    const text = height === 1 ? `${number(hz / 1000, hz % 1000 ? 1 : 0)} kHz` : hz < 1000 ? number(hz) : `${hz / 1000}k`;
    const label = el("span", { class: "cm-khz", text });
    Object.assign(label.style, { top: "auto", bottom: `calc(${height} * (100% - 18px) + 4px)` });
    made.track.append(label);
  }
  return made;
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
  const button = (name, action, attributes, ...children) =>
    el("button", { type: "button", class: name, onclick: () => action(stage.number), ...attributes }, ...children);
  const level = el("span", { class: "cm-level" });
  const label = el("b", {}, el("span", { class: "cm-wide", text: "Stage " }), `${n}`);
  const title = `Stage ${n}: ${number(stage.rate)} bit/s. The level is that of what it adds, in dBFS.`;
  const toggle = button("cm-toggle", actions.toggle, { role: "switch", "aria-label": `Stage ${n}`, title },
    el("i", { class: "cm-knob" }), label);
  const small = (name, action, text, label) =>
    button(`cm-stage-action ${name}`, action, { text, title: label, "aria-label": label, "aria-pressed": "false" });
  const solo = small("cm-solo", actions.solo, "only", `Hear only stage ${n}`);
  const adds = small("cm-adds", actions.adds, "added", `Hear what stage ${n} adds`);
  const gutter = el("div", { class: "cm-gutter cm-gutter-stage", "data-switch": stage.number },
    el("b", { class: "cm-only-stage", text: `Stage ${n}` }), toggle, level,
    el("span", { class: "cm-stage-actions" }, solo, adds));
  return lane("cm-lane-stage", { "data-stage": stage.number }, gutter, { stage, toggle, level, solo, adds });
}

function phoneLane() {
  const title = "Labels that came with this recording";
  const gutter = el("div", { class: "cm-gutter cm-gutter-phones", title }, el("b", { text: "Phones" }));
  return lane("cm-lane-phones", {}, gutter, { phones: true });
}

function axisLane() {
  return lane("cm-lane-axis", {}, el("div", { class: "cm-gutter cm-gutter-axis" }), { axis: true });
}
