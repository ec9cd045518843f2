// Recipe links: copying one, and the mask of the one that the page was opened with.

import { MAX_LINK, maskOf, maskText, queryOf } from "./recipe.js";

const COPIED = "The link is copied. It holds the prior, labels, mask, seed and settings, not the sound.";
const NOT_COPIED = "The link is in the address bar: this browser does not let the page copy it.";
const TOO_LONG = "This selection is too scattered for a link: choose fewer, larger blocks.";

export class Links {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./priors.js").PriorPanel} priors
   * @param {string} mask of the page's address
   */
  constructor(page, state, priors, mask) {
    Object.assign(this, { page, state, priors, mask });
    page.listen(".cm-link", "click", () => this.copy());
  }

  async copy() {
    const { selection } = this.state;
    const recipe = this.priors.toRecipe(selection ? maskText(selection) : "");
    const link = `${location.origin}${location.pathname}?${queryOf(recipe)}`;
    if (link.length > MAX_LINK) return this.page.say(TOO_LONG);
    history.replaceState(null, "", link);
    try {
      await navigator.clipboard.writeText(link);
      this.page.say(COPIED);
    } catch {
      this.page.say(NOT_COPIED);
    }
  }

  /** Select what the link names, in the first clip that is opened. */
  restoreMask() {
    const { state, mask } = this;
    this.mask = "";
    if (!mask) return;
    const { selection, error } = maskOf(state.clip.geometry, mask);
    state.setMode("select");
    state.select(selection);
    if (error) this.page.say(`The link's mask does not fit this clip. ${error}`);
  }
}
