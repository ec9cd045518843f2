// The scene: the spectrogram with its sounds and the playhead, or the picture; examples and new scenes.

import { spectrogramImage, surfaceOf } from "../shared/canvas.js";
import { el } from "../shared/dom.js";
import { bytesOf, samplesOf } from "../shared/wire.js";

export class SceneView {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/player.js").Player} player
   * @param {function(?number): void} open opens a scene of this number, or a new one
   */
  constructor(page, state, player, open) {
    Object.assign(this, { page, state, player, open, image: null, samples: null });
    page.find(".ak-new").addEventListener("click", () => open(null));
    page.find(".ak-play").addEventListener("click", () => this.toggle());
    page.find(".ak-canvas").addEventListener("click", (event) => this.playFrom(event));
    state.on("change", () => this.draw());
    page.onResize(() => this.draw());
    page.onRecolour(() => this.recolour());
  }

  /** Show the scene that was opened. */
  show() {
    const { scene } = this.state;
    this.player.stop();
    this.player.seek(0);
    this.samples = scene.sound ? samplesOf(scene.sound) : null;
    const what = scene.kind === "sound" ? `${scene.spans.length} sounds, ${scene.seconds.toFixed(1)} s` : "one shape";
    this.page.find(".ak-title").textContent = what;
    this.page.find(".ak-new").textContent = scene.kind === "sound" ? "New scene" : "New picture";
    this.page.find(".ak-canvas").setAttribute("aria-label", scene.kind === "sound" ? "Spectrogram of the scene" : "The picture");
    this.page.find(".ak-examples").replaceChildren(...this.examples());
    this.recolour();
    this.moveHead();
  }

  examples() {
    const { scene } = this.state;
    return Array.from({ length: scene.examples }, (_, number) =>
      el("button", {
        type: "button", text: String(number + 1), "aria-label": `Example ${number + 1}`,
        "aria-pressed": String(number === scene.number), onclick: () => this.open(number),
      }));
  }

  recolour() {
    const { scene } = this.state;
    if (!scene) return;
    this.image = scene.picture
      ? spectrogramImage(scene.picture, (share) => share ** 2)
      : pictureOf(scene);
    this.draw();
  }

  draw() {
    if (!this.image) return;
    const canvas = this.page.find(".ak-canvas");
    const { context, width, height } = surfaceOf(canvas, canvas.clientWidth, canvas.clientHeight);
    context.imageSmoothingEnabled = this.state.scene.kind === "sound";
    if (this.state.scene.kind === "sound") {
      context.drawImage(this.image, 0, 0, width, height);
      this.drawSpans(context, width, height);
    } else {
      const side = Math.min(width, height);
      context.drawImage(this.image, (width - side) / 2, 0, side, side);
    }
  }

  /** A line over each sound; those that the program has found are framed. */
  drawSpans(context, width, height) {
    const { spans, seconds } = this.state.scene;
    const style = getComputedStyle(this.page.root);
    const marked = new Set(this.state.marked);
    spans.forEach(([start, end], number) => {
      const [left, right] = [(start / seconds) * width, (Math.min(end, seconds) / seconds) * width];
      context.fillStyle = style.getPropertyValue(marked.has(number) ? "--cm-now" : "--cm-soft");
      context.fillRect(left + 1, 2, right - left - 2, marked.has(number) ? 5 : 2);
      if (!marked.has(number)) return;
      context.globalAlpha = 0.16;
      context.fillRect(left, 0, right - left, height);
      context.globalAlpha = 1;
    });
  }

  toggle() {
    if (this.player.playing) this.player.stop();
    else this.start(this.player.position());
    this.showPlaying();
  }

  playFrom(event) {
    if (!this.samples) return;
    const box = event.currentTarget.getBoundingClientRect();
    this.start(((event.clientX - box.left) / box.width) * this.state.scene.seconds);
    this.showPlaying();
  }

  start(from) {
    this.player.start(this.samples, this.state.scene.sample_rate, 1, from);
  }

  showPlaying() {
    this.page.root.classList.toggle("cm-playing", this.player.playing);
    this.page.find(".ak-play").setAttribute("aria-label", this.player.playing ? "Pause" : "Play");
    this.moveHead();
  }

  moveHead() {
    const head = this.page.find(".ak-head");
    head.hidden = !this.samples;
    if (!this.samples) return;
    head.style.left = `${(100 * this.player.position()) / this.state.scene.seconds}%`;
    if (this.player.playing) requestAnimationFrame(() => this.moveHead());
  }
}

/** @returns {HTMLCanvasElement} a picture of RGB bytes, one pixel a point */
function pictureOf({ pixels, size }) {
  const bytes = bytesOf(pixels);
  const canvas = el("canvas", { width: size, height: size });
  const image = canvas.getContext("2d").createImageData(size, size);
  for (let i = 0; i < size * size; i++) image.data.set([...bytes.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
