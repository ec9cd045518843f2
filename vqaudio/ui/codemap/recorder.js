// Record: the level is shown while it records, and the codes follow as soon as Stop is pressed.

import { number } from "../shared/text.js";
import { levelOf, wavOf } from "./wav.js";

const MAX_S = 60;
const [QUIET_DB, LOUD_DB] = [-60, 0]; // the ends of the meter
const BAR = 3; // pixels a column of the meter
const WORKLET = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[samples]]) { if (samples) this.port.postMessage(samples.slice()); return true; }
});`;
const WHY = {
  NotAllowedError: "The browser does not let this page use the microphone. Allow it beside the address, then press Record again.",
  NotFoundError: "No microphone was found. Plug one in and press Record again, or upload a file.",
  NotReadableError: "Another program is using the microphone. Close it, then press Record again.",
};
const INSECURE = "Browsers record only on pages with an https address. Upload a file instead.";
const LOST = "The microphone was lost while it recorded. Check its plug, then press Record again.";
const TOO_SHORT = "Nothing was recorded. Press Record, speak, then press Stop.";

export class Recorder {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("../shared/player.js").Player} player that falls silent
   * @param {function(File): Promise} onFile
   */
  constructor(page, player, onFile) {
    Object.assign(this, { page, player, onFile, take: null, isStarting: false });
    page.listen(".cm-record", "click", () => (this.take ? this.stop() : this.start()));
  }

  async start() {
    const { page } = this;
    if (this.isStarting) return;
    if (!navigator.mediaDevices) return page.say(INSECURE);
    this.player.stop();
    this.isStarting = true;
    try {
      const wanted = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
      this.take = await this.listenTo(stream);
      page.say("Recording. Press Stop when you are done.");
    } catch (error) {
      page.say(WHY[error.name] || `The microphone cannot be used (${error.name}). Upload a file instead.`);
    }
    this.isStarting = false;
    this.show();
  }

  async listenTo(stream) {
    const context = new AudioContext();
    const address = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    await context.audioWorklet.addModule(address);
    URL.revokeObjectURL(address);
    const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
    const take = { stream, context, chunks: [], samples: 0, levels: [], pending: [] };
    tap.port.onmessage = ({ data }) => this.hear(take, data);
    context.createMediaStreamSource(stream).connect(tap);
    for (const track of stream.getAudioTracks()) track.addEventListener("ended", () => this.lose()); // not fired by stop()
    return take;
  }

  /** Some more samples: about 30 levels a second. */
  hear(take, samples) {
    take.chunks.push(samples);
    take.samples += samples.length;
    take.pending.push(...samples);
    if (take.pending.length >= take.context.sampleRate / 30) {
      take.levels.push(levelOf(Float32Array.from(take.pending)));
      take.pending = [];
      if (this.take === take) this.draw();
    }
    if (this.take === take && take.samples >= MAX_S * take.context.sampleRate) this.stop();
  }

  lose() {
    if (!this.take) return;
    this.end();
    this.page.say(LOST);
  }

  /** @returns {object} what was recorded */
  end() {
    const { take } = this;
    this.take = null;
    for (const track of take.stream.getTracks()) track.stop();
    take.context.close();
    this.show();
    return take;
  }

  stop() {
    const { chunks, samples, context } = this.end();
    if (!samples) return this.page.say(TOO_SHORT);
    return this.onFile(new File([wavOf(chunks, context.sampleRate)], "Recording.wav", { type: "audio/wav" }));
  }

  show() {
    const { page, take } = this;
    page.find(".cm-record span").textContent = take ? "Stop" : "Record";
    page.root.classList.toggle("cm-recording", Boolean(take));
    page.find(".cm-meter").hidden = !take;
    if (take) this.draw();
  }

  draw() {
    const { page, take: { levels, samples, context } } = this;
    const last = levels.length ? levels[levels.length - 1] : QUIET_DB;
    page.find(".cm-meter output").textContent = `${number(samples / context.sampleRate, 1)} s, ${number(last)} dBFS`;
    const canvas = page.find(".cm-meter canvas");
    canvas.width = canvas.clientWidth;
    canvas.height = canvas.clientHeight;
    const pen = canvas.getContext("2d");
    pen.fillStyle = getComputedStyle(canvas).color;
    const shown = levels.slice(-Math.floor(canvas.width / BAR));
    shown.forEach((level, i) => {
      const share = Math.max(0.03, Math.min(1, (level - QUIET_DB) / (LOUD_DB - QUIET_DB)));
      pen.fillRect(i * BAR, ((1 - share) / 2) * canvas.height, BAR - 1, share * canvas.height);
    });
  }
}
