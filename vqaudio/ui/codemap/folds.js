// The row of folds under the map: each opens a panel under the row. One is open at a time, so the row never moves.

import { saveFile } from "../shared/dom.js";
import { enabledStages } from "../shared/stages.js";
import { bytesOf } from "../shared/wire.js";
import { describeCodes } from "./words.js";

export class Folds {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   */
  constructor(page, state, wire) {
    Object.assign(this, { page, state, wire });
    page.listen("[data-fold]", "click", ({ currentTarget: { dataset } }) => this.toggle(dataset.fold));
    page.listen("[data-kind]", "click", (event) => this.download(event.currentTarget));
    state.on("clip", () => this.showClip());
    state.on("picked", () => this.showCell());
  }

  isOpen(name) {
    return !this.panel(name).hidden;
  }

  panel(name) {
    return this.page.find(`[data-panel=${name}]`);
  }

  toggle(name) {
    this.show(this.isOpen(name) ? "" : name);
    if (this.isOpen(name)) this.panel(name).scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  /** Open one panel and close the others. @param {string} name "" closes all */
  show(name) {
    for (const button of this.page.findAll("[data-fold]")) {
      const isOpen = button.dataset.fold === name;
      button.setAttribute("aria-expanded", String(isOpen));
      this.panel(button.dataset.fold).hidden = !isOpen;
    }
    this.state.announce(); // what was hidden is drawn now
  }

  showClip() {
    const { page, state: { clip } } = this;
    page.find("[data-fold=cell]").hidden = true;
    if (this.isOpen("cell")) this.show("");
    if (!clip) return;
    page.find(".cm-report").innerHTML = clip.report || "<p>This clip was generated: there is no recording.</p>";
    page.find(".cm-cut-silence").hidden = !clip.original;
    page.find(".cm-intro").textContent = describeCodes(clip);
  }

  showCell() {
    if (!this.state.picked) return;
    this.page.find("[data-fold=cell]").hidden = false;
    if (!this.isOpen("more")) this.show("cell");
  }

  async download(button) {
    const { page, state } = this;
    if (!state.clip || state.clip.draft) return;
    button.disabled = true;
    const stages = enabledStages(state.enabled);
    const { token, speaker } = state.clip;
    const answer = await this.wire.call("export", { token, kind: button.dataset.kind, stages, speaker });
    button.disabled = false;
    if (!answer.ok) return page.say(answer.error);
    saveFile(answer.name, bytesOf(answer.data), answer.type);
    page.say(`Saved ${answer.name}.`);
  }
}
