// The time and energy that the server spent: on the last action, and on this page so far.

import { number } from "./text.js";

const ACTIONS = {
  decode: "decoding", side: "decoding", step: "decoding a step", original: "fetching the original",
  reference: "fetching the original", inspect: "looking a cell up", export: "making a file", prior: "sampling",
  players: "looking for models of notes", priors: "looking for models", archive: "fetching the instrument",
  put: "changing a cell", undo: "undoing", redo: "redoing",
};

/**
 * @param {{s: number, joules: number}} spent
 * @returns {string} "0.12 s, about 480 mJ"
 */
export function describeSpent({ s, joules }) {
  const energy = joules < 1 ? `${number(1000 * joules)} mJ` : `${number(joules, 1)} J`;
  return `${number(s, 2)} s, about ${energy}`;
}

/** Adds up what actions took and writes it into a node. */
export class SpentLine {
  /** @param {Element} node */
  constructor(node) {
    this.node = node;
    this.total = { s: 0, joules: 0 };
  }

  /** @param {{verb: string, s: number, joules: number, by: string}} spent `by`: how the energy was estimated */
  add({ verb, s, joules, by }) {
    this.total = { s: this.total.s + s, joules: this.total.joules + joules };
    this.node.textContent = `Last action (${ACTIONS[verb] || verb}): ${describeSpent({ s, joules })}. `
      + `This page so far: ${describeSpent(this.total)}. Energy is estimated: ${by}.`;
  }
}
