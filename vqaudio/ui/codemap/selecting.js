// What a drag does, the fields of the selection, and the ready-made masks.

import { markChosen } from "../shared/dom.js";
import { formatStages } from "../shared/stages.js";
import { range } from "../shared/text.js";
import { aroundOnsets, blocksOf, everyNth, fromSecond, onsetColumns, randomShare, wholeClip } from "./masks.js";
import { Selection } from "./selection.js";
import { describeSelection } from "./words.js";

export class Selecting {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./listening.js").Listening} listening
   */
  constructor(page, state, listening) {
    Object.assign(this, { page, state, listening });
    const masks = {
      all: () => this.selectAll(), clear: () => this.clear(), end: () => this.selectEnd(), nth: () => this.selectNth(),
      onsets: () => this.selectOnsets(), random: () => this.selectShare(), stage: () => this.selectStage(),
    };
    page.listen("[data-mask]", "click", (event) => state.clip && masks[event.currentTarget.dataset.mask]());
    page.listen(".cm-clear", "click", () => this.clear());
    page.listen("[data-stroke]", "click", (event) => state.setPointer({ stroke: event.currentTarget.dataset.stroke }));
    page.listen("[data-shape-is]", "click", (event) => this.setShape(event.currentTarget.dataset.shapeIs));
    page.listen(".cm-finer", "change", (event) => this.setFiner(event.target.checked));
    page.listen(".cm-from, .cm-to, .cm-stages", "change", () => this.selectTyped());
    state.on("shape", () => this.showPointer());
    state.on("selection", ({ aloud }) => this.showSelection(aloud));
    this.showPointer();
  }

  setShape(shape) {
    this.state.setPointer({ shape, stroke: shape === "brush" ? "add" : "set" });
  }

  showPointer() {
    const { page, state } = this;
    page.root.dataset.shape = state.shape;
    markChosen(page.findAll("[data-shape-is]"), (button) => button.dataset.shapeIs === state.shape);
    markChosen(page.findAll("[data-stroke]"), (button) => button.dataset.stroke === state.stroke);
  }

  setFiner(finer) {
    const { state } = this;
    state.setPointer({ finer });
    if (!state.clip) return;
    const next = state.selection.copy();
    next.setFiner(finer);
    state.select(next);
  }

  showSelection(aloud) {
    const { page, state: { clip, selection } } = this;
    const bounds = selection.bounds();
    const seconds = (column) => Number((column / clip.geometry.frameRate).toFixed(3));
    page.find(".cm-from").value = bounds ? seconds(bounds.first) : "";
    page.find(".cm-to").value = bounds ? seconds(bounds.last + 1) : "";
    page.find(".cm-stages").value = formatStages(selection.stages);
    page.find(".cm-count").textContent = `${selection.count} of ${clip.geometry.rows * clip.geometry.columns} cells`;
    if (aloud) page.say(describeSelection(clip));
  }

  selectTyped() {
    const { page, state } = this;
    const [from, to] = [page.find(".cm-from").value, page.find(".cm-to").value];
    if (from === "" || to === "" || !state.clip) return;
    const { geometry } = state.clip;
    const blocks = blocksOf(geometry, Number(from), Number(to), page.find(".cm-stages").value);
    if (typeof blocks === "string") return page.say(blocks);
    const next = new Selection(geometry);
    for (const block of blocks) next.add(block, false);
    state.select(next);
  }

  get geometry() {
    return this.state.clip.geometry;
  }

  selectAll() {
    this.state.select(wholeClip(this.geometry));
  }

  clear() {
    this.state.select(new Selection(this.geometry));
  }

  /** From the playhead on, or the second half. */
  selectEnd() {
    const at = this.listening.player.position();
    this.state.select(fromSecond(this.geometry, at > 0.01 ? at : this.state.clip.span / 2));
  }

  selectNth() {
    this.state.select(everyNth(this.geometry, Math.max(2, Math.round(Number(this.page.find(".cm-nth").value)) || 2)));
  }

  selectOnsets() {
    const { page, state: { clip, enabled }, listening } = this;
    const hasOriginal = clip.original && clip.original.samples;
    const sound = hasOriginal ? clip.original : listening.decoded.get(clip, range(enabled.length));
    if (!sound) return page.say("The sound is still being decoded: press again in a moment.");
    const onsets = onsetColumns(sound.samples, clip.sample_rate, this.geometry);
    if (!onsets.length) return page.say("No onset was found: the sound never suddenly grows.");
    this.state.select(aroundOnsets(this.geometry, onsets));
  }

  selectShare() {
    const percent = Math.min(100, Math.max(1, Number(this.page.find(".cm-share").value) || 50));
    this.state.select(randomShare(this.geometry, percent / 100));
  }

  selectStage() {
    const wanted = Math.max(1, Math.round(Number(this.page.find(".cm-top-stage").value)) || 1);
    this.state.select(wholeClip(this.geometry, Math.min(this.geometry.stages.length, wanted) - 1));
  }
}
