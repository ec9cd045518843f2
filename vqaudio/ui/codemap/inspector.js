// The panel of the chosen cell: its codeword, the codewords that were nearly chosen, and training clips in which it fires.

import { el } from "../shared/dom.js";
import { playOnce } from "../shared/player.js";
import { counted, number } from "../shared/text.js";
import { samplesOf } from "../shared/wire.js";
import { placeOf } from "./geometry.js";
import { colourOf } from "./paint.js";
import { describeCell, describeCode, trainingCount } from "./words.js";

const HELP = "Click a cell, or press Enter on one, to see why that code was chosen and to put another one in its place.";
const TO_ORIGINAL = "Distance: how far each codeword is from the residual of the stages above. The encoder chose the nearest.";
const TO_HERE = "Distance: how far each codeword is from the one in this cell.";
const UNMEASURED = "Where it fires in the training set was not measured for this model.";

export class Inspector {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("../shared/player.js").Player} player
   * @param {import("./editing.js").Editing} editing
   * @param {function(string, object): void} trigger from Gradio
   */
  constructor(page, state, wire, player, editing, trigger) {
    Object.assign(this, { page, state, wire, player, editing, trigger, node: page.find(".cm-cell") });
    state.on("clip", () => this.node.replaceChildren(help(HELP)));
    state.on("picked", () => this.ask());
  }

  /** Choose a cell, and say what it is. @param {import("./geometry.js").Cell} cell */
  pick(cell) {
    const { clip, surprise } = this.state;
    if (clip.draft) return;
    this.page.say(describeCell(clip, cell, surprise));
    this.state.pick(cell);
  }

  async ask() {
    const { clip, picked } = this.state;
    this.trigger("pick_cell", picked);
    const answer = await this.wire.call("inspect", { token: clip.token, ...picked });
    if (this.state.picked !== picked) return;
    if (!answer.ok) return this.page.say(answer.error);
    this.show(answer);
  }

  show(answer) {
    const { clip } = this.state;
    const { stage } = placeOf(clip.geometry, answer);
    const time = number(answer.column / clip.geometry.frameRate, 2);
    const where = ` of stage ${stage.number + 1}, at ${time} s; ${describeCode(clip, answer.row, answer.index)}.`;
    const name = el("b", { text: `Code ${answer.index}` });
    const title = el("p", { class: "cm-cell-title" }, chip(clip, stage, answer.index), name, el("span", { text: where }));
    this.node.replaceChildren(title, ...this.words(stage, answer), ...this.examples(answer), ...this.undo());
  }

  words(stage, answer) {
    if (!answer.words.length) return [help("This codec does not say how near its codewords are.")];
    const head = el("tr", {}, ...["", "code", "distance", "training", ""].map((text) => el("th", { text })));
    const rows = answer.words.map((word) => this.word(stage, answer, word));
    const table = el("table", { class: "cm-words" }, el("thead", {}, head), el("tbody", {}, ...rows));
    return [help(answer.from_original ? TO_ORIGINAL : TO_HERE), table, this.anyOther(stage)];
  }

  word(stage, answer, { rank, index, distance }) {
    const { clip } = this.state;
    const isHere = index === answer.index;
    const label = `Put code ${index} here`;
    const put = isHere ? el("span", { class: "cm-here", text: "is here" })
      : button("cm-put", "Put here", () => this.editing.put(index), { "aria-label": label });
    const count = trainingCount(clip, answer.row, index);
    const name = [chip(clip, stage, index), `${index}`];
    const cells = [[`${rank}`], name, [number(distance, 3)], [count ? count.share : "–"], [put]];
    return el("tr", isHere ? { class: "cm-row-here" } : {}, ...cells.map((cell) => el("td", {}, ...cell)));
  }

  anyOther(stage) {
    const limits = { type: "number", min: 0, max: stage.vocab - 1, required: "" };
    const field = el("input", { ...limits, "aria-label": "Code to put here" });
    const onsubmit = (event) => {
      event.preventDefault();
      this.editing.put(field.valueAsNumber);
    };
    return el("form", { class: "cm-other", onsubmit }, el("label", { text: "Any other " }, field),
      el("button", { class: "cm-small", text: "Put here" }));
  }

  examples(answer) {
    if (!answer.measured) return [help(UNMEASURED)];
    if (!answer.examples.length) return [help("It fires nowhere in the training set.")];
    const items = answer.examples.map(({ clip, time_s, playable }, i) => {
      const text = `${clip.replaceAll("_", " ")} at ${number(time_s, 2)} s`;
      if (!playable) return el("span", { class: "cm-example-name", text });
      return button("cm-example", `▸ ${text}`, () => this.playExample(answer.row, answer.index, i));
    });
    return [help(`Training clips in which it fires. ${answer.hint}`), el("div", { class: "cm-examples" }, ...items)];
  }

  async playExample(row, index, i) {
    const { clip } = this.state;
    const context = this.player.wake();
    const answer = await this.wire.call("example", { token: clip.token, row, index, number: i });
    if (!answer.ok) return this.page.say(answer.error);
    this.player.stop();
    playOnce(context, samplesOf(answer.sound), clip.sample_rate);
  }

  undo() {
    const { edits } = this.state.clip;
    if (!edits) return [];
    return [button("cm-undo", `Undo the last of ${counted(edits, "change")}`, () => this.editing.undoEdit())];
  }
}

function help(text) {
  return el("p", { class: "cm-help", text });
}

function button(name, text, onclick, attributes = {}) {
  return el("button", { type: "button", class: `cm-small ${name}`, text, onclick, ...attributes });
}

function chip(clip, stage, id) {
  const node = el("i", { class: "cm-chip" });
  node.style.background = `rgb(${colourOf(clip, stage, id)})`;
  return node;
}
