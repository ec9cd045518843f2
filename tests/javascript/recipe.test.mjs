import assert from "node:assert/strict";
import test from "node:test";

import { geometryOf } from "../../vqaudio/ui/codemap/geometry.js";
import { randomShare } from "../../vqaudio/ui/codemap/masks.js";
import { maskOf, maskText, queryOf, recipeOf } from "../../vqaudio/ui/codemap/recipe.js";
import { bandedSpec, plainSpec } from "./toys.mjs";

const RECIPE = {
  model: "voice", prior: "masked", labels: [["digit", "7"], ["speaker", "a:b"]], numbers: { temperature: "0", seed: "12" },
  cut: ["top_p", "0.9"], local: true, mask: "0.1_0.2_2-3_", example: "p239", speaker: "vctk-p239", make: "fill",
};

test("a recipe survives its link", () => {
  assert.deepEqual(recipeOf(`?${queryOf(RECIPE)}`), RECIPE);
});

test("an address without a recipe is an empty one", () => {
  const empty = recipeOf("?__theme=dark");
  assert.deepEqual(empty, { model: "", prior: "", labels: [], numbers: {}, cut: null, local: false, mask: "", example: "", speaker: null, make: "" });
  assert.equal(String(queryOf(empty)), "");
});

test("a link can ask for nobody's voice", () => {
  const link = String(queryOf({ ...recipeOf(""), speaker: "" }));
  assert.equal(link, "speaker=");
  assert.equal(recipeOf(link).speaker, "");
});

test("empty fields are not in the link", () => {
  assert.equal(String(queryOf({ ...recipeOf(""), numbers: { seed: "", steps: "4" } })), "steps=4");
});

test("every mask survives its text", () => {
  let x = 1;
  const random = () => (x = (x * 16807) % 2147483647) / 2147483647;
  for (const geometry of [geometryOf(plainSpec(), 20), geometryOf(bandedSpec(), 10)]) {
    for (let i = 0; i < 30; i++) {
      const selection = randomShare(geometry, random(), random);
      if (!selection.count) continue;
      const { selection: read, error } = maskOf(geometry, maskText(selection));
      assert.equal(error, "");
      assert.deepEqual(read.cells, selection.cells);
    }
  }
});

test("a mask that does not fit is said, and the rest is taken", () => {
  const { selection, error } = maskOf(geometryOf(plainSpec(), 20), "0_0.1_9_~0_0.1_1_~junk");
  assert.equal(selection.count, 5);
  assert.notEqual(error, "");
});
