// The blind test: its trials, and its result.

import { el, saveFile, svg } from "../shared/dom.js";
import { guessChances, isRight, scoreSheet, verdict } from "./score.js";

const [WIDTH, HEIGHT] = [560, 110];
const HEAD = ["trial", "X was", "you said", "", "switches", "seconds"];

export class BlindTest {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./transport.js").TransportView} transport
   */
  constructor(page, state, transport) {
    Object.assign(this, { page, state, transport });
    page.listen(".cp-start", "click", () => this.start());
    page.listen(".cp-stop", "click", () => this.end());
    page.listen("[data-answer]", "click", (event) => this.answer(event.currentTarget.dataset.answer));
    state.on("change", () => this.show());
  }

  start() {
    const { page, state } = this;
    const reason = this.unavailableReason;
    if (reason) return page.say(reason);
    page.find(".cp-result").hidden = true;
    state.startTest(this.planned);
    this.sayTrial();
    this.transport.playIfSilent();
  }

  get planned() {
    return Math.round(Number(this.page.find(".cp-planned").value));
  }

  /** @returns {string} why a test cannot start now; "" if it can */
  get unavailableReason() {
    const { sides: { a, b }, ready } = this.state;
    if (!ready) return "A and B are still being decoded: press again in a moment.";
    if (a.model === b.model && a.stages === b.stages) {
      return "A and B are the same: choose another model or number of stages for one of them.";
    }
    return this.planned >= 5 && this.planned <= 100 ? "" : "A test has 5 to 100 trials.";
  }

  answer(said) {
    if (!this.state.test) return;
    if (this.state.answer(said)) return this.end();
    this.state.nextTrial();
    this.sayTrial();
  }

  sayTrial() {
    this.page.say(`Trial ${this.state.test.trials.length + 1}: which one is X?`);
  }

  end() {
    const { page, state } = this;
    const result = state.endTest();
    const { trials, planned, right } = result;
    if (!trials.length) return page.say("The test was stopped before the first answer.");
    page.find(".cp-result").hidden = false;
    page.find(".cp-verdict").textContent = verdict(right, trials.length, planned);
    page.find(".cp-chart").replaceChildren(chanceChart(right, trials.length));
    page.find(".cp-sheet").replaceChildren(...tableOf(trials));
    page.find(".cp-csv").onclick = () => this.save(result);
    page.say("The test is over.");
  }

  show() {
    const { page, state: { test } } = this;
    page.find(".cp-begin").hidden = Boolean(test);
    page.find(".cp-trial").hidden = !test;
    if (test) page.find(".cp-count").textContent = `Trial ${test.trials.length + 1} of ${test.planned}`;
    for (const button of page.findAll("[data-answer]")) button.disabled = !test;
  }

  save({ sides, trials, matched }) {
    const { title } = this.state.clip;
    const name = title.replace(/[^A-Za-z0-9_-]+/g, "-") || "clip";
    saveFile(`${name}-abx.csv`, scoreSheet(title, sides, trials, matched), "text/csv");
    this.page.say("Saved the score sheet.");
  }
}

function tableOf(trials) {
  const row = (tag, cells, attributes = {}) => el("tr", attributes, ...cells.map((text) => el(tag, { text })));
  const rows = trials.map((trial, i) => {
    const { x, answer, switches, seconds } = trial;
    const outcome = isRight(trial) ? "right" : "wrong";
    const cells = [i + 1, x.toUpperCase(), answer.toUpperCase(), outcome, switches, seconds.toFixed(1)];
    return row("td", cells, isRight(trial) ? {} : { class: "cp-wrong" });
  });
  return [el("thead", {}, row("th", HEAD)), el("tbody", {}, ...rows)];
}

/** The chances of each score by guessing, as bars; this score and better are marked: their sum is p. */
function chanceChart(right, n) {
  const chances = guessChances(n);
  const most = Math.max(...chances);
  const wide = WIDTH / (n + 1);
  const bars = chances.map((chance, k) => {
    const height = Math.max(1, (HEIGHT * chance) / most);
    const size = { x: k * wide + 1, y: HEIGHT - height, width: Math.max(1, wide - 2), height };
    return svg("rect", { ...size, class: k >= right ? "cp-tail" : "cp-head" });
  });
  const labels = [...new Set([0, right, n])].map((k) => {
    const anchor = k === 0 ? "start" : k === n ? "end" : "middle";
    return svg("text", { x: (k + 0.5) * wide, y: HEIGHT + 13, "text-anchor": anchor }, k === right ? `${k} right` : k);
  });
  const node = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, role: "img",
    "aria-label": `How many right answers guessing gives; ${right} or more are marked`,
  });
  node.append(...bars, ...labels);
  return node;
}
