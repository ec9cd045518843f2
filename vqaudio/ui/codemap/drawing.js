// When the page is drawn. Controls follow every change at once; pictures are drawn at most once a frame, when the state, the size
// or the theme has changed.

export class Drawing {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {{draw: function(): void}[]} controls
   * @param {{draw: function(): void}[]} pictures
   */
  constructor(page, state, controls, pictures) {
    Object.assign(this, { page, state, controls, pictures, requested: false });
    state.on("change", () => this.request());
    page.onResize(() => this.request());
    page.onRecolour(() => this.request());
  }

  request() {
    if (!this.state.clip) return;
    for (const view of this.controls) view.draw();
    if (this.requested) return;
    this.requested = true;
    requestAnimationFrame(() => {
      this.requested = false;
      if (!this.state.clip || !this.page.root.offsetWidth) return;
      for (const view of this.pictures) view.draw();
    });
  }
}
