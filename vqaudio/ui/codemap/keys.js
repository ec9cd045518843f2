// The keyboard: arrows over the cells, space, Enter, Escape, and the usual keys of editing.

import { neighbour } from "./geometry.js";
import { describeCell } from "./words.js";

const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
const TAKES_SPACE = "button, summary, select, textarea, a, input:not([type=range])";

export class Keys {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {object} parts map, listening, inspector, gestures, selecting, editing and filling
   */
  constructor(page, state, parts) {
    Object.assign(this, { page, state, ...parts });
    this.map.node.addEventListener("keydown", (event) => this.onMap(event));
    // On the document, because a button that vanishes when it is pressed leaves the focus to the body: Ctrl-Z still works then.
    document.addEventListener("keydown", (event) => this.onPage(event));
  }

  onMap(event) {
    if (!this.state.clip || event.target !== this.map.node || !ARROWS.includes(event.key)) return;
    this.moveFocus(event);
    event.preventDefault();
  }

  moveFocus(event) {
    const { state, page, gestures } = this;
    const { geometry } = state.clip;
    const [start, end] = state.view;
    const before = state.focus;
    const first = { row: 0, column: Math.floor(start * geometry.frameRate) };
    state.setFocus(before ? neighbour(geometry, before, event.key) : first);
    page.say(describeCell(state.clip, state.focus, state.surprise));
    const at = state.focus.column / geometry.frameRate;
    if (at < start || at >= end) state.setView(at - (end - start) / 2, end - start);
    if (event.shiftKey) gestures.extendFrom(before || first);
    else gestures.forget();
  }

  onPage(event) {
    const { root } = this.page;
    const isLost = event.target === document.body;
    if (!root.isConnected || !root.offsetWidth || event.defaultPrevented || !(isLost || root.contains(event.target))) return;
    if (event.key === " ") return this.onSpace(event);
    const isHeld = event.ctrlKey || event.metaKey;
    if (event.target.closest("input, select, textarea") || (isLost && !isHeld && event.key !== "Escape")) return;
    if (event.key === "Enter" && event.target.closest("button")) return;
    const action = this.state.clip && (isHeld ? this.heldKey(event) : this.keyAlone(event.key));
    if (!action) return;
    action();
    event.preventDefault();
  }

  onSpace(event) {
    if (!this.state.clip || event.target.closest(TAKES_SPACE)) return;
    event.preventDefault();
    this.listening.playOrStop();
  }

  /** @returns {function|undefined} what the key does with Ctrl */
  heldKey(event) {
    const { editing } = this;
    const actions = {
      z: () => (event.shiftKey ? editing.redo() : editing.undo()), y: () => editing.redo(), c: () => editing.copy(),
      v: () => editing.paste(), a: () => this.selecting.selectAll(),
    };
    return actions[event.key.toLowerCase()];
  }

  /** @returns {function|undefined} */
  keyAlone(key) {
    return { Enter: () => this.enter(), Escape: () => this.escape() }[key];
  }

  /** Fill the selection, or open the cell in focus. */
  enter() {
    const { state } = this;
    if (!state.selection.count && state.focus) return this.inspector.pick(state.focus);
    return this.filling.fill();
  }

  /** Drop the drag, cancel the job, or clear the selection: whichever there is first. */
  escape() {
    if (this.gestures.drag) return this.gestures.cancel();
    if (this.state.job) return this.filling.cancel();
    return this.selecting.clear();
  }
}
