// The transport: one sound at a time, at the model's own rate; a switch of sounds is a cross-fade at the same instant.

const FADE_S = 0.012;

class Player {
  constructor(onEnd) {
    this.onEnd = onEnd;
    this.loop = false;
    this.offset = 0;
    this.now = null; // {source, gain, seconds}
  }

  get playing() {
    return this.now !== null;
  }

  // An AudioContext may start only after a click or a key.
  wake() {
    this.context ||= new AudioContext();
    if (this.context.state === "suspended") this.context.resume();
    return this.context;
  }

  start(samples, rate, gain, from) {
    const context = this.wake();
    this.fadeOut();
    const buffer = context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    const volume = context.createGain();
    source.buffer = buffer;
    source.loop = this.loop;
    volume.gain.setValueAtTime(0, context.currentTime);
    volume.gain.linearRampToValueAtTime(gain, context.currentTime + FADE_S);
    source.connect(volume).connect(context.destination);
    const playing = { source, volume, seconds: buffer.duration };
    source.onended = () => {
      if (this.now !== playing) return;
      this.now = null;
      this.offset = 0;
      this.onEnd();
    };
    this.startedAt = context.currentTime - from;
    source.start(0, from);
    this.now = playing;
  }

  // Keep the position, change the sound.
  change(samples, rate, gain) {
    if (!this.playing) return;
    const at = this.position();
    this.start(samples, rate, gain, at < samples.length / rate ? at : 0);
  }

  fadeOut() {
    if (!this.now) return;
    const { source, volume } = this.now;
    const end = this.context.currentTime + FADE_S;
    this.now = null;
    volume.gain.cancelScheduledValues(this.context.currentTime);
    volume.gain.setValueAtTime(volume.gain.value, this.context.currentTime);
    volume.gain.linearRampToValueAtTime(0, end);
    source.stop(end);
  }

  stop() {
    if (!this.playing) return;
    this.offset = this.position();
    this.fadeOut();
  }

  seek(seconds) {
    this.offset = seconds;
  }

  setLoop(loop) {
    this.loop = loop;
    if (this.now) this.now.source.loop = loop;
  }

  // Seconds into the clip of what leaves the loudspeaker now.
  position() {
    if (!this.now) return this.offset;
    const at = Math.max(0, this.context.currentTime - this.startedAt - (this.context.outputLatency || 0));
    return this.now.source.loop ? at % this.now.seconds : Math.min(at, this.now.seconds);
  }
}

// A short sound on the side: a training clip in which a codeword fires.
function playOnce(context, samples, rate) {
  const buffer = context.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.start();
}

// How many dB a soft sound can be raised: to the level of the reference, and no sample beyond full scale.
function boostFor(samples, level, referenceLevel) {
  if (level === null || referenceLevel === null) return 0;
  let peak = 0;
  for (const x of samples) peak = Math.max(peak, Math.abs(x));
  return Math.max(0, Math.min(referenceLevel - level, -1 - 20 * Math.log10(peak)));
}
