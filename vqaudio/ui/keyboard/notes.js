// The notes: fetched from the server, a few at a time, and kept.

import { samplesOf } from "../shared/wire.js";

const AT_ONCE = 2;

/** @typedef {{buffer: AudioBuffer, gainDb: number}} Note at the level of all notes, and the gain that brought it there */

export class Notes {
  /**
   * @param {import("../shared/wire.js").Wire} wire
   * @param {function(): void} onChange
   * @param {function(string): void} onError
   */
  constructor(wire, onChange, onError) {
    Object.assign(this, { wire, onChange, onError, made: new Map(), pending: new Map(), queue: [], running: 0 });
  }

  /** @returns {"ready"|"waiting"|"missing"} */
  stateOf(request) {
    const id = idOf(request);
    return this.made.has(id) ? "ready" : this.pending.has(id) ? "waiting" : "missing";
  }

  /** @returns {number} notes asked for and not here yet */
  get waiting() {
    return this.queue.length + this.running;
  }

  /**
   * @param {object} request all that determines a note
   * @param {boolean} first before the others that wait
   * @returns {Promise<?Note>} null after an error, or if it was dropped
   */
  get(request, first) {
    const id = idOf(request);
    if (this.made.has(id)) return Promise.resolve(this.made.get(id));
    if (!this.pending.has(id)) {
      this.pending.set(id, new Promise((resolve) => this.queue[first ? "unshift" : "push"]({ id, request, resolve })));
    } else if (first) this.queue.sort((a, b) => (b.id === id) - (a.id === id));
    this.pump();
    return this.pending.get(id);
  }

  async pump() {
    if (this.running >= AT_ONCE || !this.queue.length) return;
    const { id, request, resolve } = this.queue.shift();
    this.running++;
    this.onChange();
    const answer = await this.wire.call("note", request);
    this.running--;
    this.pending.delete(id);
    if (answer.ok) this.made.set(id, noteOf(answer));
    else this.onError(answer.error);
    resolve(this.made.get(id) || null);
    this.onChange();
    this.pump();
  }

  /** Forget the notes that wait: they will not be played. */
  drop() {
    for (const { id, resolve } of this.queue.splice(0)) {
      this.pending.delete(id);
      resolve(null);
    }
  }
}

function idOf(request) {
  return JSON.stringify(request);
}

function noteOf({ sound, sample_rate, gain_db }) {
  const samples = samplesOf(sound);
  const buffer = new AudioBuffer({ length: samples.length, numberOfChannels: 1, sampleRate: sample_rate });
  buffer.copyToChannel(samples, 0);
  return { buffer, gainDb: gain_db };
}
