// The state of the component. Only its transitions change it; each announces what changed. No drawing, no sound, no server.

import { Announcer } from "../shared/announcer.js";

/**
 * Announced: "clip" (another one is open, or none), "ids" (the cells shown), "edited" (the clip itself), "sampled" (a new clip),
 * "sound" (what plays), "speaker", "playing", "selection" ({aloud}), "shape", "rows" (their heights), "view", "picked" (a cell,
 * for the inspector), "gallery", "models" (the priors that are known), "colours", "job", and, after each, "change".
 */
export class State extends Announcer {
  /** @param {string} [model] whose priors are shown first; "" is the default codec */
  constructor(model = "") {
    super();
    this.clip = null;
    this.enabled = []; // one flag per stage
    this.source = "decoded"; // what plays: original, decoded, added or variation
    this.addedStage = 0;
    this.raised = { added: false, generated: true }; // play at a set loudness, by kind of sound
    this.evenRows = false; // else a row is the lower and paler the less its stage contributes
    this.view = [0, 1]; // seconds that the lanes show
    this.focus = this.picked = null; // the Cell that is pointed at, and the one in the inspector
    this.shape = "rectangle"; // or "brush"
    Object.assign(this, { stroke: "set", finer: true }); // a drag sets, adds or removes; the finer stages are selected too
    this.gallery = this.beforeSolo = null; // Variations; the stages that were on before only one was
    this.preview = null; // {number, step, key, ids, undecided, sound} of a variation; step -1 is its result
    this.model = model;
    this.priors = null; // null: not known yet
    this.wantedPreview = ""; // the key of the preview that was asked for last
    this.surprise = this.job = null; // of each cell; {token, cancelled} of the prior at work; no token yet while it starts
  }

  /** @returns {?import("./selection.js").Selection} */
  get selection() {
    return this.clip && this.clip.selection;
  }

  /** @returns {?number} the variation that the map shows */
  get shownVariation() {
    return this.gallery && this.gallery.shown(this.clip, this.preview);
  }

  /** Forget the last clip and what was chosen for it. */
  reset() {
    this.closeGallery();
    Object.assign(this, { addedStage: 0, enabled: [] });
  }

  /** Show a clip: one that was opened, or a new one. @param {import("./clip.js").Clip} clip */
  enter(clip) {
    this.leavePreview();
    if (this.gallery && !this.gallery.isNew && this.gallery.base !== clip) this.closeGallery();
    this.clip = clip;
    this.focus = this.picked = this.beforeSolo = null;
    this.source = "decoded";
    this.addedStage = Math.min(this.addedStage, clip.geometry.stages.length - 1);
    if (this.enabled.length !== clip.geometry.stages.length) this.enabled = clip.geometry.stages.map(() => true);
    this.announce("clip");
    this.announce("selection", { aloud: false });
    this.setView(0, clip.span);
  }

  /** Show no clip. */
  leave() {
    this.clip = null;
    this.announce("clip");
  }

  /** The server has changed a clip. @param {import("./clip.js").Clip} clip @param {object} change edits, redos, version, ids */
  edit(clip, change) {
    Object.assign(clip, change);
    if (clip !== this.clip) return;
    if (clip.edits) clip.later = null;
    this.adopt();
    this.preview = clip.preview = null;
    this.wantedPreview = "";
    this.source = "decoded";
    this.announce("ids");
    if (this.gallery) this.announce("gallery");
    this.announce("edited");
    this.announce("sound");
  }

  /** The sound of a long clip's original is here. @param {object} clip @param {Float32Array} samples */
  addOriginal(clip, samples) {
    clip.original.samples = samples;
  }

  /** @param {"original"|"decoded"|"added"} source @param {number} [addedStage] */
  listenTo(source, addedStage = this.addedStage) {
    this.source = source;
    this.addedStage = addedStage;
    this.leavePreview();
    this.announce("sound");
  }

  /** @param {boolean[]} enabled at least one is true @param {?boolean[]} [beforeSolo] what was on before only one was */
  enableStages(enabled, beforeSolo = null) {
    this.enabled = enabled;
    this.beforeSolo = beforeSolo;
    this.listenTo("decoded");
  }

  /** @param {string} speaker in whose voice the clip is decoded; "" is nobody's */
  setSpeaker(speaker) {
    this.clip.speaker = speaker;
    this.listenTo("decoded");
    this.announce("speaker");
  }

  /** @returns {?("added"|"generated")} the kind of sound that can be raised to a set loudness; null: true level only */
  get raisable() {
    if (this.source === "added") return "added";
    return this.clip && this.clip.generated && this.source !== "original" ? "generated" : null;
  }

  /** Play such sounds at a set loudness, or at their true level. @param {boolean} isRaised */
  setRaised(isRaised) {
    this.raised = { ...this.raised, [this.raisable]: isRaised };
    this.announce("sound");
  }

  /** @param {boolean} evenRows */
  setEvenRows(evenRows) {
    this.evenRows = evenRows;
    this.announce("rows");
  }

  /** @param {number} start in seconds @param {number} span in seconds */
  setView(start, span) {
    const { clip } = this;
    const wide = Math.min(clip.span, Math.max(Math.min(clip.span, 12 / clip.geometry.frameRate), span));
    const left = Math.min(clip.span - wide, Math.max(0, start));
    this.view = [left, left + wide];
    this.announce("view");
  }

  /** @param {?import("./geometry.js").Cell} cell */
  setFocus(cell) {
    this.focus = cell;
    this.announce();
  }

  /** Put a cell into the inspector. @param {import("./geometry.js").Cell} cell */
  pick(cell) {
    this.picked = cell;
    this.setFocus(cell);
    this.announce("picked");
  }

  /** @param {object} pointer any of shape, stroke and finer */
  setPointer(pointer) {
    Object.assign(this, pointer);
    this.announce("shape");
  }

  /** @param {import("./selection.js").Selection} selection @param {boolean} [aloud] say what is selected */
  select(selection, aloud = true) {
    this.clip.selection = selection;
    this.announce("selection", { aloud });
  }

  /** Another codec has other priors. @param {string} model */
  useModel(model) {
    this.model = model;
    this.priors = null;
  }

  /** @param {string} model @param {object[]} priors */
  setPriors(model, priors) {
    this.model = model;
    this.priors = priors;
    this.announce("models");
  }

  /** @param {?{token: string, cancelled: boolean}} job */
  setJob(job) {
    this.job = job;
    this.announce("job");
  }

  /** @param {?object} surprise of each cell, see surprise.js */
  setSurprise(surprise) {
    this.surprise = surprise;
    this.announce("colours");
  }

  /** @param {?import("./variations.js").Variations} gallery */
  openGallery(gallery) {
    this.leavePreview();
    this.gallery = gallery;
    this.announce("gallery");
  }

  closeGallery() {
    this.openGallery(null);
  }

  /** Show a clip's cells while they are sampled; null: its own again. @param {object} clip @param {?Uint16Array} ids */
  showCells(clip, ids) {
    clip.preview = ids;
    if (clip === this.clip) this.announce("ids");
  }

  /** A new clip has been sampled. @param {import("./clip.js").Clip} clip @param {Uint16Array} ids @param {string} version */
  finishDraft(clip, ids, version) {
    Object.assign(clip, { ids, version, firstIds: ids.slice(), draft: false, preview: null });
    if (clip !== this.clip) return;
    this.announce("ids");
    this.announce("sampled");
  }

  /** A preview is on its way; an earlier one is not wanted any more. @param {string} key */
  awaitPreview(key) {
    this.wantedPreview = key;
  }

  /** Show a variation, or one of its sampling steps, and hear it. @param {object} preview */
  showPreview(preview) {
    this.preview = preview;
    this.clip.preview = preview.ids;
    this.source = "variation";
    this.announce("ids");
    this.announce("sound");
    this.announce("gallery");
  }

  leavePreview() {
    this.wantedPreview = "";
    if (this.preview) {
      this.preview = null;
      if (this.clip) this.clip.preview = null;
      if (this.source === "variation") this.source = "decoded";
      this.announce("ids");
    }
    if (this.gallery) this.announce("gallery");
  }

  /** A new clip that is worked on is the clip from now on; Undo goes back to the one before. */
  adopt() {
    if (this.shownVariation === null || !this.gallery.isNew) return;
    this.gallery.adopt(this.clip);
    this.announce("gallery");
  }

  /** Go to the clip before or after a new one was adopted. @param {import("./clip.js").Clip} clip */
  goTo(clip) {
    if (this.gallery && this.gallery.isNew) this.gallery.goTo(clip);
    this.enter(clip);
  }
}
