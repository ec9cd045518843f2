// A recipe as the query of an address: model, example, prior, labels, mask, seed and settings.

import { blocksOf } from "./masks.js";
import { Selection } from "./selection.js";

export const MAX_LINK = 6000;
const MAX_RECTANGLES = 20000;
const NUMBERS = ["temperature", "guidance", "steps", "seed", "seconds"];

/**
 * @typedef {object} Recipe
 * @property {string} model
 * @property {string} prior
 * @property {[string, string][]} labels kind and value
 * @property {Object<string, string>} numbers temperature, guidance, steps, seed, seconds, as typed; no empty ones
 * @property {?["top_k"|"top_p", string]} cut how much of the distribution is sampled from
 * @property {boolean} local the labels are of the selection only
 * @property {string} mask
 * @property {string} example that is opened; "" if the clip is not one
 * @property {?string} speaker in whose voice the clip is decoded; "" is nobody's, null is the clip's own
 * @property {string} make "fill" or "new": what is done at once when the link is opened; "" for nothing
 */

/**
 * @param {Recipe} recipe
 * @returns {URLSearchParams}
 */
export function queryOf(recipe) {
  const query = new URLSearchParams();
  if (recipe.model) query.set("model", recipe.model);
  if (recipe.example) query.set("example", recipe.example);
  if (typeof recipe.speaker === "string") query.set("speaker", recipe.speaker);
  if (recipe.make) query.set("make", recipe.make);
  if (recipe.prior) query.set("prior", recipe.prior);
  for (const [kind, value] of recipe.labels) query.append("label", `${kind}:${value}`);
  for (const name of NUMBERS) if (recipe.numbers[name]) query.set(name, recipe.numbers[name]);
  if (recipe.cut) query.set(...recipe.cut);
  if (recipe.local) query.set("labels", "local");
  if (recipe.mask) query.set("mask", recipe.mask);
  return query;
}

/**
 * The inverse of queryOf. Nothing in it can be trusted to exist.
 * @param {string} search the query of an address
 * @returns {Recipe}
 */
export function recipeOf(search) {
  const query = new URLSearchParams(search);
  const cut = ["top_k", "top_p"].find((kind) => query.has(kind));
  return {
    model: query.get("model") || "",
    example: query.get("example") || "",
    speaker: query.get("speaker"),
    make: ["fill", "new"].includes(query.get("make")) ? query.get("make") : "",
    prior: query.get("prior") || "",
    labels: query.getAll("label").map((text) => {
      const [kind, ...value] = text.split(":");
      return [kind, value.join(":")];
    }),
    numbers: Object.fromEntries(NUMBERS.filter((name) => query.has(name)).map((name) => [name, query.get(name)])),
    cut: cut ? [cut, query.get(cut)] : null,
    local: query.get("labels") === "local",
    mask: query.get("mask") || "",
  };
}

/**
 * "0.1_0.25_2-8_" for each rectangle, joined by "~": start, end, stages, bands.
 * @param {Selection} selection
 * @returns {string}
 */
export function maskText(selection) {
  return selection.rectangles().map((r) => [r.start_s, r.end_s, r.stages, r.bands || ""].join("_")).join("~");
}

/**
 * The inverse of maskText. What does not fit the clip is left out, and said.
 * @param {import("./geometry.js").Geometry} geometry
 * @param {string} text
 * @returns {{selection: Selection, error: string}}
 */
export function maskOf(geometry, text) {
  const selection = new Selection(geometry);
  let error = "";
  for (const rectangle of text.split("~").slice(0, MAX_RECTANGLES)) {
    const [start, end, stages, bandText = ""] = rectangle.split("_");
    const blocks = blocksOf(geometry, Number(start), Number(end), stages || "");
    const bands = /^\d+-\d+$/.test(bandText) ? bandText.split("-").map((n) => Number(n) - 1) : null;
    if (typeof blocks === "string") error = blocks;
    else for (const block of blocks) selection.add({ ...block, bands }, false);
  }
  return { selection, error };
}
