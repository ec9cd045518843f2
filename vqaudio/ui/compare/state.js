// The state of the comparison. Only its transitions change it; each announces "change".

import { Announcer } from "../shared/announcer.js";
import { matchingGains } from "./levels.js";
import { isRight, toss } from "./score.js";

export class State extends Announcer {
  constructor() {
    super();
    this.clip = null; // what `Pair.describe` returns
    this.sides = {}; // original, a, b: what the server sent of them, their samples and peak
    this.matched = true; // whether all are played at one level
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

  /** @param {"original"|"a"|"b"} name @param {object} side with its samples and their peak */
  addSide(name, side) {
    this.sides = { ...this.sides, [name]: side };
    this.announce("levels");
  }

  /** @param {boolean} matched whether to play all sounds at one level */
  match(matched) {
    this.matched = matched;
    this.announce("levels");
  }

  /** @returns {Object<string, number>} the gain of each sound, in dB */
  get gains() {
    const levels = Object.entries(this.sides).map(([name, { level_db, peak }]) => [name, { level: level_db, peak }]);
    return this.matched ? matchingGains(Object.fromEntries(levels)) : Object.fromEntries(levels.map(([name]) => [name, 0]));
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
    this.test = { planned, sides: this.sides, matched: this.matched, trials: [] };
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
