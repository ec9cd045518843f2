// Dragging over the map selects: a rectangle, or what a round brush touches. A drag on the spectrogram selects in all stages.
// A finger that moves sideways or rests selects; one that moves up or down scrolls the page.

import { range } from "../shared/text.js";
import { cellAt, hasBands, placeOf } from "./geometry.js";
import { Selection } from "./selection.js";
import { describeSelection } from "./words.js";

const SELECTABLE = ".cm-lane-stage .cm-track, .cm-lane-sound .cm-track";
const [MOUSE_SLACK, FINGER_SLACK] = [4, 9]; // pixels before a press becomes a drag
const LONG_PRESS_MS = 450;

/** @typedef {{lane: object, column: number, stage: ?number, band: number, height?: number}} Place no `stage`: the spectrogram */

export class Gestures {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./map_view.js").MapView} map
   */
  constructor(page, state, map) {
    Object.assign(this, { page, state, map, pressed: null, drag: null, anchor: null, hasDragged: false });
    const mine = (event, what) => what && what.id === event.pointerId;
    const on = (name, react, options) => map.node.addEventListener(name, react, options);
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => (mine(event, this.drag) ? this.move(event) : mine(event, this.pressed) && this.consider(event)));
    on("pointerup", () => this.release());
    on("pointercancel", () => this.cancel());
    on("touchmove", (event) => this.drag && event.cancelable && event.preventDefault(), { passive: false });
    on("contextmenu", (event) => this.pressed && this.pressed.isTouch && event.preventDefault());
    state.on("clip", () => this.forget());
  }

  forget() {
    this.pressed = this.drag = this.anchor = null;
  }

  press(event) {
    const { state } = this;
    this.hasDragged = false;
    if (!state.clip || event.button > 0 || !event.target.closest(SELECTABLE)) return;
    const isTouch = event.pointerType === "touch";
    this.pressed = { id: event.pointerId, x: event.clientX, y: event.clientY, isTouch, event };
    if (isTouch) this.pressed.timer = setTimeout(() => this.begin(event), LONG_PRESS_MS);
    else if (state.shape === "brush" || event.shiftKey || event.altKey) this.begin(event);
  }

  /** Whether a press has become a drag. */
  consider(event) {
    const { x, y, isTouch } = this.pressed;
    const [across, along] = [Math.abs(event.clientX - x), Math.abs(event.clientY - y)];
    if (isTouch && along > FINGER_SLACK && along > across) return this.dropPress();
    if (isTouch ? across > FINGER_SLACK : Math.hypot(across, along) > MOUSE_SLACK) this.begin(this.pressed.event);
    if (this.drag) this.move(event);
  }

  dropPress() {
    if (this.pressed) clearTimeout(this.pressed.timer);
    this.pressed = null;
  }

  /** Start to select at the place that was pressed. */
  begin(event) {
    const { state, map } = this;
    this.dropPress();
    if (!state.clip) return;
    map.node.focus({ preventScroll: true });
    map.node.setPointerCapture(event.pointerId);
    const from = this.placeUnder(event);
    const op = event.shiftKey ? "add" : event.altKey ? "remove" : state.stroke;
    const start = op === "set" ? new Selection(state.clip.geometry) : state.selection;
    this.drag = { id: event.pointerId, from, op, start, before: state.selection, brushed: null, at: null };
    this.hasDragged = true;
    if (from.stage !== null) {
      state.setFocus(this.cellOf(from));
      this.anchor = from;
    }
    this.move(event);
  }

  move(event) {
    const { state, drag } = this;
    if (state.shape === "brush") return this.brush(event);
    const block = this.blockBetween(drag.from, this.placeUnder(event, drag.from));
    state.select(this.marked(drag.start.copy(), block, state.finer), false);
  }

  release() {
    this.dropPress();
    if (!this.drag) return;
    this.drag = null;
    this.page.say(describeSelection(this.state.clip));
    this.state.announce(); // the bar of the selection is shown now
  }

  /** Drop a drag that is not finished. */
  cancel() {
    this.dropPress();
    const { drag } = this;
    this.drag = null;
    if (drag) this.state.select(drag.before);
  }

  /** Select from where the focus was when Shift was first held. @param {import("./geometry.js").Cell} before */
  extendFrom(before) {
    const { state } = this;
    this.anchor ||= this.placeOfCell(before);
    const next = new Selection(state.clip.geometry);
    next.add(this.blockBetween(this.anchor, this.placeOfCell(state.focus)), state.finer);
    state.select(next);
  }

  placeOfCell(cell) {
    const { stage, band } = placeOf(this.state.clip.geometry, cell);
    return { stage: stage.number, band, column: cell.column };
  }

  /** A selection with a block added or taken away, as the drag does. */
  marked(selection, block, finer) {
    if (this.drag.op === "remove") selection.remove(block, finer);
    else selection.add(block, finer);
    return selection;
  }

  /** Where the pointer is, or the nearest place; a drag that started on the spectrogram stays on it. @returns {Place} */
  placeUnder(event, from = null) {
    const { view, clip: { geometry } } = this.state;
    const lanes = this.map.lanes.filter((lane) => lane.stage || lane.isSound);
    const tracks = lanes.map((lane) => ({ lane, box: lane.track.getBoundingClientRect() }));
    const distance = ({ box }) => Math.max(box.top - event.clientY, event.clientY - box.bottom, 0);
    const nearest = tracks.reduce((best, one) => (distance(one) < distance(best) ? one : best));
    const { lane, box } = (from && !from.lane.stage && tracks.find((one) => one.lane === from.lane)) || nearest;
    const seconds = view[0] + ((event.clientX - box.left) / box.width) * (view[1] - view[0]);
    const column = Math.max(0, Math.min(geometry.columns - 1, Math.floor(seconds * geometry.frameRate)));
    const height = 1 - (event.clientY - box.top) / box.height;
    if (!lane.stage) return { lane, column, stage: null, band: 0, height: Math.max(0, Math.min(1, height)) };
    const { number: stage, bands } = lane.stage;
    const band = bands - 1 - Math.floor((1 - height) * bands);
    return { lane, column, stage, band: Math.max(0, Math.min(bands - 1, band)) };
  }

  /** Bands count only inside one stage, heights only on a spectrogram of codes with bands. */
  blockBetween(a, b) {
    const { geometry } = this.state.clip;
    const [first, last] = [Math.min(a.column, b.column), Math.max(a.column, b.column)];
    if (a.stage === null) {
      const heights = hasBands(geometry) ? [Math.min(a.height, b.height), Math.max(a.height, b.height)] : null;
      return { first, last, top: 0, bottom: geometry.stages.length - 1, bands: null, heights };
    }
    const other = b.stage === null ? 0 : b.stage;
    const isOneStage = a.stage === other && geometry.stages[other].bands > 1;
    const bands = isOneStage ? [Math.min(a.band, b.band), Math.max(a.band, b.band)] : null;
    return { first, last, top: Math.min(a.stage, other), bottom: Math.max(a.stage, other), bands };
  }

  cellOf({ stage, column, band }) {
    const { stages } = this.state.clip.geometry;
    return cellAt(stages[stage], column * stages[stage].steps, band);
  }

  get brushRadius() {
    return Number(this.page.find(".cm-size").value);
  }

  /** From where the brush was to where it is, in steps of half its radius. */
  brush(event) {
    const { drag } = this;
    drag.brushed ||= drag.start.copy();
    const box = drag.from.lane.track.getBoundingClientRect();
    const to = [event.clientX - box.left, event.clientY - box.top];
    const from = drag.at || to;
    const n = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / (this.brushRadius / 2)));
    for (const i of range(n)) this.dab(from.map((a, axis) => a + ((to[axis] - a) * (i + 1)) / n), drag.from.lane, box);
    drag.at = to;
    this.state.select(drag.brushed, false);
  }

  /** Select what a disc touches: on the spectrogram in all stages, on a stage's lane in that stage. */
  dab([x, y], lane, { width, height }) {
    const { clip: { geometry }, view, finer } = this.state;
    const columnAt = (at) => Math.floor((view[0] + (at / width) * (view[1] - view[0])) * geometry.frameRate);
    for (const stage of lane.stage ? [lane.stage] : geometry.stages) {
      for (const band of range(stage.bands)) {
        const edges = [band, band + 1].map((edge) => (lane.stage ? edge / stage.bands : stage.heights[edge]));
        const [bottom, top] = edges.map((share) => (1 - share) * height);
        const away = Math.max(top - y, y - bottom, 0);
        if (away > this.brushRadius) continue;
        const half = Math.sqrt(this.brushRadius ** 2 - away ** 2);
        const [first, last] = [columnAt(x - half), columnAt(x + half)];
        const block = { first, last, top: stage.number, bottom: stage.number, bands: [band, band] };
        this.marked(this.drag.brushed, block, finer && Boolean(lane.stage));
      }
    }
  }
}
