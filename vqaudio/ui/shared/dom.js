// Making and finding nodes.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {object} [attributes] `class` and `text` too; a key such as `onclick` adds a listener
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/**
 * @param {string} tag
 * @param {object} attributes
 * @param {string|number} [text]
 * @returns {SVGElement}
 */
export function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/**
 * Mark the one radio button that is chosen.
 * @param {Iterable<HTMLElement>} buttons
 * @param {function(HTMLElement): boolean} isChosen
 */
export function markChosen(buttons, isChosen) {
  for (const button of buttons) button.setAttribute("aria-checked", String(isChosen(button)));
}

/**
 * Offer bytes or text as a download.
 * @param {string} name
 * @param {Uint8Array|string} data
 * @param {string} type a MIME type
 */
export function saveFile(name, data, type) {
  const url = URL.createObjectURL(new Blob([data], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/**
 * A select for one kind of label.
 * @param {string} kind
 * @param {[string, string][]} values value and text of each
 * @param {boolean} optional offers "any" too
 * @param {string} [before] stays chosen if it is among them
 * @returns {HTMLElement}
 */
export function labelField(kind, values, optional, before) {
  const options = [...(optional ? [["", "any"]] : []), ...values].map(([value, text]) => el("option", { value, text }));
  const select = el("select", { "data-label": kind }, ...options);
  if (values.some(([value]) => value === before)) select.value = before;
  return el("label", { class: "cm-field" }, el("span", { text: kind[0].toUpperCase() + kind.slice(1) }), select);
}

/**
 * @param {Element} root
 * @returns {Object<string, string>} the labels chosen in its label fields
 */
export function chosenLabels(root) {
  const chosen = [...root.querySelectorAll("[data-label]")].filter((node) => node.value);
  return Object.fromEntries(chosen.map((node) => [node.dataset.label, node.value]));
}

/** A component's root node, and the nodes in it. */
export class Page {
  /** @param {Element} root */
  constructor(root) {
    this.root = root;
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return this.root.querySelector(selector);
  }

  /** @param {string} selector @returns {NodeListOf<HTMLElement>} */
  findAll(selector) {
    return this.root.querySelectorAll(selector);
  }

  /** Listen to an event of every node that matches. @param {string} selector @param {string} event @param {function} react */
  listen(selector, event, react) {
    for (const node of this.findAll(selector)) node.addEventListener(event, react);
  }

  /** Tell the person what happened, in the status line. @param {string} sentence */
  say(sentence) {
    this.find(".cm-status").textContent = sentence;
  }

  /** @param {function(): void} redraw called when the component's size changes */
  onResize(redraw) {
    new ResizeObserver(redraw).observe(this.root);
  }

  /** @param {function(): void} redraw called when the theme changes */
  onRecolour(redraw) {
    new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }
}
