// The keyboard: arrows over the cells, space, Enter, Escape, and the usual keys of editing.

import { neighbour } from "./geometry.js";
import { describeCell } from "./words.js";

const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

export class Keys {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {object} parts map, listening, inspector, gestures, selecting, editing and filling
   */
  constructor(page, state, parts) {
    Object.assign(this, { page, state, ...parts });
    this.map.node.addEventListener("keydown", (event) => this.onMap(event));
    page.root.addEventListener("keydown", (event) => this.onSpace(event));
    // On the document, because a button that vanishes when it is pressed leaves the focus to the body: Ctrl-Z still works then.
    document.addEventListener("keydown", (event) => this.onPage(event));
  }

  onMap(event) {
    const { state } = this;
    if (!state.clip || event.target !== this.map.node) return;
    if (ARROWS.includes(event.key)) this.moveFocus(event);
    else if (event.key === "Enter" && state.focus && state.mode === "look") this.inspector.pick(state.focus);
    else return;
    event.preventDefault();
  }

  moveFocus(event) {
    const { state, page } = this;
    const { geometry } = state.clip;
    const [start, end] = state.view;
    const first = { row: 0, column: Math.floor(start * geometry.frameRate) };
    state.setFocus(state.focus ? neighbour(geometry, state.focus, event.key) : first);
    page.say(describeCell(state.clip, state.focus, state.surprise));
    const at = state.focus.column / geometry.frameRate;
    if (at < start || at >= end) state.setView(at - (end - start) / 2, end - start);
    if (state.mode === "select") this.gestures.selectFocus(event.shiftKey);
  }

  onSpace(event) {
    if (!this.state.clip || event.key !== " " || event.target.closest("button, input, select, textarea")) return;
    event.preventDefault();
    this.listening.playOrStop();
  }

  onPage(event) {
    const { root } = this.page;
    const isLost = event.target === document.body;
    if (!root.isConnected || !root.offsetWidth || event.defaultPrevented || !(isLost || root.contains(event.target))) return;
    const isHeld = event.ctrlKey || event.metaKey;
    if (event.target.closest("input, select, textarea") || (isLost && !isHeld)) return;
    if (event.key === "Enter" && event.target.closest("button")) return;
    const isSelecting = this.state.mode === "select" && this.state.clip;
    const action = this.editingKey(event, isHeld) || (isSelecting && this.selectingKey(event, isHeld));
    if (!action) return;
    action();
    event.preventDefault();
  }

  /** @returns {function|undefined} what the key does in either mode */
  editingKey(event, isHeld) {
    const key = event.key.toLowerCase();
    if (!isHeld || (key !== "z" && key !== "y")) return undefined;
    return key === "y" || event.shiftKey ? () => this.editing.redo() : () => this.editing.undo();
  }

  /** @returns {function|undefined} what the key does while selecting */
  selectingKey(event, isHeld) {
    const held = { c: () => this.editing.copy(), v: () => this.editing.paste(), a: () => this.selecting.selectAll() };
    const alone = { Enter: () => this.filling.fill(), Escape: () => this.escape() };
    return (isHeld && held[event.key.toLowerCase()]) || alone[event.key];
  }

  /** Drop the drag, cancel the job, or clear the selection: whichever there is first. */
  escape() {
    if (this.gestures.drag) return this.gestures.cancel();
    if (this.state.job) return this.filling.cancel();
    return this.selecting.clear();
  }
}
