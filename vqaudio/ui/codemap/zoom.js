// Zooming and scrolling in time, and how the rows and colours are shown.

import { viridis } from "../shared/colours.js";

export class Zoom {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/player.js").Player} player
   */
  constructor(page, state, player) {
    Object.assign(this, { page, state, player });
    state.on("view", () => this.showView());
    page.listen(".cm-zoom-in", "click", () => this.zoom(0.5));
    page.listen(".cm-zoom-out", "click", () => this.zoom(2));
    page.listen(".cm-zoom-fit", "click", () => state.clip && state.setView(0, state.clip.span));
    page.listen(".cm-pan", "input", (event) => {
      const span = state.view[1] - state.view[0];
      if (state.clip) state.setView(Number(event.target.value) * (state.clip.span - span), span);
    });
    page.listen(".cm-even", "change", (event) => state.setEvenRows(event.target.checked));
    drawScale(page.find(".cm-scale canvas"));
  }

  zoom(factor) {
    if (!this.state.clip) return;
    const [start, end] = this.state.view;
    const middle = this.player.position() || (start + end) / 2;
    const span = (end - start) * factor;
    this.state.setView(middle - span / 2, span);
  }

  showView() {
    const { clip, view } = this.state;
    const room = clip.span - (view[1] - view[0]);
    this.page.find(".cm-pan").value = room > 0 ? view[0] / room : 0;
    this.page.find(".cm-zoom").classList.toggle("cm-zoomed", view[1] - view[0] < clip.span - 1e-6);
  }
}

function drawScale(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = `rgb(${viridis(x / (canvas.width - 1))})`;
    context.fillRect(x, 0, 1, 1);
  }
}
