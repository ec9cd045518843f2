// The curves of quality against bit rate.

import { el, svg } from "../shared/dom.js";
import { number, range } from "../shared/text.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [270, 150, 44, 10, 12, 26];
const CURVES = [
  { key: "si_sdr_db", name: "SI-SDR, dB", digits: 1, note: "how closely the waveform follows; higher is better",
    noteBelowZero: "how closely the waveform follows; below 0 the decoder's phase differs from the recording's" },
  { key: "mel_l1", name: "Mel distance", digits: 3, note: "how far the spectrum is off; lower is better" },
];
const NOTHING = "There is nothing to compare with: the original is silent, or only its codes were opened.";

/** Draws a curve for each measure of quality: a point for the first 1, 2, 3... stages, and a ring for the stages that play. */
export class CurvesView {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./listening.js").Listening} listening
   */
  constructor(page, state, listening) {
    Object.assign(this, { node: page.find(".cm-curves"), state, listening });
  }

  draw() {
    const { state: { clip, source, enabled }, listening: { decoded, stages } } = this;
    const points = range(enabled.length).map((stage) => decoded.facts(clip, range(stage + 1)));
    const usable = points.filter((point) => point && point.quality);
    if (!usable.length) return this.node.replaceChildren(el("p", { class: "cm-help", text: NOTHING }));
    const here = source === "decoded" ? decoded.facts(clip, stages) : null; // nothing else has a point of its own
    const ring = here && here.quality ? here : null;
    this.node.replaceChildren(...CURVES.map((curve) => figureOf(curve, usable, ring)));
  }
}

function figureOf(curve, points, here) {
  const all = here ? [...points, here] : points;
  const values = all.map((point) => point.quality[curve.key]);
  const drawing = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${curve.name} against bits per second`,
  });
  drawing.append(...partsOf(curve, points, here, values, Math.max(...all.map((point) => point.bits))));
  const value = here ? number(here.quality[curve.key], curve.digits) : "…";
  const note = Math.max(...values) < 0 ? curve.noteBelowZero || curve.note : curve.note;
  const caption = el("figcaption", {}, el("b", { text: curve.name }), el("strong", { text: value }), el("span", { text: note }));
  return el("figure", { class: "cm-figure", "data-curve": curve.key }, caption, drawing);
}

function partsOf(curve, points, here, values, most) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(high - low, 1e-3) * 0.15;
  const x = (bits) => LEFT + (bits / most) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low + room) / (high - low + 2 * room)) * (HEIGHT - TOP - BOTTOM);
  const at = (point) => [x(point.bits), y(point.quality[curve.key])];
  const dot = (point, name, r) => svg("circle", { class: name, cx: at(point)[0], cy: at(point)[1], r });
  const levels = [low, high].flatMap((value) => [
    svg("line", { class: "cm-grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
    svg("text", { x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }, number(value, curve.digits)),
  ]);
  const rates = [most / 4, most / 2, most].map((bits) =>
    svg("text", { x: x(bits), y: HEIGHT - 9, "text-anchor": bits === most ? "end" : "middle" },
      bits === most ? `${number(bits)} bit/s` : number(bits)));
  const line = svg("polyline", { class: "cm-curve", points: points.map((point) => at(point).join(",")).join(" ") });
  const dots = points.map((point) => dot(point, "cm-dot", 2.5));
  return [...levels, ...rates, line, ...dots, ...(here ? [dot(here, "cm-here-dot", 5.5)] : [])];
}
