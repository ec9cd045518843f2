// The state of the keyboard: who plays, with which labels, and which keys are shown. Only its transitions change it; each
// announces "change".

import { Announcer } from "../shared/announcer.js";
import { bestOctave, HIGHEST, N_KEYS, trainedKeys } from "./pitches.js";

export class State extends Announcer {
  constructor() {
    super();
    this.players = []; // priors that know notes, as the server describes them
    this.name = ""; // of the one that is chosen
    this.labels = {};
    this.seconds = 1.5;
    this.take = 0;
    this.lowest = 48; // the key at the left end, a C
    this.last = null; // the request of the note that was played last
    this.job = null; // {token} while an instrument is made; no token while it starts
  }

  change(values) {
    Object.assign(this, values);
    this.announce();
  }

  /** @returns {object|undefined} */
  get player() {
    return this.players.find(({ name }) => name === this.name);
  }

  /** @returns {number[]} the player's keys that it was trained on with these labels; all if there are none */
  get usualKeys() {
    const trained = trainedKeys(this.player, this.labels);
    return trained.length ? trained : this.player.keys;
  }

  /** @param {number} key @returns {object} all that determines its note */
  requestOf(key) {
    return { prior: this.name, labels: this.labels, key, seconds: this.seconds, take: this.take };
  }

  /** @param {object[]} players */
  setPlayers(players) {
    this.change({ players });
  }

  /** @param {string} name @param {Object<string, string>} labels */
  choose(name, labels) {
    Object.assign(this, { name, labels });
    this.change({ lowest: bestOctave(this.usualKeys) });
  }

  /** @param {number} seconds of a note @param {number} take another number gives other notes */
  setNote(seconds, take) {
    this.change({ seconds, take });
  }

  /** @param {number} octaves to the right */
  shift(octaves) {
    this.change({ lowest: Math.max(0, Math.min(HIGHEST - N_KEYS + 1, this.lowest + 12 * octaves)) });
  }

  /** @param {object} request of the note that was played */
  played(request) {
    this.change({ last: request });
  }

  /** @param {?{token: ?string}} job */
  setJob(job) {
    this.change({ job });
  }
}
