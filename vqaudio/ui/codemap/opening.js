// Opening clips: the first one of the page, examples, files, the same recording in another model; Back, and after a reload.

import { counted, number, withoutStop } from "../shared/text.js";
import { clipOf } from "./clip.js";
import { recipeOf } from "./recipe.js";

const MAX_MB = 30; // that the server takes
const GONE = "Your last clip is no longer on the server, which keeps clips for 45 minutes. This is an example.";
const NO_EXAMPLE = "Nothing is open yet. Record or upload a sound: its codes appear here.";
const WELCOME = "Drag over the map to select.";

export class Opening {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {import("../shared/wire.js").Wire} wire
   * @param {object} parts listening, filling, priors and links
   * @param {{upload: function(File): Promise<{path: string}>, trigger: function(string, object)}} gradio
   */
  constructor(page, state, wire, parts, gradio) {
    Object.assign(this, { page, state, wire, ...parts, gradio });
    this.number = 0; // of the latest request: earlier answers are dropped
    this.clips = new Map(); // by token, so that Back finds their selections and edits
    this.former = null; // the clip before the model was changed
    this.titles = {};
    this.listen();
  }

  listen() {
    const { page } = this;
    page.listen(".cm-upload", "click", () => page.find(".cm-file").click());
    page.listen(".cm-file", "change", ({ target }) => {
      const [file] = target.files;
      if (file) this.openFile(file);
      target.value = "";
    });
    page.listen(".cm-cut-silence", "click", () => this.cutSilence());
    page.listen(".cm-back", "click", () => this.goBack());
    window.addEventListener("popstate", ({ state }) => page.root.isConnected && state && this.show(state.vqaudio));
    window.addEventListener("vq-model", ({ detail }) => page.root.isConnected && this.useModel(detail));
    this.state.on("clip", () => this.remember());
    this.state.on("sampled", () => this.remember());
    this.state.on("speaker", () => this.keepSpeaker());
  }

  /** Open what the page had before a reload, or what its link names. @param {import("./recipe.js").Recipe} recipe */
  async openFirst({ model, example }) {
    const token = history.state && history.state.vqaudio;
    if (token && (await this.request("reopen", { token }, { isQuiet: true }))) return;
    const isOpen = await this.request("open_example", { model, example });
    if (!isOpen) this.showEmpty(NO_EXAMPLE);
    else this.page.say(token ? GONE : this.welcome());
  }

  welcome() {
    const { length } = this.state.clip.geometry.stages;
    return `${length > 1 ? `Stages 1 to ${length}` : "Stage 1"}. ${WELCOME}`;
  }

  showEmpty(sentence) {
    if (this.state.clip) return;
    this.page.find(".cm-empty").textContent = sentence;
    this.state.leave();
  }

  openExample(model, example) {
    return this.request("open_example", { model, example }, { isNew: true });
  }

  /** @param {File} file */
  async openFile(file) {
    const { page } = this;
    if (file.size > MAX_MB * 2 ** 20) return page.say(`${file.name} is larger than ${MAX_MB} MB. Shorten it.`);
    const mine = ++this.number;
    page.say(`Opening ${file.name}…`);
    const sent = await this.gradio.upload(file).catch(() => null);
    if (mine !== this.number) return;
    if (!sent) return page.say("The upload failed. Check your connection, and try again.");
    await this.request("open_file", { path: sent.path, model: this.state.model }, { isNew: true });
  }

  async cutSilence() {
    const { clip } = this.state;
    const answer = await this.request("cut_silence", { token: clip.token }, { isNew: true });
    if (answer) this.page.say(`Cut ${number(answer.seconds, 2)} s of silence. ${this.size(this.state.clip)}.`);
  }

  /** The same recording in another model. @param {string} model */
  async useModel(model) {
    const { state } = this;
    const before = state.clip;
    const current = before && before.draft ? null : before;
    const isOpen = current ? await this.request("switch_model", { token: current.token, model }, { isNew: true })
      : await this.request("open_example", { model, example: "" }, { isNew: true });
    if (isOpen && current && current.model !== state.clip.model) this.offerBack(current);
    if (!isOpen && state.clip && state.clip.model !== model) this.tell(); // the picker shows the model of the clip again
  }

  offerBack(clip) {
    const title = (this.titles[clip.model] || clip.model).split(",")[0].toLowerCase();
    this.former = clip;
    const button = this.page.find(".cm-back");
    button.textContent = `Back to the ${clip.edits || clip.former ? "edited " : ""}${title} clip`;
    button.hidden = false;
  }

  goBack() {
    const { former } = this;
    this.enter(former, true);
    this.page.say(`Back in ${withoutStop(former.title)}: ${counted(former.edits, "edit")}.`);
  }

  /** Ask the server for a clip, and show it unless something else was asked for since. @returns {Promise<?object>} the answer */
  async request(name, body, { isNew = false, isQuiet = false } = {}) {
    const mine = ++this.number;
    const answer = await this.wire.call(name, body);
    if (mine !== this.number) return null;
    if (!answer.ok && !isQuiet) {
      this.page.say(answer.error);
      this.showEmpty(answer.error);
    }
    if (!answer.ok || !answer.clip) return null;
    this.open(answer.clip, isNew);
    return answer;
  }

  /** @param {object} value what `describe` on the server returns @param {boolean} isNew Back goes to the clip before it */
  open(value, isNew) {
    const { speaker } = recipeOf(isNew ? "" : location.search);
    const isKnown = speaker === "" || value.speakers.includes(speaker);
    this.enter(clipOf(isKnown ? { ...value, speaker } : value), isNew);
    this.page.say(`Opened ${withoutStop(this.state.clip.title)}: ${this.size(this.state.clip)}.`);
    this.links.restoreMask(isNew);
  }

  enter(clip, isNew) {
    const { state, listening } = this;
    listening.reset();
    this.filling.cancel();
    state.reset();
    this.page.find(".cm-back").hidden = true;
    delete document.body.dataset.vqReady;
    this.priors.useModel(clip.model);
    if (isNew) history.pushState({ ...history.state, vqaudio: clip.token }, "", this.addressOf(clip));
    state.enter(clip);
    this.tell();
  }

  /** The address of an example can be shared; the address of any other clip names its model only. */
  addressOf(clip) {
    const url = new URL(location.href);
    for (const name of ["mask", "make", "example", "speaker", "prior", "label", "seed", "tour"]) url.searchParams.delete(name);
    url.searchParams.set("model", clip.model);
    if (clip.example) url.searchParams.set("example", clip.example);
    return url;
  }

  /** The address names the chosen speaker, for a reload and for others. */
  keepSpeaker() {
    const url = new URL(location.href);
    url.searchParams.set("speaker", this.state.clip.speaker);
    history.replaceState(history.state, "", url);
  }

  /** A clip of this page's history. @param {string} token */
  async show(token) {
    if (!token || (this.state.clip && this.state.clip.token === token)) return;
    if (this.clips.has(token)) this.enter(this.clips.get(token), false);
    else if (!(await this.request("reopen", { token }, { isQuiet: true }))) this.page.say(GONE);
  }

  /** After a reload the page shows this clip again. */
  remember() {
    const { clip } = this.state;
    if (!clip || clip.draft) return;
    this.clips.set(clip.token, clip);
    history.replaceState({ ...history.state, vqaudio: clip.token }, "");
  }

  /** The frame follows: the picker, and the recording for Compare. */
  tell() {
    const { token, model } = this.state.clip;
    this.gradio.trigger("opened", { token, model });
  }

  size(clip) {
    return `${number(clip.seconds, 2)} s, ${clip.geometry.columns} columns`;
  }
}
