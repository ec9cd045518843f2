// A WAV file of recorded samples.

const HEADER = 44; // bytes

/**
 * @param {Float32Array[]} chunks samples in [-1, 1]
 * @param {number} rate in Hz
 * @returns {Uint8Array} 16-bit mono PCM
 */
export function wavOf(chunks, rate) {
  const n = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const view = new DataView(new ArrayBuffer(HEADER + 2 * n));
  const text = (at, word) => [...word].forEach((char, i) => view.setUint8(at + i, char.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * n, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * n, true);
  let at = HEADER;
  for (const chunk of chunks) {
    for (const x of chunk) {
      view.setInt16(at, Math.round(32767 * Math.max(-1, Math.min(1, x))), true);
      at += 2;
    }
  }
  return new Uint8Array(view.buffer);
}

/**
 * @param {Float32Array} samples
 * @returns {number} root mean square in dBFS, at least -100
 */
export function levelOf(samples) {
  const power = samples.reduce((sum, x) => sum + x * x, 0) / Math.max(1, samples.length);
  return Math.max(-100, 10 * Math.log10(power + 1e-12));
}
