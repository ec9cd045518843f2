"""Accuracy of question models, baselines, and the cost of conditioning."""

import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from vqaudio.files import replace_file
from vqaudio.provenance import recorded_command
from vqaudio.questions.examples import answer_all, examples
from vqaudio.questions.film import COURSEWORK, QuestionModel
from vqaudio.questions.inputs import inputs_of
from vqaudio.questions.layouts import Folder, read

METRICS = "metrics.json"


def evaluate(
    model: QuestionModel, layout: str, root: Path, split: str, switches: dict[str, bool] | None = None, train: Path | None = None,
    question_only: QuestionModel | None = None,
) -> dict:
    """Answer every question of a folder.

    Args:
        model: the model.
        layout, root, split: the questions, see `layouts.read`.
        switches: whether the coordinates of "rows" and "columns" are on.
        train: a folder of training questions, for the most frequent answer of each type; None for the folder itself.
        question_only: a model that sees nothing, to answer the same questions.

    Returns:
        `accuracy`, `by_type`, `questions` (their number by type), `most_frequent` and `most_frequent_by_type` (accuracy of always
        giving the most frequent answer of a type), and what was measured.
    """
    folder = read(layout, root, split)
    data = examples(folder, inputs_of(folder, model.config), model)
    switches = switches or {"rows": True, "columns": True}
    score = answer_all(model.with_coordinates(**switches), data)
    blind = question_only and answer_all(question_only, examples(folder, inputs_of(folder, question_only.config), question_only))
    guesses = most_frequent(read(layout, train, "train") if train else folder)
    guessed = [question.answer == guesses.get(question.type) for question in folder.questions]
    return {
        "model": model.name, "layout": layout, "split": split, "coordinates": switches,
        "command": recorded_command(),
        "accuracy": score.accuracy, "by_type": score.by_type,
        "questions": dict(sorted(Counter(question.type for question in folder.questions).items())),
        "scenes": len(folder.sources),
        "most_frequent": sum(guessed) / len(guessed),
        "most_frequent_by_type": {
            kind: _mean([hit for hit, question in zip(guessed, folder.questions) if question.type == kind])
            for kind in score.by_type
        },
        "question_only": blind and blind.accuracy, "question_only_by_type": blind and blind.by_type,
    }


def most_frequent(folder: Folder) -> dict[str, str]:
    """Return the most frequent answer of each question type."""
    counts: dict[str, Counter] = {}
    for question in folder.questions:
        counts.setdefault(question.type, Counter())[question.answer] += 1
    return {kind: min(count, key=lambda answer: (-count[answer], answer)) for kind, count in counts.items()}


def _mean(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def table(result: dict) -> str:
    """Format the accuracy by type and the baselines as a Markdown table."""
    columns = {result["model"]: result["by_type"], "most frequent answer": result["most_frequent_by_type"]}
    totals = [result["accuracy"], result["most_frequent"]]
    if result["question_only"] is not None:
        columns["question only"], totals = result["question_only_by_type"], [*totals, result["question_only"]]
    rows = [("question type", "questions", *columns), ("---",) * (2 + len(columns))]
    for kind, count in result["questions"].items():
        rows.append((kind.replace("_", " "), f"{count:,}", *(f"{by_type[kind]:.1%}" for by_type in columns.values())))
    rows.append(("**all**", f"{sum(result['questions'].values()):,}", *(f"**{total:.1%}**" for total in totals)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def keep(result: dict, folder: Path) -> None:
    """Save a result in metrics.json; replace one of the same data and coordinates."""
    path = folder / METRICS
    kept = [one for one in load(folder) if any(one[name] != result[name] for name in ("layout", "split", "coordinates"))]
    text = json.dumps([*kept, result], indent=1) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text))


def load(folder: Path) -> list[dict]:
    """Read the results that `keep` saved."""
    try:
        return json.loads((folder / METRICS).read_text())
    except (OSError, ValueError):
        return []


def compare_conditioning(repeats: int = 5, batch: int = 4) -> dict:
    """Measure FiLM and concatenation in the coursework's network.

    Returns:
        for each: parameters of the conditioning layers and of the whole, multiplications of both for one picture, and
        milliseconds of CPU time per answer in a batch, from features on (the median of `repeats`).
    """
    rows = []
    for blocks in (1, 4):
        for kind in ("film", "concatenation"):
            config = replace(COURSEWORK, vocabulary=("",) * 100, answers=("",) * 30, n_blocks=blocks, conditioning=kind)
            rows.append({"conditioning": kind, "blocks": blocks, **_costs(QuestionModel(config).eval(), repeats, batch)})
    return {"conditioning": rows, "threads": torch.get_num_threads(), "batch": batch}


@torch.no_grad()
def _costs(model: QuestionModel, repeats: int, batch: int) -> dict:
    features = model.features(torch.zeros(1, model.config.height, model.config.width, model.config.inputs))
    cells = features.shape[-2] * features.shape[-1]
    features = features.expand(batch, -1, -1, -1).contiguous()
    tokens, lengths = torch.ones(batch, 20, dtype=torch.long), torch.full((batch,), 20)
    model.answer(features, tokens, lengths)
    took = []
    for _ in range(repeats):
        began = time.process_time()
        model.answer(features, tokens, lengths)
        took.append(time.process_time() - began)
    layers = [block.film for block in model.blocks]
    c = model.config
    film = 2 * c.gru * c.channels + cells * c.channels  # two linear maps once, then one product per value
    concatenation = cells * (c.channels + c.gru) * c.channels
    return {
        "layer_parameters": sum(p.numel() for layer in layers for p in layer.parameters()),
        "parameters": sum(p.numel() for p in model.parameters()),
        "layer_multiplications": len(layers) * (film if c.conditioning == "film" else concatenation),
        "milliseconds": 1000 * sorted(took)[repeats // 2] / batch,
    }


def conditioning_table(result: dict) -> str:
    """Format the result of `compare_conditioning` as a Markdown table."""
    rows = [
        f"| {one['conditioning']} | {one['blocks']} | {one['layer_parameters']:,} | {one['parameters']:,} "
        f"| {one['layer_multiplications'] / 1e6:.1f} M | {one['milliseconds']:.2f} |"
        for one in result["conditioning"]
    ]
    head = "| conditioning | blocks | its parameters | all parameters | its multiplications a picture | ms an answer |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *rows])
