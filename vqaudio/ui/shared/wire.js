// The server's functions, and the bytes that they send.

const UNREACHABLE = "The app does not answer. Check your connection, or reload the page.";
const POLL_MS = 120;

/** How long to wait before asking about a waiting job again: many may wait, and each request slows those who are served. */
function waitingMs({ left_s }) {
  return 1000 * Math.min(2, Math.max(0.3, (left_s || 0) / 4));
}

/**
 * @typedef {{data: string, factor: number}} Sound base64 of 16-bit samples, and the peak that they are scaled to
 * @typedef {{ok: boolean, error?: string}} Answer and whatever the function returns
 */

/**
 * @param {string} base64
 * @returns {Uint8Array}
 */
export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/**
 * @param {string} base64 of 16-bit integers
 * @returns {Uint16Array}
 */
export function idsOf(base64) {
  return new Uint16Array(bytesOf(base64).buffer);
}

/**
 * @param {Sound} sound
 * @returns {Float32Array} samples in [-1, 1]
 */
export function samplesOf(sound) {
  const integers = new Int16Array(bytesOf(sound.data).buffer);
  return Float32Array.from(integers, (x) => (x / 32768) * sound.factor);
}

/** Calls the functions of the server. Never throws: a broken connection is an answer with a sentence too. */
export class Wire {
  /**
   * @param {Object<string, function(object): Promise<Answer>>} server from Gradio
   * @param {function(object): void} onSpent gets what each call took, where the server measured it
   */
  constructor(server, onSpent) {
    this.server = server;
    this.onSpent = onSpent;
  }

  /**
   * @param {string} name of a server function
   * @param {object} request
   * @returns {Promise<Answer>}
   */
  async call(name, request) {
    try {
      const answer = await this.server[name](request);
      if (answer.spent) this.onSpent(answer.spent);
      return answer;
    } catch {
      return { ok: false, error: UNREACHABLE };
    }
  }

  /**
   * Ask how far a job is until it ends, or until `wanted` returns false.
   * @param {string} job its token
   * @param {object} options
   * @param {function(): boolean} options.wanted
   * @param {function(Answer): (object|void)} [options.react] sees each answer; returns what to send with the next request
   * @param {function(): number} [options.pauseMs] while the job runs
   * @returns {Promise<?Answer>} its last answer, with `state` "done", "failed", "cancelled" or "lost"; null if no longer wanted
   */
  async follow(job, { wanted, react = () => {}, pauseMs = () => POLL_MS }) {
    let seen = { seen: 0 };
    while (wanted()) {
      const answer = await this.call("progress", { job, ...seen });
      if (!answer.ok) return { state: "lost", error_text: answer.error };
      seen = react(answer) || seen;
      if (["done", "failed", "cancelled"].includes(answer.state)) return answer;
      await new Promise((resolve) => setTimeout(resolve, answer.state === "waiting" ? waitingMs(answer) : pauseMs()));
    }
    return null;
  }
}
