// The clip that is open and what was decoded of it. A sound is asked for once for each version of the indices and each set
// of stages, and kept under both, so that a late answer can never be taken for another one.

const PENDING_AFTER_MS = 120;

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

  get(clip, stages) {
    return this.kept.get(this.key(clip, stages));
  }

  ask(clip, stages) {
    const key = this.key(clip, stages);
    if (this.kept.has(key)) return Promise.resolve(this.kept.get(key));
    if (!this.asked.has(key)) this.asked.set(key, this.fetch(clip, stages, key));
    return this.asked.get(key);
  }

  async fetch(clip, stages, key) {
    const answer = await call(this.server.decode, { token: clip.token, stages });
    this.asked.delete(key);
    if (!answer.ok) {
      this.onError(answer.error);
      return null;
    }
    // The indices may have changed while this was on its way: what came is filed under what it is.
    const result = { ...heard(answer), quality: answer.quality, bits: answer.bits_per_second, stages };
    result.added = answer.added && heard(answer.added);
    this.kept.set(this.key({ ...clip, version: answer.version }, stages), result);
    this.onChange();
    return result;
  }
}

function heard(answer) {
  return { samples: samplesOf(answer.sound), picture: answer.picture, level: answer.level_db };
}

// A server function's answer; a broken connection is a sentence too.
async function call(f, request) {
  try {
    return await f(request);
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
