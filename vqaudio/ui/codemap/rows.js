// How high and how strong the row of a stage is: both fall with what the stage contributes.

const RANGE_DB = 30; // below the strongest stage a row is as low as it gets
const [LOWEST, HIGHEST] = [13, 38]; // in pixels, of a stage with one band
const [BAND_ROOM, HIGHEST_BANDED] = [12, 192]; // pixels a band
const FAINTEST = 0.5;

/**
 * @param {?number[]} contributionsDb of all stages, re the strongest
 * @param {number} stage
 * @param {boolean} isEven all rows alike
 * @returns {number} 0 to 1
 */
export function rowShare(contributionsDb, stage, isEven) {
  if (isEven || !contributionsDb) return 1;
  return Math.max(0, Math.min(1, 1 + contributionsDb[stage] / RANGE_DB));
}

/**
 * @param {import("./geometry.js").Stage} stage
 * @param {number} share from rowShare
 * @returns {number} pixels
 */
export function rowHeight({ bands }, share) {
  const highest = bands === 1 ? HIGHEST : Math.min(HIGHEST_BANDED, BAND_ROOM * bands + 6);
  const lowest = bands === 1 ? LOWEST : Math.max(LOWEST, 0.6 * highest);
  return Math.round(lowest + share * (highest - lowest));
}

/**
 * @param {number} share from rowShare
 * @returns {number} how much of a cell's colour is shown over the paper, 0 to 1
 */
export function rowStrength(share) {
  return FAINTEST + share * (1 - FAINTEST);
}
