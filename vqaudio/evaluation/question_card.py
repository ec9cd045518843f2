"""Model cards of networks that answer questions."""

from dataclasses import fields
from pathlib import Path

from vqaudio import hub
from vqaudio.evaluation import question_evaluation
from vqaudio.evaluation.card import training_in_words
from vqaudio.files import replace_file
from vqaudio.provenance import runs_of
from vqaudio.questions.film import QuestionConfig, QuestionModel

CARD = """---
license: {licence}
library_name: vqaudio
tags: [question-answering, film, {tag}]
---
# {name}

Answers questions about {subject}: FiLM (Perez et al. 2018), trained with [vqaudio](../../README.md).

    vqaudio ask {example}

| | |
| --- | --- |
| input | {input} |
| vocabulary | {words} words, {answers} answers |
| size | {parameters:.2f} M parameters; {megabytes:.1f} MB in half precision |
| changes from the coursework network | {differences} |

## Training

{training}

Weights and settings were chosen on the validation split. The test split was used once, at the end.

{scores}

## Limits

{limits}

## Data and licence

{source}
"""
SUBJECTS = {
    "ask-notes": {
        "subject": "scenes of five to ten notes", "example": 'SCENE.flac "How many cello sounds are there?"',
        "source": "Scenes by `vqaudio scenes` from the elementary sounds of CLEAR (Abdelnour et al. 2018), BSD licence. Test and "
        "training scenes share no recordings. The weights are CC BY 4.0.",
        "limits": "It knows single notes of bass, cello, clarinet, flute, trumpet and violin, from C3 to B5, with light reverb, "
        "one after the other, and the sentences of one grammar. Other sounds and wordings also get an answer, but a "
        "meaningless one. Words that are not in the training questions are reported.",
    },
    "ask-pictures": {
        "subject": "pictures of one shape", "example": 'PICTURE.png "What is the colour of the shape?"',
        "source": "[easy-VQA](https://github.com/vzhou842/easy-VQA) by Victor Zhou, MIT licence; every tenth training picture "
        "was used for validation. The weights are CC BY 4.0.",
        "limits": "It knows pictures of one circle, rectangle or triangle on a plain background, 64 x 64 pixels, and the "
        "questions of that dataset.",
    },
}
UNNAMED = {"subject": "a sound or a picture", "example": 'SCENE "..."', "source": "Not recorded.", "limits": "Not recorded."}
NOT_THE_NETWORK = ("module", "vocabulary", "answers", "sees", "sample_rate", "scale", "column_s", "codec", "code_stages")


def write_question_card(model: QuestionModel, folder: Path) -> None:
    """Write a question model's card, `folder`/README.md.

    Reads config.json, training.json and metrics.json in the folder.
    """
    c, name = model.config, folder.resolve().name
    licence = hub.about(folder).get("licence") or ("cc-by-4.0" if name in SUBJECTS else "unknown")
    text = CARD.format(
        **SUBJECTS.get(name, UNNAMED), licence=licence, name=name,
        tag="image" if c.sees == "picture" else "audio", input=_input(c), words=len(c.vocabulary) - 2, answers=len(c.answers),
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6, differences=_differences(c) or "nothing",
        training=training_in_words(runs_of(folder)),
        scores=_scores(question_evaluation.load(folder)),
    )
    replace_file(folder / "README.md", lambda path: path.write_text(text))


def _input(c: QuestionConfig) -> str:
    if c.sees == "picture":
        return f"pictures of {c.width} x {c.height} pixels"
    if c.sees == "codes":
        return f"codewords of the first {c.code_stages} stages of {c.codec}, {c.height} x {c.width}"
    bands = f"{c.height} bands on a {c.scale} scale, {1000 * c.column_s:g} ms a column"
    return f"{bands}, at most {c.longest_s:g} s at {c.sample_rate} Hz"


def _differences(c: QuestionConfig) -> str:
    """List the settings that differ from the coursework network."""
    changed = [field for field in fields(c) if field.name not in NOT_THE_NETWORK and getattr(c, field.name) != field.default]
    return "; ".join(f"{field.name.replace('_', ' ')} {_plain(getattr(c, field.name))}" for field in changed)


def _plain(value) -> str:
    """Format a setting without brackets: ((2, 2), (4, 2)) as 2x2, 4x2."""
    if isinstance(value, tuple):
        return ("x" if all(isinstance(one, int) for one in value) and len(value) == 2 else ", ").join(map(_plain, value))
    return str(value)


def _scores(results: list[dict]) -> str:
    """One table per split, followed by the totals with a coordinate switched off."""
    if not results:
        return "## Results\n\nNot measured."
    parts = []
    for whole in (one for one in results if all(one["coordinates"].values())):
        parts.append(f"## Results on the {whole['split']} split\n\n{question_evaluation.table(whole)}")
        same = [one for one in results if (one["layout"], one["split"]) == (whole["layout"], whole["split"]) and one is not whole]
        for one in same:
            off = " and ".join(name.removesuffix("s") for name, on in one["coordinates"].items() if not on)
            parts.append(
                f"With the {off} coordinate switched off in the trained network: {one['accuracy']:.1%}, "
                f"{100 * (whole['accuracy'] - one['accuracy']):.1f} points lower."
            )
        parts.append(f"{whole['scenes']:,} scenes or pictures. Measured by `{whole['command']}`.")
    return "\n\n".join(parts)
