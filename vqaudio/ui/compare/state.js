// The state of the comparison. Only its transitions change it; each announces "change".

import { Announcer } from "../shared/announcer.js";
import { isRight, toss } from "./score.js";

export class State extends Announcer {
  constructor() {
    super();
    this.clip = null; // what `Pair.describe` returns
    this.sides = {}; // original, a, b: what the server sent of them
    this.hearing = "a"; // original, a, b or x
    this.test = null; // {planned, sides, trials, x, switches, since} of a blind test
  }

  change(values) {
    Object.assign(this, values);
    this.announce();
  }

  /** @param {?object} clip */
  open(clip) {
    this.change({ clip, sides: {}, test: null, hearing: "a" });
  }

  /** @param {"original"|"a"|"b"} name @param {object} side */
  addSide(name, side) {
    this.change({ sides: { ...this.sides, [name]: side } });
  }

  /** @param {"original"|"a"|"b"|"x"} what */
  hear(what) {
    const test = this.test && what !== this.hearing ? { ...this.test, switches: this.test.switches + 1 } : this.test;
    this.change({ hearing: what, test });
  }

  /** @returns {string} the audible sound: in a test, X is one of the sides */
  get audible() {
    return this.hearing === "x" ? this.test.x : this.hearing;
  }

  /** @returns {boolean} whether A and B can both be played */
  get ready() {
    return Boolean(this.sides.a && this.sides.b);
  }

  /** @param {number} planned trials */
  startTest(planned) {
    this.test = { planned, sides: this.sides, trials: [] };
    this.nextTrial();
  }

  nextTrial() {
    this.change({ hearing: "x", test: { ...this.test, x: toss(), switches: 0, since: performance.now() } });
  }

  /** @param {"a"|"b"} said which one X is @returns {boolean} whether that was the last trial */
  answer(said) {
    const { x, switches, since, trials, planned } = this.test;
    const trial = { x, answer: said, switches, seconds: (performance.now() - since) / 1000 };
    this.test = { ...this.test, trials: [...trials, trial] };
    return trials.length + 1 === planned;
  }

  /** @returns {object} the test as it ended, and how many answers were right */
  endTest() {
    const { test } = this;
    this.change({ test: null, hearing: "a" });
    return { ...test, right: test.trials.filter(isRight).length };
  }
}
