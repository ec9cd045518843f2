// Decoded sounds. A sound is asked for once for each version of the ids, each speaker and each set of stages, and kept under all
// three, so that a late answer is never taken for another one. Of a long clip, only the sounds that play are fetched; levels and
// quality come without them.

import { clipSoundOf } from "./clip.js";

export const ALL = ["sound", "added"];

/**
 * @typedef {import("./clip.js").ClipSound & {quality: ?object, bits: number, stages: number[], added: ?object}} Facts
 */

export class Decoded {
  /**
   * @param {import("../shared/wire.js").Wire} wire
   * @param {function(): void} onChange something new is here
   * @param {function(string): void} onError
   */
  constructor(wire, onChange, onError) {
    Object.assign(this, { wire, onChange, onError });
    this.clear();
  }

  clear() {
    this.kept = new Map();
    this.pending = new Map();
  }

  key(clip, stages) {
    return `${clip.token}/${clip.version}/${clip.speaker}/${stages.join(",")}`;
  }

  /** @returns {Facts|undefined} the facts about these stages, with or without samples */
  facts(clip, stages) {
    return this.kept.get(this.key(clip, stages));
  }

  /** @returns {import("./clip.js").ClipSound|undefined} their sound, or what the last of them adds, once it is here */
  get(clip, stages, what = "sound") {
    const facts = this.facts(clip, stages);
    const sound = facts && what === "added" ? facts.added : facts;
    return sound && sound.samples ? sound : undefined;
  }

  has(clip, stages, want) {
    const facts = this.facts(clip, stages);
    return Boolean(facts) && want.every((what) => this.get(clip, stages, what) || (what === "added" && !facts.added));
  }

  /**
   * @param {import("./clip.js").Clip} clip
   * @param {number[]} stages
   * @param {string[]} [want] which sounds
   * @returns {Promise<?Facts>} null after an error
   */
  ask(clip, stages, want = ALL) {
    const key = this.key(clip, stages);
    if (this.has(clip, stages, want)) return Promise.resolve(this.kept.get(key));
    const request = `${key}/${want}`;
    if (!this.pending.has(request)) this.pending.set(request, this.fetch(clip, stages, want, request));
    return this.pending.get(request);
  }

  async fetch(clip, stages, want, request) {
    const { token, speaker } = clip;
    const answer = await this.wire.call("decode", { token, stages, want, speaker });
    this.pending.delete(request);
    if (!answer.ok) {
      this.onError(answer.error);
      return null;
    }
    // The ids or the speaker may have changed while this was on its way: what came is filed under what it is.
    const key = this.key({ token, speaker, version: answer.version }, stages);
    const before = this.kept.get(key) || { added: {} };
    const facts = { ...before, ...clipSoundOf(answer), quality: answer.quality, bits: answer.bits_per_second, stages };
    facts.added = answer.added && { ...before.added, ...clipSoundOf(answer.added) };
    this.kept.set(key, facts);
    this.onChange();
    return facts;
  }
}
