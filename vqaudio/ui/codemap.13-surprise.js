// The other colour of the lanes: how surprised a prior is by each cell, -log2 p in bits.

let surprise = null; // {token, version, bits, top, total, exact, prior}
let scoreNumber = 0;

function surpriseAt(row, column) {
  if (!surprise || clip.preview || surprise.version !== clip.version || surprise.token !== clip.token) return null;
  return surprise.bits[row * clip.geometry.columns + column] / 100;
}

async function showSurprise() {
  const name = $(".cm-colour").value;
  const mine = ++scoreNumber;
  if (!name || !clip) {
    surprise = null;
    root.classList.remove("cm-scoring");
    return tellScale();
  }
  if (clip.drafted) return;
  const token = clip.token;
  const wanted = () => mine === scoreNumber && clip && clip.token === token;
  $(".cm-scale-text").textContent = `Scoring under ${name}…`;
  root.classList.add("cm-scoring");
  const answer = await scored({ token, prior: name, labels: labels() }, wanted);
  if (!wanted()) return;
  root.classList.remove("cm-scoring");
  if (!answer.ok) {
    $(".cm-colour").value = "";
    surprise = null;
    say(answer.error);
    return tellScale();
  }
  const bits = idsOf(answer.bits);
  surprise = { token, version: answer.version, bits, top: bits.reduce((most, x) => Math.max(most, x), 1) / 100, total: answer.total, exact: answer.exact, prior: name };
  tellScale();
  say(toldSurprise());
}

// The answer of a job that scores, or what went wrong; nobody wants it any more when `wanted` says so.
async function scored(request, wanted) {
  const started = await call(server.score, request);
  if (!started.ok) return started;
  while (wanted()) {
    const answer = await call(server.progress, { job: started.job, seen: 0 });
    if (!answer.ok) return answer;
    if (answer.state === "failed") return { ok: false, error: answer.error_text };
    if (answer.state === "done") return { ok: true, ...answer.results[0] };
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  call(server.cancel, { job: started.job });
  return { ok: false, error: "" };
}

function toldSurprise() {
  const cells = clip.geometry.rows * clip.geometry.columns;
  return `${number(surprise.total)} bits in all under ${surprise.prior}, ${number(surprise.total / cells, 2)} a cell; ${surprise.exact ? "an exact likelihood" : "a pseudo-likelihood: each cell given all the others"}.`;
}

function tellScale() {
  $(".cm-scale-text").textContent = surprise ? `0 to ${number(surprise.top, 1)} bits a cell; ${number(surprise.total)} bits in all` : "alike codewords have alike colours, as far as one scale can tell";
  images.clear();
  show();
}

$(".cm-colour").addEventListener("change", showSurprise);
$(".cm-labels").addEventListener("change", () => surprise && showSurprise());
