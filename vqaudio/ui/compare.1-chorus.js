// Several versions of one clip that play in step; one is heard, and a switch is a cross-fade at the same instant.

const FADE_S = 0.012;

class Chorus {
  constructor(onEnd) {
    this.onEnd = onEnd;
    this.voices = new Map(); // name -> {samples, rate}
    this.now = null; // {name -> {source, volume}}, or null while nothing plays
    this.heard = "a";
    this.loop = false;
    this.offset = 0;
  }

  get playing() {
    return this.now !== null;
  }

  // The length that all voices have; those of a lower rate may be a sample longer.
  get seconds() {
    return Math.min(...[...this.voices.values()].map((voice) => voice.samples.length / voice.rate));
  }

  set(name, samples, rate) {
    const at = this.position();
    this.voices.set(name, { samples, rate });
    if (this.playing) this.start(at);
  }

  start(from) {
    this.context ||= new AudioContext();
    if (this.context.state === "suspended") this.context.resume();
    this.silence();
    const when = this.context.currentTime + 0.02;
    const now = new Map();
    for (const [name, { samples, rate }] of this.voices) {
      const buffer = this.context.createBuffer(1, samples.length, rate);
      buffer.copyToChannel(samples, 0);
      const source = this.context.createBufferSource();
      const volume = this.context.createGain();
      source.buffer = buffer;
      source.loop = this.loop;
      source.loopEnd = this.seconds;
      volume.gain.setValueAtTime(name === this.heard ? 1 : 0, this.context.currentTime);
      source.connect(volume).connect(this.context.destination);
      source.onended = () => this.ended(now);
      source.start(when, from);
      now.set(name, { source, volume });
    }
    this.startedAt = when - from;
    this.now = now;
  }

  ended(which) {
    if (this.now !== which) return;
    this.now = null;
    this.offset = 0;
    this.onEnd();
  }

  // Who is heard; the others go on silently.
  hear(name) {
    this.heard = name;
    if (!this.playing) return;
    const at = this.context.currentTime;
    for (const [other, { volume }] of this.now) {
      volume.gain.cancelScheduledValues(at);
      volume.gain.setValueAtTime(volume.gain.value, at);
      volume.gain.linearRampToValueAtTime(other === name ? 1 : 0, at + FADE_S);
    }
  }

  silence() {
    if (!this.now) return;
    const [playing, end] = [this.now, this.context.currentTime + FADE_S];
    this.now = null;
    for (const { source, volume } of playing.values()) {
      volume.gain.cancelScheduledValues(this.context.currentTime);
      volume.gain.setValueAtTime(volume.gain.value, this.context.currentTime);
      volume.gain.linearRampToValueAtTime(0, end);
      source.stop(end);
    }
  }

  stop() {
    if (!this.playing) return;
    this.offset = this.position();
    this.silence();
  }

  seek(seconds) {
    this.offset = seconds;
    if (this.playing) this.start(seconds);
  }

  setLoop(loop) {
    this.loop = loop;
    if (this.now) for (const { source } of this.now.values()) source.loop = loop;
  }

  position() {
    if (!this.now) return this.offset;
    const at = Math.max(0, this.context.currentTime - this.startedAt - (this.context.outputLatency || 0));
    return this.loop ? at % this.seconds : Math.min(at, this.seconds);
  }
}
