// Which questions to suggest, and which to offer as examples. Pure.

/** @typedef {{question: string, type: string}} Question */

/**
 * @param {string} text
 * @returns {string[]} its words in lower case
 */
export function wordsOf(text) {
  return text.toLowerCase().replace(/[^\p{L}\p{N}#\s]/gu, " ").split(/\s+/).filter(Boolean);
}

/**
 * Questions that begin with what was typed, then those that contain all its words.
 * @param {Question[]} questions
 * @param {string} typed
 * @param {number} [most]
 * @returns {string[]}
 */
export function suggestions(questions, typed, most = 6) {
  const wanted = wordsOf(typed);
  if (!wanted.length) return [];
  const prefix = wanted.join(" ");
  const scored = questions.map(({ question }) => {
    const words = wordsOf(question);
    if (words.join(" ").startsWith(prefix)) return { question, rank: 0 };
    const all = wanted.every((word) => words.some((other) => other.startsWith(word)));
    return { question, rank: all ? 1 : 2 };
  });
  return scored.filter((one) => one.rank < 2).sort((a, b) => a.rank - b.rank).slice(0, most).map((one) => one.question);
}

/**
 * @param {Question[]} questions
 * @returns {Map<string, string[]>} the questions of each type
 */
export function byType(questions) {
  const groups = new Map();
  for (const { question, type } of questions) groups.set(type, [...(groups.get(type) || []), question]);
  return groups;
}

/**
 * @param {[string, number][]} answers the likeliest first
 * @param {boolean} all
 * @returns {{text: string, share: number, percent: string}[]} bars to draw; the widest has the share 1
 */
export function barsOf(answers, all) {
  const most = answers.length ? answers[0][1] : 1;
  return answers.slice(0, all ? answers.length : 10).map(([text, chance]) => ({
    text, share: chance / most, percent: `${(100 * chance).toFixed(1)}%`,
  }));
}
