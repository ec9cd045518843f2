// Play, the switch between the sounds, and the playheads.

import { markChosen } from "../shared/dom.js";

const KEYS = { a: "a", b: "b", o: "original", x: "x" };

export class TransportView {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/player.js").Chorus} chorus
   */
  constructor(page, state, chorus) {
    Object.assign(this, { page, state, chorus });
    page.listen(".cp-play", "click", () => this.playOrStop());
    page.listen(".cp-loop", "change", (event) => chorus.setLoop(event.target.checked));
    page.listen("[data-hear]", "click", (event) => this.hear(event.currentTarget.dataset.hear));
    document.addEventListener("keydown", (event) => this.key(event));
    state.on("change", () => {
      if (chorus.audible !== state.audible) chorus.hear(state.audible);
      this.show();
    });
  }

  hear(what) {
    const { page, state, chorus } = this;
    state.hear(what);
    if (state.test) return;
    page.say(`${chorus.playing ? "Playing" : "Ready to play"} ${what === "original" ? "the original" : what.toUpperCase()}.`);
  }

  playOrStop() {
    if (!this.state.ready) return;
    if (this.chorus.playing) this.chorus.stop();
    else this.playIfSilent();
    this.show();
  }

  playIfSilent() {
    const { chorus } = this;
    if (chorus.playing) return;
    const at = chorus.position();
    chorus.start(at > chorus.seconds - 0.02 ? 0 : at);
    this.show();
    requestAnimationFrame(() => this.follow());
  }

  /** @param {PointerEvent} event a click in a picture */
  seek(event) {
    const { state: { clip, sides }, chorus } = this;
    if (!clip || !sides.a) return;
    const area = event.currentTarget.getBoundingClientRect();
    chorus.seek(Math.min(chorus.seconds - 0.01, ((event.clientX - area.left) / area.width) * clip.seconds));
    this.showHeads();
  }

  key(event) {
    const { page: { root }, state } = this;
    if (!root.isConnected || !root.offsetWidth || !state.clip || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target !== document.body && !root.contains(event.target)) return;
    if (event.target.closest("input[type=number], select")) return;
    const what = KEYS[event.key.toLowerCase()];
    if (what && (what === "x" ? state.test : state.sides[what])) this.hear(what);
    else if (event.key === " " && !event.target.closest("button, input")) this.playOrStop();
    else return;
    event.preventDefault();
  }

  show() {
    const { page, state, chorus } = this;
    if (!state.clip) return;
    page.root.classList.toggle("cm-playing", chorus.playing);
    page.find(".cp-play").setAttribute("aria-label", chorus.playing ? "Stop" : "Play");
    page.find(".cp-play").disabled = !state.ready;
    markChosen(page.findAll("[data-hear]"), (button) => button.dataset.hear === state.hearing);
    for (const button of page.findAll("[data-hear]")) {
      const isX = button.dataset.hear === "x";
      button.hidden = isX && !state.test;
      button.disabled = !isX && !state.sides[button.dataset.hear];
    }
    this.showHeads();
  }

  showHeads() {
    const { page, state: { clip }, chorus } = this;
    const at = chorus.sounds.size ? chorus.position() : 0;
    page.find(".cp-now").textContent = at.toFixed(2);
    for (const head of page.findAll(".cm-head")) head.style.left = `${(100 * at) / clip.seconds}%`;
  }

  follow() {
    if (!this.chorus.playing || !this.page.root.isConnected) return;
    this.showHeads();
    requestAnimationFrame(() => this.follow());
  }
}
