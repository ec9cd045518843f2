// The notes: which there are, asking for them one after the other, and playing them. `element`, `props`, `server`, `trigger`
// and `watch` come from Gradio.

const root = element.querySelector(".kb");
const $ = (selector) => root.querySelector(selector);
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const RELEASE_S = 0.22;
const AT_ONCE = 2; // notes asked for at a time
let players = [];
let context = null;
let out = null;
let made = new Map(); // what a note was asked for with -> AudioBuffer
let asking = new Map(); // the same -> the promise of it
let queue = []; // {id, request, resolve}; what is pressed is put in front
let running = 0;
const voices = new Map(); // key -> {source, volume} of what sounds, "waiting" while it is made

function say(sentence) {
  $(".kb-status").textContent = sentence;
}

function nameOf(key) {
  return `${NAMES[key % 12]}${Math.floor(key / 12) - 1}`;
}

function player() {
  return players.find((p) => p.name === $(".kb-prior").value);
}

function labels() {
  return Object.fromEntries([...root.querySelectorAll("[data-label]")].filter((node) => node.value).map((node) => [node.dataset.label, node.value]));
}

function requestOf(key) {
  return { prior: player().name, labels: labels(), key, seconds: Number($(".kb-seconds").value), take: Math.max(0, Math.round(Number($(".kb-take").value)) || 0) };
}

function idOf(key) {
  return JSON.stringify(requestOf(key));
}

// The note, made or to be made: a promise of an AudioBuffer, or of null after a sentence.
function noteOf(key, first) {
  const [id, request] = [idOf(key), requestOf(key)];
  if (made.has(id)) return Promise.resolve(made.get(id));
  if (!asking.has(id)) asking.set(id, new Promise((resolve) => queue[first ? "unshift" : "push"]({ id, request, resolve })));
  else if (first) queue.sort((a, b) => (b.id === id) - (a.id === id));
  pump();
  return asking.get(id);
}

async function pump() {
  if (running >= AT_ONCE || !queue.length) return;
  const { id, request, resolve } = queue.shift();
  running++;
  showKeys();
  const answer = await call(server.note, request);
  running--;
  asking.delete(id);
  if (answer.ok) made.set(id, bufferOf(answer));
  else say(answer.error);
  resolve(made.get(id) || null);
  showKeys();
  pump();
}

function bufferOf({ sound, sample_rate }) {
  const samples = samplesOf(sound);
  const buffer = new AudioBuffer({ length: samples.length, numberOfChannels: 1, sampleRate: sample_rate });
  buffer.copyToChannel(samples, 0);
  return buffer;
}

// An AudioContext may start only after a click or a key. Many keys at once are held below full scale.
function wake() {
  if (!context) {
    context = new AudioContext({ latencyHint: "interactive" });
    out = context.createDynamicsCompressor();
    Object.assign(out.threshold, { value: -8 });
    out.connect(context.destination);
  }
  if (context.state === "suspended") context.resume();
  return context;
}

function sound(key, buffer, velocity) {
  silence(key, 0.03);
  const source = context.createBufferSource();
  const volume = context.createGain();
  source.buffer = buffer;
  volume.gain.value = velocity;
  source.connect(volume).connect(out);
  const voice = { source, volume };
  source.onended = () => {
    if (voices.get(key) === voice) voices.delete(key);
    showKeys();
  };
  source.start();
  voices.set(key, voice);
}

function silence(key, seconds = RELEASE_S) {
  const voice = voices.get(key);
  voices.delete(key);
  if (!voice || !voice.source) return;
  const now = context.currentTime;
  voice.volume.gain.setTargetAtTime(0, now, seconds / 3);
  voice.source.stop(now + 2 * seconds);
}
