// The time and energy that the server spent: a chip in the page's footer, and the details when it is pressed.

import { number } from "./text.js";

const ACTIONS = {
  decode: "decoding", side: "decoding", step: "decoding a step", original: "fetching the original",
  reference: "fetching the original", inspect: "looking a cell up", export: "making a file", prior: "sampling",
  open_example: "opening an example", open_file: "opening a file", reopen: "opening a clip again",
  switch_model: "encoding with another model", cut_silence: "cutting silence", list_examples: "listing the examples",
  players: "looking for models of notes", priors: "looking for models", archive: "fetching the instrument",
  put: "changing a cell", undo: "undoing", redo: "redoing",
};

/**
 * @param {{s: number, joules: number}} spent
 * @returns {string} "0.12 s, about 480 mJ"
 */
export function describeSpent({ s, joules }) {
  return `${number(s, 2)} s, about ${energyText(joules)}`;
}

function energyText(joules) {
  return joules < 1 ? `${number(1000 * joules)} mJ` : `${number(joules, 1)} J`;
}

/**
 * @param {{s: number, joules: number}} total
 * @returns {string} "1.2 s of one core, about 4.3 J, estimated"
 */
function describeChip({ s, joules }) {
  return `${number(s, 1)} s of one core, about ${energyText(joules)}, estimated`;
}

/** Adds up what actions took, for all components of the page. */
export class SpentLine {
  /** @param {Element} node to write into where the page has no footer */
  constructor(node) {
    this.node = node;
  }

  /** The total is kept in the footer, where all components find it. */
  get chip() {
    return document.getElementById("vq-spent");
  }

  /** @param {{verb: string, s: number, joules: number, by: string}} spent `by`: how the energy was estimated */
  add({ verb, s, joules, by }) {
    const { chip } = this;
    const { dataset } = chip || this.node;
    const total = { s: Number(dataset.s || 0) + s, joules: Number(dataset.joules || 0) + joules };
    Object.assign(dataset, total);
    const text = `Last action (${ACTIONS[verb] || verb}): ${describeSpent({ s, joules })}. `
      + `This page so far: ${describeSpent(total)}. Energy is estimated: ${by}.`;
    (chip ? chip.querySelector("p") : this.node).textContent = text;
    if (chip) chip.querySelector("summary").textContent = describeChip(total);
  }
}
