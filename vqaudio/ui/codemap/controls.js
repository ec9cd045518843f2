// The controls above and beside the map: play, what is heard, which stages, zoom; and the downloads.

import { markChosen, saveFile } from "../shared/dom.js";
import { enabledStages, isPrefix, listStages, nameStages, solo } from "../shared/stages.js";
import { decibel, number, range } from "../shared/text.js";
import { bytesOf } from "../shared/wire.js";
import { viridis } from "../shared/colours.js";
import { describeCodes, describeEnabled } from "./words.js";

const SILENT_DB = -60; // the level at which a stage's bar is empty

/**
 * What the buttons beside a stage do.
 * @param {import("./state.js").State} state
 * @param {import("./listening.js").Listening} listening
 * @returns {{toggle: function(number), solo: function(number), adds: function(number)}}
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

export class Controls {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./listening.js").Listening} listening
   * @param {import("./map_view.js").MapView} map
   * @param {import("../shared/wire.js").Wire} wire
   */
  constructor(page, state, listening, map, wire) {
    Object.assign(this, { page, state, listening, map, wire });
    state.on("clip", () => state.clip && this.describe());
    state.on("view", () => this.showView());
    this.listenToPlaying();
    this.listenToZoom();
    page.listen("[data-kind]", "click", (event) => this.download(event.currentTarget));
    drawScale(page.find(".cm-scale canvas"));
  }

  listenToPlaying() {
    const { page, state, listening } = this;
    page.listen(".cm-play", "click", () => listening.playOrStop());
    page.listen("[data-source]", "click", (event) => listening.hear(event.currentTarget.dataset.source));
    page.listen(".cm-loop", "change", (event) => listening.player.setLoop(event.target.checked));
    page.listen(".cm-boost", "change", (event) => {
      state.setBoost(event.target.checked);
      listening.hear("added");
    });
    page.listen(".cm-slider", "input", (event) => {
      listening.hearStages(state.enabled.map((_, stage) => stage < Number(event.target.value)));
    });
  }

  listenToZoom() {
    const { page, state } = this;
    page.listen(".cm-zoom-in", "click", () => this.zoom(0.5));
    page.listen(".cm-zoom-out", "click", () => this.zoom(2));
    page.listen(".cm-zoom-fit", "click", () => state.setView(0, state.clip.span));
    page.listen(".cm-pan", "input", (event) => {
      const span = state.view[1] - state.view[0];
      state.setView(Number(event.target.value) * (state.clip.span - span), span);
    });
  }

  zoom(factor) {
    const [start, end] = this.state.view;
    const middle = this.listening.player.position() || (start + end) / 2;
    const span = (end - start) * factor;
    this.state.setView(middle - span / 2, span);
  }

  showView() {
    const { clip, view } = this.state;
    const room = clip.span - (view[1] - view[0]);
    this.page.find(".cm-pan").value = room > 0 ? view[0] / room : 0;
  }

  describe() {
    const { page, state: { clip } } = this;
    page.find(".cm-length").textContent = clip.seconds.toFixed(2);
    page.find(".cm-slider").max = clip.geometry.stages.length;
    page.find(".cm-intro").textContent = describeCodes(clip);
  }

  async download(button) {
    const { page, state } = this;
    if (!state.clip || state.clip.draft) return;
    button.disabled = true;
    const stages = enabledStages(state.enabled);
    const answer = await this.wire.call("export", { token: state.clip.token, kind: button.dataset.kind, stages });
    button.disabled = false;
    if (!answer.ok) return page.say(answer.error);
    saveFile(answer.name, bytesOf(answer.data), answer.type);
    page.say(`Saved ${answer.name}.`);
  }

  draw() {
    const { page, state, listening } = this;
    const { clip, source, view } = state;
    const isWaiting = !listening.sound;
    page.root.classList.toggle("cm-waiting", isWaiting);
    page.root.classList.toggle("cm-playing", listening.player.playing);
    page.find(".cm-play").setAttribute("aria-label", listening.player.playing ? "Stop" : "Play");
    page.find(".cm-play").disabled = isWaiting;
    markChosen(page.findAll("[data-source]"), (button) => button.dataset.source === source);
    page.find("[data-source=original]").disabled = !clip.original;
    page.find("[data-edit=undo]").disabled = !(clip.edits || clip.former);
    page.find("[data-edit=redo]").disabled = !(clip.redos || clip.later);
    page.find(".cm-added-n").textContent = state.addedStage + 1;
    page.find(".cm-boost-label").hidden = source !== "added";
    page.find(".cm-boost-db").textContent = `+${number(listening.boostDb, 1)} dB`;
    page.find(".cm-zoom").classList.toggle("cm-zoomed", view[1] - view[0] < clip.span - 1e-6);
    this.drawDepth();
    for (const lane of this.map.lanes) if (lane.stage) this.drawGutter(lane);
    this.drawDecodedName(isWaiting);
  }

  /** How many stages are on, and their bit rate. */
  drawDepth() {
    const { page, state: { clip, enabled } } = this;
    const stages = enabledStages(enabled);
    const rate = stages.reduce((sum, stage) => sum + clip.geometry.stages[stage].rate, 0);
    const text = isPrefix(stages) ? `${stages.length} of ${enabled.length} stages` : nameStages(stages);
    page.find(".cm-slider").value = Math.max(...stages) + 1;
    page.find(".cm-depth").classList.toggle("cm-custom", !isPrefix(stages));
    page.find(".cm-depth-text").textContent = `${text} · ${number(rate)} bit/s`;
  }

  drawGutter({ node, stage: { number: stage }, toggle, level, solo: alone, adds }) {
    const { state: { clip, source, addedStage, enabled }, listening } = this;
    const { stages } = listening;
    node.classList.toggle("cm-off", !(source === "added" ? stages.includes(stage) : enabled[stage]));
    toggle.setAttribute("aria-checked", String(enabled[stage]));
    alone.setAttribute("aria-pressed", String(source === "decoded" && stages.length === 1 && stages[0] === stage));
    adds.setAttribute("aria-pressed", String(source === "added" && addedStage === stage));
    const facts = listening.decoded.facts(clip, range(stage + 1));
    const added = facts && facts.added.level;
    level.textContent = facts ? decibel(added) : "…";
    level.style.setProperty("--share", facts && added !== null ? Math.max(0, 1 - added / SILENT_DB) : 0);
  }

  drawDecodedName(isWaiting) {
    const { source, addedStage, shownVariation } = this.state;
    const lane = this.map.lanes.find(({ which }) => which === "decoded");
    if (source === "added") lane.name.textContent = `Added by stage ${addedStage + 1}`;
    else lane.name.textContent = shownVariation === null ? "Decoded" : `Variation ${shownVariation + 1}`;
    lane.note.textContent = this.noteOnDecoded(isWaiting);
  }

  noteOnDecoded(isWaiting) {
    const { clip, preview, gallery, source, addedStage, enabled } = this.state;
    if (preview && preview.step >= 0) {
      return `After step ${preview.step + 1}. Grey cells are not decided yet; they play the codeword that adds least.`;
    }
    if (preview) return `All stages.${gallery.isNew ? "" : " Outlined cells differ from the clip."}`;
    if (clip.preview) return "Sampling: grey cells are not decided yet.";
    if (isWaiting) return "Decoding…";
    if (source !== "added") return `What the decoder makes of ${describeEnabled(enabled)}.`;
    if (!addedStage) return "The first stage starts from silence.";
    return `Stages ${listStages(range(addedStage + 1))} less ${nameStages(range(addedStage))}.`;
  }
}

function drawScale(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = `rgb(${viridis(x / (canvas.width - 1))})`;
    context.fillRect(x, 0, 1, 1);
  }
}
