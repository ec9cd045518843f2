// The question box: completion from the scene's questions, and examples by type.

import { el } from "../shared/dom.js";
import { byType, suggestions } from "./suggest.js";

export class QuestionBox {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./state.js").State} state
   * @param {function(string): void} ask
   */
  constructor(page, state, ask) {
    Object.assign(this, { page, state, ask, chosen: -1, asked: new Map() });
    this.input = page.find(".ak-question");
    this.list = page.find(".ak-list");
    this.input.addEventListener("input", () => this.suggest());
    this.input.addEventListener("keydown", (event) => this.onKey(event));
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    page.find(".ak-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  /** Show the examples of the scene that was opened. */
  show() {
    this.groups = byType(this.state.scene.questions);
    this.asked.clear();
    this.input.value = "";
    this.input.placeholder = this.state.scene.questions[0].question;
    const buttons = [...this.groups.keys()].map((type) =>
      el("button", { type: "button", class: "cm-small", text: type, onclick: () => this.example(type) }));
    this.page.find(".ak-types").replaceChildren(...buttons);
    this.close();
  }

  /** Ask the next example of a type. */
  example(type) {
    const [questions, at] = [this.groups.get(type), this.asked.get(type) || 0];
    this.asked.set(type, at + 1);
    this.input.value = questions[at % questions.length];
    this.submit();
  }

  submit() {
    this.close();
    this.ask(this.input.value);
  }

  suggest() {
    const found = suggestions(this.state.scene.questions, this.input.value);
    this.chosen = -1;
    this.list.replaceChildren(...found.map((text, i) =>
      el("li", { id: `ak-option-${i}`, role: "option", "aria-selected": "false", text, onpointerdown: () => this.take(text) })));
    this.list.hidden = !found.length;
    this.input.setAttribute("aria-expanded", String(found.length > 0));
  }

  take(text) {
    this.input.value = text;
    this.submit();
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.chosen = -1;
  }

  onKey(event) {
    const options = [...this.list.children];
    if (event.key === "Escape") this.close();
    if (event.key === "Enter" && this.chosen >= 0) this.input.value = options[this.chosen].textContent;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || this.list.hidden) return;
    event.preventDefault();
    this.chosen = (this.chosen + step + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === this.chosen)));
    options[this.chosen].scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", options[this.chosen].id);
  }
}
