// Lists of stages: numbers from 0 in code, written from 1 on the page.

/**
 * @param {boolean[]} enabled one flag per stage
 * @returns {number[]} the stages that are on
 */
export function enabledStages(enabled) {
  return enabled.flatMap((isOn, stage) => (isOn ? [stage] : []));
}

/**
 * @param {number[]} stages
 * @returns {boolean} whether they are the first n stages
 */
export function isPrefix(stages) {
  return stages.every((stage, i) => stage === i);
}

/**
 * [0, 1, 2, 5] -> "1–3, 6"
 * @param {number[]} stages
 * @returns {string}
 */
export function listStages(stages) {
  const runs = [];
  for (const stage of stages) {
    const last = runs[runs.length - 1];
    if (last && last[1] === stage) last[1] = stage + 1;
    else runs.push([stage + 1, stage + 1]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
}

/**
 * [2] -> "stage 3", [0, 1] -> "stages 1–2"
 * @param {number[]} stages
 * @returns {string}
 */
export function nameStages(stages) {
  return `stage${stages.length === 1 ? "" : "s"} ${listStages(stages)}`;
}

/**
 * [0, 1, 3] -> "1-2,4", which parseStages reads.
 * @param {number[]} stages
 * @returns {string}
 */
export function formatStages(stages) {
  return listStages(stages).replaceAll("–", "-").replaceAll(" ", "");
}

/**
 * "2-4", "3", "1,3" or "2-" -> the stages in order; null for any other text.
 * @param {string} text
 * @param {number} n how many stages there are
 * @returns {?number[]}
 */
export function parseStages(text, n) {
  const found = new Set();
  for (const part of text.split(",")) {
    const match = part.trim().match(/^(\d+)(?:\s*([-–])\s*(\d*))?$/);
    const first = match ? Number(match[1]) : 0;
    const last = match && match[2] ? Number(match[3] || n) : first;
    if (!(first >= 1 && first <= last && last <= n)) return null;
    for (let stage = first; stage <= last; stage++) found.add(stage - 1);
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * What Solo makes of the stages: only one, or, when that one is alone already, those before.
 * @param {boolean[]} enabled
 * @param {?boolean[]} before
 * @param {number} stage
 * @returns {{enabled: boolean[], before: ?boolean[]}}
 */
export function solo(enabled, before, stage) {
  const only = enabled.map((_, i) => i === stage);
  const isAlone = enabled.every((isOn, i) => isOn === only[i]);
  if (!isAlone) return { enabled: only, before: before || enabled };
  return { enabled: before || only, before: null };
}
