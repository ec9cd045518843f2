// The notes that sound, and those held down: by a pointer, a key of the computer, or a MIDI note.

import { announcePlaying, stopForOthers } from "../shared/player.js";

const RELEASE_S = 0.22;
const RESTRIKE_S = 0.03;
const THRESHOLD_DB = -8; // many keys at once stay below full scale

export class Voices {
  /** @param {function(): void} onChange */
  constructor(onChange) {
    Object.assign(this, { onChange, sounding: new Map(), holders: new Map(), sustained: new Set(), pedal: false });
    stopForOthers(this, () => [...this.sounding.keys()].forEach((key) => this.silence(key, RESTRIKE_S)));
  }

  /** An AudioContext may start only after a click or a key. */
  wake() {
    if (!this.context) {
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.out = this.context.createDynamicsCompressor();
      this.out.threshold.value = THRESHOLD_DB;
      this.out.connect(this.context.destination);
    }
    if (this.context.state === "suspended") this.context.resume();
  }

  /** @returns {Set<number>} the keys that are down */
  get down() {
    return new Set(this.holders.values());
  }

  /** @returns {number|undefined} the key that a holder has down */
  heldBy(holder) {
    return this.holders.get(holder);
  }

  /** @param {string} holder @param {number} key */
  hold(holder, key) {
    this.holders.set(holder, key);
    this.sustained.delete(key);
  }

  /** Let go; a note that is not there yet is played all the same, to its end. @param {string} holder */
  release(holder) {
    const key = this.holders.get(holder);
    if (key === undefined) return;
    this.holders.delete(holder);
    if (this.down.has(key)) return;
    if (this.pedal) this.sustained.add(key);
    else this.silence(key, RELEASE_S);
    this.onChange();
  }

  /** @param {function(string): boolean} [which] holders */
  releaseAll(which = () => true) {
    for (const holder of [...this.holders.keys()].filter(which)) this.release(holder);
    this.setPedal(false);
  }

  /** @param {boolean} isDown */
  setPedal(isDown) {
    this.pedal = isDown;
    if (isDown) return;
    for (const key of this.sustained) this.silence(key, RELEASE_S);
    this.sustained = new Set();
  }

  /** @param {number} key @param {AudioBuffer} buffer @param {number} velocity the gain */
  sound(key, buffer, velocity) {
    this.silence(key, RESTRIKE_S);
    const source = this.context.createBufferSource();
    const volume = this.context.createGain();
    source.buffer = buffer;
    volume.gain.value = velocity;
    source.connect(volume).connect(this.out);
    const voice = { source, volume };
    source.onended = () => {
      if (this.sounding.get(key) === voice) this.sounding.delete(key);
      this.onChange();
    };
    source.start();
    this.sounding.set(key, voice);
    announcePlaying(this);
  }

  silence(key, seconds) {
    const voice = this.sounding.get(key);
    this.sounding.delete(key);
    if (!voice) return;
    const now = this.context.currentTime;
    voice.volume.gain.setTargetAtTime(0, now, seconds / 3);
    voice.source.stop(now + 2 * seconds);
  }
}
