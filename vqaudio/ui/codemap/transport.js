// The player: Play, Stages, Original or Decoded, and the level at which the sound plays.

import { markChosen } from "../shared/dom.js";
import { enabledStages, isPrefix, nameStages } from "../shared/stages.js";
import { number } from "../shared/text.js";
import { LOUDNESS_DB } from "./listening.js";
import { describeRate } from "./words.js";

export class Transport {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./listening.js").Listening} listening
   */
  constructor(page, state, listening) {
    Object.assign(this, { page, state, listening });
    state.on("clip", () => state.clip && this.describe());
    page.listen(".cm-play", "click", () => listening.playOrStop());
    page.listen("[data-source]", "click", (event) => listening.hear(event.currentTarget.dataset.source));
    page.listen("[data-source]", "keydown", (event) => this.moveSource(event));
    page.listen(".cm-loop", "change", (event) => listening.player.setLoop(event.target.checked));
    page.listen(".cm-level-switch", "click", () => this.switchLevel());
    this.listenToSlider();
  }

  listenToSlider() {
    const { page, state, listening } = this;
    page.listen(".cm-slider", "input", (event) => {
      listening.hearStages(state.enabled.map((_, stage) => stage < Number(event.target.value)));
    });
    page.listen(".cm-slider", "pointerdown", () => listening.loopWhile(true));
    for (const end of ["pointerup", "pointercancel", "change"]) page.listen(".cm-slider", end, () => listening.loopWhile(false));
  }

  moveSource(event) {
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    const other = this.page.find("[data-source][aria-checked=false]:not(:disabled)");
    if (!other) return;
    other.focus();
    this.listening.hear(other.dataset.source);
  }

  switchLevel() {
    const { state, listening } = this;
    state.setRaised(!state.raised[state.raisable]);
    listening.saySource();
  }

  describe() {
    const { page, state: { clip } } = this;
    page.find(".cm-title").textContent = clip.title;
    page.find(".cm-title").title = clip.title;
    page.find(".cm-length").textContent = clip.seconds.toFixed(2);
    page.find(".cm-slider").max = clip.geometry.stages.length;
    page.root.classList.toggle("cm-one-stage", clip.geometry.stages.length === 1);
    page.find(".cm-depth-max").textContent = clip.geometry.stages.length;
  }

  draw() {
    const { page, state, listening } = this;
    const { clip, source } = state;
    const isWaiting = !listening.sound;
    page.root.classList.toggle("cm-waiting", isWaiting);
    page.root.classList.toggle("cm-playing", listening.player.playing);
    page.find(".cm-play").setAttribute("aria-label", listening.player.playing ? "Pause" : "Play");
    page.find(".cm-play").disabled = isWaiting;
    markChosen(page.findAll("[data-source]"), ({ dataset }) => dataset.source === (source === "original" ? source : "decoded"));
    for (const button of page.findAll("[data-source]")) button.tabIndex = button.getAttribute("aria-checked") === "true" ? 0 : -1;
    page.find("[data-source=original]").disabled = !clip.original;
    if (!isWaiting && !clip.draft) document.body.dataset.vqReady = "1";
    this.drawStages();
    this.drawLevel();
  }

  /** Slider and caption show the stages that sound: one source for both. */
  drawStages() {
    const { page, state: { clip, source, addedStage, enabled }, listening: { stages } } = this;
    const isAdded = source === "added";
    const shown = isAdded ? stages : enabledStages(enabled);
    const isFirst = isPrefix(shown);
    const name = isAdded ? `stage ${addedStage + 1} alone · ` : isFirst ? "" : `${nameStages(shown)} · `;
    const slider = page.find(".cm-slider");
    slider.value = Math.max(...shown) + 1;
    slider.style.setProperty("--at", (slider.value - 1) / Math.max(1, slider.max - 1));
    page.find(".cm-depth").classList.toggle("cm-custom", !isFirst || isAdded);
    page.find(".cm-depth-text").textContent = name + describeRate(clip, isAdded ? [addedStage] : shown);
  }

  drawLevel() {
    const { page, state: { raisable, raised }, listening } = this;
    const button = page.find(".cm-level-switch");
    const isRaised = Boolean(raisable && raised[raisable]);
    button.classList.toggle("cm-shown", Boolean(raisable));
    button.setAttribute("aria-pressed", String(isRaised));
    const sign = listening.raiseDb < 0 ? "" : "+";
    const target = raisable === "generated" ? `${number(LOUDNESS_DB)} dBFS: ` : "";
    button.textContent = isRaised ? `${target}${sign}${number(listening.raiseDb, 1)} dB` : "True level";
    button.title = isRaised ? "Press for the true level" : `Press to play it ${sign}${number(listening.raiseDb, 1)} dB`;
  }
}
