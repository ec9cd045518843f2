// The answer: bars of all answers, and the true answer with the program that finds it.

import { el, markChosen } from "../shared/dom.js";
import { barsOf } from "./suggest.js";

export class AnswerView {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   */
  constructor(page, state) {
    Object.assign(this, { page, state });
    page.find(".ak-reveal").addEventListener("click", () => state.reveal());
    page.find(".ak-all").addEventListener("click", () => state.toggleAll());
    page.find(".ak-time input").addEventListener("change", (event) => state.see({ time: event.target.checked }));
    state.on("change", () => this.show());
  }

  show() {
    this.showStages();
    const { answer } = this.state;
    this.page.find(".ak-answer").hidden = !answer;
    if (!answer) return;
    this.page.find(".ak-text").textContent = answer.answers[0][0];
    this.page.find(".ak-bars").replaceChildren(...barsOf(answer.answers, this.state.all).map(bar));
    this.page.find(".ak-all").hidden = answer.answers.length <= 10;
    this.page.find(".ak-all").setAttribute("aria-pressed", String(this.state.all));
    this.page.find(".ak-all").textContent = this.state.all ? "The ten likeliest" : `All ${answer.answers.length} answers`;
    this.showTruth(answer.truth);
  }

  showTruth(truth) {
    const { revealed, right, step } = this.state;
    this.page.find(".ak-reveal").hidden = revealed;
    this.page.find(".ak-truth").hidden = !revealed;
    if (!revealed) return;
    const verdict = this.page.find(".ak-true");
    verdict.textContent = verdictOf(truth, right);
    verdict.className = `ak-true ${right === null ? "" : right ? "ak-right" : "ak-wrong"}`;
    const steps = truth.steps.map((one, number) =>
      el("li", {},
        el("button", { type: "button", "aria-pressed": String(number === step), onclick: () => this.state.mark(number) },
          one.text, el("b", { text: valueOf(one) }))));
    this.page.find(".ak-steps").replaceChildren(...steps);
  }

  showStages() {
    const { scene, stages } = this.state;
    const box = this.page.find(".ak-stages");
    box.hidden = !scene || scene.kind !== "sound" || scene.stages.length < 2;
    if (box.hidden) return;
    const name = (n) => (n === 0 ? "Spectrogram" : n === 1 ? "Codes of 1 stage" : `Codes of ${n} stages`);
    box.replaceChildren(...scene.stages.map((n) =>
      el("button", {
        type: "button", role: "radio", "data-stages": n, text: name(n), onclick: () => this.state.see({ stages: n }),
      })));
    markChosen(box.children, (button) => Number(button.dataset.stages) === stages);
  }
}

function bar({ text, share, percent }) {
  const length = el("i", { style: `width: ${100 * share}%` });
  return el("div", { class: "ak-bar" }, el("span", { text }), length, el("span", { text: percent }));
}

function valueOf({ sounds, value }) {
  if (!sounds) return value;
  return sounds.length === 1 ? `sound ${sounds[0] + 1}` : `${sounds.length} sounds`;
}

function verdictOf(truth, right) {
  if (right === null) return truth.why;
  return right ? `Correct: ${truth.answer}` : `Wrong: it is ${truth.answer}`;
}
