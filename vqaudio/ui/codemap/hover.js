// Pointing at the map: the tooltip, clicks that choose a cell or move the playhead, and the wheel.

import { cellAt } from "./geometry.js";
import { describePhone, phoneAt } from "./phones.js";
import { describeCell } from "./words.js";

export class Hover {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./map_view.js").MapView} map
   * @param {import("./listening.js").Listening} listening
   * @param {import("./inspector.js").Inspector} inspector
   * @param {import("./gestures.js").Gestures} gestures
   */
  constructor(page, state, map, listening, inspector, gestures) {
    Object.assign(this, { page, state, listening, inspector, gestures });
    map.node.addEventListener("pointermove", (event) => this.move(event));
    map.node.addEventListener("pointerdown", () => this.hideTip());
    map.node.addEventListener("pointerleave", () => this.leave());
    map.node.addEventListener("click", (event) => this.click(event));
    map.node.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    state.on("clip", () => this.hideTip());
  }

  move(event) {
    const { state, gestures } = this;
    const cell = this.cellUnder(event);
    if (gestures.drag) return this.hideTip();
    if (event.pointerType !== "touch" && !event.buttons) this.showTip(event, cell);
    if (!cell || event.pointerType === "touch" || state.selection.count) return;
    const { focus } = state;
    if (!focus || focus.row !== cell.row || focus.column !== cell.column) state.setFocus(cell);
  }

  leave() {
    this.hideTip();
    if (this.state.clip && !this.state.selection.count) this.state.setFocus(this.state.picked);
  }

  click(event) {
    const { state, gestures } = this;
    if (!state.clip || gestures.hasDragged) return;
    const cell = this.cellUnder(event);
    if (cell) return this.inspector.pick(cell);
    const track = event.target.closest(".cm-track");
    if (track) this.listening.seek(this.secondsAt(event, track));
  }

  wheel(event) {
    const { clip, view } = this.state;
    if (!clip) return;
    const span = view[1] - view[0];
    if (event.ctrlKey) this.state.setView(view[0], span * (event.deltaY > 0 ? 1.2 : 1 / 1.2));
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.state.setView(view[0] + (event.deltaX / 600) * span, span);
    else return;
    event.preventDefault();
  }

  secondsAt(event, track) {
    const { view } = this.state;
    const area = track.getBoundingClientRect();
    return view[0] + ((event.clientX - area.left) / area.width) * (view[1] - view[0]);
  }

  /** @returns {?import("./geometry.js").Cell} */
  cellUnder(event) {
    const { clip } = this.state;
    const lane = event.target.closest(".cm-lane-stage");
    const track = event.target.closest(".cm-track");
    if (!lane || !track || !clip) return null;
    const stage = clip.geometry.stages[Number(lane.dataset.stage)];
    const area = track.getBoundingClientRect();
    const x = Math.floor(this.secondsAt(event, track) * clip.geometry.frameRate * stage.steps);
    const band = stage.bands - 1 - Math.floor(((event.clientY - area.top) / area.height) * stage.bands);
    if (x < 0 || x >= stage.width || band < 0 || band >= stage.bands) return null;
    return cellAt(stage, x, band);
  }

  /** @returns {string} what is under the pointer; "" for nothing that has a tip */
  textUnder(event, cell) {
    const { clip, surprise } = this.state;
    if (cell) return describeCell(clip, cell, surprise);
    const track = clip && event.target.closest(".cm-lane-phones .cm-track");
    const phone = track && phoneAt(clip, this.secondsAt(event, track));
    return phone ? describePhone(phone) : "";
  }

  showTip(event, cell) {
    const text = this.textUnder(event, cell);
    if (!text) return this.hideTip();
    const tip = this.page.find(".cm-tip");
    tip.hidden = false;
    tip.textContent = text;
    const area = this.page.find(".cm-body").getBoundingClientRect();
    const left = Math.max(0, Math.min(event.clientX - area.left + 14, area.width - tip.offsetWidth));
    Object.assign(tip.style, { left: `${left}px`, top: `${event.clientY - area.top + 18}px` });
  }

  hideTip() {
    this.page.find(".cm-tip").hidden = true;
  }
}
