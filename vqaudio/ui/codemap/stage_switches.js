// The switches beside the stages, and what is written beside the spectrogram.

import { solo } from "../shared/stages.js";
import { decibel, range } from "../shared/text.js";

/**
 * @param {import("./state.js").State} state
 * @param {import("./listening.js").Listening} listening
 * @returns {{toggle: function(number), solo: function(number), adds: function(number)}} what the buttons of a stage do
 */
export function stageActions(state, listening) {
  return {
    toggle: (stage) => listening.hearStages(state.enabled.map((isOn, i) => (i === stage ? !isOn : isOn))),
    solo(stage) {
      const next = solo(state.enabled, state.beforeSolo, stage);
      listening.hearStages(next.enabled, next.before);
    },
    adds(stage) {
      const again = state.source === "added" && state.addedStage === stage;
      listening.hear(again ? "decoded" : "added", stage);
      if (!again) listening.playIfSilent();
    },
  };
}

export class StageSwitches {
  /**
   * @param {import("./state.js").State} state
   * @param {import("./listening.js").Listening} listening
   * @param {import("./map_view.js").MapView} map
   */
  constructor(state, listening, map) {
    Object.assign(this, { state, listening, map });
  }

  draw() {
    for (const lane of this.map.lanes) {
      if (lane.stage) this.drawStage(lane);
      if (lane.isSound) this.drawSound(lane);
    }
  }

  drawStage({ node, gutter, stage: { number: stage }, toggle, level, solo: alone, adds }) {
    const { state: { clip, source, addedStage, enabled }, listening } = this;
    const isAdded = source === "added";
    const isOn = isAdded ? stage === addedStage : enabled[stage];
    for (const part of [node, gutter]) part.classList.toggle("cm-off", source !== "original" && !isOn);
    toggle.setAttribute("aria-checked", String(isOn));
    const isAlone = source === "decoded" && enabled.every((on, i) => on === (i === stage));
    alone.setAttribute("aria-pressed", String(isAlone));
    adds.setAttribute("aria-pressed", String(isAdded && isOn));
    gutter.classList.toggle("cm-gutter-active", isAlone || (isAdded && isOn));
    const facts = listening.decoded.facts(clip, range(stage + 1));
    level.textContent = facts ? decibel(facts.added.level) : "…";
  }

  drawSound({ name, note }) {
    const { clip, source, addedStage, shownVariation, preview } = this.state;
    name.textContent = source === "original" ? "Original" : source === "added" ? `Added by stage ${addedStage + 1}`
      : shownVariation === null ? "Decoded" : `Variation ${shownVariation + 1}`;
    note.textContent = clip.preview && !preview ? "Sampling: grey cells are undecided."
      : preview && preview.step >= 0 ? `After step ${preview.step + 1}; grey cells are undecided.` : "";
  }
}
