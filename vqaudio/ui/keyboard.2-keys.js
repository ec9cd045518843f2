// The keys: how they look, and pressing them with a pointer or the computer's keys.

const LOWER = ["KeyZ", "KeyS", "KeyX", "KeyD", "KeyC", "KeyV", "KeyG", "KeyB", "KeyH", "KeyN", "KeyJ", "KeyM"];
const UPPER = ["KeyQ", "Digit2", "KeyW", "Digit3", "KeyE", "KeyR", "Digit5", "KeyT", "Digit6", "KeyY", "Digit7", "KeyU", "KeyI"];
const CODES = [...LOWER, ...UPPER];
const BLACK = [1, 3, 6, 8, 10];
let lowest = 48; // the key at the left end, a C
let last = null; // {key, request} of the note played last
const held = new Map(); // who holds a key down -> the key: a pointer, a code of the keyboard, a MIDI note
let sustained = new Set(); // keys let go while MIDI's pedal is down
let pedal = false;

function buildKeys() {
  const whites = upTo(25).filter((i) => !BLACK.includes(i % 12));
  const wide = 100 / whites.length;
  $(".kb-keys").replaceChildren(...upTo(25).map((i) => {
    const black = BLACK.includes(i % 12);
    const place = whites.filter((white) => white < i).length;
    const node = el("button", { type: "button", tabindex: "-1", class: `kb-key ${black ? "kb-black" : "kb-white"}`, "data-i": i }, el("span", { class: "kb-label" }), el("span", { class: "kb-code", text: CODES[i].replace(/Key|Digit/, "") }));
    Object.assign(node.style, { left: `${place * wide - (black ? 0.31 * wide : 0)}%`, width: `${black ? 0.62 * wide : wide}%` });
    return node;
  }));
}

// unknown: the prior has no such note; unheard: it never heard it with these labels; known; waiting; ready.
function stateOf(key) {
  const who = player();
  if (!who.keys.includes(key)) return "unknown";
  const id = idOf(key);
  if (made.has(id)) return "ready";
  if (asking.has(id)) return "waiting";
  const told = Object.entries(labels());
  return who.heard && told.some(([kind, value]) => !who.heard[kind][value].includes(key)) ? "unheard" : "known";
}

function showKeys() {
  if (!player()) return;
  const down = new Set(held.values());
  for (const node of root.querySelectorAll(".kb-key")) {
    const key = lowest + Number(node.dataset.i);
    const state = stateOf(key);
    node.dataset.state = state;
    node.dataset.down = String(down.has(key));
    node.setAttribute("aria-label", nameOf(key));
    node.title = { unknown: `${nameOf(key)}: not known to this prior`, unheard: `${nameOf(key)}: never heard with these labels; it will be guessed` }[state] || nameOf(key);
    node.querySelector(".kb-label").textContent = key % 12 === 0 ? nameOf(key) : "";
  }
  $(".kb-range").textContent = `${nameOf(lowest)} to ${nameOf(lowest + 24)}`;
  $(".kb-down").disabled = lowest <= 0;
  $(".kb-up").disabled = lowest + 24 >= 120;
  const waiting = queue.length + running;
  $(".kb-made").textContent = waiting ? `${waiting} ${waiting === 1 ? "note is" : "notes are"} being made` : "";
  $(".kb-ahead").disabled = upTo(25).every((i) => ["ready", "unknown", "waiting"].includes(stateOf(lowest + i)));
  $(".kb-open").disabled = !last;
}

async function press(holder, key, velocity = 0.8) {
  if (!player()) return;
  wake();
  held.set(holder, key);
  sustained.delete(key);
  if (stateOf(key) === "unknown") {
    showKeys();
    return say(`There is no note ${nameOf(key)} here: ${player().name} knows ${nameOf(player().keys[0])} to ${nameOf(player().keys.at(-1))}.`);
  }
  const request = requestOf(key);
  const ready = made.get(idOf(key));
  if (!ready) say(`${nameOf(key)} is being made…`);
  showKeys();
  const buffer = ready || (await noteOf(key, true));
  if (!buffer || !root.isConnected) return;
  sound(key, buffer, velocity);
  last = { key, request };
  $(".kb-name").textContent = nameOf(key);
  drawScope(buffer);
  say(`${nameOf(key)}${Object.values(request.labels).length ? `, ${Object.values(request.labels).join(", ")}` : ""}.`);
  showKeys();
}

// A note that was let go before it was made is played all the same, to its end.
function release(holder) {
  const key = held.get(holder);
  if (key === undefined) return;
  held.delete(holder);
  if ([...held.values()].includes(key)) return;
  if (pedal) sustained.add(key);
  else silence(key);
  showKeys();
}

function releaseAll() {
  for (const holder of [...held.keys()]) release(holder);
  setPedal(false);
}

function setPedal(down) {
  pedal = down;
  if (pedal) return;
  for (const key of sustained) silence(key);
  sustained = new Set();
}

function drawScope(buffer) {
  const canvas = $(".kb-scope");
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(root).getPropertyValue("--cm-now").trim();
  const samples = buffer.getChannelData(0);
  for (let x = 0; x < width; x += 2 * ratio) {
    let top = 0;
    for (let i = Math.floor((x / width) * samples.length); i < Math.floor(((x + 2 * ratio) / width) * samples.length); i++) top = Math.max(top, Math.abs(samples[i]));
    const high = Math.max(ratio, Math.min(1, top * 1.6) * height);
    pen.fillRect(x, (height - high) / 2, 1.3 * ratio, high);
  }
}

function shift(octaves) {
  releaseAll();
  lowest = Math.max(0, Math.min(96, lowest + 12 * octaves));
  showKeys();
}

function keyAt(event) {
  const node = document.elementFromPoint(event.clientX, event.clientY)?.closest(".kb-key");
  return node && root.contains(node) ? lowest + Number(node.dataset.i) : null;
}

// A pointer that is down plays every key that it is moved over. Where on the key it is struck says how loud.
function pointed(event) {
  const holder = `pointer ${event.pointerId}`;
  const key = keyAt(event);
  if (key === held.get(holder)) return;
  release(holder);
  if (key === null) return;
  const box = root.querySelector(`.kb-key[data-i="${key - lowest}"]`).getBoundingClientRect();
  press(holder, key, 0.45 + 0.55 * Math.min(1, Math.max(0, (event.clientY - box.top) / box.height)));
}

const pointers = new Set();
$(".kb-keys").addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  event.preventDefault();
  $(".kb-keys").focus({ preventScroll: true });
  $(".kb-keys").setPointerCapture(event.pointerId);
  pointers.add(event.pointerId);
  pointed(event);
});
$(".kb-keys").addEventListener("pointermove", (event) => pointers.has(event.pointerId) && pointed(event));
for (const name of ["pointerup", "pointercancel"]) {
  $(".kb-keys").addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    release(`pointer ${event.pointerId}`);
  });
}

document.addEventListener("keydown", (event) => {
  if (!root.isConnected || !root.offsetWidth || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const octave = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const i = CODES.indexOf(event.code);
  if (octave && root.contains(event.target)) shift(octave);
  else if (i < 0) return;
  else if (!event.repeat) press(event.code, lowest + i);
  event.preventDefault();
});
document.addEventListener("keyup", (event) => release(event.code));
window.addEventListener("blur", releaseAll);
