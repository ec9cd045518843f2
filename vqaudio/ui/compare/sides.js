// The original and the two sides: which model, how many stages, their pictures and figures.

import { offscreen, spectrogramImage, surfaceOf } from "../shared/canvas.js";
import { viridis } from "../shared/colours.js";
import { el } from "../shared/dom.js";
import { decibel, number } from "../shared/text.js";
import { idsOf, samplesOf } from "../shared/wire.js";
import { peakOf, scaled } from "./levels.js";
import { showTimeAxis } from "./time_axis.js";

const LATER_MS = 150; // more moves of a slider may follow
const FEW_STAGES = 3; // of A at the start; B has all
const SAME_DB = 0.01;
const NAMES = { original: "Original", a: "A", b: "B" };

export class Sides {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("../shared/player.js").Chorus} chorus
   * @param {function(PointerEvent): void} onSeek a click in a picture
   */
  constructor(page, state, wire, chorus, onSeek) {
    Object.assign(this, { page, state, wire, chorus, timers: {}, requests: { a: 0, b: 0, original: 0 }, loaded: {} });
    this.panels = Object.fromEntries(Object.keys(NAMES).map((name) => [name, this.panel(name, onSeek)]));
    page.find(".cp-sides").append(...Object.values(this.panels).map(({ node }) => node));
    page.listen(".cp-match", "change", (event) => state.match(event.target.checked));
    state.on("change", () => this.mark());
    state.on("levels", () => this.load());
    page.onResize(() => this.redraw());
    page.onRecolour(() => this.redraw());
  }

  panel(name, onclick) {
    const picture = el("div", { class: "cp-track", onclick }, el("canvas"), el("i", { class: "cm-head" }),
      el("span", { class: "cm-khz cp-top" }), el("span", { class: "cm-khz cm-khz-0", text: "0" }));
    const choose = el("div", { class: "cp-choose" }, el("h3", { text: NAMES[name] }));
    const facts = el("dl");
    const tracks = el("div", { class: "cp-tracks" }, picture);
    const about = el("div", { class: "cp-about" }, choose, facts);
    const node = el("section", { class: "cp-side", "data-side": name, "aria-label": NAMES[name] }, about, tracks);
    const choice = name === "original" ? {} : this.choice(name, choose, tracks);
    return { node, picture, facts, ...choice };
  }

  /** The model and the stages of A or B, and its map. */
  choice(name, choose, tracks) {
    const onchange = () => this.set(name, model.value, this.modelOf(name).stages);
    const oninput = () => this.slide(name);
    const model = el("select", { "aria-label": `Model of ${NAMES[name]}`, onchange });
    const stages = el("input", { type: "range", min: 1, step: 1, "aria-label": `Stages of ${NAMES[name]}`, oninput });
    const rate = el("output", { class: "cp-rate" });
    const map = el("div", { class: "cp-track cp-map" }, el("canvas"), el("i", { class: "cm-head" }));
    choose.append(model, stages, rate);
    tracks.append(map);
    return { model, stages, rate, map };
  }

  /** Offer the models of a clip that was opened; start with its model at a few stages, and at all. */
  open() {
    const { page, state: { clip } } = this;
    this.loaded = {};
    for (const node of page.findAll(".cp-top")) node.textContent = `${clip.top_hz / 1000} kHz`;
    for (const { model } of [this.panels.a, this.panels.b]) {
      model.replaceChildren(...clip.models.map(({ name, title }) => el("option", { value: name, text: title })));
    }
    const { name, stages } = clip.models.find((model) => model.name === clip.model) || clip.models[0];
    this.set("a", name, stages > FEW_STAGES ? FEW_STAGES : 1);
    this.set("b", name, stages);
    this.fetch("original");
    showTimeAxis(page.find(".cp-axis"), clip.seconds);
  }

  modelOf(name) {
    return this.state.clip.models.find((model) => model.name === this.panels[name].model.value);
  }

  set(name, model, stages) {
    this.panels[name].model.value = model;
    this.panels[name].stages.max = this.modelOf(name).stages;
    this.panels[name].stages.value = stages;
    this.showRate(name);
    return this.fetch(name);
  }

  slide(name) {
    this.showRate(name);
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(() => this.fetch(name), LATER_MS);
  }

  showRate(name) {
    const stages = Number(this.panels[name].stages.value);
    const model = this.modelOf(name);
    this.panels[name].rate.textContent = `${stages} of ${model.stages} stages · ${number(model.bits[stages - 1])} bit/s`;
  }

  async fetch(name) {
    const { page, state } = this;
    const { clip } = state;
    const { node, model, stages } = this.panels[name];
    const request = ++this.requests[name];
    node.classList.add("cp-busy");
    const answer = name === "original" ? await this.wire.call("reference", { token: clip.token })
      : await this.wire.call("side", { token: clip.token, model: model.value, stages: Number(stages.value) });
    if (state.clip !== clip || request !== this.requests[name]) return; // a later choice is on its way
    node.classList.remove("cp-busy");
    if (!answer.ok) return page.say(answer.error);
    const samples = samplesOf(answer.sound);
    state.addSide(name, { ...answer, samples, peak: peakOf(samples) });
    this.show(name);
  }

  /** Give the player each sound that is new, or whose gain has changed. */
  load() {
    const { state: { sides, gains }, chorus, loaded } = this;
    for (const [name, side] of Object.entries(sides)) {
      const { [name]: before } = loaded;
      if (before && before.side === side && Math.abs(before.gain - gains[name]) < SAME_DB) continue;
      loaded[name] = { side, gain: gains[name] };
      chorus.set(name, scaled(side.samples, gains[name]), side.sample_rate);
      this.showFacts(name);
    }
  }

  /** Mark the audible side, and lock the choices during a test. */
  mark() {
    const { page, state, panels } = this;
    for (const [name, { node, model, stages }] of Object.entries(panels)) {
      node.dataset.audible = String(state.hearing === name);
      if (model) model.disabled = stages.disabled = Boolean(state.test);
    }
    Object.assign(page.find(".cp-match"), { checked: state.matched, disabled: Boolean(state.test) });
  }

  redraw() {
    for (const name of Object.keys(this.panels)) this.show(name);
  }

  show(name) {
    const side = this.state.sides[name];
    if (!side) return;
    const { picture, map } = this.panels[name];
    drawInto(picture, spectrogramImage(side.picture), true);
    if (map) drawInto(map, mapImage(side), false);
    this.showFacts(name);
  }

  showFacts(name) {
    const { sides, gains } = this.state;
    const pairs = factsOf(sides[name], gains[name], name === "original");
    const nodes = pairs.map(([key, value]) => el("div", {}, el("dt", { text: key }), el("dd", { text: value })));
    this.panels[name].facts.replaceChildren(...nodes);
  }
}

function factsOf({ level_db, quality, sample_rate }, gain, isOriginal) {
  const facts = [["Level", decibel(level_db)]];
  if (Math.abs(gain) >= 0.05) facts.push(["Gain", `${gain > 0 ? "+" : ""}${number(gain, 1)} dB`]);
  if (quality) facts.push(["Mel distance", number(quality.mel_l1, 3)], ["SI-SDR", `${number(quality.si_sdr_db, 1)} dB`]);
  if (!isOriginal) facts.push(["Sample rate", `${number(sample_rate / 1000)} kHz`]);
  return facts;
}

function drawInto(box, image, smooth) {
  const { context, width, height } = surfaceOf(box.querySelector("canvas"), box.clientWidth, box.clientHeight);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(image, 0, 0, width, height);
}

/** All rows of the codes, the first stage on top, one pixel a cell. */
function mapImage({ ids: sentIds, ranks: sentRanks, vocab, columns, rows }) {
  const [ids, ranks] = [idsOf(sentIds), idsOf(sentRanks)];
  const starts = vocab.reduce((all, size) => [...all, all[all.length - 1] + size], [0]);
  const rankAt = (x, y) => ranks[starts[y] + ids[y * columns + x]];
  return offscreen(columns, rows, (x, y) => viridis(rankAt(x, y) / Math.max(1, vocab[y] - 1)));
}
