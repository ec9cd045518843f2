// Generating a range of notes as a sampler instrument, and saving it.

import { el, saveFile } from "../shared/dom.js";
import { jobText } from "../shared/text.js";
import { bytesOf } from "../shared/wire.js";
import { nameOf, nearestKey } from "./pitches.js";

const POLL_MS = 200;
const BUSY = "An instrument is being generated already. Wait for it, or cancel it.";

export class Instrument {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   */
  constructor(page, state, wire) {
    Object.assign(this, { page, state, wire });
    page.listen(".kb-save", "click", () => this.save());
    page.listen(".kb-cancel", "click", () => this.cancel());
    state.on("change", () => page.root.classList.toggle("cm-busy", Boolean(state.job)));
  }

  /** Offer the player's keys; those that are shown are chosen. */
  offerRange() {
    const { page, state: { player, usualKeys, lowest, size } } = this;
    for (const [name, wanted] of [[".kb-low", lowest], [".kb-high", lowest + size - 1]]) {
      page.find(name).replaceChildren(...player.keys.map((key) => el("option", { value: key, text: nameOf(key) })));
      page.find(name).value = nearestKey(usualKeys, wanted);
    }
  }

  async save() {
    const { page, state, wire } = this;
    if (state.job) return page.say(BUSY);
    const { key, ...same } = state.requestOf(0);
    state.setJob({ token: null });
    this.showProgress({ share: 0, state: "running" }, 0);
    const [low, high] = [".kb-low", ".kb-high"].map((name) => Number(page.find(name).value));
    const started = await wire.call("sampler", { ...same, low, high });
    if (!started.ok) return this.end(started.error);
    state.setJob({ token: started.job });
    const answer = await wire.follow(started.job, {
      wanted: () => page.root.isConnected, pauseMs: () => POLL_MS,
      react: (answer) => this.showProgress(answer, started.total),
    });
    if (!answer) return undefined;
    if (answer.state === "cancelled") return this.end("Cancelled. The notes that are finished are kept.");
    if (answer.state !== "done") return this.end(answer.error_text);
    return this.download(started);
  }

  async download({ job, total }) {
    const file = await this.wire.call("archive", { job });
    if (!file.ok) return this.end(file.error);
    saveFile(file.name, bytesOf(file.data), file.type);
    return this.end(`Saved ${file.name}: ${total} notes. Open its .sfz file in a sampler.`);
  }

  end(sentence) {
    this.state.setJob(null);
    this.page.say(sentence);
  }

  cancel() {
    const { job } = this.state;
    if (job && job.token) this.wire.call("cancel", { job: job.token });
  }

  showProgress(answer, total) {
    this.page.find(".cm-progress progress").value = answer.share;
    const running = `${Math.round(answer.share * total)} of ${total || "…"} notes`;
    this.page.find(".cm-progress-text").textContent = jobText(answer, running);
  }
}
