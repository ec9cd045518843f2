// The transport and what comes from the server. `element`, `props`, `server` and `watch` come from Gradio.

const chorus = new Chorus(() => {
  say("Stopped at the end.");
  showTransport();
});
let hearing = "a";

function hear(what) {
  if (test && what !== hearing) test.switches++;
  hearing = what;
  chorus.hear(what === "x" ? test.x : what);
  if (!test) say(`${chorus.playing ? "Playing" : "Ready to play"} ${what === "original" ? "the original" : what.toUpperCase()}.`);
  showTransport();
}

function playOrStop() {
  if (!sides.a || !sides.b) return;
  if (chorus.playing) chorus.stop();
  else chorus.start(chorus.position() > chorus.seconds - 0.02 ? 0 : chorus.position());
  showTransport();
  requestAnimationFrame(follow);
}

function seekTo(event) {
  if (!clip || !sides.a) return;
  const area = event.currentTarget.getBoundingClientRect();
  chorus.seek(Math.min(chorus.seconds - 0.01, ((event.clientX - area.left) / area.width) * clip.seconds));
  showHeads();
}

function showTransport() {
  if (!clip) return;
  root.classList.toggle("cm-playing", chorus.playing);
  $(".cp-play").setAttribute("aria-label", chorus.playing ? "Stop" : "Play");
  $(".cp-play").disabled = !sides.a || !sides.b;
  for (const button of root.querySelectorAll("[data-hear]")) {
    button.setAttribute("aria-checked", String(button.dataset.hear === hearing));
    button.hidden = button.dataset.hear === "x" && !test;
    button.disabled = !sides[button.dataset.hear] && button.dataset.hear !== "x";
  }
  for (const [name, part] of Object.entries(panels)) {
    part.node.dataset.heard = String(hearing === name);
    if (part.model) part.model.disabled = part.stages.disabled = Boolean(test);
  }
  $(".cp-begin").hidden = Boolean(test);
  $(".cp-trial").hidden = !test;
  if (test) $(".cp-count").textContent = `Trial ${test.trials.length + 1} of ${test.planned}`;
  for (const button of root.querySelectorAll("[data-answer]")) button.disabled = !test;
  showHeads();
}

function showHeads() {
  const at = clip && chorus.voices.size ? chorus.position() : 0;
  $(".cp-now").textContent = at.toFixed(2);
  for (const head of root.querySelectorAll(".cm-head")) head.style.left = `${(100 * at) / clip.seconds}%`;
}

function follow() {
  if (!chorus.playing || !root.isConnected) return;
  showHeads();
  requestAnimationFrame(follow);
}

function open(value) {
  chorus.stop();
  chorus.seek(0);
  chorus.voices.clear();
  sides = {};
  test = null;
  hearing = "a";
  clip = value && value.token ? value : null;
  root.dataset.state = clip ? "open" : "empty";
  if (value && value.empty) $(".cp-empty").textContent = value.empty;
  if (!clip) return;
  $(".cp-title").textContent = clip.title;
  $(".cp-length").textContent = clip.seconds.toFixed(2);
  $(".cp-result").hidden = true;
  for (const node of root.querySelectorAll(".cp-top")) node.textContent = `${clip.top_hz / 1000} kHz`;
  for (const name of ["a", "b"]) panels[name].model.replaceChildren(...clip.models.map((m) => el("option", { value: m.name, text: m.title })));
  const [first, second] = clip.models;
  setSide("a", first.name, first.stages);
  setSide("b", (second || first).name, second ? second.stages : Math.max(1, Math.floor(first.stages / 4)));
  fetchSide("original");
  say(`Opened ${clip.title}. Keys A, B and O switch, space plays.`);
  showTransport();
}

function redraw() {
  for (const name of Object.keys(panels)) showSide(name);
}

$(".cp-play").addEventListener("click", playOrStop);
$(".cp-loop").addEventListener("change", (event) => chorus.setLoop(event.target.checked));
for (const button of root.querySelectorAll("[data-hear]")) button.addEventListener("click", () => hear(button.dataset.hear));

function key(event) {
  if (!root.isConnected || !root.offsetWidth || !clip || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target !== document.body && !root.contains(event.target)) return;
  if (event.target.closest("input[type=number], select")) return;
  const voice = { a: "a", b: "b", o: "original", x: "x" }[event.key.toLowerCase()];
  if (voice && (sides[voice] || (voice === "x" && test))) hear(voice);
  else if (event.key === " " && !event.target.closest("button, input")) playOrStop();
  else return;
  event.preventDefault();
}
document.addEventListener("keydown", key);

new ResizeObserver(redraw).observe(root);
new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
watch("value", () => open(props.value));
open(props.value);
