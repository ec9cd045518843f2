// Playing sound at its model's own rate. A switch between sounds is a cross-fade that keeps the place.

const FADE_S = 0.012;
const LEAD_S = 0.02; // so that several sounds start at the same instant
const PLAYING = "vq-playing"; // an event of the window: one part of the page has started to play

/**
 * Tell the other parts of the page that one of them starts to play: they stop.
 * @param {object} part
 */
export function announcePlaying(part) {
  globalThis.dispatchEvent(new CustomEvent(PLAYING, { detail: part }));
}

/**
 * @param {object} part of the page
 * @param {function(): void} stop called when another part starts to play
 */
export function stopForOthers(part, stop) {
  globalThis.addEventListener?.(PLAYING, (event) => event.detail !== part && stop());
}

/** What all players share: the AudioContext, the place, looping and stopping. */
class Transport {
  /**
   * @param {function(): void} onEnd called when the sound has ended by itself
   * @param {function(): void} [onInterrupt] called when it was stopped because another part of the page plays
   */
  constructor(onEnd, onInterrupt = () => {}) {
    this.onEnd = onEnd;
    stopForOthers(this, () => {
      if (!this.playing) return;
      this.stop();
      onInterrupt();
    });
    this.loop = false;
    this.offset = 0;
    this.now = null; // {voices: [{name, source, volume}], seconds, startedAt}, or null while nothing plays
  }

  get playing() {
    return this.now !== null;
  }

  /** An AudioContext may start only after a click or a key. @returns {AudioContext} */
  wake() {
    this.context ||= new AudioContext();
    if (this.context.state === "suspended") this.context.resume();
    return this.context;
  }

  /** @returns {number} seconds into the clip of what leaves the loudspeaker now */
  position() {
    if (!this.now) return this.offset;
    const at = Math.max(0, this.context.currentTime - this.now.startedAt - (this.context.outputLatency || 0));
    return this.loop ? at % this.now.seconds : Math.min(at, this.now.seconds);
  }

  stop() {
    if (!this.playing) return;
    this.offset = this.position();
    this.fadeOut();
  }

  /** @param {number} seconds where to start next */
  seek(seconds) {
    this.offset = seconds;
  }

  /** @param {boolean} loop */
  setLoop(loop) {
    this.loop = loop;
    if (this.now) for (const { source } of this.now.voices) source.loop = loop;
  }

  fadeOut() {
    if (!this.now) return;
    const { voices } = this.now;
    const end = this.context.currentTime + FADE_S;
    this.now = null;
    for (const { source, volume } of voices) {
      fade(this.context, volume, 0, end);
      source.stop(end);
    }
  }

  /** A source of these samples, with a volume, not yet started. */
  voice(samples, rate, name = "") {
    const source = sourceOf(this.context, samples, rate);
    const volume = this.context.createGain();
    source.loop = this.loop;
    source.connect(volume).connect(this.context.destination);
    return { name, source, volume };
  }

  /** Start voices at `when` on the context's clock, `from` seconds into the clip. */
  run(voices, when, from, seconds) {
    const now = { voices, seconds, startedAt: when - from };
    for (const { source } of voices) {
      source.onended = () => this.ended(now);
      source.start(when, from);
    }
    this.now = now;
    announcePlaying(this);
  }

  ended(which) {
    if (this.now !== which) return;
    this.now = null;
    this.offset = 0;
    this.onEnd();
  }
}

/** Plays one sound at a time. */
export class Player extends Transport {
  /**
   * @param {Float32Array} samples
   * @param {number} rate in Hz
   * @param {number} gain
   * @param {number} from in seconds
   */
  start(samples, rate, gain, from) {
    const context = this.wake();
    this.fadeOut();
    const voice = this.voice(samples, rate);
    voice.volume.gain.setValueAtTime(0, context.currentTime);
    voice.volume.gain.linearRampToValueAtTime(gain, context.currentTime + FADE_S);
    this.run([voice], context.currentTime, from, voice.source.buffer.duration);
  }

  /** Keep the place, change the sound, if one is playing. */
  change(samples, rate, gain) {
    if (!this.playing) return;
    const at = this.position();
    this.start(samples, rate, gain, at < samples.length / rate ? at : 0);
  }
}

/** Plays several versions of one clip in step; one is audible. */
export class Chorus extends Transport {
  constructor(onEnd, onInterrupt) {
    super(onEnd, onInterrupt);
    this.sounds = new Map(); // name -> {samples, rate}
    this.audible = "";
  }

  /** The length that all have; a sound of a lower rate may be a sample longer. */
  get seconds() {
    return Math.min(...[...this.sounds.values()].map((sound) => sound.samples.length / sound.rate));
  }

  /** Add a sound, or replace it. @param {string} name @param {Float32Array} samples @param {number} rate */
  set(name, samples, rate) {
    const at = this.position();
    this.sounds.set(name, { samples, rate });
    if (this.playing) this.start(at);
  }

  clear() {
    this.stop();
    this.seek(0);
    this.sounds.clear();
  }

  /** @param {number} from in seconds */
  start(from) {
    const context = this.wake();
    this.fadeOut();
    const voices = [...this.sounds].map(([name, { samples, rate }]) => {
      const voice = this.voice(samples, rate, name);
      voice.source.loopEnd = this.seconds;
      voice.volume.gain.setValueAtTime(name === this.audible ? 1 : 0, context.currentTime);
      return voice;
    });
    this.run(voices, context.currentTime + LEAD_S, from, this.seconds);
  }

  /** Make one sound audible; the others go on silently. @param {string} name */
  hear(name) {
    this.audible = name;
    if (!this.playing) return;
    const end = this.context.currentTime + FADE_S;
    for (const voice of this.now.voices) fade(this.context, voice.volume, voice.name === name ? 1 : 0, end);
  }

  seek(seconds) {
    super.seek(seconds);
    if (this.playing) this.start(seconds);
  }
}

function fade(context, volume, gain, end) {
  volume.gain.cancelScheduledValues(context.currentTime);
  volume.gain.setValueAtTime(volume.gain.value, context.currentTime);
  volume.gain.linearRampToValueAtTime(gain, end);
}

function sourceOf(context, samples, rate) {
  const source = context.createBufferSource();
  source.buffer = context.createBuffer(1, samples.length, rate);
  source.buffer.copyToChannel(samples, 0);
  return source;
}

/**
 * Play a short sound on the side.
 * @param {AudioContext} context
 * @param {Float32Array} samples
 * @param {number} rate in Hz
 */
export function playOnce(context, samples, rate) {
  const source = sourceOf(context, samples, rate);
  source.connect(context.destination);
  source.start();
}

function peakDb(samples) {
  let peak = 0;
  for (const x of samples) peak = Math.max(peak, Math.abs(x));
  return 20 * Math.log10(peak);
}

/**
 * The gain that brings a sound to a level, with no sample above -1 dBFS.
 * @param {Float32Array} samples
 * @param {?number} level in dB; null is digital silence
 * @param {number} target in dB
 * @returns {number} in dB, negative for a loud sound
 */
export function gainToLevel(samples, level, target) {
  return level === null ? 0 : Math.min(target - level, -1 - peakDb(samples));
}

/**
 * How far a soft sound can be raised: to the reference's level, with no sample above -1 dBFS.
 * @param {Float32Array} samples
 * @param {?number} level in dB; null is digital silence
 * @param {?number} reference in dB
 * @returns {number} in dB, 0 or more
 */
export function boostFor(samples, level, reference) {
  return reference === null ? 0 : Math.max(0, gainToLevel(samples, level, reference));
}
