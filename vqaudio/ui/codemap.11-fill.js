// The prior: which one, how it samples, and the job that runs on the server.

const POLL_MS = 120;
let priors = null; // null: not asked yet
let job = null; // the token of the one at work
const numberIn = (selector) => ($(selector).value.trim() === "" ? null : Number($(selector).value));

async function loadPriors() {
  if (priors) return priors;
  const answer = await call(server.priors, {});
  if (!answer.ok) {
    $(".cm-noprior").textContent = answer.error;
    return null;
  }
  if (priors) return priors;
  priors = answer.priors;
  root.dataset.priors = priors.length ? "some" : "none";
  $(".cm-noprior").textContent = answer.none;
  $(".cm-prior").replaceChildren(...priors.map((p) => el("option", { value: p.name, text: p.name })));
  $(".cm-colour").append(...priors.map((p) => el("option", { value: p.name, text: `surprise under ${p.name}` })));
  showPrior();
  restoreRecipe();
  return priors;
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
    const options = [el("option", { value: "", text: "any" }), ...values.map((value) => el("option", { value, text: value }))];
    const field = el("label", { class: "cm-field" }, el("span", { text: kind[0].toUpperCase() + kind.slice(1) }), el("select", { "data-label": kind }, ...options));
    if (values.includes(before[kind])) field.querySelector("select").value = before[kind];
    return field;
  });
  $(".cm-labels").replaceChildren(...fields);
  $(".cm-prior-note").textContent = chosenPrior.sees_right ? "It sees what stands on both sides of the hole."
    : "It works from the left and does not see what stands to the right of the hole.";
}

function labels() {
  return Object.fromEntries([...root.querySelectorAll("[data-label]")].filter((node) => node.value).map((node) => [node.dataset.label, node.value]));
}

function settings() {
  const cut = $(".cm-cut").value;
  return {
    temperature: numberIn(".cm-temperature") ?? 1, guidance: numberIn(".cm-guidance") ?? 1, steps: numberIn(".cm-steps"), labels: labels(),
    top_k: cut === "top_k" ? numberIn(".cm-cut-value") : null, top_p: cut === "top_p" ? numberIn(".cm-cut-value") : null,
    seed: $(".cm-keep-seed").checked ? numberIn(".cm-seed") : null,
  };
}

// Starts a job and follows it. `take` gets each variation when it is there. Returns {state, job}, or null where it did not start.
async function follows(starting, doing, take) {
  if (job) return refuseSecond();
  job = "starting";
  showJob(doing, 0, 0);
  const started = await call(...starting);
  if (!started.ok) return endJob(started.error);
  job = started.job;
  $(".cm-seed").value = started.seed;
  let seen = 0;
  while (root.isConnected) {
    const answer = await call(server.progress, { job: started.job, seen });
    if (!answer.ok) return endJob(answer.error);
    for (const variation of answer.variations) take(variation, started.job, seen++);
    showJob(doing, answer.share, answer.waiting);
    if (answer.state === "failed") return endJob(answer.error_text);
    if (answer.state === "cancelled") return endJob(seen ? `Cancelled. What was finished is kept: ${seen} of 4.` : "Cancelled. The clip is as it was.");
    if (answer.state === "done") {
      endJob("");
      return started.job;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return null;
}

function refuseSecond() {
  say("A prior is at work already: wait until it is done, or press Cancel.");
  return null;
}

function showJob(doing, share, waiting) {
  root.classList.add("cm-busy");
  $(".cm-progress progress").value = share;
  $(".cm-progress-text").textContent = waiting ? `Waiting: ${waiting} before you` : `${doing} ${Math.round(100 * share)} %`;
}

function endJob(sentence) {
  job = null;
  root.classList.remove("cm-busy");
  if (sentence) say(sentence);
  return null;
}

async function cancelJob() {
  if (!job || job === "starting") return;
  const answer = await call(server.cancel, { job });
  if (!answer.ok) say(answer.error);
}

async function fill() {
  if (!clip) return;
  if (!prior()) return say($(".cm-noprior").textContent || "The priors are still being loaded: press again in a moment.");
  if (!selection.count) return say("No cell is selected: drag over the map, or press one of the mask buttons.");
  if (job) return refuseSecond();
  player.wake();
  const mine = clip;
  const bounds = selection.bounds();
  const request = { token: clip.token, prior: prior().name, rectangles: selection.rectangles(), settings: settings() };
  let first = true;
  const done = await follows([server.fill, request], "Filling…", (variation, token, n) => {
    if (clip !== mine) return;
    if (first) startGallery(token, bounds);
    first = false;
    addVariation(variation, n);
  });
  if (done && gallery) await gallery.first;
  if (done && clip === mine && gallery) say(`Filled ${gallery.variations.length} times with ${request.prior}, seeds ${gallery.variations[0].seed} to ${gallery.variations.at(-1).seed}. You hear variation ${shownVariation() + 1}.`);
}

async function newClip() {
  if (!prior()) return say($(".cm-noprior").textContent || "The priors are still being loaded: press again in a moment.");
  if (job) return refuseSecond();
  player.wake();
  const request = { prior: prior().name, settings: settings(), seconds: numberIn(".cm-seconds") };
  const made = [];
  const done = await follows([server.new_clip, request], "Making a clip…", (variation) => made.push(variation));
  if (!done) return;
  const answer = await call(server.open_clip, { job: done });
  if (!answer.ok) return say(answer.error);
  open(answer.value);
  setMode("select");
  startGallery(done, null);
  gallery.made = true;
  addVariation(made[0], 0);
  if (await decoded.ask(clip, upTo(on.length))) play();
  say(`Made ${clip.title}: ${number(clip.seconds, 2)} s. Press New clip again for another one.`);
}

$(".cm-prior").addEventListener("change", showPrior);
$(".cm-cut").addEventListener("change", (event) => {
  const kind = event.target.value;
  $(".cm-cut-value").hidden = !kind;
  $(".cm-cut-value").value = kind === "top_k" ? 50 : kind === "top_p" ? 0.9 : "";
});
$(".cm-settings").addEventListener("submit", (event) => event.preventDefault());
$(".cm-do-fill").addEventListener("click", fill);
$(".cm-new").addEventListener("click", newClip);
$(".cm-cancel").addEventListener("click", cancelJob);
