// A MIDI keyboard, where the browser can: notes, velocity and the sustain pedal. One that vanishes is told, and lets go.

let access = null;
let inputs = new Map(); // id -> name of what is plugged in

async function connect() {
  wake();
  if (!navigator.requestMIDIAccess) return say("This browser cannot use MIDI keyboards; Chromium, Edge and Firefox can. The other keys work all the same.");
  try {
    access ||= await navigator.requestMIDIAccess();
  } catch {
    return say("The browser does not allow this page to use MIDI: allow it in the page's settings, and press again.");
  }
  access.onstatechange = plugged;
  plugged();
  say(inputs.size ? `Connected: ${[...inputs.values()].join(", ")}.` : "No MIDI keyboard is plugged in: plug one in, and it is taken at once.");
}

function plugged() {
  const now = new Map([...access.inputs.values()].filter((input) => input.state !== "disconnected").map((input) => [input.id, input.name || "MIDI keyboard"]));
  const gone = [...inputs].filter(([id]) => !now.has(id));
  const fresh = [...now].filter(([id]) => !inputs.has(id));
  for (const input of access.inputs.values()) input.onmidimessage = (event) => heardMidi(input.id, event.data);
  inputs = now;
  for (const [id, name] of gone) {
    for (const holder of [...held.keys()]) if (holder.startsWith(`midi ${id} `)) release(holder);
    setPedal(false);
    say(`${name} is no longer connected: its notes were let go. Plug it in again, or play with the mouse or the computer's keys.`);
  }
  if (!gone.length && fresh.length) say(`Connected: ${fresh.map(([, name]) => name).join(", ")}.`);
  $(".kb-device").textContent = [...inputs.values()].join(", ");
  $(".kb-connect").textContent = inputs.size ? "MIDI is connected" : "Connect MIDI";
}

function heardMidi(id, [status, number, value]) {
  const holder = `midi ${id} ${number}`;
  const kind = status & 0xf0;
  if (kind === 0x90 && value > 0) press(holder, number, 0.15 + 0.85 * (value / 127));
  else if (kind === 0x80 || kind === 0x90) release(holder);
  else if (kind === 0xb0 && number === 64) setPedal(value >= 64);
}

$(".kb-connect").addEventListener("click", connect);
