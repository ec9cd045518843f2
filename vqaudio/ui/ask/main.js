// The tab Ask: puts its parts together, opens scenes and asks questions.

import { Page, markChosen } from "../shared/dom.js";
import { Player } from "../shared/player.js";
import { SpentLine } from "../shared/spent.js";
import { Wire } from "../shared/wire.js";
import { AnswerView } from "./answer_view.js";
import { QuestionBox } from "./question_box.js";
import { SceneView } from "./scene_view.js";
import { State } from "./state.js";

/**
 * Start the component. Called once for each time that it is mounted.
 * @param {object} gradio what Gradio gives a component: element, props, server and watch
 */
export function start({ element, props, server, watch }) {
  const page = new Page(element.querySelector(".ak"));
  const spent = new SpentLine(page.find(".cm-spent"));
  const wire = new Wire(server, (cost) => spent.add(cost));
  const state = new State();
  const player = new Player(() => scene.showPlaying());
  const scene = new SceneView(page, state, player, (number) => open(state.scene.kind, number));
  const box = new QuestionBox(page, state, (question) => ask(question));
  new AnswerView(page, state);

  const open = async (kind, number) => {
    const answer = await wire.call("open_scene", { kind, number });
    if (!answer.ok) return page.say(answer.error);
    page.root.dataset.state = "open";
    page.root.dataset.kind = kind;
    markChosen(page.findAll("[data-kind]"), (button) => button.dataset.kind === kind);
    state.open(answer);
    scene.show();
    box.show();
    page.say(answer.problem || (kind === "sound" ? "Press Play, then ask a question." : "Ask a question about the picture."));
  };
  const ask = async (question) => {
    const { kind, number } = state.scene;
    page.say("Asking…");
    const answer = await wire.call("answer", { kind, number, question, time: state.time, stages: state.stages });
    if (!answer.ok) return page.say(answer.error);
    state.show(answer);
    const unknown = answer.unknown.length ? ` It does not know: ${answer.unknown.join(", ")}.` : "";
    page.say(`${answer.question} ${answer.answers[0][0]}.${unknown}`);
  };
  const begin = () => {
    if (!props.value || state.scene) return;
    const { kinds } = props.value;
    page.find(".ak-kinds").hidden = kinds.length < 2;
    open(kinds[0], 0);
  };
  page.listen(".cm-seg [data-kind]", "click", (event) => open(event.currentTarget.dataset.kind, 0));
  watch("value", begin);
  begin();
}
