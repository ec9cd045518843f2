// Colours: viridis, whose lightness rises all the way, so that it reads the same with any colour vision.

const VIRIDIS = [
  [68, 1, 84], [72, 26, 108], [71, 47, 125], [65, 68, 135], [57, 86, 140], [49, 104, 142], [42, 120, 142], [35, 136, 142],
  [31, 152, 139], [34, 168, 132], [53, 183, 121], [84, 197, 104], [122, 209, 81], [165, 219, 54], [210, 226, 27], [253, 231, 37],
];

/** @typedef {[number, number, number]} Colour red, green and blue, 0 to 255 */

/**
 * @param {number} share in [0, 1]
 * @returns {Colour}
 */
export function viridis(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (VIRIDIS.length - 1);
  const i = Math.floor(at);
  return mix(VIRIDIS[i], VIRIDIS[i + 1], at - i);
}

/**
 * @param {Colour} low
 * @param {Colour} high
 * @param {number} share 0: low, 1: high
 * @returns {Colour}
 */
export function mix(low, high, share) {
  return low.map((x, channel) => x + share * (high[channel] - x));
}

/**
 * @param {Colour} colour
 * @returns {boolean} whether dark text reads better on it than light text
 */
export function isLight([red, green, blue]) {
  return 0.3 * red + 0.59 * green + 0.11 * blue > 118;
}

/**
 * @param {string} css any CSS colour
 * @returns {Colour}
 */
export function rgb(css) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

/**
 * The theme's colours, as CSS.
 * @param {Element} root
 * @returns {{ink: string, paper: string, soft: string, now: string}}
 */
export function themeColours(root) {
  const style = getComputedStyle(root);
  const get = (name) => style.getPropertyValue(name).trim();
  return { ink: get("--cm-ink"), paper: get("--cm-paper"), soft: get("--cm-soft"), now: get("--cm-now") };
}
