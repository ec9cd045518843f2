// The sound that plays: it follows the state's source and stages, and fetches what they need.

import { boostFor, gainToLevel, Player } from "../shared/player.js";
import { enabledStages, isPrefix } from "../shared/stages.js";
import { range } from "../shared/text.js";
import { samplesOf } from "../shared/wire.js";
import { ALL, Decoded } from "./decoded.js";
import { describeSource } from "./words.js";

const PENDING_AFTER_MS = 120; // more clicks may follow on an arbitrary set of stages
export const LOUDNESS_DB = -23; // dBFS, to which generated sound is raised or lowered

export class Listening {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   */
  constructor(page, state, wire) {
    Object.assign(this, { page, state, wire, timer: null, playedKey: "", hasPlayed: false });
    this.player = new Player(() => this.onEnd(), () => state.announce());
    this.decoded = new Decoded(wire, () => this.refresh(), (sentence) => page.say(sentence));
    state.on("sound", () => this.request());
    state.on("clip", () => (state.clip ? !state.clip.draft && this.fetchPrefixes() : this.player.stop()));
    for (const change of ["edited", "speaker"]) state.on(change, () => this.fetchPrefixes());
  }

  onEnd() {
    this.state.announce();
    if (this.page.find(".cm-status").textContent.startsWith("Playing")) this.page.say("Stopped at the end.");
  }

  /** Another clip is opened: nothing of the last one is needed. */
  reset() {
    this.rewind();
    this.decoded.clear();
    this.playedKey = "";
  }

  rewind() {
    this.player.stop();
    this.player.seek(0);
  }

  /** @returns {number[]} the stages that sound */
  get stages() {
    const { source, addedStage, enabled } = this.state;
    return source === "added" ? range(addedStage + 1) : enabledStages(enabled);
  }

  /** @returns {string[]} what to fetch of them */
  get wanted() {
    const { clip, source } = this.state;
    return clip.long ? [source === "added" ? "added" : "sound"] : ALL;
  }

  /** @returns {import("./clip.js").ClipSound|undefined} the sound to play, once it is here */
  get sound() {
    const { clip, source, preview } = this.state;
    if (source === "original") return clip.original.samples ? clip.original : undefined;
    if (source === "variation") return preview ? preview.sound : undefined;
    return this.decoded.get(clip, this.stages, source === "added" ? "added" : "sound");
  }

  /** @returns {import("./clip.js").ClipSound|undefined} the sound whose spectrogram the map shows */
  get shownSound() {
    return this.state.source === "original" ? this.state.clip.original : this.sound;
  }

  /** @returns {number} by how much the sound can be raised (negative: lowered) to the set loudness */
  get raiseDb() {
    const { clip, enabled, raisable } = this.state;
    const { sound } = this;
    if (!raisable || !sound) return 0;
    if (raisable === "generated") return gainToLevel(sound.samples, sound.level, LOUDNESS_DB);
    const whole = clip.original || this.decoded.facts(clip, range(enabled.length));
    return whole ? boostFor(sound.samples, sound.level, whole.level) : 0;
  }

  /** @returns {number} dB that are added to the sound now */
  get gainDb() {
    const { raisable, raised } = this.state;
    return raisable && raised[raisable] ? this.raiseDb : 0;
  }

  get gain() {
    return Math.pow(10, this.gainDb / 20);
  }

  /** A sound has arrived: hear it, if it is the one. */
  refresh() {
    this.switchSound();
    this.state.announce();
  }

  /** Replace the sound that plays. */
  switchSound() {
    const { clip, source, preview } = this.state;
    if (!clip) return; // closed while its sound was on the way
    const { sound } = this;
    const heard = [source, clip.token, clip.version, clip.speaker, this.stages, this.gainDb, preview && preview.key];
    const key = sound && heard.join("/");
    if (!sound || key === this.playedKey) return;
    this.playedKey = key;
    this.player.change(sound.samples, clip.sample_rate, this.gain);
  }

  /** Fetch the sound to play. */
  request() {
    clearTimeout(this.timer);
    const { clip, source } = this.state;
    if (source !== "original" && source !== "variation" && !clip.draft && !this.sound) {
      const ask = () => clip === this.state.clip && this.decoded.ask(clip, this.stages, this.wanted);
      this.timer = setTimeout(ask, isPrefix(this.stages) ? 0 : PENDING_AFTER_MS);
    }
    this.switchSound();
  }

  /** Every prefix, one after the other: for the curves, the levels, and so that the slider answers at once. */
  async fetchPrefixes() {
    const { clip } = this.state;
    const { version, speaker } = clip;
    const n = clip.geometry.stages.length;
    const same = () => clip === this.state.clip && version === clip.version && speaker === clip.speaker;
    if (!(await this.decoded.ask(clip, range(n), this.wanted)) || !same()) return;
    if (clip.original && !clip.original.samples) await this.fetchOriginal(clip);
    for (let first = 1; first <= n && same(); first++) {
      if (!(await this.decoded.ask(clip, range(first), clip.long ? [] : ALL))) return;
    }
  }

  async fetchOriginal(clip) {
    const answer = await this.wire.call("original", { token: clip.token });
    if (!answer.ok) return this.page.say(answer.error);
    this.state.addOriginal(clip, samplesOf(answer.sound));
    if (clip === this.state.clip) this.refresh();
  }

  play() {
    const { state, player, sound } = this;
    if (!state.clip || !sound) return;
    const atEnd = player.offset > state.clip.seconds - 0.02;
    player.start(sound.samples, state.clip.sample_rate, this.gain, atEnd ? 0 : player.offset);
    this.hasPlayed = true;
    this.page.say(`Playing ${describeSource(state, this.gainDb)}.`);
    state.announce("playing");
  }

  playIfSilent() {
    if (!this.player.playing) this.play();
  }

  playOrStop() {
    if (!this.player.playing) return this.play();
    this.player.stop();
    this.page.say("Stopped.");
    this.state.announce();
  }

  /** While Stages is dragged the sound goes round, once a person has pressed Play. @param {boolean} isDragged */
  loopWhile(isDragged) {
    const { player } = this;
    if (isDragged && this.hasPlayed) {
      player.setLoop(true);
      this.playIfSilent();
    } else if (!isDragged) player.setLoop(this.page.find(".cm-loop").checked);
  }

  /** Go on from there, playing or not. @param {number} seconds */
  seek(seconds) {
    const wasPlaying = this.player.playing;
    this.player.stop();
    this.player.seek(Math.min(this.state.clip.seconds, seconds));
    if (wasPlaying) this.play();
    this.state.announce();
  }

  /** Choose what plays. @param {"original"|"decoded"|"added"} source @param {number} [addedStage] */
  hear(source, addedStage) {
    this.player.wake();
    this.state.listenTo(source, addedStage);
    this.saySource();
  }

  /** @param {boolean[]} enabled @param {?boolean[]} [beforeSolo] */
  hearStages(enabled, beforeSolo) {
    if (!enabled.some(Boolean)) return this.page.say("At least one stage stays on.");
    this.player.wake();
    this.state.enableStages(enabled, beforeSolo);
    this.saySource();
  }

  saySource() {
    const { state, player } = this;
    this.page.say(`${player.playing ? "Playing" : "Ready to play"} ${describeSource(state, this.gainDb)}.`);
  }
}
