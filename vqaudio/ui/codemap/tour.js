// Three coach marks on the first visit. Each goes when the person does what it says; Skip ends them for good in this browser.

import { el } from "../shared/dom.js";

const KEY = "vqaudio.tour";
const GAP = 10; // pixels
const STEPS = [
  { at: ".cm-play", event: "playing", text: "Press Play to hear the clip." },
  { at: ".cm-depth", event: "sound", text: "Drag Stages to 1 and back. Fewer stages: fewer bits, rougher sound." },
  { at: ".cm-lanes", event: "gallery", text: "Drag over the map, then press AI fill to replace what you selected." },
];

export class Tour {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {boolean} isWanted the link asks for it
   */
  constructor(page, state, isWanted) {
    Object.assign(this, { page, state, step: -1, mark: null });
    if (!isWanted && remembered()) return;
    state.on("clip", () => this.step < 0 && state.clip && this.begin());
    STEPS.forEach(({ event }, i) => state.on(event, () => this.step === i && this.isDone(i) && this.next()));
    window.addEventListener("scroll", () => this.place(), { passive: true, capture: true });
    page.onResize(() => this.place());
  }

  begin() {
    this.text = el("p", {});
    this.count = el("small", {});
    const skip = el("button", { type: "button", text: "Skip", onclick: () => this.end() });
    this.mark = el("aside", { class: "vq-mark", "aria-label": "Tour" }, this.text, el("div", {}, this.count, skip));
    document.body.append(this.mark);
    this.next();
  }

  isDone(i) {
    const { state } = this;
    if (i === 1) return state.enabled.length < 2 || state.enabled.filter(Boolean).length === 1;
    return i !== 2 || Boolean(state.gallery);
  }

  next() {
    this.step += this.step === 0 && this.state.enabled.length < 2 ? 2 : 1; // one stage: there is nothing to drag
    if (this.step === STEPS.length) return this.end();
    this.text.textContent = STEPS[this.step].text;
    this.count.textContent = `${this.step + 1} of ${STEPS.length}`;
    requestAnimationFrame(() => this.place());
  }

  /** Under what it points at, or above where there is no room. */
  place() {
    if (!this.mark) return;
    const box = this.page.find(STEPS[this.step].at).getBoundingClientRect();
    this.mark.hidden = !box.width || !this.page.root.isConnected;
    if (this.mark.hidden) return;
    const { offsetWidth: width, offsetHeight: height } = this.mark;
    const under = box.bottom + GAP + height < window.innerHeight;
    const left = Math.max(GAP, Math.min(document.documentElement.clientWidth - width - GAP, box.left));
    const top = under ? box.bottom + GAP : Math.max(GAP, box.top - GAP - height);
    this.mark.dataset.side = under ? "under" : "above";
    Object.assign(this.mark.style, { left: `${left}px`, top: `${top}px` });
  }

  end() {
    this.mark.remove();
    this.mark = null;
    this.step = STEPS.length;
    try {
      localStorage.setItem(KEY, "done");
    } catch { /* a private window: the tour comes again */ }
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY) === "done";
  } catch {
    return false;
  }
}
