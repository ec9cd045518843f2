// The bar of actions that floats at the selection, always inside the window, and the handles on the selection's edges.

import { el } from "../shared/dom.js";
import { moveEdge } from "./resizing.js";
import { describeSelection } from "./words.js";

const MARGIN = 8; // pixels
const EDGES = ["left", "right", "top", "bottom"];

export class SelectionBar {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./map_view.js").MapView} map
   * @param {import("./gestures.js").Gestures} gestures
   * @param {import("./editing.js").Editing} editing
   */
  constructor(page, state, map, gestures, editing) {
    Object.assign(this, { page, state, map, gestures, editing, bar: page.find(".cm-floating"), moved: null });
    this.handles = Object.fromEntries(EDGES.map((edge) => [edge, this.handle(edge)]));
    page.find(".cm-handles").append(...Object.values(this.handles));
    window.addEventListener("scroll", () => this.place(), { passive: true, capture: true });
    window.addEventListener("resize", () => this.place());
  }

  handle(edge) {
    const node = el("i", { class: "cm-handle", "data-edge": edge, "aria-hidden": "true" });
    node.addEventListener("pointerdown", (event) => this.grab(event, edge));
    node.addEventListener("pointermove", (event) => this.moved === edge && this.move(event, edge));
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => this.drop());
    return node;
  }

  grab(event, edge) {
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    this.moved = edge;
  }

  move(event, edge) {
    const { column, stage } = this.gestures.placeUnder(event);
    const to = edge === "left" || edge === "right" ? column : stage ?? 0;
    this.state.select(moveEdge(this.state.selection, edge, to), false);
  }

  drop() {
    if (!this.moved) return;
    this.moved = null;
    this.map.node.focus({ preventScroll: true });
    this.page.say(describeSelection(this.state.clip));
    this.state.announce();
  }

  draw() {
    const { page, state, gestures, bar } = this;
    const { clip, selection, job } = state;
    const isShown = Boolean(selection.count) && !clip.draft && !gestures.drag;
    bar.hidden = !isShown || Boolean(this.moved) || Boolean(job);
    page.find(".cm-floating [data-edit=paste]").hidden = !this.editing.copied;
    page.find(".cm-handles").hidden = !isShown || Boolean(job);
    this.place();
  }

  /** @returns {?{left: number, right: number, top: number, bottom: number}} the selection's edges in the window */
  rectangle() {
    const { clip, selection, view } = this.state;
    const bounds = clip && selection.bounds();
    if (!bounds) return null;
    const lane = (stage) => this.map.lanes.find((one) => one.stage && one.stage.number === stage).track.getBoundingClientRect();
    const [top, bottom] = [lane(bounds.top), lane(bounds.bottom)];
    const at = (column) => {
      const share = (column / clip.geometry.frameRate - view[0]) / (view[1] - view[0]);
      return top.left + Math.max(0, Math.min(1, share)) * top.width;
    };
    return { left: at(bounds.first), right: at(bounds.last + 1), top: top.top, bottom: bottom.bottom };
  }

  place() {
    const { bar, state } = this;
    if (!state.clip || (bar.hidden && this.page.find(".cm-handles").hidden)) return;
    const box = this.rectangle();
    if (!box) return;
    this.placeHandles(box);
    const [width, height] = [bar.offsetWidth, bar.offsetHeight];
    const deck = this.page.find(".cm-deck");
    const isFixed = getComputedStyle(deck).position === "fixed";
    const end = (isFixed ? deck.getBoundingClientRect().top : window.innerHeight) - MARGIN - height;
    const above = box.top - height - MARGIN;
    const top = above >= MARGIN ? above : box.bottom + MARGIN;
    const left = (box.left + box.right - width) / 2;
    const most = document.documentElement.clientWidth - MARGIN - width;
    bar.style.left = `${Math.max(MARGIN, Math.min(most, left))}px`;
    bar.style.top = `${Math.max(MARGIN, Math.min(end, top))}px`;
  }

  placeHandles({ left, right, top, bottom }) {
    const area = this.page.find(".cm-area").getBoundingClientRect();
    const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
    const at = { left: [left, middle.y], right: [right, middle.y], top: [middle.x, top], bottom: [middle.x, bottom] };
    for (const edge of EDGES) {
      const [x, y] = at[edge];
      Object.assign(this.handles[edge].style, { left: `${x - area.left}px`, top: `${y - area.top}px` });
    }
  }
}
