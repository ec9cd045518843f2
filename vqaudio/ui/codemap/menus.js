// The menus of Examples and New: one is open at a time; Escape or a press elsewhere closes it.

import { el } from "../shared/dom.js";

export class Menus {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("../shared/wire.js").Wire} wire
   * @param {import("./opening.js").Opening} opening
   */
  constructor(page, wire, opening) {
    Object.assign(this, { page, wire, opening });
    page.listen("[data-menu]", "click", ({ currentTarget: { dataset } }) => this.toggle(dataset.menu));
    page.listen(".cm-new-menu", "submit", () => this.close());
    document.addEventListener("pointerdown", ({ target }) => {
      if (!target.closest(".cm-menu, [data-menu]")) this.close();
    });
    page.root.addEventListener("keydown", (event) => event.key === "Escape" && this.close(true) && event.preventDefault());
  }

  menu(name) {
    return this.page.find(`.cm-${name}-menu`);
  }

  toggle(name) {
    const { hidden } = this.menu(name);
    this.close();
    this.menu(name).hidden = !hidden;
    this.page.find(`[data-menu=${name}]`).setAttribute("aria-expanded", String(hidden));
    const first = hidden && this.menu(name).querySelector("button, select, input");
    if (first) first.focus({ preventScroll: true });
  }

  /** @param {boolean} [isAway] give the focus back to the button @returns {boolean} whether one was open */
  close(isAway = false) {
    const open = this.page.find("[data-menu][aria-expanded=true]");
    if (!open) return false;
    open.setAttribute("aria-expanded", "false");
    this.menu(open.dataset.menu).hidden = true;
    if (isAway) open.focus();
    return true;
  }

  /** Ask which examples there are. */
  async load() {
    const answer = await this.wire.call("list_examples", {});
    if (!answer.ok) return;
    for (const { model, title } of answer.groups) this.opening.titles[model] = title;
    this.menu("examples").replaceChildren(...answer.groups.map((group) => this.group(group)));
  }

  group({ model, title, clips }) {
    const buttons = clips.map(({ name, label }) => el("button", {
      type: "button", text: label, "data-example": name, "data-model": model,
      onclick: () => {
        this.close();
        this.opening.openExample(model, name);
      },
    }));
    return el("section", {}, el("h4", { text: title }), ...buttons);
  }
}
