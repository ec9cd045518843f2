// The state of the keyboard: who plays, with which labels, and which keys are shown. Only its transitions change it; each
// announces "change".

import { Announcer } from "../shared/announcer.js";
import { bestOctave, HIGHEST, trainedKeys, TWO_OCTAVES } from "./pitches.js";

export class State extends Announcer {
  constructor() {
    super();
    this.players = []; // priors that know notes, as the server describes them
    this.name = ""; // of the one that is chosen
    this.labels = {};
    this.seconds = 1.5;
    this.take = 0;
    this.lowest = 48; // the key at the left end, a C
    this.size = TWO_OCTAVES; // keys shown
    this.trueLevel = false; // whether notes are played as the model makes them, or all at one level
    this.levelDb = 0; // dBFS, of all notes
    this.last = null; // the request of the last note played
    this.lastNote = null;
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

  /** @param {object[]} players @param {number} levelDb of their notes, in dBFS */
  setPlayers(players, levelDb) {
    this.change({ players, levelDb });
  }

  /** @param {string} name @param {Object<string, string>} labels */
  choose(name, labels) {
    Object.assign(this, { name, labels });
    this.change({ lowest: bestOctave(this.usualKeys, this.size) });
  }

  /** @param {number} seconds of a note @param {number} take another number gives other notes */
  setNote(seconds, take) {
    this.change({ seconds, take });
  }

  /** @param {number} octaves to the right */
  shift(octaves) {
    this.change({ lowest: Math.max(0, Math.min(HIGHEST - this.size + 1, this.lowest + 12 * octaves)) });
  }

  /** @param {number} size keys to show; another size starts where most of the player's keys are */
  resize(size) {
    if (size === this.size) return;
    this.size = size;
    this.change(this.player ? { lowest: bestOctave(this.usualKeys, size) } : {});
  }

  /** @param {boolean} trueLevel */
  setTrueLevel(trueLevel) {
    this.change({ trueLevel });
  }

  /** @param {object} request of the note played @param {import("./notes.js").Note} note */
  played(request, note) {
    this.change({ last: request, lastNote: note });
  }

  /** @param {?{token: ?string}} job */
  setJob(job) {
    this.change({ job });
  }
}
