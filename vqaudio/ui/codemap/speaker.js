// The speaker in whose voice the codes are decoded: a choice wherever the model knows speakers.

import { el } from "../shared/dom.js";
import { speakerName } from "./words.js";

export class SpeakerChoice {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./listening.js").Listening} listening
   */
  constructor(page, state, listening) {
    Object.assign(this, { page, state, listening, select: page.find(".cm-speaker") });
    state.on("clip", () => this.show());
    page.listen(".cm-speaker", "change", ({ target }) => this.choose(target.value));
  }

  show() {
    const { clip } = this.state;
    const speakers = clip ? clip.speakers : [];
    this.page.find(".cm-speaker-field").hidden = !speakers.length;
    const options = speakers.map((value) => el("option", { value, text: speakerName(value) }));
    this.select.replaceChildren(el("option", { value: "", text: "none" }), ...options);
    if (clip) this.select.value = clip.speaker;
  }

  /** @param {string} speaker "" for nobody in particular */
  choose(speaker) {
    this.listening.player.wake();
    this.state.setSpeaker(speaker);
    this.listening.saySource();
  }
}
