// The keys: how they look, and pressing them with a pointer or the computer's keys.

import { surfaceOf } from "../shared/canvas.js";
import { themeColours } from "../shared/colours.js";
import { el } from "../shared/dom.js";
import { number, range } from "../shared/text.js";
import { CODES, HIGHEST, isBlack, LOWEST, nameOf, ONE_OCTAVE, trainedKeys, TWO_OCTAVES } from "./pitches.js";

const STEP = 2; // CSS pixels from one bar of the waveform to the next
const NARROWEST = 40; // CSS pixels of a key that a finger hits
const BLACK_WIDTH = 0.62; // of a white key
const LABELS = {
  one: "One octave of keys: Z to M play it, the arrow keys move it by an octave",
  two: "Two octaves of keys: Z to M play the lower and Q to I the upper one, the arrow keys move them by an octave",
};

export class Keys {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./notes.js").Notes} notes
   * @param {import("./voices.js").Voices} voices
   */
  constructor(page, state, notes, voices) {
    Object.assign(this, { page, state, notes, voices, node: page.find(".kb-keys"), pointers: new Set() });
    this.layOut();
    state.on("change", () => this.show());
    page.onResize(() => this.layOut());
    page.listen(".kb-true", "change", (event) => state.setTrueLevel(event.target.checked));
    page.listen(".kb-down", "click", () => this.shift(-1));
    page.listen(".kb-up", "click", () => this.shift(1));
    this.listenToPointers();
    document.addEventListener("keydown", (event) => this.keyDown(event));
    document.addEventListener("keyup", (event) => voices.release(event.code));
    window.addEventListener("blur", () => voices.releaseAll());
  }

  /** Show two octaves where a finger can hit their keys, and one elsewhere. */
  layOut() {
    const width = this.node.clientWidth;
    if (!width) return; // the tab is closed
    const size = width / whitesOf(TWO_OCTAVES).length >= NARROWEST ? TWO_OCTAVES : ONE_OCTAVE;
    if (this.width === width) return;
    this.width = width;
    this.voices.releaseAll();
    this.node.replaceChildren(...keyNodes(size, width));
    this.node.setAttribute("aria-label", size === ONE_OCTAVE ? LABELS.one : LABELS.two);
    this.state.resize(size);
    this.show();
  }

  listenToPointers() {
    this.node.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      event.preventDefault();
      this.node.focus({ preventScroll: true });
      this.node.setPointerCapture(event.pointerId);
      this.pointers.add(event.pointerId);
      this.point(event);
    });
    this.node.addEventListener("pointermove", (event) => this.pointers.has(event.pointerId) && this.point(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.node.addEventListener(name, (event) => {
        this.pointers.delete(event.pointerId);
        this.voices.release(`pointer ${event.pointerId}`);
      });
    }
  }

  /** A pointer that is down plays every key that it is moved over. Where on the key it is struck says how loud. */
  point(event) {
    const holder = `pointer ${event.pointerId}`;
    const node = document.elementFromPoint(event.clientX, event.clientY)?.closest(".kb-key");
    const key = node && this.node.contains(node) ? this.state.lowest + Number(node.dataset.i) : undefined;
    if (key === this.voices.heldBy(holder)) return;
    this.voices.release(holder);
    if (key === undefined) return;
    const box = node.getBoundingClientRect();
    const depth = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    this.press(holder, key, 0.45 + 0.55 * depth);
  }

  keyDown(event) {
    const { page: { root }, state } = this;
    if (!root.isConnected || !root.offsetWidth || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) return;
    const octaves = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const i = CODES.indexOf(event.code);
    if (octaves && root.contains(event.target)) this.shift(octaves);
    else if (i < 0) return;
    else if (!event.repeat) this.press(event.code, state.lowest + i);
    event.preventDefault();
  }

  shift(octaves) {
    this.voices.releaseAll();
    this.state.shift(octaves);
  }

  /**
   * Press a key: its note is played at once, or as soon as it is here.
   * @param {string} holder who holds it down
   * @param {number} key
   * @param {number} [velocity] the gain
   */
  async press(holder, key, velocity = 0.8) {
    const { page, state, notes, voices } = this;
    const { player } = state;
    if (!player) return;
    voices.wake();
    voices.hold(holder, key);
    if (!player.keys.includes(key)) {
      this.show();
      const reach = `${nameOf(player.keys[0])} to ${nameOf(player.keys.at(-1))}`;
      return page.say(`There is no note ${nameOf(key)} here: ${player.name} knows ${reach}.`);
    }
    const request = state.requestOf(key);
    if (notes.stateOf(request) !== "ready") page.say(`Generating ${nameOf(key)}…`);
    this.show();
    const note = await notes.get(request, true);
    if (!note || !page.root.isConnected) return;
    const gain = state.trueLevel ? 10 ** (-note.gainDb / 20) : 1;
    voices.sound(key, note.buffer, velocity * gain);
    page.find(".kb-name").textContent = nameOf(key);
    this.drawWave(note.buffer, gain);
    page.say(`${[nameOf(key), ...Object.values(request.labels)].join(", ")}.`);
    state.played(request, note);
  }

  /** @returns {"unknown"|"ready"|"waiting"|"guess"|"known"} `guess`: not in the training clips with these labels */
  stateOf(key) {
    const { state: { player, labels }, notes } = this;
    if (!player.keys.includes(key)) return "unknown";
    const state = notes.stateOf(this.state.requestOf(key));
    if (state !== "missing") return state;
    return trainedKeys(player, labels).includes(key) ? "known" : "guess";
  }

  show() {
    const { page, state, notes, voices } = this;
    if (!state.player) return;
    const { lowest, size } = state;
    const { down } = voices;
    for (const node of this.node.children) this.showKey(node, lowest + Number(node.dataset.i), down);
    page.find(".kb-range").textContent = `${nameOf(lowest)} to ${nameOf(lowest + size - 1)}`;
    page.find(".kb-down").disabled = lowest <= LOWEST;
    page.find(".kb-up").disabled = lowest + size > HIGHEST;
    const { waiting } = notes;
    page.find(".kb-made").textContent = waiting ? `Generating ${waiting} ${waiting === 1 ? "note" : "notes"}` : "";
    page.find(".kb-ahead").disabled = !this.keysIn(["known", "guess"]).length;
    page.find(".kb-open").disabled = !state.last;
    page.find(".kb-level").textContent = levelText(state);
  }

  showKey(node, key, down) {
    const name = nameOf(key);
    const state = this.stateOf(key);
    const titles = {
      unknown: `${name}: this model does not know it`, guess: `${name}: not in the training data with these labels; a guess`,
    };
    Object.assign(node.dataset, { state, down: String(down.has(key)) });
    node.setAttribute("aria-label", name);
    node.title = titles[state] || name;
    node.querySelector(".kb-label").textContent = key % 12 === 0 ? name : "";
  }

  /** @param {string[]} states @returns {number[]} the keys shown that are in one of these states */
  keysIn(states) {
    return range(this.state.size).map((i) => this.state.lowest + i).filter((key) => states.includes(this.stateOf(key)));
  }

  drawWave(buffer, gain) {
    const canvas = this.page.find(".kb-scope");
    const { context, width, height } = surfaceOf(canvas, canvas.clientWidth, canvas.clientHeight);
    context.fillStyle = themeColours(this.page.root).now;
    const samples = buffer.getChannelData(0);
    const sampleAt = (x) => Math.min(samples.length, Math.floor((x / width) * samples.length));
    for (let x = 0; x < width; x += STEP) {
      let peak = 0;
      for (let i = sampleAt(x); i < sampleAt(x + STEP); i++) peak = Math.max(peak, gain * Math.abs(samples[i]));
      const high = Math.max(1, Math.min(1, peak * 1.6) * height);
      context.fillRect(x, (height - high) / 2, 1.3, high);
    }
  }
}

/** What the last note was played at. */
function levelText({ last, lastNote, trueLevel, levelDb }) {
  if (!last) return "";
  const gain = `${lastNote.gainDb < 0 ? "" : "+"}${number(lastNote.gainDb, 1)} dB`;
  return trueLevel ? "Played as generated" : `Played at ${number(levelDb)} dBFS: gain ${gain}`;
}

function whitesOf(size) {
  return range(size).filter((i) => !isBlack(i));
}

/** The keys from a C to a C: black keys are over the gaps between the white ones. */
function keyNodes(size, width) {
  const whites = whitesOf(size);
  const wide = 100 / whites.length;
  const blackWide = Math.max(BLACK_WIDTH * wide, Math.min(wide, (100 * NARROWEST) / width));
  return range(size).map((i) => {
    const black = isBlack(i);
    const code = el("span", { class: "kb-code", text: CODES[i].replace(/Key|Digit/, "") });
    const attributes = { type: "button", tabindex: "-1", class: `kb-key ${black ? "kb-black" : "kb-white"}`, "data-i": i };
    const node = el("button", attributes, el("span", { class: "kb-label" }), code);
    const left = whites.filter((white) => white < i).length * wide - (black ? blackWide / 2 : 0);
    Object.assign(node.style, { left: `${left}%`, width: `${black ? blackWide : wide}%` });
    return node;
  });
}
