// The panels under the lanes: the chosen cell, and the curves of rate and quality.

function percent(count, total) {
  const share = (100 * count) / total;
  return `${share === 0 ? "0" : share < 0.095 ? "<0.1" : number(share, 1)} %`;
}

// How often each codeword of a row's stage occurs in the training set, where that was measured.
function countsOf(clip, row) {
  return clip.train_counts && clip.train_counts[placeOf(clip.geometry, row, 0).stage.number];
}

// How often a codeword occurs in the training set, in words.
function frequency(clip, row, id) {
  const counts = countsOf(clip, row);
  if (!counts) return "how often it occurs in the training set was not measured";
  const total = counts.reduce((a, b) => a + b, 0);
  const { bands, steps } = placeOf(clip.geometry, row, 0).stage;
  const where = bands * steps === 1 ? "columns" : "cells of this stage";
  return counts[id] ? `in ${percent(counts[id], total)} of the training set's ${where} (${number(counts[id])})` : "never in the training set";
}

function showCell(node, clip, answer, actions) {
  const { stage } = placeOf(clip.geometry, answer.row, answer.column);
  const time = answer.column / clip.geometry.frameRate;
  const title = el("p", { class: "cm-cell-title" }, el("i", { class: "cm-chip" }), el("b", { text: `Codeword ${answer.index}` }),
    el("span", { text: ` of stage ${stage.number + 1}, at ${number(time, 2)} s; ${frequency(clip, answer.row, answer.index)}.` }));
  title.querySelector(".cm-chip").style.background = `rgb(${colourOf(clip, stage, answer.index)})`;
  node.replaceChildren(title, ...words(clip, stage, answer, actions), ...examples(answer, actions));
}

function words(clip, stage, answer, actions) {
  if (!answer.words.length) return [el("p", { class: "cm-help", text: "This codec does not tell how near its codewords are." })];
  const help = answer.from_original
    ? "Distance: how far each codeword is from what the stages above left to be said here. The nearest is taken."
    : "The distance is to the codeword that stands here.";
  const body = answer.words.map((word) => {
    const here = word.index === answer.index;
    const chip = el("i", { class: "cm-chip" });
    chip.style.background = `rgb(${colourOf(clip, stage, word.index)})`;
    const put = here
      ? el("span", { class: "cm-here", text: "is here" })
      : el("button", { type: "button", class: "cm-small cm-put", text: "Put here", "aria-label": `Put codeword ${word.index} here`, onclick: () => actions.put(word.index) });
    return el("tr", here ? { class: "cm-row-here" } : {}, el("td", { text: word.rank }), el("td", {}, chip, `${word.index}`),
      el("td", { text: number(word.distance, 3) }), el("td", { text: seen(clip, answer.row, word.index) }), el("td", {}, put));
  });
  const head = el("tr", {}, ...["", "codeword", "distance", "training", ""].map((text) => el("th", { text })));
  const other = el("form", { class: "cm-other", onsubmit: (event) => { event.preventDefault(); actions.put(event.target.elements[0].valueAsNumber); } },
    el("label", { text: "Any other " }, el("input", { type: "number", min: 0, max: stage.vocab - 1, required: "", "aria-label": "Codeword to put here" })),
    el("button", { class: "cm-small", text: "Put here" }));
  return [el("p", { class: "cm-help", text: help }), el("table", { class: "cm-words" }, el("thead", {}, head), el("tbody", {}, ...body)), other];
}

function seen(clip, row, id) {
  const counts = countsOf(clip, row);
  return counts ? percent(counts[id], counts.reduce((a, b) => a + b, 0)) : "–";
}

function examples(answer, actions) {
  if (!answer.measured) return [el("p", { class: "cm-help", text: "Where it fires in the training set was not measured for this model." })];
  if (!answer.examples.length) return [el("p", { class: "cm-help", text: "It fires nowhere in the training set." })];
  const items = answer.examples.map((example, i) => {
    const text = `${example.clip.replaceAll("_", " ")} at ${number(example.time_s, 2)} s`;
    return example.playable
      ? el("button", { type: "button", class: "cm-small cm-example", text: `▸ ${text}`, onclick: () => actions.example(answer.row, answer.index, i) })
      : el("span", { class: "cm-example-name", text });
  });
  return [el("p", { class: "cm-help", text: `Training clips in which it fires. ${answer.hint}` }), el("div", { class: "cm-examples" }, ...items)];
}

const CURVES = [
  { key: "si_sdr_db", name: "SI-SDR, dB", note: "how closely the waveform follows; higher is better", digits: 1,
    below: "how closely the waveform follows; under 0 the decoder makes up its own phase" },
  { key: "mel_l1", name: "Mel distance", note: "how far the spectrum is off; lower is better", digits: 3 },
];

// points: {bits, quality, stages}; here: the one in use, or null while it is decoded.
function showCurves(node, points, here) {
  const usable = points.filter((p) => p.quality);
  if (!usable.length) {
    node.replaceChildren(el("p", { class: "cm-help", text: "There is nothing to compare with: the original is silent, or only its codes were opened." }));
    return;
  }
  node.replaceChildren(...CURVES.map((curve) => chart(curve, usable, here && here.quality ? here : null)));
}

function svg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function chart(curve, points, here) {
  const [width, height, left, right, top, bottom] = [270, 150, 44, 10, 12, 26];
  const all = here ? [...points, here] : points;
  const values = all.map((p) => p.quality[curve.key]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(high - low, 1e-3) * 0.15;
  const most = Math.max(...all.map((p) => p.bits));
  const x = (bits) => left + (bits / most) * (width - left - right);
  const y = (value) => height - bottom - ((value - low + room) / (high - low + 2 * room)) * (height - top - bottom);
  const parts = [low, high].flatMap((value) => [
    svg("line", { class: "cm-grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
    svg("text", { x: left - 6, y: y(value) + 3.5, "text-anchor": "end" }, number(value, curve.digits)),
  ]);
  for (const bits of [most / 4, most / 2, most]) {
    parts.push(svg("text", { x: x(bits), y: height - 9, "text-anchor": bits === most ? "end" : "middle" }, bits === most ? `${number(bits)} bit/s` : number(bits)));
  }
  parts.push(svg("polyline", { class: "cm-curve", points: points.map((p) => `${x(p.bits)},${y(p.quality[curve.key])}`).join(" ") }));
  for (const p of points) parts.push(svg("circle", { class: "cm-dot", cx: x(p.bits), cy: y(p.quality[curve.key]), r: 2.5 }));
  if (here) parts.push(svg("circle", { class: "cm-here-dot", cx: x(here.bits), cy: y(here.quality[curve.key]), r: 5.5 }));
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${curve.name} against bits per second` });
  drawing.append(...parts);
  const value = here ? number(here.quality[curve.key], curve.digits) : "…";
  const note = curve.below && high < 0 ? curve.below : curve.note;
  return el("figure", { class: "cm-figure", "data-curve": curve.key }, el("figcaption", {}, el("b", { text: curve.name }), el("strong", { text: value }), el("span", { text: note })), drawing);
}
