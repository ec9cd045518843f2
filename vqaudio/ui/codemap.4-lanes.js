// The lanes: what stands to the left of each, and what is drawn in it.

const LANE_HELP = {
  original: "The sound that you gave.",
  decoded: "What the decoder makes of the codewords in the lanes that are on.",
};

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function track() {
  return el("div", { class: "cm-track" }, el("canvas"), el("i", { class: "cm-hair" }), el("i", { class: "cm-head" }));
}

const TICKS_HZ = [0, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000];

// Where frequencies stand beside a spectrogram: [Hz, height]; on a linear axis the ends, else so many as have room.
function ticksOf(scale, room) {
  const { edges } = scale;
  if (edges.length === 2) return [[edges[1], 1], [edges[0], 0]];
  const inside = TICKS_HZ.filter((hz) => hz > edges[0] && hz < edges[edges.length - 1]).map((hz) => [hz, scale.height(hz)]);
  const kept = [[edges[edges.length - 1], 1], [edges[0], 0]];
  for (const tick of inside) if (kept.every((other) => Math.abs(other[1] - tick[1]) > room)) kept.push(tick);
  return kept;
}

function spectrogramLane(which, scale) {
  const name = el("span", { class: "cm-name", text: which === "original" ? "Original" : "Decoded" });
  const note = el("span", { class: "cm-note", text: LANE_HELP[which] });
  const node = el("div", { class: "cm-lane cm-lane-sound", "data-which": which }, el("div", { class: "cm-gutter" }, name, note), track());
  for (const [hz, height] of ticksOf(scale, 0.11)) {
    const label = el("span", { class: "cm-khz", text: height === 1 ? `${number(hz / 1000, hz % 1000 ? 1 : 0)} kHz` : hz < 1000 ? number(hz) : `${hz / 1000}k` });
    Object.assign(label.style, { top: "auto", bottom: `calc(${height} * (100% - 18px) + 4px)` });
    node.querySelector(".cm-track").append(label);
  }
  return { node, which, name, note };
}

function stageLane(stage, actions) {
  const n = stage.number + 1;
  const toggle = el("button", { type: "button", class: "cm-toggle", role: "switch", "aria-label": `Stage ${n}`, title: "On or off", onclick: () => actions.toggle(stage.number) });
  const level = el("span", { class: "cm-level", title: `The level of what stage ${n} adds, re full scale` });
  const solo = el("button", { type: "button", class: "cm-small cm-solo", "aria-pressed": "false", title: `Hear stage ${n} alone`, text: "Solo", onclick: () => actions.solo(stage.number) });
  const adds = el("button", { type: "button", class: "cm-small cm-adds", "aria-pressed": "false", title: `Hear what stage ${n} adds to the stages above it, at its true level`, text: "Adds", "aria-label": `Hear what stage ${n} adds`, onclick: () => actions.adds(stage.number) });
  const gutter = el("div", { class: "cm-gutter" }, toggle, el("span", { class: "cm-name", text: `Stage ${n}` }),
    el("span", { class: "cm-figures" }, el("span", { class: "cm-rate", text: `${number(stage.rate)} bit/s` }), level), solo, adds);
  const node = el("div", { class: "cm-lane cm-lane-stage", "data-stage": stage.number }, gutter, track());
  node.style.setProperty("--lane", `${Math.max(34, Math.min(192, 12 * stage.bands + 6))}px`);
  return { node, stage, toggle, level, solo, adds };
}

function axisLane() {
  return { node: el("div", { class: "cm-lane cm-lane-axis" }, el("div", { class: "cm-gutter" }), el("div", { class: "cm-track" }, el("canvas"))), axis: true };
}

// A canvas of the size that it has on the page, in device pixels.
function surfaceOf(lane) {
  const canvas = lane.node.querySelector("canvas");
  const { clientWidth: width, clientHeight: height } = canvas.parentElement;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
