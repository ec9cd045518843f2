// A recipe as an address: prior, labels, mask, seed and settings, restored when the page is opened with it.

const RECIPE_FIELDS = { temperature: ".cm-temperature", guidance: ".cm-guidance", steps: ".cm-steps", seed: ".cm-seed", seconds: ".cm-seconds" };
const MAX_LINK = 6000;
let recipeMask = null; // waits for a clip
let recipeRestored = false;

// "0.1_0.25_2-8_" for each rectangle, joined by "~": start, end, stages, bands.
function maskText() {
  if (!clip || !selection) return "";
  return selection.rectangles().map((r) => [r.start_s, r.end_s, r.stages, r.bands || ""].join("_")).join("~");
}

function recipeLink() {
  const query = new URLSearchParams();
  if (model) query.set("model", model);
  if (prior()) query.set("prior", prior().name);
  for (const [kind, value] of Object.entries(labels())) query.append("label", `${kind}:${value}`);
  for (const [name, selector] of Object.entries(RECIPE_FIELDS)) if ($(selector).value !== "") query.set(name, $(selector).value);
  if ($(".cm-cut").value) query.set($(".cm-cut").value, $(".cm-cut-value").value);
  if ($(".cm-local").value) query.set("labels", "local");
  if (maskText()) query.set("mask", maskText());
  return `${location.origin}${location.pathname}?${query}`;
}

async function copyLink() {
  const link = recipeLink();
  if (link.length > MAX_LINK) return say("This selection is too scattered for a link: choose fewer, larger blocks.");
  history.replaceState(null, "", link);
  try {
    await navigator.clipboard.writeText(link);
    say("The link is copied. It holds the prior, labels, mask, seed and settings, not the sound.");
  } catch {
    say("The link is in the address bar: this browser does not let the page copy it.");
  }
}

// Once the priors are known. What the link says wrongly is told, and the rest is taken.
function restoreRecipe() {
  if (recipeRestored) return;
  recipeRestored = true;
  const query = new URLSearchParams(location.search);
  const wrong = [];
  const wantedPrior = query.get("prior");
  if (wantedPrior && priors.some((p) => p.name === wantedPrior)) $(".cm-prior").value = wantedPrior;
  else if (wantedPrior) wrong.push(`the prior ${wantedPrior} is not here`);
  showPrior();
  for (const text of query.getAll("label")) {
    const [kind, ...rest] = text.split(":");
    const field = [...root.querySelectorAll("[data-label]")].find((node) => node.dataset.label === kind);
    const known = field ? [...field.options].map((option) => option.value).filter(Boolean) : [];
    if (known.includes(rest.join(":"))) field.value = rest.join(":");
    else wrong.push(field ? `there is no ${kind} ${rest.join(":")}; known are ${known.join(", ")}` : `there is no label ${kind}`);
  }
  for (const [name, selector] of Object.entries(RECIPE_FIELDS)) if (query.has(name)) $(selector).value = query.get(name);
  if (query.has("seed")) $(".cm-keep-seed").checked = true;
  if (query.get("labels") === "local") $(".cm-local").value = "local";
  for (const kind of ["top_k", "top_p"]) {
    if (!query.has(kind)) continue;
    $(".cm-cut").value = kind;
    $(".cm-cut-value").hidden = false;
    $(".cm-cut-value").value = query.get(kind);
  }
  if (wrong.length) say(`This link asks for something else than is here: ${wrong.join("; ")}.`);
}

// Once a clip is open.
function restoreMask() {
  if (recipeMask === null) recipeMask = new URLSearchParams(location.search).get("mask") || "";
  if (!recipeMask) return;
  const next = new Selection(clip.geometry);
  let wrong = "";
  for (const text of recipeMask.split("~").slice(0, 20000)) {
    const [start, end, stages, bands] = text.split("_");
    const parts = blocksOf(clip.geometry, Number(start), Number(end), stages || "");
    if (typeof parts === "string") wrong = parts;
    else for (const part of parts) next.add({ ...part, bands: /^\d+-\d+$/.test(bands || "") ? bands.split("-").map((n) => Number(n) - 1) : null }, false);
  }
  recipeMask = "";
  setMode("select");
  select(next);
  if (wrong) say(`The link's mask does not fit this clip. ${wrong}`);
}

$(".cm-link").addEventListener("click", copyLink);
