// The ring that shows how far the brush reaches.

const SELECTABLE = ".cm-lane-stage .cm-track, .cm-lane-sound .cm-track";

export class BrushRing {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {HTMLElement} lanes
   * @param {import("./gestures.js").Gestures} gestures
   */
  constructor(page, state, lanes, gestures) {
    Object.assign(this, { page, state, gestures, ring: page.find(".cm-ring") });
    for (const name of ["pointermove", "pointerdown"]) lanes.addEventListener(name, (event) => this.show(event));
    lanes.addEventListener("pointerleave", () => this.hide());
    state.on("shape", () => this.hide());
  }

  show(event) {
    const { state, ring, gestures } = this;
    const isBrush = state.shape === "brush" && state.clip;
    ring.hidden = !(isBrush && (gestures.drag || event.target.closest(SELECTABLE)));
    if (ring.hidden) return;
    const area = this.page.find(".cm-area").getBoundingClientRect();
    const [x, y, size] = [event.clientX - area.left, event.clientY - area.top, 2 * gestures.brushRadius];
    Object.assign(ring.style, { left: `${x - size / 2}px`, top: `${y - size / 2}px`, width: `${size}px`, height: `${size}px` });
  }

  hide() {
    this.ring.hidden = true;
  }
}
