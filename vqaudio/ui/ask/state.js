// The state of the tab. Only its transitions change it; each announces "change".

import { Announcer } from "../shared/announcer.js";

export class State extends Announcer {
  constructor() {
    super();
    this.scene = null; // what `open_scene` returns
    this.answer = null; // what `answer` returns
    this.revealed = false; // whether the true answer is shown
    this.step = null; // number of the program's step whose sounds are marked
    this.all = false; // whether all answers are shown
    this.time = true; // the time coordinate
    this.stages = 0; // stages of the codec that the network sees; 0 is the scene itself
  }

  change(values) {
    Object.assign(this, values);
    this.announce();
  }

  /** @param {object} scene */
  open(scene) {
    const stages = scene.stages.includes(this.stages) ? this.stages : scene.stages[0] || 0;
    this.change({ scene, stages, answer: null, revealed: false, step: null });
  }

  /** @param {object} answer */
  show(answer) {
    this.change({ answer, revealed: false, step: null });
  }

  reveal() {
    const { steps } = this.answer.truth;
    this.change({ revealed: true, step: steps.length ? steps.length - 1 : null });
  }

  /** @param {number} step */
  mark(step) {
    this.change({ step });
  }

  toggleAll() {
    this.change({ all: !this.all });
  }

  /** @param {{time?: boolean, stages?: number}} seen */
  see(seen) {
    this.change(seen);
  }

  /** @returns {number[]} the numbers of the sounds to mark */
  get marked() {
    if (!this.revealed || this.step === null) return [];
    const { steps } = this.answer.truth;
    for (let i = this.step; i >= 0; i--) if (steps[i].sounds) return steps[i].sounds;
    return [];
  }

  /** @returns {?boolean} whether the network is right; null where the truth is not known */
  get right() {
    const { answer } = this.answer.truth;
    return answer === null ? null : answer === this.answer.answers[0][0];
  }
}
