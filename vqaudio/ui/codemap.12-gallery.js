// The variations: a card each, A against B, and the sampling steps of one. What is previewed is drawn in the lanes and heard,
// and nothing of it is in the clip until it is used.

let gallery = null; // {job, bounds, variations, made}
let preview = null; // {number, step, ids, sound}; step -1 is the result
let wanted = ""; // the preview that was asked for last
const UNDECIDED = 65535;

function startGallery(token, bounds) {
  gallery = { job: token, bounds, variations: [], heard: new Map(), made: false };
  wanted = "";
  showGallery();
}

function closeGallery() {
  gallery = preview = null;
  wanted = "";
  if (clip) clip.preview = null;
  showGallery();
}

function addVariation(variation, n) {
  gallery.variations.push({ ...variation, ids: new Uint16Array(bytesOf(variation.ids).buffer) });
  showGallery();
  if (n === 0 && !gallery.made) gallery.first = hearVariation(0).then(() => preview && !player.playing && play());
}

function shownVariation() {
  return preview ? preview.number : 0;
}

// Fetch a variation, or one of its steps, and put it in the lanes and in the loudspeaker.
async function hearVariation(n, step = -1) {
  const mine = gallery;
  const key = `${mine.job}/${n}/${step}`;
  wanted = key;
  if (!mine.heard.has(key)) {
    const answer = await call(server.step, { token: clip.token, job: mine.job, variation: n, step });
    if (!answer.ok) return say(answer.error);
    mine.heard.set(key, { ids: new Uint16Array(bytesOf(answer.ids).buffer), undecided: answer.undecided, sound: heard(answer) });
  }
  if (gallery !== mine || wanted !== key) return;
  preview = { number: n, step, key, ...mine.heard.get(key) };
  clip.preview = preview.ids;
  images.clear();
  source = "variation";
  want();
  showGallery();
}

function leavePreview() {
  if (!preview) return;
  preview = clip.preview = null;
  wanted = "";
  images.clear();
  showGallery();
}

function useVariation(n) {
  return write(call(server.use, { token: clip.token, job: gallery.job, variation: n }), `Variation ${n + 1} is the clip now; undo takes it back.`);
}

// --- what is shown --------------------------------------------------------------------------------------------------------

function showGallery() {
  const node = $(".cm-gallery");
  root.classList.toggle("cm-has-gallery", Boolean(gallery));
  if (!gallery) return node.replaceChildren();
  const last = gallery.variations[shownVariation()];
  $(".cm-ab").hidden = gallery.made;
  $("[data-ab=a]").setAttribute("aria-checked", String(!preview));
  $("[data-ab=b]").setAttribute("aria-checked", String(Boolean(preview)));
  $("[data-ab=b]").textContent = `B: variation ${shownVariation() + 1}`;
  node.hidden = gallery.made;
  if (!gallery.made) node.replaceChildren(...gallery.variations.map(card));
  gallery.variations.forEach((variation, n) => gallery.made || drawMini(node.children[n].querySelector("canvas"), variation));
  showScrub(last);
  show();
}

function card(variation, n) {
  const heardNow = Boolean(preview) && preview.number === n;
  const [kept, all] = variation.kept;
  const [changed, hole] = variation.changed;
  const hear = el("button", { type: "button", class: "cm-small cm-hear", "aria-pressed": String(heardNow), text: heardNow ? "In the lanes" : "Hear", "aria-label": `Hear variation ${n + 1}`,
    onclick: async () => { player.wake(); await hearVariation(n); if (!player.playing && current()) play(); } });
  const use = el("button", { type: "button", class: "cm-small cm-use", text: "Use as input", "aria-label": `Use variation ${n + 1} as input`, onclick: () => useVariation(n) });
  return el("figure", { class: "cm-card", "data-heard": String(heardNow) }, el("figcaption", {}, el("b", { text: `Variation ${n + 1}` }), el("span", { text: `seed ${variation.seed}` })),
    el("canvas", { role: "img", "aria-label": `${changed} of ${hole} selected cells differ` }),
    el("p", { class: "cm-kept", text: `kept cells identical: ${number(kept)} of ${number(all)}` }), el("p", { class: "cm-changed", text: `${number(changed)} of ${number(hole)} selected cells differ` }), el("div", { class: "cm-card-buttons" }, hear, use));
}

// The columns around the hole, all rows; the cells that differ from the clip are outlined.
function drawMini(canvas, variation) {
  const { columns, rows } = clip.geometry;
  const first = Math.max(0, gallery.bounds.first - 3);
  const last = Math.min(columns - 1, gallery.bounds.last + 3);
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [(canvas.clientWidth || 240) * ratio, 84 * ratio];
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const [wide, high] = [width / (last - first + 1), height / rows];
  const colours = inks();
  context.strokeStyle = colours.now;
  context.lineWidth = Math.min(2 * ratio, wide / 3);
  for (const outline of [false, true]) {
    for (let row = 0; row < rows; row++) {
      const { stage } = placeOf(clip.geometry, row, 0);
      for (let column = first; column <= last; column++) {
        const i = row * columns + column;
        const [x, y] = [(column - first) * wide, row * high];
        if (outline && variation.ids[i] !== clip.ids[i]) context.strokeRect(x + 1, y + 1, wide - 2, high - 2);
        if (outline) continue;
        context.fillStyle = `rgb(${colourOf(clip, stage, variation.ids[i])})`;
        context.fillRect(x, y, Math.ceil(wide), Math.ceil(high));
      }
    }
  }
}

function showScrub(variation) {
  const steps = variation ? variation.steps : 0;
  $(".cm-scrub").hidden = !steps;
  if (!steps) return;
  const slider = $(".cm-step");
  slider.max = steps;
  const at = preview && preview.step >= 0 ? preview.step + 1 : steps;
  if (document.activeElement !== slider) slider.value = at;
  const left = preview && preview.step >= 0 ? preview.undecided : 0;
  $(".cm-step-text").textContent = `Step ${at} of ${steps}${left ? `: ${left} ${left === 1 ? "cell" : "cells"} not decided yet` : ": all cells decided"}`;
}

$(".cm-step").addEventListener("input", (event) => {
  const n = shownVariation();
  const step = Number(event.target.value);
  hearVariation(n, step - 1);
});
for (const button of root.querySelectorAll("[data-ab]")) {
  button.addEventListener("click", () => (button.dataset.ab === "a" ? hear("decoded") : hearVariation(shownVariation())));
}
