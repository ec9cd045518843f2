// The clip that is open and what was decoded of it. A sound is asked for once for each version of the indices and each set
// of stages, and kept under both, so that a late answer can never be taken for another one. Of a long clip only the sounds
// that are to be heard are fetched; levels and quality come without them.

const PENDING_AFTER_MS = 120;
const ALL = ["sound", "added"];

class Decoded {
  constructor(server, onChange, onError) {
    this.server = server;
    this.onChange = onChange;
    this.onError = onError;
    this.clear();
  }

  clear() {
    this.kept = new Map();
    this.asked = new Map();
  }

  key(clip, stages) {
    return `${clip.token}/${clip.version}/${stages.join(",")}`;
  }

  // What is known of these stages: {level, quality, bits, stages, added}, with or without samples.
  facts(clip, stages) {
    return this.kept.get(this.key(clip, stages));
  }

  // Their sound, or what the last of them adds; undefined until it is here.
  get(clip, stages, what = "sound") {
    const facts = this.facts(clip, stages);
    const sound = facts && what === "added" ? facts.added : facts;
    return sound && sound.samples ? sound : undefined;
  }

  has(clip, stages, want) {
    const facts = this.facts(clip, stages);
    return Boolean(facts) && want.every((what) => this.get(clip, stages, what) || (what === "added" && !facts.added));
  }

  ask(clip, stages, want = ALL) {
    const key = this.key(clip, stages);
    if (this.has(clip, stages, want)) return Promise.resolve(this.kept.get(key));
    const wanted = `${key}/${want}`;
    if (!this.asked.has(wanted)) this.asked.set(wanted, this.fetch(clip, stages, want, wanted));
    return this.asked.get(wanted);
  }

  async fetch(clip, stages, want, wanted) {
    const answer = await call(this.server.decode, { token: clip.token, stages, want });
    this.asked.delete(wanted);
    if (!answer.ok) {
      this.onError(answer.error);
      return null;
    }
    // The indices may have changed while this was on its way: what came is filed under what it is.
    const key = this.key({ ...clip, version: answer.version }, stages);
    const before = this.kept.get(key) || { added: {} };
    const result = { ...before, ...heard(answer), quality: answer.quality, bits: answer.bits_per_second, stages };
    result.added = answer.added && { ...before.added, ...heard(answer.added) };
    this.kept.set(key, result);
    this.onChange();
    return result;
  }
}

function heard(answer) {
  const found = { level: answer.level_db };
  if (answer.picture) found.picture = answer.picture;
  if (answer.sound) found.samples = samplesOf(answer.sound);
  return found;
}

// What the last action took on the server, and all of this page's so far. The joules are an estimate, and said to be.
const VERBS = { decode: "decoding", side: "decoding", step: "decoding a step", original: "fetching the original", inspect: "looking a cell up", export: "making a file", prior: "the prior's work", players: "looking for priors of notes", archive: "fetching the instrument", reference: "fetching the original", priors: "looking for priors", put: "changing a cell", undo: "taking back", redo: "doing again" };
const spentSoFar = { s: 0, joules: 0 };
function showSpent({ verb, s, joules, by }) {
  spentSoFar.s += s;
  spentSoFar.joules += joules;
  const took = (spent) => `${number(spent.s, 2)} s, about ${spent.joules < 1 ? `${number(1000 * spent.joules)} mJ` : `${number(spent.joules, 1)} J`}`;
  element.querySelector(".cm-spent").textContent = `Last action (${VERBS[verb] || verb}): ${took({ s, joules })}. This page so far: ${took(spentSoFar)}. Energy is estimated: ${by}.`;
}

// A server function's answer; a broken connection is a sentence too.
async function call(f, request) {
  try {
    const answer = await f(request);
    if (answer.spent) showSpent(answer.spent);
    return answer;
  } catch (error) {
    return { ok: false, error: "The app does not answer: check the connection, or reload the page." };
  }
}

function opened(value) {
  const clip = { ...value, geometry: geometryOf(value.spec, value.columns), seconds: value.samples / value.sample_rate };
  clip.ids = new Uint16Array(bytesOf(value.ids).buffer);
  clip.firstIds = clip.ids.slice();
  clip.edits = clip.redos = 0;
  clip.original = value.original && heard(value.original);
  clip.span = Math.max(clip.seconds, clip.geometry.columns / clip.geometry.frameRate);
  return clip;
}
