// The prior: which one, how it samples, and the job that runs on the server.

const POLL_MS = 120;
const MANY_CELLS = 8000; // of a clip with more of them the lanes are redrawn less often
let priors = null; // null: not asked yet
let model = new URLSearchParams(location.search).get("model") || ""; // whose priors they are; "" for the usual codec
let job = null; // the token of the one at work; "starting" while it has none
let cancelSoon = false;
const numberIn = (selector) => ($(selector).value.trim() === "" ? null : Number($(selector).value));

async function loadPriors() {
  if (priors) return priors;
  const asked = model;
  const answer = await call(server.priors, { model });
  if (priors || asked !== model) return priors;
  if (!answer.ok) {
    $(".cm-noprior").textContent = answer.error;
    return null;
  }
  model = answer.model;
  priors = answer.priors;
  $(".cm-noprior").textContent = answer.none;
  $(".cm-prior").replaceChildren(...priors.map((p) => el("option", { value: p.name, text: p.name })));
  $(".cm-colour").replaceChildren($(".cm-colour").options[0], ...priors.map((p) => el("option", { value: p.name, text: `surprise under ${p.name}` })));
  showPrior();
  restoreRecipe();
  root.dataset.priors = priors.length ? "some" : "none";
  return priors;
}

// Another codec has other priors.
function useModel(name) {
  if (!name || name === model) return;
  model = name;
  priors = null;
  loadPriors();
}

function prior() {
  return priors && priors.find((p) => p.name === $(".cm-prior").value);
}

// The labels that the chosen prior knows; what was chosen before stays, where it can.
function showPrior() {
  const chosenPrior = prior();
  if (!chosenPrior) return;
  const before = labels();
  const fields = Object.entries(chosenPrior.labels).map(([kind, values]) => {
    const options = [el("option", { value: "", text: "any" }), ...values.map(([value, text]) => el("option", { value, text: text.replaceAll("_", " ") }))];
    const field = el("label", { class: "cm-field" }, el("span", { text: kind[0].toUpperCase() + kind.slice(1) }), el("select", { "data-label": kind }, ...options));
    if (values.some(([value]) => value === before[kind])) field.querySelector("select").value = before[kind];
    return field;
  });
  $(".cm-labels").replaceChildren(...fields);
  $(".cm-local-label").hidden = !fields.length;
  showUsual(chosenPrior.usual);
  $(".cm-prior-note").textContent = chosenPrior.sees_right ? "It sees what stands on both sides of the hole."
    : "It works from the left and does not see what stands to the right of the hole.";
}

// An empty field stands for the prior's own setting, which is shown in it.
function showUsual({ new: fresh, hole }) {
  for (const name of ["temperature", "steps", "guidance"]) {
    const [forNew, forHole] = [fresh[name] ?? "none", hole[name] ?? "none"];
    $(`.cm-${name}`).placeholder = forNew === forHole ? forNew : `${forHole}, ${forNew}`;
    $(`.cm-${name}`).title = `Empty: as is usual for this prior, ${forNew === forHole ? forNew : `${forHole} for a hole and ${forNew} for a new clip`}`;
  }
  $(".cm-cut").options[0].textContent = (fresh.top_p ?? 1) < 1 ? `the likeliest ${fresh.top_p}` : "all codewords";
}

function labels() {
  return Object.fromEntries([...root.querySelectorAll("[data-label]")].filter((node) => node.value).map((node) => [node.dataset.label, node.value]));
}

function settings() {
  const cut = $(".cm-cut").value;
  return {
    temperature: numberIn(".cm-temperature"), guidance: numberIn(".cm-guidance"), steps: numberIn(".cm-steps"), labels: labels(), local: $(".cm-local").value === "local",
    top_k: cut === "top_k" ? numberIn(".cm-cut-value") : null, top_p: cut === "top_p" ? numberIn(".cm-cut-value") : null,
    seed: $(".cm-keep-seed").checked ? numberIn(".cm-seed") : null,
  };
}

// --- a job ----------------------------------------------------------------------------------------------------------------

// Starts a job and shows how far it is. `react` is told of what comes: started, opened, now, result. True: it is done.
async function follows(starting, react) {
  if (job) return say("A prior is at work already: wait until it is done, or press Cancel.");
  job = "starting";
  cancelSoon = false;
  showJob({ share: 0, state: "running" }, 0, 1);
  const started = await call(...starting);
  if (!started.ok) return endJob(started.error);
  job = started.job;
  $(".cm-seed").value = started.seed;
  react.started(started);
  if (cancelSoon) cancelJob();
  return watchJob(started, react);
}

async function watchJob({ job: token, total }, react) {
  const got = { seen: 0, opened: 0, step: 0 };
  const stopped = (sentence) => endJob(gallery ? sentence : ""); // of a clip that was left nobody wants to hear
  while (root.isConnected) {
    const answer = await call(server.progress, { job: token, ...got });
    if (!answer.ok) return endJob(answer.error);
    for (const value of answer.opened) react.opened(value, got.opened++);
    for (const result of answer.results) react.result(result, got.seen++);
    if (answer.now && answer.number >= got.seen) react.now(idsOf(answer.now), answer.number);
    got.step = answer.step;
    showJob(answer, got.seen, total);
    if (answer.state === "done") return endJob("", true);
    if (answer.state === "failed") return stopped(answer.error_text);
    if (gallery && answer.state === "cancelled") await gallery.first;
    if (answer.state === "cancelled") return stopped(got.seen ? `Cancelled. What was finished is kept: ${got.seen} of ${total}.` : "Cancelled. The clip is as it was.");
    await new Promise((resolve) => setTimeout(resolve, clip && clip.ids.length > MANY_CELLS ? 3 * POLL_MS : POLL_MS));
  }
  return false;
}

function idsOf(text) {
  return new Uint16Array(bytesOf(text).buffer);
}

function showJob({ state, share, waiting, left_s }, made, total) {
  root.classList.add("cm-busy");
  $(".cm-progress progress").value = share;
  const done = state === "waiting" ? waitingText(waiting) : `Variation ${Math.min(total, made + 1)} of ${total}, ${Math.round(100 * share)} %`;
  $(".cm-progress-text").textContent = done + leftText(left_s);
}

function waitingText(before) {
  return before ? `Waiting: ${before} before you` : "Waiting: you are next";
}

function leftText(seconds) {
  return seconds == null ? "" : `, about ${Math.max(1, Math.round(seconds))} s left`;
}

function endJob(sentence, done = false) {
  job = null;
  root.classList.remove("cm-busy");
  endGallery();
  if (sentence) say(sentence);
  return done;
}

async function cancelJob() {
  if (job === "starting") cancelSoon = true;
  if (!job || job === "starting") return;
  const answer = await call(server.cancel, { job });
  if (!answer.ok) say(answer.error);
}

// What keeps a prior from starting, as a sentence, or "".
function hindrance() {
  if (!prior()) return $(".cm-noprior").textContent || "The priors are still being loaded: press again in a moment.";
  return job ? "A prior is at work already: wait until it is done, or press Cancel." : "";
}

async function fill() {
  if (!clip) return;
  const reason = hindrance() || (selection.count ? "" : "No cell is selected: drag over the map, or press one of the mask buttons.");
  if (reason) return say(reason);
  player.wake();
  adopt();
  const mine = clip;
  const bounds = selection.bounds();
  const request = { token: clip.token, prior: prior().name, rectangles: selection.rectangles(), settings: settings() };
  const done = await follows([server.fill, request], forGallery((started) => clip === mine && startGallery(started, { base: clip, bounds, made: false })));
  if (!done || clip !== mine || !gallery) return;
  await gallery.first;
  say(`Filled ${gallery.variations.length} times with ${request.prior}, seeds ${gallery.variations[0].seed} to ${gallery.variations.at(-1).seed}. You hear variation ${gallery.b + 1}.`);
}

async function newClips() {
  const reason = hindrance();
  if (reason) return say(reason);
  player.wake();
  adopt();
  const request = { prior: prior().name, settings: settings(), seconds: numberIn(".cm-seconds") };
  const done = await follows([server.new_clip, request], forGallery((started) => startGallery(started, { base: clip, bounds: null, made: true })));
  if (!done || !gallery || !gallery.made) return;
  await gallery.first;
  say(`Made ${gallery.variations.length} clips with ${request.prior}, seeds ${gallery.variations[0].seed} to ${gallery.variations.at(-1).seed}. You hear variation ${gallery.b + 1}: ${number(clip.seconds, 2)} s.`);
}

// What a job tells, for the gallery that it fills, as long as that one is shown.
function forGallery(start) {
  let mine = null;
  const here = (react) => (...told) => gallery && gallery === mine && react(...told);
  return {
    started(started) {
      start(started);
      mine = gallery;
    },
    opened: here(openVariation), now: here(liveVariation), result: here(addVariation),
  };
}

$(".cm-prior").addEventListener("change", showPrior);
$(".cm-cut").addEventListener("change", (event) => {
  const kind = event.target.value;
  $(".cm-cut-value").hidden = !kind;
  $(".cm-cut-value").value = kind === "top_k" ? 50 : kind === "top_p" ? 0.9 : "";
});
$(".cm-settings").addEventListener("submit", (event) => event.preventDefault());
$(".cm-do-fill").addEventListener("click", fill);
$(".cm-new").addEventListener("click", newClips);
$(".cm-cancel").addEventListener("click", cancelJob);
