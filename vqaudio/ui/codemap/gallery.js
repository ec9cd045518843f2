// The variations: playing, comparing and using them. A preview is in the map and sounds, but the clip is changed only when it
// is used. New clips are previewed by entering them.

import { withoutStop } from "../shared/text.js";
import { idsOf } from "../shared/wire.js";
import { clipSoundOf, draftOf } from "./clip.js";
import { GalleryView } from "./gallery_view.js";
import { Variations } from "./variations.js";

export class Gallery {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("./listening.js").Listening} listening
   * @param {import("./editing.js").Editing} editing
   */
  constructor(page, state, wire, listening, editing) {
    Object.assign(this, { page, state, wire, listening, editing });
    this.first = null; // resolves when the first variation is shown
    this.view = new GalleryView(page, state, {
      hear: (n) => this.hearAloud(n), play: (n) => this.play(n), pin: (n) => this.pin(n), use: (n) => this.use(n),
      scrub: (n, step) => this.hear(n, step),
    });
  }

  /** A job has started. @param {object} job @param {object} from see variations.js */
  start(job, from) {
    this.first = null;
    this.state.openGallery(new Variations(job, from));
  }

  /** The job has ended: with nothing finished, all is as it was. */
  end() {
    const { state } = this;
    const { gallery } = state;
    if (!gallery) return;
    gallery.end();
    if (!gallery.finished.length) state.closeGallery();
    if (gallery.isNew && state.clip && state.clip.draft) gallery.base ? state.enter(gallery.base) : state.leave();
    if (state.clip && state.clip.preview && !state.preview) state.showCells(state.clip, null);
    if (state.gallery) state.announce("gallery");
  }

  /** A new clip, before any of its cells is decided. @param {object} value @param {number} n */
  open(value, n) {
    const { state } = this;
    const clip = draftOf(value);
    state.gallery.addClip(n, clip);
    if (n) return;
    this.listening.rewind();
    state.enter(clip);
  }

  /** The cells of variation n while it is sampled. Until one is shown, the map shows them too. */
  live(ids, n) {
    const { gallery, clip, preview } = this.state;
    this.view.drawLive(n, ids);
    if (gallery.isNew) return this.state.showCells(gallery.clips[n], ids);
    if (n === 0 && !preview && clip === gallery.base) this.state.showCells(clip, ids);
  }

  /** Variation n is finished. */
  add(result, n) {
    const { state } = this;
    const variation = { ...result, ids: idsOf(result.ids) };
    state.gallery.finish(variation);
    if (state.gallery.isNew) state.finishDraft(state.gallery.clips[n], variation.ids, result.version);
    state.announce("gallery");
    if (n === 0) this.first = this.hear(0).then(() => state.gallery && !state.gallery.isQuiet && this.listening.playIfSilent());
  }

  /** Put a variation, or one of its sampling steps, in the map and hear it. @param {number} n @param {number} [step] */
  async hear(n, step = -1) {
    const { state, listening } = this;
    const { gallery } = state;
    gallery.compare(n);
    if (gallery.isNew && state.clip !== gallery.clips[n]) state.enter(gallery.clips[n]);
    if (gallery.isNew && step < 0) {
      listening.hear("decoded");
      await listening.decoded.ask(state.clip, listening.stages, listening.wanted);
      return listening.fetchPrefixes();
    }
    const { token, speaker } = state.clip;
    const key = `${gallery.job}/${n}/${step}/${speaker}`;
    state.awaitPreview(key);
    if (!gallery.previews.has(key)) {
      const answer = await this.wire.call("step", { token, job: gallery.job, variation: n, step, speaker });
      if (!answer.ok) return this.page.say(answer.error);
      gallery.previews.set(key, { ids: idsOf(answer.ids), undecided: answer.undecided, sound: clipSoundOf(answer) });
    }
    if (state.gallery !== gallery || state.wantedPreview !== key) return;
    state.showPreview({ number: n, step, key, ...gallery.previews.get(key) });
  }

  /** Hear a variation, or the clip as it was, from a click. @param {?number} n null: the clip */
  hearAloud(n) {
    this.listening.player.wake();
    return n === null ? this.hearBase() : this.hear(n);
  }

  /** Hear a variation, and start to play if nothing plays. @param {number} n */
  async play(n) {
    await this.hearAloud(n);
    this.listening.playIfSilent();
  }

  hearBase() {
    const { state } = this;
    if (state.gallery.base && state.clip !== state.gallery.base) state.enter(state.gallery.base);
    this.listening.hear("decoded");
  }

  /** Compare the others with variation n, or with the clip again. @param {number} n */
  pin(n) {
    this.state.gallery.pin(n);
    this.state.announce("gallery");
  }

  /** Make variation n the clip. @param {number} n */
  async use(n) {
    const { state, page } = this;
    const { gallery } = state;
    const sentence = `Variation ${n + 1} is the clip now`;
    const request = { job: gallery.job, variation: n };
    if (!gallery.isNew) return this.editing.write("use", request, () => `${sentence}; Undo takes it back.`);
    await this.hear(n);
    const before = gallery.base;
    state.adopt();
    const undo = before ? `; Undo goes back to ${withoutStop(before.title)}` : "";
    page.say(`${sentence}${undo}. Select some of it and fill it, or edit it.`);
  }
}
