// The cards of the variations, the switch between A and B, and the sampling steps.

import { offscreen, strokeContour, surfaceOf } from "../shared/canvas.js";
import { themeColours } from "../shared/colours.js";
import { el } from "../shared/dom.js";
import { number, range } from "../shared/text.js";
import { UNDECIDED } from "./clip.js";
import { stageOfRow } from "./geometry.js";
import { colourOf } from "./paint.js";

const [CARD_WIDTH, CARD_HEIGHT] = [240, 84]; // in CSS pixels; the width until it is laid out
const AROUND = 3; // columns beside the gap

export class GalleryView {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {Object<string, function>} actions hear, play, pin, use and scrub, see gallery.js
   */
  constructor(page, state, actions) {
    Object.assign(this, { page, state, actions, gallery: null, cards: [] });
    state.on("gallery", () => this.show());
    page.listen(".cm-step", "input", (event) => actions.scrub(this.scrubbed, Number(event.target.value) - 1));
    page.listen("[data-ab=a]", "click", () => actions.hear(this.gallery.a));
    page.listen("[data-ab=b]", "click", () => actions.hear(this.gallery.b));
  }

  /** @returns {number} the variation whose sampling steps the slider shows */
  get scrubbed() {
    return this.state.shownVariation ?? this.gallery.b;
  }

  show() {
    const { gallery } = this.state;
    if (gallery !== this.gallery) this.build(gallery);
    this.page.root.classList.toggle("cm-has-gallery", Boolean(gallery));
    if (!gallery) return;
    for (const { node } of this.cards.splice(gallery.total)) node.remove();
    this.cards.forEach((card, n) => this.showCard(card, n));
    this.showCompared();
    this.showSteps();
  }

  build(gallery) {
    this.gallery = gallery;
    this.cards = gallery ? range(gallery.total).map((n) => this.card(n)) : [];
    this.page.find(".cm-gallery").replaceChildren(...this.cards.map(({ node }) => node));
  }

  card(n) {
    const { actions } = this;
    const button = (name, text, label, onclick) =>
      el("button", { type: "button", class: `cm-small ${name}`, text, "aria-label": label, onclick });
    const hear = button("cm-hear", "▶", `Play variation ${n + 1}`, () => actions.play(n));
    const compare = `Compare the others with variation ${n + 1}`;
    const pin = button("cm-pin", "Compare with this", compare, () => actions.pin(n));
    const use = button("cm-use", "Use", `Use variation ${n + 1}`, () => actions.use(n));
    const [canvas, seed] = [el("canvas", { role: "img" }), el("span", { class: "cm-card-seed" })];
    const [kept, changed] = [el("p", { class: "cm-kept" }), el("p", { class: "cm-changed" })];
    const node = el("figure", { class: "cm-card", "data-state": "waiting" },
      el("figcaption", {}, hear, el("b", { text: `Variation ${n + 1}` }), seed, use), canvas,
      el("div", { class: "cm-card-facts" }, el("div", {}, kept, changed), pin));
    return { node, canvas, seed, kept, changed, hear, pin, use };
  }

  showCard(card, n) {
    const { gallery, state } = this;
    const variation = gallery.finished[n];
    const isShown = state.shownVariation === n;
    card.seed.textContent = `seed ${gallery.seed + n}`;
    card.node.dataset.heard = String(isShown);
    card.hear.setAttribute("aria-pressed", String(isShown));
    card.pin.textContent = gallery.a === n ? "This is A" : "Compare with this";
    card.pin.setAttribute("aria-pressed", String(gallery.a === n));
    for (const button of [card.hear, card.pin, card.use]) button.disabled = !variation;
    if (!variation) return;
    const [kept, all] = variation.kept;
    const [changed, selected] = variation.changed;
    card.node.dataset.state = "done";
    card.kept.textContent = gallery.isNew ? `${number(gallery.clips[n].seconds, 2)} s long`
      : `kept cells identical: ${number(kept)} of ${number(all)}`;
    card.changed.textContent = gallery.isNew ? `${number(selected)} cells`
      : `${number(changed)} of ${number(selected)} selected cells differ`;
    card.canvas.setAttribute("aria-label", card.changed.textContent);
    this.drawCard(n, isShown && state.preview ? state.preview.ids : variation.ids, !gallery.isNew);
  }

  /** Show variation n while it is sampled. @param {number} n @param {Uint16Array} ids */
  drawLive(n, ids) {
    this.cards[n].node.dataset.state = "live";
    this.drawCard(n, ids, false);
  }

  /** All rows of the columns around the gap; the cells that differ from the clip are outlined together. */
  drawCard(n, ids, isOutlined) {
    const { gallery, state } = this;
    const clip = gallery.isNew ? gallery.clips[n] : gallery.base;
    const { rows, columns } = clip.geometry;
    const first = gallery.isNew ? 0 : Math.max(0, gallery.bounds.first - AROUND);
    const last = gallery.isNew ? columns - 1 : Math.min(columns - 1, gallery.bounds.last + AROUND);
    const n_columns = last - first + 1;
    const { canvas } = this.cards[n];
    const { context, width, height } = surfaceOf(canvas, canvas.clientWidth || CARD_WIDTH, CARD_HEIGHT);
    const stageOf = range(rows).map((row) => stageOfRow(clip.geometry, row));
    const at = (column, row) => row * columns + first + column;
    const colours = gallery.base || state.clip;
    const image = offscreen(n_columns, rows, (x, y) => colourOf(colours, stageOf[y], ids[at(x, y)]));
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, width, height);
    if (!isOutlined) return;
    const differs = (x, y) => ids[at(x, y)] !== UNDECIDED && ids[at(x, y)] !== gallery.before[at(x, y)];
    const { paper, now } = themeColours(this.page.root);
    for (const [colour, thick] of [[paper, 3.4], [now, 1.8]]) {
      context.strokeStyle = colour;
      context.lineWidth = thick;
      strokeContour(context, differs, [0, n_columns], rows, (x, y) => [(x / n_columns) * width, (y / rows) * height]);
    }
  }

  showCompared() {
    const { page, state, gallery: { a, b, base, finished, isNew } } = this;
    const [buttonA, buttonB] = ["a", "b"].map((name) => page.find(`[data-ab=${name}]`));
    const clipName = isNew && base ? base.title : "the clip as it is";
    page.find(".cm-ab .cm-seg").hidden = finished.length < (base || a === null ? 1 : 2);
    buttonA.textContent = `A: ${a === null ? clipName : `variation ${a + 1}`}`;
    buttonB.textContent = `B: variation ${b + 1}`;
    buttonA.setAttribute("aria-checked", String(state.shownVariation === a));
    buttonB.setAttribute("aria-checked", String(state.shownVariation === b && b !== a));
    buttonB.disabled = !finished[b];
  }

  showSteps() {
    const { page, state: { preview }, gallery, scrubbed } = this;
    const steps = gallery.finished[scrubbed] ? gallery.finished[scrubbed].steps : 0;
    page.find(".cm-scrub").hidden = !steps;
    if (!steps) return;
    const isStep = preview && preview.step >= 0;
    const at = isStep ? preview.step + 1 : steps;
    const slider = page.find(".cm-step");
    slider.max = steps;
    if (document.activeElement !== slider) slider.value = at;
    const left = isStep ? preview.undecided : 0;
    const cells = left ? `${number(left)} ${left === 1 ? "cell" : "cells"} not decided yet` : "all cells decided";
    page.find(".cm-step-text").textContent = `Variation ${scrubbed + 1}, step ${at} of ${steps}: ${cells}`;
  }
}
