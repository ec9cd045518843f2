// The variations: a card each, A against B, and the sampling steps of one. What is previewed is drawn in the lanes and heard,
// and nothing of it is in the clip until it is used. New clips have lanes of their own, and are previewed by entering them.

let gallery = null; // see startGallery
let preview = null; // {number, step, key, ids, undecided, sound}; step -1 is the result
let wanted = ""; // the preview that was asked for last
const UNDECIDED = 65535;

// base: the clip as it was, or null; bounds: of the hole; made: the variations are new clips, `clips` of their own;
// a, b: the numbers that are compared, a null for the clip as it is; first: resolves when the first one is heard.
function startGallery({ job: token, total, seed }, { base, bounds, made }) {
  leavePreview();
  const before = base && base.ids.slice();
  gallery = { job: token, total, seed, base, bounds, made, before, variations: [], clips: [], heard: new Map(), a: null, b: 0, first: null };
  if (made && !base) [gallery.a, gallery.b] = [0, 1];
  gallery.cards = upTo(total).map(card);
  $(".cm-gallery").replaceChildren(...gallery.cards.map((one) => one.node));
  wanted = "";
  showGallery();
}

// Cards of variations that will not come any more go away; with none left, all is as it was.
function endGallery() {
  if (!gallery) return;
  for (const one of gallery.cards.splice(gallery.variations.length)) one.node.remove();
  const { variations, base, made } = gallery;
  if (!variations.length) closeGallery();
  if (made && clip && clip.drafted) base ? enter(base) : leave();
  if (clip && clip.preview && !preview) leaveLive();
  if (gallery) showGallery();
}

function closeGallery() {
  leavePreview();
  gallery = null;
  wanted = "";
  showGallery();
}

// A new clip, before anything of it is drawn.
function openVariation(value, n) {
  const next = opened(value);
  next.drafted = true;
  next.preview = new Uint16Array(next.ids.length).fill(UNDECIDED);
  gallery.clips[n] = next;
  if (n) return;
  player.stop();
  player.seek(0);
  enter(next);
  setMode("select");
}

// The cells of variation n as they stand while it is sampled. Until one is heard, the lanes show them too.
function liveVariation(ids, n) {
  drawMini(gallery.cards[n].canvas, n, ids);
  gallery.cards[n].node.dataset.state = "live";
  if (gallery.made) gallery.clips[n].preview = ids;
  if (gallery.made ? clip !== gallery.clips[n] : n || preview || clip !== gallery.base) return;
  clip.preview = ids;
  redrawStages();
}

function addVariation(result, n) {
  const variation = { ...result, ids: idsOf(result.ids) };
  gallery.variations.push(variation);
  if (gallery.made) {
    const mine = gallery.clips[n];
    Object.assign(mine, { ids: variation.ids, firstIds: variation.ids.slice(), version: result.version, drafted: false, preview: null });
    if (clip === mine) redrawStages();
    if (clip === mine && $(".cm-colour").value) showSurprise();
  }
  showGallery();
  if (n === 0) gallery.first = hearVariation(0).then(playIfStill);
}

function leaveLive() {
  clip.preview = null;
  redrawStages();
}

// The number of the variation in the lanes, or null.
function shownVariation() {
  if (!gallery) return null;
  if (!gallery.made) return preview ? preview.number : null;
  const n = gallery.clips.indexOf(clip);
  return n < 0 || clip === gallery.base ? null : n;
}

// Put a variation, or one of its steps, in the lanes and in the loudspeaker.
async function hearVariation(n, step = -1) {
  const mine = gallery;
  if (n !== mine.a) mine.b = n;
  if (mine.made && clip !== mine.clips[n]) enter(mine.clips[n]);
  if (mine.made && step < 0) {
    hear("decoded");
    await decoded.ask(clip, currentStages(), toFetch());
    return fetchPrefixes();
  }
  const key = `${mine.job}/${n}/${step}`;
  wanted = key;
  if (!mine.heard.has(key)) {
    const answer = await call(server.step, { token: clip.token, job: mine.job, variation: n, step });
    if (!answer.ok) return say(answer.error);
    mine.heard.set(key, { ids: idsOf(answer.ids), undecided: answer.undecided, sound: heard(answer) });
  }
  if (gallery !== mine || wanted !== key) return;
  preview = { number: n, step, key, ...mine.heard.get(key) };
  clip.preview = preview.ids;
  source = "variation";
  redrawStages();
  want();
  showGallery();
}

function leavePreview() {
  wanted = "";
  if (preview) {
    preview = null;
    if (clip) clip.preview = null;
    if (source === "variation") source = "decoded";
    redrawStages();
  }
  if (gallery) showGallery();
}

function playIfStill() {
  if (clip && !player.playing && current()) play();
}

// What stood in the lanes before a prior was asked.
function hearBase() {
  if (gallery.base && clip !== gallery.base) enter(gallery.base);
  hear("decoded");
}

// A new clip that is worked on is the clip from now on; undo goes back to the one before.
function adopt() {
  if (shownVariation() === null || !gallery.made) return;
  clip.former = gallery.base;
  if (gallery.base) gallery.base.later = clip;
  gallery.base = clip;
  gallery.a = null;
  showGallery();
}

async function useVariation(n) {
  if (!gallery.made) return write(call(server.use, { token: clip.token, job: gallery.job, variation: n }), `Variation ${n + 1} is the clip now; undo takes it back.`);
  await hearVariation(n);
  const before = gallery.base;
  adopt();
  say(`Variation ${n + 1} is the clip now${before ? `; undo goes back to ${before.title}` : ""}. Select some of it and fill it, or edit it.`);
}

// --- what is shown --------------------------------------------------------------------------------------------------------

function showGallery() {
  root.classList.toggle("cm-has-gallery", Boolean(gallery));
  if (!gallery) return $(".cm-gallery").replaceChildren();
  gallery.cards.forEach((one, n) => showCard(one, n));
  showCompared();
  showScrub();
  show();
}

function card(n) {
  const part = (tag, name, text = "") => el(tag, { class: name, text });
  const button = (name, text, label, onclick) => el("button", { type: "button", class: `cm-small ${name}`, text, "aria-label": label, onclick });
  const hear = button("cm-hear", "Hear", `Hear variation ${n + 1}`, async () => {
    player.wake();
    await hearVariation(n);
    playIfStill();
  });
  const pin = button("cm-pin", "Make it A", `Compare the others with variation ${n + 1}`, () => {
    gallery.a = gallery.a === n ? null : n;
    if (gallery.b === n) gallery.b = n ? 0 : 1;
    showGallery();
  });
  const use = button("cm-use", "Use as input", `Use variation ${n + 1} as input`, () => useVariation(n));
  const [canvas, seed, keptText, changedText] = [el("canvas", { role: "img" }), part("span", "cm-card-seed"), part("p", "cm-kept"), part("p", "cm-changed")];
  const node = el("figure", { class: "cm-card", "data-state": "waiting" }, el("figcaption", {}, el("b", { text: `Variation ${n + 1}` }), seed),
    canvas, keptText, changedText, el("div", { class: "cm-card-buttons" }, hear, pin, use));
  return { node, canvas, seed, keptText, changedText, hear, pin, use };
}

function showCard(one, n) {
  const variation = gallery.variations[n];
  const inLanes = shownVariation() === n;
  one.seed.textContent = `seed ${gallery.seed + n}${gallery.made && gallery.clips[n] ? ` · ${number(gallery.clips[n].seconds, 2)} s` : ""}`;
  one.node.dataset.heard = String(inLanes);
  one.hear.textContent = inLanes ? "In the lanes" : "Hear";
  one.hear.setAttribute("aria-pressed", String(inLanes));
  one.pin.setAttribute("aria-pressed", String(gallery.a === n));
  one.pin.textContent = gallery.a === n ? "Is A" : "Make it A";
  for (const button of [one.hear, one.pin, one.use]) button.disabled = !variation;
  if (!variation) return;
  const [kept, all] = variation.kept;
  const [changed, hole] = variation.changed;
  one.node.dataset.state = "done";
  one.keptText.textContent = `kept cells identical: ${number(kept)} of ${number(all)}`;
  one.changedText.textContent = gallery.made ? `all ${number(hole)} cells are new` : `${number(changed)} of ${number(hole)} selected cells differ`;
  one.canvas.setAttribute("aria-label", one.changedText.textContent);
  drawMini(one.canvas, n, inLanes && preview ? preview.ids : variation.ids, gallery.before);
}

// The columns around the hole, all rows; the cells that differ from the clip are outlined together.
function drawMini(canvas, n, ids, before = null) {
  const shape = (gallery.made ? gallery.clips[n] : gallery.base).geometry;
  const first = gallery.made ? 0 : Math.max(0, gallery.bounds.first - 3);
  const last = gallery.made ? shape.columns - 1 : Math.min(shape.columns - 1, gallery.bounds.last + 3);
  const [columns, ratio] = [last - first + 1, window.devicePixelRatio || 1];
  const [width, height] = [(canvas.clientWidth || 240) * ratio, 84 * ratio];
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  const stageOf = upTo(shape.rows).map((row) => placeOf(shape, row, 0).stage);
  const at = (row, column) => row * shape.columns + first + column;
  context.drawImage(offscreen(columns, shape.rows, (x, y) => colourOf(gallery.base || clip, stageOf[y], ids[at(y, x)])), 0, 0, width, height);
  if (!gallery.variations[n] || gallery.made) return;
  const differs = (column, row) => ids[at(row, column)] !== UNDECIDED && ids[at(row, column)] !== before[at(row, column)];
  const colours = inks();
  for (const [colour, thick] of [[colours.paper, 3.4], [colours.now, 1.8]]) {
    context.strokeStyle = colour;
    context.lineWidth = thick * ratio;
    strokeContour(context, differs, [0, columns], shape.rows, (column, row) => [(column / columns) * width, (row / shape.rows) * height]);
  }
}

function showCompared() {
  const { a, b, base, variations } = gallery;
  const now = shownVariation();
  $(".cm-ab").hidden = variations.length < (base || a === null ? 1 : 2);
  $("[data-ab=a]").textContent = a === null ? (gallery.made && base ? `A: ${base.title}` : "A: the clip as it is") : `A: variation ${a + 1}`;
  $("[data-ab=b]").textContent = `B: variation ${b + 1}`;
  $("[data-ab=a]").setAttribute("aria-checked", String(now === a));
  $("[data-ab=b]").setAttribute("aria-checked", String(now === b && now !== a));
  $("[data-ab=b]").disabled = !variations[b];
}

function showScrub() {
  const n = shownVariation() ?? gallery.b;
  const steps = gallery.variations[n] ? gallery.variations[n].steps : 0;
  $(".cm-scrub").hidden = !steps;
  if (!steps) return;
  const slider = $(".cm-step");
  slider.max = steps;
  const at = preview && preview.step >= 0 ? preview.step + 1 : steps;
  if (document.activeElement !== slider) slider.value = at;
  const left = preview && preview.step >= 0 ? preview.undecided : 0;
  $(".cm-step-text").textContent = `Variation ${n + 1}, step ${at} of ${steps}${left ? `: ${number(left)} ${left === 1 ? "cell" : "cells"} not decided yet` : ": all cells decided"}`;
}

$(".cm-step").addEventListener("input", (event) => hearVariation(shownVariation() ?? gallery.b, Number(event.target.value) - 1));
for (const button of root.querySelectorAll("[data-ab]")) {
  button.addEventListener("click", () => {
    player.wake();
    const n = button.dataset.ab === "a" ? gallery.a : gallery.b;
    return n === null ? hearBase() : hearVariation(n);
  });
}
