// Having a prior fill the selection or make new clips: the request, the job on the server, and its progress.

import { idsOf } from "../shared/wire.js";
import { jobText, number } from "../shared/text.js";
import { NOTHING_SELECTED } from "./editing.js";
import { finerStages } from "./masks.js";

const POLL_MS = 120;
const MANY_CELLS = 8000; // of a larger clip the map is redrawn less often
const NOTHING_FINER = "These codes have one stage only: there is nothing finer to regenerate.";

export class Filling {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("./priors.js").PriorPanel} priors
   * @param {import("./gallery.js").Gallery} gallery
   * @param {import("../shared/player.js").Player} player
   */
  constructor(page, state, wire, priors, gallery, player) {
    Object.assign(this, { page, state, wire, priors, gallery, player });
    page.listen(".cm-do-fill", "click", () => this.fill());
    page.listen(".cm-refine", "click", () => this.refine());
    page.listen(".cm-new-menu", "submit", (event) => {
      event.preventDefault();
      this.newClips();
    });
    page.listen(".cm-cancel", "click", () => this.cancel());
    state.on("job", () => page.root.classList.toggle("cm-busy", Boolean(state.job)));
  }

  /** Sample the selected cells. @param {boolean} [isQuiet] do not play the result */
  async fill(isQuiet = false) {
    const { page, state, priors } = this;
    const { clip } = state;
    if (!clip) return;
    const reason = priors.unavailableReason || (state.selection.count ? "" : NOTHING_SELECTED);
    if (reason) return page.say(reason);
    this.begin();
    const bounds = state.selection.bounds();
    const { prior: { name: prior }, settings } = priors;
    const request = { token: clip.token, prior, rectangles: state.selection.rectangles(), settings };
    const done = await this.run("fill", request, { base: clip, bounds, isNew: false, isQuiet });
    if (!done || state.clip !== clip || !state.gallery) return;
    page.say(`Filled ${state.gallery.finished.length} times ${state.gallery.summary(prior, state.shownVariation)}.`);
  }

  /** Sample new clips. @param {boolean} [isQuiet] do not play the result */
  async newClips(isQuiet = false) {
    const { page, state, priors } = this;
    const reason = priors.unavailableReason;
    if (reason) return page.say(reason);
    this.begin();
    const { prior: { name: prior }, settings } = priors;
    const request = { prior, settings: { ...settings, labels: priors.newLabels }, seconds: priors.numberIn("seconds") };
    const done = await this.run("new_clip", request, { bounds: null, isNew: true, isQuiet });
    if (!done || !state.gallery || !state.gallery.isNew) return;
    const { finished } = state.gallery;
    const size = `${number(state.clip.seconds, 2)} s`;
    page.say(`Generated ${finished.length} clips ${state.gallery.summary(prior, state.shownVariation)}: ${size}.`);
  }

  /** Sample the finer stages again, in the selection or in the whole clip. */
  refine() {
    const { clip, selection } = this.state;
    if (!clip || clip.draft) return;
    if (clip.geometry.stages.length < 2) return this.page.say(NOTHING_FINER);
    this.state.select(finerStages(selection), false);
    return this.fill();
  }

  begin() {
    this.player.wake();
    this.state.adopt();
  }

  /**
   * Start a job and show how far it is.
   * @param {string} name of a server function
   * @param {object} request
   * @param {object} from what the variations are of, see variations.js
   * @returns {Promise<boolean>} whether it was done, and its first variation is heard
   */
  async run(name, request, from) {
    const { state, priors, gallery } = this;
    state.setJob({ token: null, cancelled: false });
    this.showProgress({ share: 0, state: "waiting" }, 1);
    const started = await this.wire.call(name, request);
    if (!started.ok) return this.end(started.error);
    const { cancelled } = state.job;
    state.setJob({ token: started.job, cancelled });
    priors.showSeed(started.seed);
    const base = from.isNew ? state.clip : from.base; // a new clip may belong to one that was opened since
    if (state.clip === base) gallery.start(started, { ...from, base });
    if (cancelled) this.cancel();
    const answer = await this.wire.follow(started.job, {
      wanted: () => this.page.root.isConnected,
      react: this.reaction(started.total),
      pauseMs: () => (state.clip && state.clip.ids.length > MANY_CELLS ? 3 * POLL_MS : POLL_MS),
    });
    return answer ? this.finish(answer, started) : false;
  }

  /** What to do with each answer on the progress of a job: it fills the gallery, as long as that one is shown. */
  reaction(total) {
    const { state, gallery } = this;
    const mine = state.gallery;
    const seen = { seen: 0, opened: 0, step: 0 };
    const here = (react, ...details) => mine && state.gallery === mine && react.apply(gallery, details);
    return (answer) => {
      for (const value of answer.opened) here(gallery.open, value, seen.opened++);
      for (const result of answer.results) here(gallery.add, result, seen.seen++);
      for (const [number, ids] of answer.now.entries()) here(gallery.live, idsOf(ids), number);
      seen.step = answer.step;
      this.showProgress(answer, total);
      return seen;
    };
  }

  async finish(answer, { total }) {
    const { gallery } = this.state;
    if (answer.state === "lost") return this.end(answer.error_text);
    const finished = gallery ? gallery.finished.length : 0;
    if (answer.state === "done") {
      this.end("");
      await this.gallery.first;
      return true;
    }
    if (answer.state === "cancelled" && gallery) await this.gallery.first;
    const cancelled = finished ? `Cancelled. What was finished is kept: ${finished} of ${total}.` : "Cancelled. Nothing changed.";
    const sentence = answer.state === "failed" ? answer.error_text : cancelled;
    return this.end(gallery ? sentence : ""); // nobody wants to hear of a clip that was left
  }

  end(sentence) {
    this.state.setJob(null);
    this.gallery.end();
    if (sentence) this.page.say(sentence);
    return false;
  }

  async cancel() {
    const { job } = this.state;
    if (!job) return;
    if (!job.token) return this.state.setJob({ ...job, cancelled: true });
    const answer = await this.wire.call("cancel", { job: job.token });
    if (!answer.ok) this.page.say(answer.error);
  }

  showProgress(answer, total) {
    this.page.find(".cm-progress progress").value = answer.share;
    const running = `Sampling ${total} variations, ${Math.round(100 * answer.share)} %`;
    this.page.find(".cm-progress-text").textContent = jobText(answer, running);
  }
}
