// Choosing the prior and its labels, taking an instrument home, and the start.

let job = null;

async function start() {
  const answer = await call(server.players, {});
  players = answer.ok ? answer.players : [];
  root.dataset.state = players.length ? "open" : "empty";
  if (!players.length) return void ($(".kb-empty").textContent = answer.ok ? answer.none : answer.error);
  $(".kb-prior").replaceChildren(...players.map((p) => el("option", { value: p.name, text: players.length > 1 ? `${p.title}: ${p.name}` : p.name })));
  buildKeys();
  choosePlayer();
}

function choosePlayer() {
  const before = labels();
  const fields = Object.entries(player().labels).map(([kind, values], i) => {
    const any = i ? [el("option", { value: "", text: "any" })] : [];
    const field = el("label", { class: "cm-field" }, el("span", { text: kind[0].toUpperCase() + kind.slice(1) }), el("select", { "data-label": kind }, ...any, ...values.map((value) => el("option", { value, text: value.replaceAll("_", " ") }))));
    if (values.includes(before[kind])) field.querySelector("select").value = before[kind];
    return field;
  });
  $(".kb-labels").replaceChildren(...fields);
  chooseLabels();
}

// The two octaves in which most of the chosen instrument's notes lie, and the range to take home.
function chooseLabels() {
  releaseAll();
  queue.splice(0).forEach(({ id, resolve }) => { asking.delete(id); resolve(null); });
  const { keys, heard } = player();
  const told = Object.entries(labels());
  const known = keys.filter((key) => !heard || told.every(([kind, value]) => heard[kind][value].includes(key)));
  const usual = known.length ? known : keys;
  const inside = (c) => usual.filter((key) => key >= c && key <= c + 24).length;
  lowest = upTo(9).map((octave) => 12 * octave).reduce((best, c) => (inside(c) > inside(best) ? c : best), 48);
  const options = () => keys.map((key) => el("option", { value: key, text: nameOf(key) }));
  const nearest = (wanted) => usual.reduce((best, key) => (Math.abs(key - wanted) < Math.abs(best - wanted) ? key : best));
  $(".kb-low").replaceChildren(...options());
  $(".kb-high").replaceChildren(...options());
  $(".kb-low").value = nearest(lowest);
  $(".kb-high").value = nearest(lowest + 24);
  showKeys();
}

function prepare() {
  wake();
  const keys = upTo(25).map((i) => lowest + i).filter((key) => stateOf(key) === "known");
  const rest = keys.length ? keys : upTo(25).map((i) => lowest + i).filter((key) => stateOf(key) === "unheard");
  for (const key of rest) noteOf(key, false);
  if (rest.length) say(`${rest.length} ${rest.length === 1 ? "note is" : "notes are"} being made; play those that are there meanwhile.`);
}

async function save() {
  if (job) return say("An instrument is being made already: wait until it is done, or cancel it.");
  const { key, ...same } = requestOf(0);
  job = "starting";
  showJob({ share: 0 });
  const started = await call(server.sampler, { ...same, low: Number($(".kb-low").value), high: Number($(".kb-high").value) });
  if (!started.ok) return endJob(started.error);
  job = started.job;
  while (root.isConnected) {
    const answer = await call(server.progress, { job, seen: 0 });
    if (!answer.ok) return endJob(answer.error);
    if (answer.state === "failed") return endJob(answer.error_text);
    if (answer.state === "cancelled") return endJob("Cancelled. The notes that were made are kept.");
    showJob(answer, started.total);
    if (answer.state === "done") break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const file = await call(server.archive, { job });
  if (!file.ok) return endJob(file.error);
  const url = URL.createObjectURL(new Blob([bytesOf(file.data)], { type: file.type }));
  el("a", { href: url, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  endJob(`Saved ${file.name}: ${started.total} notes. Open its .sfz file in a sampler.`);
}

function showJob({ state, share, waiting, left_s }, total = 0) {
  root.classList.add("cm-busy");
  $(".cm-progress progress").value = share;
  const left = left_s == null ? "" : `, about ${Math.max(1, Math.round(left_s))} s left`;
  const done = state === "waiting" ? `Waiting: ${waiting} before you` : `${Math.round(share * total)} of ${total || "…"} notes`;
  $(".cm-progress-text").textContent = done + left;
}

function endJob(sentence) {
  job = null;
  root.classList.remove("cm-busy");
  say(sentence);
}

$(".kb-prior").addEventListener("change", choosePlayer);
$(".kb-labels").addEventListener("change", chooseLabels);
for (const name of [".kb-seconds", ".kb-take"]) $(name).addEventListener("change", showKeys);
$(".kb-down").addEventListener("click", () => shift(-1));
$(".kb-up").addEventListener("click", () => shift(1));
$(".kb-ahead").addEventListener("click", prepare);
$(".kb-save").addEventListener("click", save);
$(".kb-cancel").addEventListener("click", () => job && job !== "starting" && call(server.cancel, { job }));
$(".kb-open").addEventListener("click", () => last && trigger("open_note", last.request));
new ResizeObserver(() => root.offsetWidth && !players.length && start()).observe(root);
