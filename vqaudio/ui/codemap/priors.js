// The prior that fills and generates: its labels and how it samples. An empty field stands for the prior's own setting, which is
// shown in it.

import { chosenLabels, el, labelField } from "../shared/dom.js";

const FIELDS = ["temperature", "guidance", "steps", "seed", "seconds"];
const CUT_DEFAULTS = { top_k: 50, top_p: 0.9, "": "" };
const LOADING = "The models are still loading: press again in a moment.";
const BUSY = "A model is at work already: wait until it is done, or press Cancel.";

export class PriorPanel {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("./recipe.js").Recipe} recipe of the page's address, restored once the priors are known
   */
  constructor(page, state, wire, recipe) {
    Object.assign(this, { page, state, wire, recipe, lastSeed: null }); // the recipe is null once it has been restored
    page.listen(".cm-prior", "change", () => this.showPrior());
    page.listen(".cm-cut", "change", (event) => this.setCut(event.target.value, CUT_DEFAULTS[event.target.value]));
    page.listen(".cm-settings", "submit", (event) => event.preventDefault());
  }

  field(name) {
    return this.page.find(`.cm-${name}`);
  }

  numberIn(name) {
    const text = this.field(name).value.trim();
    return text === "" ? null : Number(text);
  }

  /** Show the priors of another codec. @param {string} model */
  useModel(model) {
    if (!model || model === this.state.model) return;
    this.state.useModel(model);
    this.load();
  }

  /** Ask for the priors of the model, unless they are known. */
  async load() {
    const { page, state } = this;
    if (state.priors) return;
    const asked = state.model;
    const answer = await this.wire.call("priors", { model: asked });
    if (state.priors || asked !== state.model) return;
    this.field("noprior").textContent = answer.ok ? answer.none : answer.error;
    if (!answer.ok) return;
    state.setPriors(answer.model, answer.priors);
    const options = (text) => answer.priors.map(({ name }) => el("option", { value: name, text: text(name) }));
    this.field("prior").replaceChildren(...options((name) => name));
    this.field("colour").replaceChildren(this.field("colour").options[0], ...options((name) => `surprise under ${name}`));
    this.showPrior();
    if (this.recipe) this.restore(this.recipe);
    this.recipe = null;
    page.root.dataset.priors = answer.priors.length ? "some" : "none";
  }

  /** @returns {?object} the prior that is chosen */
  get prior() {
    return this.state.priors && this.state.priors.find(({ name }) => name === this.field("prior").value);
  }

  /** @returns {string} why it cannot start now; "" if it can */
  get unavailableReason() {
    if (!this.prior) return this.field("noprior").textContent || LOADING;
    return this.state.job ? BUSY : "";
  }

  /** @returns {Object<string, string>} the labels that are chosen */
  get labels() {
    return chosenLabels(this.field("labels"));
  }

  /** @returns {Object<string, string>} the labels that are chosen for new clips */
  get newLabels() {
    return chosenLabels(this.field("new-labels"));
  }

  /** @returns {object} how it samples, as the server takes it; null stands for the prior's own setting */
  get settings() {
    const cut = this.field("cut").value;
    return {
      temperature: this.numberIn("temperature"), guidance: this.numberIn("guidance"), steps: this.numberIn("steps"),
      top_k: cut === "top_k" ? this.numberIn("cut-value") : null, top_p: cut === "top_p" ? this.numberIn("cut-value") : null,
      labels: this.labels, local: this.field("local").value === "local",
      seed: this.numberIn("seed"),
    };
  }

  /** The labels of the chosen prior; what was chosen before stays, where it can. */
  showPrior() {
    const { prior, labels, newLabels } = this;
    if (!prior) return;
    const fields = (before) => Object.entries(prior.labels).map(([kind, values]) =>
      labelField(kind, values.map(([value, text]) => [value, text.replaceAll("_", " ")]), true, before[kind]));
    this.field("labels").replaceChildren(...fields(labels));
    this.field("new-labels").replaceChildren(...fields(newLabels));
    this.field("local-label").hidden = !Object.keys(prior.labels).length;
    this.showDefaults(prior.usual);
    this.field("prior-note").textContent = `This model is the codec's prior: it knows which codes tend to go together. ${
      prior.sees_right ? "It uses the audio on both sides of the gap."
        : "It works from left to right and ignores audio after the gap."}`;
  }

  showDefaults({ new: forNew, hole: forGap }) {
    for (const name of ["temperature", "steps", "guidance"]) {
      const [fresh, gap] = [forNew[name] ?? "none", forGap[name] ?? "none"];
      this.field(name).placeholder = fresh === gap ? fresh : `${gap}, ${fresh}`;
      const usual = fresh === gap ? fresh : `${gap} for a gap and ${fresh} for a new clip`;
      this.field(name).title = `Empty: this prior's default, ${usual}`;
    }
    this.field("cut").options[0].textContent = (forNew.top_p ?? 1) < 1 ? `top-p ${forNew.top_p}` : "all codes";
  }

  setCut(kind, value) {
    this.field("cut").value = kind;
    this.field("cut-value").hidden = !kind;
    this.field("cut-value").value = value;
  }

  /** Show the seed that the server has used; a typed one stays. @param {number} seed */
  showSeed(seed) {
    this.lastSeed = seed;
    this.field("seed").placeholder = `last: ${seed}`;
  }

  /**
   * @param {{mask: string, example: string, make: string}} more see recipe.js
   * @returns {import("./recipe.js").Recipe}
   */
  toRecipe(more) {
    const cut = this.field("cut").value;
    const labels = more.make === "new" ? this.newLabels : this.labels;
    const numbers = Object.fromEntries(FIELDS.map((name) => [name, this.field(name).value]));
    const { clip } = this.state;
    return {
      model: this.state.model, prior: this.prior ? this.prior.name : "", labels: Object.entries(labels),
      speaker: clip && clip.speakers.length && more.make !== "new" ? clip.speaker : null,
      numbers: { ...numbers, seed: numbers.seed || `${this.lastSeed ?? ""}` },
      cut: cut ? [cut, this.field("cut-value").value] : null, local: this.field("local").value === "local", ...more,
    };
  }

  /** Fill the form in; `sayLinkFault` tells what of the recipe is not here. */
  restore(recipe) {
    const wrong = [];
    if (this.state.priors.some(({ name }) => name === recipe.prior)) this.field("prior").value = recipe.prior;
    else if (recipe.prior) wrong.push(`the prior ${recipe.prior} is not here`);
    this.showPrior();
    for (const [kind, value] of recipe.labels) {
      const fields = this.page.findAll(`[data-label="${CSS.escape(kind)}"]`);
      const [field] = fields;
      const known = field ? [...field.options].map((option) => option.value).filter(Boolean) : [];
      if (known.includes(value)) for (const each of fields) each.value = value;
      else wrong.push(field ? `there is no ${kind} ${value}; known are ${known.join(", ")}` : `there is no label ${kind}`);
    }
    const { clip } = this.state;
    if (clip && recipe.speaker && !clip.speakers.includes(recipe.speaker)) wrong.push(`there is no speaker ${recipe.speaker}`);
    for (const [name, value] of Object.entries(recipe.numbers)) this.field(name).value = value;
    if (recipe.local) this.field("local").value = "local";
    if (recipe.cut) this.setCut(...recipe.cut);
    this.linkFault = wrong.length ? `This link asks for something that is not here: ${wrong.join("; ")}.` : "";
  }

  /** Say what the page's link asked for in vain. */
  sayLinkFault() {
    if (this.linkFault) this.page.say(this.linkFault);
  }
}
