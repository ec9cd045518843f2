// The comparison: puts its parts together, and opens what the server sends.

import { Page } from "../shared/dom.js";
import { Chorus } from "../shared/player.js";
import { SpentLine } from "../shared/spent.js";
import { withoutStop } from "../shared/text.js";
import { Wire } from "../shared/wire.js";
import { BlindTest } from "./blind_test.js";
import { Sides } from "./sides.js";
import { State } from "./state.js";
import { TransportView } from "./transport.js";

/**
 * Start the component. Called once for each time that it is mounted.
 * @param {object} gradio what Gradio gives a component: element, props, server and watch
 */
export function start({ element, props, server, watch }) {
  const page = new Page(element.querySelector(".cp"));
  const spent = new SpentLine(page.find(".cm-spent"));
  const wire = new Wire(server, (cost) => spent.add(cost));
  const state = new State();
  const chorus = new Chorus(() => {
    page.say("Stopped at the end.");
    transport.show();
  }, () => transport.show());
  const transport = new TransportView(page, state, chorus);
  const sides = new Sides(page, state, wire, chorus, (event) => transport.seek(event));
  new BlindTest(page, state, transport);

  const open = (value) => {
    chorus.clear();
    state.open(value && value.token ? value : null);
    page.root.dataset.state = state.clip ? "open" : "empty";
    if (value && value.empty) page.find(".cp-empty").textContent = value.empty;
    if (!state.clip) return;
    page.find(".cp-title").textContent = state.clip.title;
    page.find(".cp-length").textContent = state.clip.seconds.toFixed(2);
    page.find(".cp-result").hidden = true;
    sides.open();
    page.say(`Opened ${withoutStop(state.clip.title)}. Keys A, B and O switch, space plays.`);
  };
  watch("value", () => open(props.value));
  open(props.value);
}
