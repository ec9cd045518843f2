// The other colour of the map: how surprised a prior is by each cell, -log2 p in bits.

import { number } from "../shared/text.js";
import { idsOf } from "../shared/wire.js";

const BITS_EACH = 0.01; // as the server sends them
const CODEWORDS = "similar codes have similar colours, as far as one scale can show";

export class Surprise {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("./priors.js").PriorPanel} priors
   */
  constructor(page, state, wire, priors) {
    Object.assign(this, { page, state, wire, priors, number: 0 });
    page.listen(".cm-colour", "change", () => this.update());
    page.listen(".cm-labels", "change", () => state.surprise && this.update());
    state.on("clip", () => this.chosen && this.update());
    state.on("edited", () => state.surprise && this.update());
    state.on("sampled", () => this.chosen && this.update());
    this.describe();
  }

  /** @returns {string} the prior whose surprise is shown; "" for the codewords */
  get chosen() {
    return this.page.find(".cm-colour").value;
  }

  async update() {
    const { page, state, chosen } = this;
    const { clip } = state;
    const mine = ++this.number;
    if (!chosen || !clip) return this.show(null);
    if (clip.draft) return;
    page.find(".cm-scale-text").textContent = `Scoring under ${chosen}…`;
    page.root.classList.add("cm-scoring");
    const wanted = () => mine === this.number && state.clip && state.clip.token === clip.token;
    const answer = await this.score({ token: clip.token, prior: chosen, labels: this.priors.labels }, wanted);
    if (!wanted()) return;
    if (answer.state !== "done") {
      page.find(".cm-colour").value = "";
      page.say(answer.error_text);
      return this.show(null);
    }
    this.show(surpriseOf(answer.results[0], clip.token, chosen));
    page.say(this.summary());
  }

  /** Start a job that scores the clip, and wait for it. */
  async score(request, wanted) {
    const started = await this.wire.call("score", request);
    if (!started.ok) return { state: "refused", error_text: started.error };
    const answer = await this.wire.follow(started.job, { wanted });
    if (!answer) this.wire.call("cancel", { job: started.job });
    return answer;
  }

  show(surprise) {
    this.page.root.classList.remove("cm-scoring");
    this.state.setSurprise(surprise);
    this.describe();
  }

  describe() {
    const { surprise } = this.state;
    const text = surprise ? `0 to ${number(surprise.top, 1)} bits a cell; ${number(surprise.total)} bits in all` : CODEWORDS;
    this.page.find(".cm-scale-text").textContent = text;
  }

  summary() {
    const { surprise: { total, prior, exact }, clip: { geometry } } = this.state;
    const each = number(total / (geometry.rows * geometry.columns), 2);
    const kind = exact ? "an exact likelihood" : "a pseudo-likelihood: each cell given all the others";
    return `${number(total)} bits in all under ${prior}, ${each} a cell; ${kind}.`;
  }
}

/**
 * @param {{bits: string, version: string, total: number, exact: boolean}} answer
 * @param {string} token of the clip
 * @param {string} prior
 */
function surpriseOf({ bits: sent, version, total, exact }, token, prior) {
  const bits = Float32Array.from(idsOf(sent), (n) => n * BITS_EACH);
  return { token, version, bits, top: bits.reduce((most, x) => Math.max(most, x), BITS_EACH), total, exact, prior };
}
