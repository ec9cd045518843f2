// Level matching: gains that make the sounds of a comparison equally loud, so that a test compares codecs and not levels.

const CEILING_DB = -1; // no sample is raised beyond

/**
 * Gains that bring all sounds to the original's level, or to the highest level at which none of them clips.
 * @param {Object<string, {level: ?number, peak: number}>} sounds RMS levels in dB (null: silent), peaks from 0 to 1
 * @returns {Object<string, number>} gains in dB
 */
export function matchingGains(sounds) {
  const audible = Object.values(sounds).filter(({ level }) => level !== null);
  const reference = sounds.original && sounds.original.level !== null ? sounds.original.level
    : Math.max(...audible.map(({ level }) => level));
  const limits = audible.map(({ level, peak }) => level + CEILING_DB - 20 * Math.log10(peak));
  const target = Math.min(reference, ...limits);
  return Object.fromEntries(Object.entries(sounds).map(([name, { level }]) => [name, level === null ? 0 : target - level]));
}

/**
 * @param {Float32Array} samples
 * @returns {number} the largest magnitude
 */
export function peakOf(samples) {
  return samples.reduce((peak, x) => Math.max(peak, Math.abs(x)), 0);
}

/**
 * @param {Float32Array} samples
 * @param {number} gain in dB
 * @returns {Float32Array} the samples at another level
 */
export function scaled(samples, gain) {
  const factor = 10 ** (gain / 20);
  return gain ? samples.map((x) => factor * x) : samples;
}
