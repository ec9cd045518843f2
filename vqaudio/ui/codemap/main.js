// The code map: puts its parts together, and opens what the server sends.

import { Page } from "../shared/dom.js";
import { SpentLine } from "../shared/spent.js";
import { number } from "../shared/text.js";
import { Wire } from "../shared/wire.js";
import { clipOf } from "./clip.js";
import { Controls, stageActions } from "./controls.js";
import { CurvesView } from "./curves.js";
import { Drawing } from "./drawing.js";
import { Editing } from "./editing.js";
import { Filling } from "./filling.js";
import { Gallery } from "./gallery.js";
import { Gestures } from "./gestures.js";
import { Hover } from "./hover.js";
import { Inspector } from "./inspector.js";
import { Keys } from "./keys.js";
import { Links } from "./links.js";
import { Listening } from "./listening.js";
import { MapView } from "./map_view.js";
import { PriorPanel } from "./priors.js";
import { recipeOf } from "./recipe.js";
import { Selecting } from "./selecting.js";
import { State } from "./state.js";
import { Surprise } from "./surprise.js";

/**
 * Start the component. Called once for each time that it is mounted.
 * @param {object} gradio what Gradio gives a component: element, props, server, trigger and watch
 */
export function start({ element, props, server, trigger, watch }) {
  const page = new Page(element.querySelector(".cm"));
  const spent = new SpentLine(page.find(".cm-spent"));
  const wire = new Wire(server, (cost) => spent.add(cost));
  const recipe = recipeOf(location.search);
  const state = new State(recipe.model);

  const listening = new Listening(page, state, wire);
  const map = new MapView(page, state, listening, stageActions(state, listening));
  const priors = new PriorPanel(page, state, wire, recipe);
  const editing = new Editing(page, state, wire, listening);
  const gallery = new Gallery(page, state, wire, listening, editing);
  const filling = new Filling(page, state, wire, priors, gallery, listening.player);
  const inspector = new Inspector(page, state, wire, listening.player, editing, trigger);
  const gestures = new Gestures(page, state, map);
  const selecting = new Selecting(page, state, listening);
  const links = new Links(page, state, priors, recipe.mask);
  const controls = new Controls(page, state, listening, map, wire);
  new Surprise(page, state, wire, priors);
  new Hover(page, state, map, listening, inspector, gestures);
  new Keys(page, state, { map, listening, inspector, gestures, selecting, editing, filling });
  new Drawing(page, state, [map, controls, new CurvesView(page, state, listening)]);

  const open = (value) => {
    listening.reset();
    filling.cancel();
    state.reset();
    if (value) priors.useModel(value.model);
    if (!value || !value.token) return state.leave();
    const clip = clipOf(value);
    state.enter(clip);
    const size = `${number(clip.seconds, 2)} s, ${clip.geometry.columns} columns`;
    page.say(`Opened ${clip.title}: ${size}. Space plays; arrow keys move over the cells.`);
    links.restoreMask();
  };
  state.setMode("look");
  priors.load();
  watch("value", () => open(props.value));
  open(props.value);
}
