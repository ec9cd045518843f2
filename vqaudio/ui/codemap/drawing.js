// When the page is drawn: at most once a frame, when the state, the size or the theme has changed.

export class Drawing {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {{draw: function(): void}[]} views
   */
  constructor(page, state, views) {
    Object.assign(this, { page, state, views, requested: false });
    state.on("change", () => this.request());
    page.onResize(() => this.request());
    page.onRecolour(() => this.request());
  }

  request() {
    if (!this.state.clip || this.requested) return;
    this.requested = true;
    requestAnimationFrame(() => {
      this.requested = false;
      if (!this.state.clip || !this.page.root.offsetWidth) return;
      for (const view of this.views) view.draw();
    });
  }
}
