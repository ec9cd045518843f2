// Recipe links: copying one, and doing again what the link of the page asks for.

import { MAX_LINK, maskOf, maskText, queryOf } from "./recipe.js";

const COPIED = "The link is copied. It opens this example and shows the result.";
const COPIED_SETTINGS = "The link is copied. It holds the model, labels, selection, seed and settings, but not your recording.";
const NOT_COPIED = "The link is in the address bar: this browser does not let the page copy it.";
const TOO_LONG = "This selection is too scattered for a link: choose fewer, larger blocks.";

export class Links {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./priors.js").PriorPanel} priors
   * @param {import("./filling.js").Filling} filling
   * @param {import("./recipe.js").Recipe} recipe of the page's address
   */
  constructor(page, state, priors, filling, recipe) {
    Object.assign(this, { page, state, priors, filling, mask: recipe.mask, make: recipe.make, example: recipe.example });
    page.listen(".cm-link", "click", () => this.copy());
  }

  async copy() {
    const { clip, gallery } = this.state;
    const base = gallery && gallery.base ? gallery.base : clip;
    const make = gallery && gallery.isNew ? "new" : "fill";
    const mask = make === "fill" && base ? maskText(base.selection) : "";
    const example = base && make === "fill" ? base.example : "";
    const canRepeat = make === "new" || Boolean(example);
    const recipe = this.priors.toRecipe({ mask, example, make: canRepeat ? make : "" });
    const link = `${location.origin}${location.pathname}?${queryOf(recipe)}`;
    if (link.length > MAX_LINK) return this.page.say(TOO_LONG);
    history.replaceState(history.state, "", link);
    try {
      await navigator.clipboard.writeText(link);
      this.page.say(canRepeat ? COPIED : COPIED_SETTINGS);
    } catch {
      this.page.say(NOT_COPIED);
    }
  }

  /** Select what the link names: in its example, or in the first clip that a person opens. @param {boolean} isOwn */
  restoreMask(isOwn) {
    const { state, mask } = this;
    if (!mask) return;
    if (this.example || isOwn) this.mask = "";
    const { selection, error } = maskOf(state.clip.geometry, mask);
    state.select(selection);
    if (error && !this.mask) this.page.say(`The link's selection does not fit this clip. ${error}`);
  }

  /** Fill or generate at once, where the link asks for it. It is not played: nobody has pressed Play. */
  repeat() {
    const { make } = this;
    this.make = "";
    if (make === "fill" && this.state.clip && this.state.selection.count) this.filling.fill(true);
    if (make === "new") this.filling.newClips(true);
  }
}
