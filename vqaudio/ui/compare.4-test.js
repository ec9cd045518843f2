// The blind test.

let test = null; // {planned, sides, trials, x, switches, since}

function startTest() {
  if (!sides.a || !sides.b) return say("A and B are still being decoded: press again in a moment.");
  const same = sides.a.model === sides.b.model && sides.a.stages === sides.b.stages;
  if (same) return say("A and B are the same: choose another model or number of stages for one of them.");
  const planned = Math.round(Number($(".cp-planned").value));
  if (!(planned >= 5 && planned <= 100)) return say("A test has 5 to 100 trials.");
  test = { planned, sides: { ...sides }, trials: [] };
  $(".cp-result").hidden = true;
  nextTrial();
  if (!chorus.playing) playOrStop();
}

function nextTrial() {
  if (test.trials.length === test.planned) return endTest();
  test.x = toss();
  hear("x");
  Object.assign(test, { switches: 0, since: performance.now() });
  say(`Trial ${test.trials.length + 1}: which one is X?`);
}

function answer(said) {
  if (!test) return;
  test.trials.push({ x: test.x, answer: said, switches: test.switches, seconds: (performance.now() - test.since) / 1000 });
  nextTrial();
}

function endTest() {
  const done = test;
  test = null;
  hear("a");
  if (!done.trials.length) return say("The test was stopped before the first answer.");
  const right = done.trials.filter((trial) => trial.x === trial.answer).length;
  const n = done.trials.length;
  $(".cp-result").hidden = false;
  $(".cp-verdict").textContent = verdict(right, n, done.planned);
  $(".cp-chart").replaceChildren(chanceChart(right, n));
  const head = el("tr", {}, ...["trial", "X was", "you said", "", "switches", "seconds"].map((text) => el("th", { text })));
  const rows = done.trials.map((trial, i) => el("tr", trial.x === trial.answer ? {} : { class: "cp-wrong" }, ...[i + 1, trial.x.toUpperCase(), trial.answer.toUpperCase(),
    trial.x === trial.answer ? "right" : "wrong", trial.switches, trial.seconds.toFixed(1)].map((text) => el("td", { text }))));
  $(".cp-sheet").replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
  $(".cp-csv").onclick = () => saveSheet(scoreSheet(clip, done.sides, done.trials));
  say("The test is over.");
  showTransport();
}

function saveSheet(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  el("a", { href: url, download: `${clip.title.replace(/[^A-Za-z0-9_-]+/g, "-") || "clip"}-abx.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  say("Saved the score sheet.");
}

// What guessing gives, as bars; those of this score and better are marked: their sum is p.
function chanceChart(right, n) {
  const chances = guessing(n);
  const [width, height, most] = [560, 110, Math.max(...guessing(n))];
  const wide = width / (n + 1);
  const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const add = (tag, attributes, text) => {
    const part = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    if (text !== undefined) part.textContent = text;
    node.append(part);
  };
  node.setAttribute("viewBox", `0 0 ${width} ${height + 18}`);
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", `How many right answers guessing gives; ${right} or more are marked`);
  chances.forEach((chance, k) => {
    const high = Math.max(1, (height * chance) / most);
    add("rect", { x: k * wide + 1, y: height - high, width: Math.max(1, wide - 2), height: high, class: k >= right ? "cp-tail" : "cp-head" });
    if (k === right || k === 0 || k === n) add("text", { x: (k + 0.5) * wide, y: height + 13, "text-anchor": k === 0 ? "start" : k === n ? "end" : "middle" }, k === right ? `${k} right` : k);
  });
  return node;
}

$(".cp-start").addEventListener("click", startTest);
$(".cp-stop").addEventListener("click", endTest);
for (const button of root.querySelectorAll("[data-answer]")) button.addEventListener("click", () => answer(button.dataset.answer));
