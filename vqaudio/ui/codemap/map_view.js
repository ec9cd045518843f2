// Draws the lanes from the state.

import { spectrogramImage, surfaceOf } from "../shared/canvas.js";
import { rgb, themeColours } from "../shared/colours.js";
import { hasBands } from "./geometry.js";
import { lanesOf } from "./lanes.js";
import { drawChanges, drawMarks, drawSelection } from "./overlay.js";
import { drawAxis, drawCells, drawImage, stageImage } from "./paint.js";
import { drawPhones } from "./phones.js";
import { rowHeight, rowShare, rowStrength } from "./rows.js";

export class MapView {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("./listening.js").Listening} listening
   * @param {object} actions of the stages, see lanes.js
   */
  constructor(page, state, listening, actions) {
    Object.assign(this, { page, state, listening, actions, lanes: [], images: new Map() });
    this.node = page.find(".cm-lanes");
    state.on("clip", () => this.build());
    state.on("ids", () => this.forgetStages());
    state.on("edited", () => this.images.clear());
    state.on("colours", () => this.forgetStages());
    state.on("rows", () => this.sizeRows());
    state.on("playing", () => requestAnimationFrame(() => this.follow()));
    page.onRecolour(() => this.images.clear());
  }

  build() {
    const { clip } = this.state;
    this.images.clear();
    this.page.root.dataset.state = clip ? "open" : "empty";
    if (!clip) return;
    this.page.root.classList.toggle("cm-banded", hasBands(clip.geometry));
    this.lanes = lanesOf(clip, this.actions);
    this.node.replaceChildren(...this.lanes.map((lane) => lane.node));
    this.page.find(".cm-gutters").replaceChildren(...this.lanes.map((lane) => lane.gutter));
    this.sizeRows();
  }

  /** Their heights are set when a clip opens, so that no edit moves a row. */
  sizeRows() {
    this.forgetStages();
    for (const lane of this.lanes) {
      if (!lane.stage) continue;
      const height = `${rowHeight(lane.stage, this.share(lane))}px`;
      for (const node of [lane.node, lane.gutter]) node.style.setProperty("--row", height);
    }
  }

  share({ stage }) {
    const { clip, evenRows } = this.state;
    return rowShare(clip.contributions_db, stage.number, evenRows);
  }

  /** The ids are others than before; the spectrograms are not. */
  forgetStages() {
    for (const key of [...this.images.keys()]) if (typeof key === "number") this.images.delete(key);
  }

  draw() {
    const colours = themeColours(this.page.root);
    for (const lane of this.lanes) this.drawLane(lane, colours);
    this.drawHeads();
  }

  drawLane(lane, colours) {
    const { clip, surprise, view } = this.state;
    const frame = { ...surfaceOf(lane.canvas, lane.track.clientWidth, lane.track.clientHeight), view };
    if (lane.axis) return drawAxis(frame, colours.soft);
    if (lane.phones) return drawPhones(frame, clip.phones, colours);
    if (lane.isSound) return this.drawSpectrogram(frame, colours);
    const pale = { strength: rowStrength(this.share(lane)), paper: rgb(colours.paper) };
    const image = this.image(lane.stage.number, () => stageImage(clip, surprise, lane.stage, pale));
    drawImage(frame, image, clip.geometry.columns / clip.geometry.frameRate, false);
    drawCells(frame, clip, surprise, lane.stage, colours.paper);
    drawMarks(frame, this.state, lane.stage, colours);
    drawChanges(frame, this.state, lane.stage, colours.now);
    drawSelection(frame, this.state, lane.stage, colours);
  }

  drawSpectrogram(frame, colours) {
    const { clip } = this.state;
    const { shownSound } = this.listening;
    if (!shownSound) return;
    const share = (height) => (2 * clip.geometry.scale.hz(height)) / clip.sample_rate;
    const image = this.image(shownSound.picture, () => spectrogramImage(shownSound.picture, share));
    drawImage(frame, image, clip.seconds, true);
    drawSelection(frame, this.state, null, colours);
  }

  image(key, make) {
    if (!this.images.has(key)) this.images.set(key, make());
    return this.images.get(key);
  }

  /** The playhead, and the column in focus. */
  drawHeads() {
    const { clip, view, focus } = this.state;
    const at = this.listening.player.position();
    const scale = 100 / (view[1] - view[0]);
    this.page.find(".cm-now").textContent = at.toFixed(1);
    for (const node of this.page.findAll(".cm-head")) {
      node.style.left = `${(at - view[0]) * scale}%`;
      node.hidden = at < view[0] || at > view[1];
    }
    for (const node of this.page.findAll(".cm-hair")) {
      node.hidden = !focus;
      if (!focus) continue;
      node.style.left = `${(focus.column / clip.geometry.frameRate - view[0]) * scale}%`;
      node.style.width = `${scale / clip.geometry.frameRate}%`;
    }
  }

  /** While it plays, move the playhead, and the view with it. */
  follow() {
    const { state, listening } = this;
    if (!listening.player.playing || !this.page.root.isConnected || !state.clip) return;
    const at = listening.player.position();
    const [start, end] = state.view;
    if (at > end || at < start) state.setView(at, end - start);
    this.drawHeads();
    requestAnimationFrame(() => this.follow());
  }
}
