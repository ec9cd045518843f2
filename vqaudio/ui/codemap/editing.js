// Changing the clip: codewords put by hand, copied blocks, what is done to the selected cells at once; undo and redo.

import { idsOf } from "../shared/wire.js";
import { number, withoutStop } from "../shared/text.js";
import { copyCells, fits, pasteCells } from "./blocks.js";
import { historyStep } from "./clip.js";
import { describeCell, describeEdits } from "./words.js";

export const NOTHING_SELECTED = "No cell is selected: drag over the map first.";

export class Editing {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("./listening.js").Listening} listening
   */
  constructor(page, state, wire, listening) {
    Object.assign(this, { page, state, wire, listening, copied: null });
    page.listen("[data-touch]", "click", (event) => this.change(event.currentTarget.dataset.touch));
    const paste = () => this.paste();
    const actions = { copy: () => this.copy(), paste, "paste-here": paste, undo: () => this.undo(), redo: () => this.redo() };
    for (const [name, action] of Object.entries(actions)) page.listen(`[data-edit=${name}]`, "click", action);
  }

  /**
   * Ask the server for a change of the clip, take the ids that it answers with, and hear them.
   * @param {string} name of a server function
   * @param {object} request
   * @param {function(object): string} [summary] what to say of the answer
   */
  async write(name, request, summary = () => "") {
    const { state, page } = this;
    const { clip } = state;
    const answer = await this.wire.call(name, { token: clip.token, ...request });
    if (!answer.ok) return page.say(answer.error);
    state.edit(clip, { edits: answer.edits, redos: answer.redo, version: answer.version, ids: idsOf(answer.ids) });
    if (clip !== state.clip) return;
    const cell = answer.row === undefined ? null : { row: answer.row, column: answer.column };
    const what = summary(answer) || (cell ? describeCell(clip, cell, state.surprise) : "");
    page.say(`${what} ${describeEdits(clip)}`.trim());
    if (cell && state.picked) state.pick(cell);
  }

  /** Put a codeword into the chosen cell. @param {number} index */
  put(index) {
    return this.write("swap", { ...this.state.picked, index });
  }

  undoEdit() {
    return this.write("undo", {});
  }

  /** @param {"erase"|"randomise"|"blur"} name of what to do to the selected cells */
  async change(name) {
    const { state, page } = this;
    if (!state.clip || state.clip.draft) return;
    if (!state.selection.count) return page.say(NOTHING_SELECTED);
    this.listening.player.wake();
    state.adopt();
    const how = name === "blur" ? this.blurSettings() : {};
    return this.write(name, { rectangles: state.selection.rectangles(), ...how }, (answer) => answer.summary);
  }

  blurSettings() {
    const prior = this.page.find(".cm-prior").value;
    return { radius: this.numberIn(".cm-radius"), strength: this.numberIn(".cm-strength"), prior };
  }

  numberIn(selector) {
    const text = this.page.find(selector).value.trim();
    return text === "" ? null : Number(text);
  }

  copy() {
    const { clip } = this.state;
    const copied = clip && copyCells(clip, clip.selection);
    if (!copied) return this.page.say("No cell is selected: there is nothing to copy.");
    this.copied = copied;
    this.state.announce();
    const next = "Select where to paste them, here or in another clip, and press Paste.";
    this.page.say(`Copied ${copied.cells.length} cells of ${withoutStop(clip.title)}. ${next}`);
  }

  paste() {
    const { state: { clip, focus }, page, copied } = this;
    if (!clip || clip.draft) return;
    if (!copied) return page.say("Nothing was copied yet: select some cells and press Copy.");
    if (!fits(copied, clip)) return page.say("The copied cells have another shape: they are from another codec.");
    const bounds = clip.selection.bounds();
    const left = bounds ? bounds.first : focus ? focus.column : 0;
    const { cells, cut } = pasteCells(copied, clip, left);
    const where = `${number(left / clip.geometry.frameRate, 2)} s${cut ? `; ${cut} were past the end` : ""}`;
    return this.write("put", { cells }, () => `Pasted ${cells.length} cells at ${where}.`);
  }

  undo() {
    return this.goBack("undo", "Undone");
  }

  redo() {
    return this.goBack("redo", "Redone");
  }

  /** Show which of Undo and Redo can be pressed. */
  draw() {
    const { page, state: { clip } } = this;
    page.find("[data-edit=undo]").classList.toggle("cm-shown", Boolean(clip.edits || clip.former));
    page.find("[data-edit=redo]").classList.toggle("cm-shown", Boolean(clip.redos || clip.later));
  }

  goBack(way, done) {
    const { state, page } = this;
    if (!state.clip) return;
    const step = historyStep(state.clip, way);
    if (step.edit) return this.write(way, {}, () => `${done}.`);
    if (!step.clip) return page.say(`There is nothing to ${way}.`);
    state.goTo(step.clip);
    this.listening.hear("decoded");
    page.say(`${done}: the clip is ${withoutStop(step.clip.title)}.`);
  }
}
