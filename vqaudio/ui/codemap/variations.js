// The variations of one fill, or several new clips: which are finished, which are compared, which is shown.

/** @typedef {{seed: number, ids: Uint16Array, kept: number[], changed: number[], steps: number}} Variation */

export class Variations {
  /**
   * @param {object} job
   * @param {string} job.job its token
   * @param {number} job.total
   * @param {number} job.seed of the first
   * @param {object} from
   * @param {?import("./clip.js").Clip} from.base the clip before it was filled
   * @param {?import("./selection.js").Block} from.bounds of the cells to fill
   * @param {boolean} from.isNew the variations are new clips
   * @param {boolean} [from.isQuiet] the first is not played when it is finished
   */
  constructor({ job, total, seed }, { base, bounds, isNew, isQuiet = false }) {
    Object.assign(this, { job, total, seed, base, bounds, isNew, isQuiet });
    this.before = base && base.ids.slice();
    this.finished = []; // Variation
    this.clips = []; // of new clips
    this.previews = new Map(); // what was heard already
    this.a = isNew && !base ? 0 : null; // the numbers that are compared; null is the clip as it is
    this.b = this.a === null ? 0 : 1;
  }

  /**
   * @param {?import("./clip.js").Clip} clip that is open
   * @param {?{number: number}} preview
   * @returns {?number} the variation that the map shows
   */
  shown(clip, preview) {
    if (!this.isNew) return preview ? preview.number : null;
    const n = this.clips.indexOf(clip);
    return n < 0 || clip === this.base ? null : n;
  }

  /** A new clip of which nothing is decided yet. @param {number} n @param {import("./clip.js").Clip} clip */
  addClip(n, clip) {
    this.clips[n] = clip;
  }

  /** @param {Variation} variation the next one that is finished */
  finish(variation) {
    this.finished.push(variation);
  }

  /** No more will come. */
  end() {
    this.total = this.finished.length;
  }

  /**
   * @param {string} prior
   * @param {?number} shown the variation in the map
   * @returns {string} "with a prior. The map shows variation 1"
   */
  summary(prior, shown) {
    return `with ${prior}${shown === null ? "" : `. The map shows variation ${shown + 1}`}`;
  }

  /** Compare one with A from now on. @param {number} n */
  compare(n) {
    if (n !== this.a) this.b = n;
  }

  /** Make one A, or make the clip as it is A again. @param {number} n */
  pin(n) {
    this.a = this.a === n ? null : n;
    if (this.b === n) this.b = n ? 0 : 1;
  }

  /** A new clip becomes the one that Undo and further fills start from. @param {import("./clip.js").Clip} clip */
  adopt(clip) {
    clip.former = this.base;
    if (this.base) this.base.later = clip;
    this.base = clip;
    this.a = null;
  }

  /** Undo or Redo has gone to another clip. @param {import("./clip.js").Clip} clip */
  goTo(clip) {
    this.base = clip;
  }
}
