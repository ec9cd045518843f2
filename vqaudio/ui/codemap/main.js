// The Studio: puts its parts together, and opens the first clip.

import { Page } from "../shared/dom.js";
import { SpentLine } from "../shared/spent.js";
import { Wire } from "../shared/wire.js";
import { BrushRing } from "./brush_ring.js";
import { CurvesView } from "./curves.js";
import { Drawing } from "./drawing.js";
import { acceptDrops } from "./dropping.js";
import { Editing } from "./editing.js";
import { Filling } from "./filling.js";
import { Folds } from "./folds.js";
import { Gallery } from "./gallery.js";
import { Gestures } from "./gestures.js";
import { Hover } from "./hover.js";
import { Inspector } from "./inspector.js";
import { Keys } from "./keys.js";
import { Links } from "./links.js";
import { Listening } from "./listening.js";
import { MapView } from "./map_view.js";
import { Menus } from "./menus.js";
import { Opening } from "./opening.js";
import { PriorPanel } from "./priors.js";
import { recipeOf } from "./recipe.js";
import { Recorder } from "./recorder.js";
import { Selecting } from "./selecting.js";
import { SelectionBar } from "./selection_bar.js";
import { SpeakerChoice } from "./speaker.js";
import { stageActions, StageSwitches } from "./stage_switches.js";
import { State } from "./state.js";
import { Surprise } from "./surprise.js";
import { Tour } from "./tour.js";
import { Transport } from "./transport.js";
import { Zoom } from "./zoom.js";

/**
 * Start the component. Called once for each time that it is mounted.
 * @param {object} gradio what Gradio gives a component: element, props, server, trigger, upload and watch
 */
export function start({ element, props, server, trigger, upload, watch }) {
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
  const links = new Links(page, state, priors, filling, recipe);
  const opening = new Opening(page, state, wire, { listening, filling, priors, links }, { upload, trigger });
  const menus = new Menus(page, wire, opening);
  new Recorder(page, listening.player, (file) => opening.openFile(file));
  new SpeakerChoice(page, state, listening);
  new Surprise(page, state, wire, priors);
  new Folds(page, state, wire);
  new Zoom(page, state, listening.player);
  new BrushRing(page, state, map.node, gestures);
  new Hover(page, state, map, listening, inspector, gestures);
  new Keys(page, state, { map, listening, inspector, gestures, selecting, editing, filling });
  new Tour(page, state, new URLSearchParams(location.search).get("tour") === "1");
  const controls = [new Transport(page, state, listening), new StageSwitches(state, listening, map), editing];
  const pictures = [map, new CurvesView(page, state, listening), new SelectionBar(page, state, map, gestures, editing)];
  new Drawing(page, state, controls, pictures);
  acceptDrops(page, (file) => opening.openFile(file));

  watch("value", () => props.value && props.value.token && opening.open(props.value, true));
  page.root.dataset.started = "1";
  if (props.value && props.value.token) opening.open(props.value, false);
  else if (server.open_example) openFirst({ opening, menus, priors, links, recipe });
  else priors.load();
}

/** The first clip, with the result of the link that the page was opened with. */
async function openFirst({ opening, menus, priors, links, recipe }) {
  menus.load();
  await opening.openFirst(recipe);
  await priors.load(); // of the clip's model
  priors.sayLinkFault();
  links.repeat();
}
