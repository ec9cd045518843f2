// Small codes and clips for the tests.

import { geometryOf } from "../../vqaudio/ui/codemap/geometry.js";
import { Selection } from "../../vqaudio/ui/codemap/selection.js";

/** Four stages of one band, 50 columns a second. */
export function plainSpec() {
  const stage = { bands: 1, steps: 1, vocab: 32, bits: 5, edges_hz: [0, 4000] };
  return { frame_rate: 50, stages: [stage, stage, stage, stage] };
}

/** A coarse stage of two bands over a fine one of four, two cells a column. */
export function bandedSpec() {
  return {
    frame_rate: 25,
    stages: [
      { bands: 2, steps: 1, vocab: 16, bits: 4, edges_hz: [0, 1000, 4000] },
      { bands: 4, steps: 2, vocab: 16, bits: 4, edges_hz: [0, 500, 1000, 2000, 4000] },
    ],
  };
}

export function clipOfSpec(spec, columns) {
  const geometry = geometryOf(spec, columns);
  const ids = Uint16Array.from({ length: geometry.rows * columns }, (_, i) => i % 16);
  const selection = new Selection(geometry);
  return { spec, geometry, ids, selection, preview: null, edits: 0, redos: 0, former: null, later: null, title: "toy", token: "t", version: "1" };
}

export function block(first, last, top, bottom = top, bands = null) {
  return { first, last, top, bottom, bands };
}

/** 16-bit integers as the server sends them. */
export function base64(integers) {
  return Buffer.from(Uint16Array.from(integers, (x) => x & 0xffff).buffer).toString("base64");
}
