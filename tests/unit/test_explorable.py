"""docs/how-it-works.html: its codes and training steps are those of the package, and it needs no network."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from test_javascript import function_lengths

from vqaudio.nn.rvq import ResidualVQ

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-it-works.html"
STAGES, VOCAB, POINTS, STEPS = 3, 5, 24, 15
# `chosen` has the random picks of each step that checks for dead codewords, one list a stage.
RUN = """
import { bitRate, decode, encode, quantiser, train } from "./page.mjs";
const { tables, points, queries, counts, chosen, settings } = JSON.parse(process.env.VQAUDIO_CASE);
const rvq = quantiser(tables, settings), ids = queries.map((x) => encode(rvq, x));
const decoded = ids.map((x) => decode(rvq, x)); // before training moves the codewords
const steps = counts.map((count) => {
  const { ids, outputs, restarted } = train(rvq, points, count, () => chosen.shift());
  return { ids, outputs, restarted, words: rvq.codebooks.map((book) => [...book.words]) };
});
console.log(JSON.stringify({ ids, decoded, steps, rate: bitRate(12, 1024, 50) }));
"""


def script() -> str:
    (found,) = re.findall(r'<script type="module">\n(.*?)</script>', PAGE.read_text(), re.S)
    return found


@pytest.fixture(scope="module")
def case() -> dict:
    """Codebooks, points to train on, points to encode, the stages of each point in each step, and random picks."""
    random = torch.Generator().manual_seed(5)
    sizes = torch.tensor([1.0, 0.5, 0.25], dtype=torch.float64)[:, None, None]
    tables = sizes * torch.randn(STAGES, VOCAB, 2, generator=random, dtype=torch.float64)
    tables[0, 0] = 9  # no point is near it
    counts = torch.randint(1, STAGES + 1, (STEPS, POINTS), generator=random)
    counts[:, 0] = STAGES
    return {
        "tables": tables.tolist(),
        "points": torch.randn(POINTS, 2, generator=random, dtype=torch.float64).tolist(),
        "queries": [*torch.randn(500, 2, generator=random, dtype=torch.float64).tolist(), *tables[0].tolist(), [0.0, 0.0]],
        "counts": counts.tolist(),
        "chosen": [[0] * VOCAB for _ in range(STAGES * STEPS)],  # point 0 uses all stages
        "settings": {"decay": 0.7, "restartBelow": 0.3, "restartEvery": 5, "mass": 4},
    }


@pytest.fixture(scope="module")
def page(case, tmp_path_factory) -> dict:
    node = shutil.which("node")
    if not node:
        required = os.environ.get("VQAUDIO_REQUIRE_NODE") == "1"
        (pytest.fail if required else pytest.skip)("Node is not installed: the page's arithmetic is not tested")
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.mjs").write_text(script())
    (folder / "run.mjs").write_text(RUN)
    environment = {**os.environ, "VQAUDIO_CASE": json.dumps(case)}
    done = subprocess.run([node, folder / "run.mjs"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def quantiser(case: dict) -> ResidualVQ:
    settings = case["settings"]
    rvq = ResidualVQ(
        2, STAGES, VOCAB, decay=settings["decay"], kmeans_steps=0, restart_below=settings["restartBelow"],
        restart_every=settings["restartEvery"],
    ).double()  # fmt: skip
    for book, table in zip(rvq.codebooks, case["tables"], strict=True):
        book.place(torch.ones(VOCAB, dtype=torch.bool), torch.tensor(table, dtype=torch.float64), settings["mass"])
    return rvq


def vectors(rows: list) -> torch.Tensor:
    """[n, 2] -> [n, 2, 1], each an item of one cell."""
    return torch.tensor(rows, dtype=torch.float64)[..., None]


def test_the_page_computes_the_codes_of_the_package(case, page):
    rvq = quantiser(case)
    ids = rvq.encode(vectors(case["queries"]))
    assert page["ids"] == ids[..., 0].tolist()
    torch.testing.assert_close(vectors(page["decoded"]), rvq.decode(ids))


def test_the_page_takes_the_training_steps_of_the_package(case, page, monkeypatch):
    monkeypatch.setattr(torch, "multinomial", lambda weights, n, replacement: torch.zeros(n, dtype=torch.long))
    rvq, points, restarts = quantiser(case).train(), vectors(case["points"]), 0
    for count, step in zip(case["counts"], page["steps"], strict=True):
        result = rvq(points, n_stages=torch.tensor(count))
        assert step["ids"] == result.ids[..., 0].tolist()
        torch.testing.assert_close(vectors(step["outputs"]), result.quantised)
        words = torch.stack([book.codewords for book in rvq.codebooks])
        torch.testing.assert_close(torch.tensor(step["words"], dtype=torch.float64), words)
        restarts += sum(map(len, step["restarted"]))
    assert restarts > 0, "the case has a dead codeword"


def test_the_page_counts_bits(page):
    assert page["rate"] == 6000


def test_the_page_loads_nothing():
    text = PAGE.read_text()
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)|\bimport\b|\bfetch\(|@import|\bsrc=", text)


def test_the_functions_of_the_page_are_short(tmp_path):
    (tmp_path / "page.js").write_text(script())
    lengths = function_lengths(tmp_path / "page.js")
    assert len(lengths) > 30 and max(lengths.values()) <= 60, lengths
    assert max(map(len, script().splitlines())) <= 130
