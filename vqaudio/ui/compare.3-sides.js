// The two sides: which model, how many stages, and what comes of it.

const root = element.querySelector(".cp");
const $ = (selector) => root.querySelector(selector);
let clip = null;
let sides = {}; // a, b: what the server told of them
const panels = { original: panel("original"), a: panel("a"), b: panel("b") };
$(".cp-sides").append(panels.original.node, panels.a.node, panels.b.node);

function say(sentence) {
  $(".cp-status").textContent = sentence;
}

function panel(name) {
  const named = { original: "Original", a: "A", b: "B" }[name];
  const picture = el("div", { class: "cp-track", onclick: (event) => seekTo(event) }, el("canvas"), el("i", { class: "cm-head" }), el("span", { class: "cm-khz cp-top" }), el("span", { class: "cm-khz cm-khz-0", text: "0" }));
  const choose = el("div", { class: "cp-choose" }, el("h3", { text: named }));
  const facts = el("dl");
  const node = el("section", { class: "cp-side", "data-side": name, "aria-label": named }, choose, picture);
  const made = { node, picture, choose, facts };
  if (name !== "original") {
    made.model = el("select", { "aria-label": `Model of ${named}`, onchange: () => chooseModel(name) });
    made.stages = el("input", { type: "range", min: 1, step: 1, "aria-label": `Stages of ${named}`, oninput: () => { tellRate(name); later(name); } });
    made.rate = el("output", { class: "cp-rate" });
    made.map = el("div", { class: "cp-track cp-map" }, el("canvas"), el("i", { class: "cm-head" }));
    choose.append(made.model, made.stages, made.rate);
    node.append(made.map);
  }
  node.append(facts);
  return made;
}

function modelOf(name) {
  return clip.models.find((model) => model.name === panels[name].model.value);
}

function setSide(name, model, stages) {
  panels[name].model.value = model;
  panels[name].stages.max = modelOf(name).stages;
  panels[name].stages.value = stages;
  tellRate(name);
  return fetchSide(name);
}

function chooseModel(name) {
  setSide(name, panels[name].model.value, modelOf(name).stages);
}

function tellRate(name) {
  const stages = Number(panels[name].stages.value);
  panels[name].rate.textContent = `${stages} of ${modelOf(name).stages} stages · ${number(modelOf(name).bits[stages - 1])} bit/s`;
}

const timers = {};
function later(name) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(() => fetchSide(name), 150);
}

const asked = { a: 0, b: 0, original: 0 };
async function fetchSide(name) {
  const [mine, turn] = [clip, ++asked[name]];
  const request = name === "original" ? [server.reference, { token: clip.token }]
    : [server.side, { token: clip.token, model: panels[name].model.value, stages: Number(panels[name].stages.value) }];
  panels[name].node.classList.add("cp-busy");
  const answer = await call(...request);
  if (clip !== mine || turn !== asked[name]) return; // a later choice is on its way
  panels[name].node.classList.remove("cp-busy");
  if (!answer.ok) return say(answer.error);
  sides[name] = answer;
  chorus.set(name, samplesOf(answer.sound), answer.sample_rate);
  showSide(name);
  showTransport();
}

function showSide(name) {
  const told = sides[name];
  if (!told) return;
  const style = getComputedStyle(root);
  const colour = (key) => rgb(style.getPropertyValue(key).trim());
  drawInto(panels[name].picture, spectrogramImage(told.picture, colour("--cm-paper"), colour("--cm-ink")), true);
  if (told.ids) drawInto(panels[name].map, mapImage(told), false);
  const facts = [["Level", decibel(told.level_db)]];
  if (told.quality) facts.push(["Mel distance", number(told.quality.mel_l1, 3)], ["SI-SDR", `${number(told.quality.si_sdr_db, 1)} dB`]);
  if (name !== "original") facts.push(["Works at", `${number(told.sample_rate / 1000)} kHz`]);
  panels[name].facts.replaceChildren(...facts.map(([key, value]) => el("div", {}, el("dt", { text: key }), el("dd", { text: value }))));
}

function drawInto(box, image, smooth) {
  const canvas = box.querySelector("canvas");
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(box.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(box.clientHeight * ratio));
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = smooth;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
}

// All rows of the codes, the first stage on top, one pixel a cell.
function mapImage(told) {
  const ids = new Uint16Array(bytesOf(told.ids).buffer);
  const ranks = new Uint16Array(bytesOf(told.ranks).buffer);
  const starts = told.vocab.reduce((all, vocab) => [...all, all[all.length - 1] + vocab], [0]);
  return offscreen(told.columns, told.rows, (x, y) => viridis(ranks[starts[y] + ids[y * told.columns + x]] / Math.max(1, told.vocab[y] - 1)));
}
