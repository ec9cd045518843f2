"""Questions per second that a network answers on one CPU thread.

One question about one scene, as on the page; 64 questions about as many scenes; and 64 about one scene, whose features are
computed once. CPU time, medians of interleaved runs. Weights do not change the speed: without trained ones, random ones of the
recipes' shapes are used.

    python -m benchmarks.questions --json benchmarks/results/questions.json
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import tyro

from benchmarks.measure import cpu_times, table, write_json
from vqaudio.questions.film import QuestionModel
from vqaudio.training.question_recipes import QUESTION_RECIPES

WORDS = 12  # per question


def main(
    recipes: tuple[str, ...] = ("ask-notes", "ask-pictures", "coursework"), batch: int = 64, repeats: int = 3,
    json: Path | None = None,
) -> None:
    """Print the questions answered per second of CPU time.

    Args:
        recipes: of `vqaudio train questions`, whose networks are timed.
        batch: questions at once.
        repeats: runs of each contestant; the median counts.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rates = {}
    for name in recipes:
        config = QUESTION_RECIPES[name].model
        model = QuestionModel(replace(config, vocabulary=("",) * 100, answers=("",) * 45)).eval()
        runs = {
            "one question": partial(ask, model, 1, 1), "many scenes": partial(ask, model, batch, batch),
            "one scene": partial(ask, model, 1, batch),
        }
        taken = cpu_times(runs, repeats)
        questions = {"one question": 1, "many scenes": batch, "one scene": batch}
        rates[name] = {kind: round(questions[kind] / time, 2) for kind, time in taken.items()}
    print("questions a second of CPU time, one thread")
    header = ("network", "one at a time", f"{batch} about {batch} scenes", f"{batch} about one scene")
    print(table(header, [(name, *(f"{rate:.1f}" for rate in row.values())) for name, row in rates.items()]))
    write_json(json, {"batch": batch, "repeats": repeats, "words": WORDS, "questions_per_second": rates})


@torch.no_grad()
def ask(model: QuestionModel, scenes: int, questions: int) -> None:
    """Answer questions about precomputed pictures."""
    c = model.config
    features = model.features(torch.zeros(scenes, c.height, c.width, c.inputs)).expand(questions, -1, -1, -1)
    model.answer(features, torch.ones(questions, WORDS, dtype=torch.long), torch.full((questions,), WORDS))


if __name__ == "__main__":
    tyro.cli(main)
