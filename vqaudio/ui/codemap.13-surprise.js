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
    return tellScale();
  }
  const token = clip.token;
  $(".cm-scale-text").textContent = "Scoring…";
  const answer = await call(server.score, { token, prior: name, labels: labels() });
  if (mine !== scoreNumber || !clip || clip.token !== token) return;
  if (!answer.ok) {
    $(".cm-colour").value = "";
    surprise = null;
    say(answer.error);
    return tellScale();
  }
  const bits = new Uint16Array(bytesOf(answer.bits).buffer);
  surprise = { token, version: answer.version, bits, top: Math.max(1, ...bits) / 100, total: answer.total, exact: answer.exact, prior: name };
  tellScale();
  say(toldSurprise());
}

function toldSurprise() {
  const cells = clip.geometry.rows * clip.geometry.columns;
  return `${number(surprise.total)} bits in all under ${surprise.prior}, ${number(surprise.total / cells, 2)} a cell; ${surprise.exact ? "an exact likelihood" : "a pseudo-likelihood: each cell given all the others"}.`;
}

function tellScale() {
  $(".cm-scale-text").textContent = surprise ? `0 to ${number(surprise.top, 1)} bits a cell; ${number(surprise.total)} bits in all` : "a colour is a codeword; alike codewords have alike colours, as far as one scale can tell";
  images.clear();
  show();
}

$(".cm-colour").addEventListener("change", showSurprise);
$(".cm-labels").addEventListener("change", () => surprise && showSurprise());
