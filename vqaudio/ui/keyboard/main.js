// The keyboard: puts its parts together, and asks who can play.

import { chosenLabels, el, labelField, Page } from "../shared/dom.js";
import { SpentLine } from "../shared/spent.js";
import { counted } from "../shared/text.js";
import { Wire } from "../shared/wire.js";
import { Instrument } from "./instrument.js";
import { Keys } from "./keys.js";
import { Midi } from "./midi.js";
import { Notes } from "./notes.js";
import { State } from "./state.js";
import { Voices } from "./voices.js";

/**
 * Start the component. Called once for each time that it is mounted.
 * @param {object} gradio what Gradio gives a component: element, server and trigger
 */
export function start({ element, server, trigger }) {
  const page = new Page(element.querySelector(".kb"));
  const spent = new SpentLine(page.find(".cm-spent"));
  const wire = new Wire(server, (cost) => spent.add(cost));
  const state = new State();
  const voices = new Voices(() => state.announce());
  const notes = new Notes(wire, () => state.announce(), (sentence) => page.say(sentence));
  const keys = new Keys(page, state, notes, voices);
  const instrument = new Instrument(page, state, wire);
  const players = new Players(page, state, wire, { voices, notes, keys, instrument });
  new Midi(page, keys, voices);
  page.listen(".kb-open", "click", () => state.last && trigger("open_note", state.last));
  page.onResize(() => page.root.offsetWidth && !state.players.length && players.load()); // when the tab is opened
}

/** Which prior plays, with which labels. */
class Players {
  constructor(page, state, wire, parts) {
    Object.assign(this, { page, state, wire, ...parts });
    page.listen(".kb-prior", "change", () => this.choosePlayer());
    page.listen(".kb-labels", "change", () => this.chooseLabels());
    page.listen(".kb-seconds, .kb-take", "change", () => this.chooseNote());
    page.listen(".kb-ahead", "click", () => this.prepare());
  }

  async load() {
    const { page, state } = this;
    const answer = await this.wire.call("players", {});
    const players = answer.ok ? answer.players : [];
    page.root.dataset.state = players.length ? "open" : "empty";
    if (!players.length) {
      page.find(".kb-empty").textContent = answer.ok ? answer.none : answer.error;
      return;
    }
    state.setPlayers(players, answer.level_db);
    const text = ({ name, title }) => (players.length > 1 ? `${title}: ${name}` : name);
    page.find(".kb-prior").replaceChildren(...players.map((player) => el("option", { value: player.name, text: text(player) })));
    this.choosePlayer();
  }

  /** Another player has other labels; what was chosen before stays, where it can. */
  choosePlayer() {
    const { page, state } = this;
    const before = chosenLabels(page.root);
    const { labels } = state.players.find(({ name }) => name === page.find(".kb-prior").value);
    const fields = Object.entries(labels).map(([kind, values], i) =>
      labelField(kind, values.map((value) => [value, value.replaceAll("_", " ")]), i > 0, before[kind]));
    page.find(".kb-labels").replaceChildren(...fields);
    this.chooseLabels();
  }

  chooseLabels() {
    const { page, state } = this;
    this.voices.releaseAll();
    this.notes.drop();
    state.choose(page.find(".kb-prior").value, chosenLabels(page.root));
    this.instrument.offerRange();
  }

  chooseNote() {
    const take = Math.max(0, Math.round(Number(this.page.find(".kb-take").value)) || 0);
    this.state.setNote(Number(this.page.find(".kb-seconds").value), take);
  }

  /** Generate every key that is shown: those of the training data, or else those that are a guess. */
  async prepare() {
    const { page, state, notes, keys } = this;
    this.voices.wake();
    const known = keys.keysIn(["known"]);
    const wanted = known.length ? known : keys.keysIn(["guess"]);
    if (!wanted.length) return;
    const generating = `Generating ${counted(wanted.length, "note")}; play those that are ready meanwhile.`;
    page.say(generating);
    const found = await Promise.all(wanted.map((key) => notes.get(state.requestOf(key), false)));
    const isShown = page.find(".cm-status").textContent === generating;
    if (isShown) page.say(found.every(Boolean) ? `Generated ${counted(wanted.length, "note")}.` : "Stopped generating.");
  }
}
