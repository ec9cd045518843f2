// The score of a blind test: no drawing, no sound.

// A fair coin.
function toss() {
  return crypto.getRandomValues(new Uint8Array(1))[0] & 1 ? "a" : "b";
}

// The chance of exactly 0, 1, ... n right answers among n guesses.
function guessing(n) {
  const chances = [Math.pow(0.5, n)];
  for (let k = 1; k <= n; k++) chances.push((chances[k - 1] * (n - k + 1)) / k);
  return chances;
}

// The chance that guessing gives `right` or more of n: a one-sided binomial test.
function pValue(right, n) {
  return Math.min(1, guessing(n).slice(right).reduce((sum, chance) => sum + chance, 0));
}

function verdict(right, n, planned) {
  const p = pValue(right, n);
  const often = p < 0.0005 ? "less than 1 in 1,000" : `${number(100 * p, p < 0.095 ? 1 : 0)} in 100`;
  const told = `${right} of ${n} right. Somebody who only guesses gets that many or more in ${often} such tests (p = ${p < 0.0005 ? "below 0.001" : p.toFixed(3)}).`;
  const meaning = p < 0.05 ? "So you most likely hear the difference." : "So this does not show that you hear a difference; more trials may.";
  return `${told} ${meaning}${n < planned ? ` The test was stopped after ${n} of ${planned} trials, so take the number with care.` : ""}`;
}

// Rows of values as CSV: what holds a comma, a quote or a line break is quoted; what a spreadsheet would compute is not.
function csvOf(rows) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function scoreSheet(clip, sides, trials) {
  const head = ["trial", "clip", "a_model", "a_stages", "a_bits_per_second", "b_model", "b_stages", "b_bits_per_second", "x_was", "answer", "right", "switches", "seconds", "right_so_far", "p_so_far"];
  let right = 0;
  const rows = trials.map((trial, i) => {
    right += trial.x === trial.answer ? 1 : 0;
    const [a, b] = [sides.a, sides.b];
    return [i + 1, clip.title, a.model, a.stages, a.bits_per_second, b.model, b.stages, b.bits_per_second, trial.x.toUpperCase(), trial.answer.toUpperCase(),
      trial.x === trial.answer ? 1 : 0, trial.switches, trial.seconds.toFixed(1), right, pValue(right, i + 1).toPrecision(4)];
  });
  return csvOf([head, ...rows]);
}
