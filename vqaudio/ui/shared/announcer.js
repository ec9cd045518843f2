// What the states of the components have in common: they announce what has changed.

/** Whoever shows a state listens to it, so that the state knows nothing of them. */
export class Announcer {
  constructor() {
    this.listeners = new Map();
  }

  /** @param {string} event @param {function(object): void} listener */
  on(event, listener) {
    this.listeners.set(event, [...(this.listeners.get(event) || []), listener]);
  }

  /** Tell those who listen, then those who listen to every "change". @param {string} [event] @param {object} [detail] */
  announce(event = "change", detail = {}) {
    for (const listener of this.listeners.get(event) || []) listener(detail);
    if (event !== "change") this.announce();
  }
}
