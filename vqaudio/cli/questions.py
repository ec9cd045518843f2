"""Question commands: scenes, ask, train, evaluate."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.cli.options import arg
from vqaudio.errors import InputError
from vqaudio.files import check_folder

Model = Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id.")]
Split = Literal["train", "validation", "test"]


def scenes(
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A new folder.")],
    data: Annotated[Path | None, arg(help="The folder of CLEAR's notes. Default: $VQAUDIO_DATA.")] = None,
    split: Annotated[Split, tyro.conf.arg(help="Splits share no recordings.")] = "train",
    scenes: Annotated[ranges.Count, tyro.conf.arg(help="Number of scenes.")] = 1000,
    questions: Annotated[ranges.Count, tyro.conf.arg(help="Questions per scene.")] = 10,
    seed: Annotated[ranges.Seed, tyro.conf.arg(help="Random seed; the same seed gives the same bytes.")] = 0,
    semitones: Annotated[
        ranges.Semitones, tyro.conf.arg(help="Also use every recording shifted by up to this many semitones.")
    ] = 0,
    pictures: Annotated[bool, tyro.conf.arg(help="Write Sort-of-CLEVR instead: pictures of six shapes. Needs no data.")] = False,
) -> None:
    """Write scenes of notes or pictures of shapes, with questions and answers.

    Also writes the program of each question, and prints the share of the most frequent answer per question type.
    """
    from vqaudio.questions import folder
    from vqaudio.questions.shapes import write_picture_scenes

    if pictures:
        shares = write_picture_scenes(out, split, scenes, questions, seed)
    else:
        shares = folder.write_sound_scenes(out, data, split, scenes, questions, seed, semitones)
    for kind, share in shares.items():
        print(f"{kind:<20} {share:.1%}")


def ask(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A sound or a picture.", metavar="SCENE")],
    question: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(help='The question, such as "How many cello sounds are there?"')
    ],
    model: Annotated[str | None, arg(help="The model. Default: ask-notes, or ask-pictures for a picture.")] = None,
    answers: Annotated[ranges.Count, tyro.conf.arg(help="Number of answers to print, most likely first.")] = 5,
    program: Annotated[
        Path | None, tyro.conf.arg(help="The scenes.json that describes SCENE: also print the correct answer, if it is listed.")
    ] = None,
) -> None:
    """Answer a question about a sound or a picture."""
    from vqaudio import hub
    from vqaudio.questions.inputs import is_picture, read_source

    loaded = check_answers(hub.load(model or ("ask-pictures" if is_picture(source) else "ask-notes")))
    answer = loaded.ask(read_source(source, loaded.config), question)
    if answer.unknown:
        print(f"unknown words: {', '.join(answer.unknown)}")
    for text, chance in list(answer.distribution.items())[:answers]:
        print(f"{text:<12} {chance:.1%}")
    if program:
        print(f"true answer  {_true_answer(program, source.name, question)}")


def _true_answer(path: Path, name: str, question: str) -> str:
    """Look up the answer to this question in the questions.json next to a scenes.json."""
    from vqaudio.questions.layouts import read

    folder = read("scenes", path.parent, "")
    for one in folder.questions:
        if folder.sources[one.picture].name == name and one.text == question:
            return one.answer
    raise InputError(f"{path.parent} does not have this question about {name}. Omit --program.")


def check_answers(model):
    """Return the model. Raises InputError if it does not answer questions."""
    from vqaudio.questions.film import QuestionModel

    if not isinstance(model, QuestionModel):
        raise InputError(f"{model.name} does not answer questions. Choose ask-notes or ask-pictures.")
    return model


def train(args: list[str]) -> None:
    """Train a network that answers questions.

    Writes metrics.csv, a checkpoint per epoch, and the best model to OUT/best.
    """
    from dataclasses import replace

    import torch

    from vqaudio.questions.codes import config_for
    from vqaudio.questions.examples import answers_of, examples
    from vqaudio.questions.film import QuestionModel
    from vqaudio.questions.inputs import inputs_of
    from vqaudio.questions.layouts import LICENCES, read
    from vqaudio.questions.tokeniser import vocabulary
    from vqaudio.training.loop import Worker, fit
    from vqaudio.training.question_recipes import QUESTION_RECIPES
    from vqaudio.training.question_task import QuestionTask
    from vqaudio.training.setup import checked_facts, parse, report

    run = parse(args, QUESTION_RECIPES, "ask-notes", "vqaudio train questions")
    settings = run.settings
    if run.data is None:
        raise InputError("Name the folder of scenes and questions with --data.")
    facts = checked_facts(run)
    folders = [read(settings.layout, run.data, split) for split in ("train", "validation")]
    sizes = {split: {"questions": len(folder.questions)} for split, folder in zip(("train", "validation"), folders)}
    licence = LICENCES.get(settings.layout, "unknown")
    facts = replace(facts, data={"dataset": settings.layout, "licence": licence, "splits": sizes})
    worker = Worker.join(settings.loop.device)
    torch.manual_seed(settings.loop.seed)
    words, answers = vocabulary(question.text for question in folders[0].questions), answers_of(folders[0])
    config = config_for(settings.model) if settings.model.sees == "codes" else settings.model
    model = QuestionModel(replace(config, vocabulary=words, answers=answers))
    if settings.start_from:
        _start_from(model, settings.start_from)
    train, validation = (examples(folder, inputs_of(folder, model.config), model) for folder in folders)
    task = QuestionTask(model, settings.training, train, validation, settings.loop.seed, worker)
    epoch = task.steps_per_epoch
    loop = replace(
        settings.loop, steps=epoch * settings.training.epochs, log_every=epoch, validate_every=epoch, checkpoint_every=epoch
    )
    report(fit(task, loop, run.folder, worker, run.resume, facts), run, worker)


def _start_from(model, name: str) -> None:
    """Load the weights of a model with the same shape, vocabulary and answers."""
    from vqaudio import hub

    started = check_answers(hub.load(name))
    if (started.config.vocabulary, started.config.answers) != (model.config.vocabulary, model.config.answers):
        raise InputError(f"{name} was trained with other words or answers. Start from another model, or use its questions.")
    try:
        model.load_state_dict(started.state_dict())
    except RuntimeError:
        raise InputError(f"{name} does not have the shape of this recipe. Use the --model options of {name}.") from None


def evaluate(
    model: Model = "ask-notes",
    data: Annotated[Path | None, tyro.conf.arg(help="The folder of scenes and questions.")] = None,
    layout: Annotated[str, tyro.conf.arg(help="scenes, clear, clevr, easy-vqa or tfrecords.")] = "scenes",
    split: Annotated[Split, tyro.conf.arg(help="Which part of the data.")] = "test",
    json: Annotated[Path | None, tyro.conf.arg(help="Also write accuracy and by_type to this file.")] = None,
    without_column_coordinate: Annotated[bool, tyro.conf.arg(help="Switch off the column coordinate (time, for sound).")] = False,
    without_row_coordinate: Annotated[bool, tyro.conf.arg(help="Switch off the row coordinate (frequency, for sound).")] = False,
    compare_conditioning: Annotated[
        bool, tyro.conf.arg(help="Instead, compare the cost of FiLM and concatenation, with one and four residual blocks.")
    ] = False,
    save: Annotated[bool, tyro.conf.arg(help="Save the result with the weights, for the model card.")] = False,
    question_only: Annotated[
        str | None, tyro.conf.arg(help="A question-only model to compare with.")
    ] = None,
    train_data: Annotated[
        Path | None, tyro.conf.arg(help="Training questions, for a baseline that always gives the most frequent answer.")
    ] = None,
) -> None:
    """Score answers by question type, against baselines."""
    from vqaudio import hub
    from vqaudio.evaluation import question_evaluation as evaluation

    if json:
        check_folder(json)
    if compare_conditioning:
        result = evaluation.compare_conditioning()
        print(evaluation.conditioning_table(result))
    else:
        if data is None:
            raise InputError("Name the folder of scenes and questions with --data.")
        loaded = check_answers(hub.load(model))
        switches = {"rows": not without_row_coordinate, "columns": not without_column_coordinate}
        blind = question_only and check_answers(hub.load(question_only))
        result = evaluation.evaluate(loaded, layout, data, split, switches, train_data, blind)
        print(evaluation.table(result))
        if save:
            evaluation.keep(result, hub.folder_of(model))
    if json:
        from vqaudio.questions.folder import write_json

        write_json(json, result)
