// A MIDI keyboard, where the browser can: notes, velocity and the sustain pedal. When it is unplugged, it lets go of its notes.

const UNSUPPORTED = "This browser cannot use MIDI keyboards; Chromium, Edge and Firefox can. The other keys work all the same.";
const REFUSED = "The browser does not allow this page to use MIDI: allow it in the page's settings, and press again.";
const NONE = "No MIDI keyboard is plugged in: plug one in, and it connects by itself.";
const UNPLUGGED = "is no longer connected: its notes were let go. Plug it in again, or play with the mouse or the keyboard.";
const [NOTE_OFF, NOTE_ON, CONTROL, SUSTAIN] = [0x80, 0x90, 0xb0, 64];

export class Midi {
  /**
   * @param {import("../shared/dom.js").Page} page
   * @param {import("./keys.js").Keys} keys
   * @param {import("./voices.js").Voices} voices
   */
  constructor(page, keys, voices) {
    Object.assign(this, { page, keys, voices, access: null, inputs: new Map() }); // inputs: id -> name
    page.listen(".kb-connect", "click", () => this.connect());
  }

  async connect() {
    this.voices.wake();
    if (!navigator.requestMIDIAccess) return this.page.say(UNSUPPORTED);
    try {
      this.access ||= await navigator.requestMIDIAccess();
    } catch {
      return this.page.say(REFUSED);
    }
    this.access.onstatechange = () => this.update();
    this.update();
    this.page.say(this.inputs.size ? `Connected: ${this.names}.` : NONE);
  }

  get names() {
    return [...this.inputs.values()].join(", ");
  }

  /** Take over the inputs that were plugged in, and drop those that were unplugged. */
  update() {
    const { page, voices, inputs: before } = this;
    const connected = [...this.access.inputs.values()].filter(({ state }) => state !== "disconnected");
    for (const input of connected) input.onmidimessage = (event) => this.receive(input.id, event.data);
    this.inputs = new Map(connected.map(({ id, name }) => [id, name || "MIDI keyboard"]));
    const gone = [...before].filter(([id]) => !this.inputs.has(id));
    const fresh = [...this.inputs].filter(([id]) => !before.has(id));
    for (const [id, name] of gone) {
      voices.releaseAll((holder) => holder.startsWith(`midi ${id} `));
      page.say(`${name} ${UNPLUGGED}`);
    }
    if (!gone.length && fresh.length) page.say(`Connected: ${fresh.map(([, name]) => name).join(", ")}.`);
    page.find(".kb-device").textContent = this.names;
    page.find(".kb-connect").textContent = this.inputs.size ? "MIDI is connected" : "Connect MIDI";
  }

  receive(id, [status, number, value]) {
    const holder = `midi ${id} ${number}`;
    const kind = status & 0xf0;
    if (kind === NOTE_ON && value > 0) this.keys.press(holder, number, 0.15 + 0.85 * (value / 127));
    else if (kind === NOTE_OFF || kind === NOTE_ON) this.voices.release(holder);
    else if (kind === CONTROL && number === SUSTAIN) this.voices.setPedal(value >= 64);
  }
}
