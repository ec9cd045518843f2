"""The commands of questions: write scenes, ask, train, evaluate."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.errors import InputError
from vqaudio.files import check_folder

Model = Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id.")]
Split = Literal["train", "validation", "test"]


def scenes(
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A new folder.")],
    data: Annotated[Path | None, tyro.conf.arg(help="The folder of CLEAR's notes; by default $VQAUDIO_DATA.")] = None,
    split: Annotated[Split, tyro.conf.arg(help="No sound of one split occurs in another.")] = "train",
    scenes: Annotated[ranges.Count, tyro.conf.arg(help="How many scenes.")] = 1000,
    questions: Annotated[ranges.Count, tyro.conf.arg(help="Questions about each scene.")] = 10,
    seed: Annotated[ranges.Seed, tyro.conf.arg(help="The same seed gives the same bytes.")] = 0,
    semitones: Annotated[
        ranges.Semitones, tyro.conf.arg(help="Also use every recording shifted by up to this many semitones.")
    ] = 0,
    pictures: Annotated[bool, tyro.conf.arg(help="Sort-of-CLEVR: pictures of six shapes; needs no data.")] = False,
) -> None:
    """Write scenes of notes, or pictures of shapes, with questions, programs and answers.

    Prints the share of the most frequent answer of each question type.
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
    question: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help='Such as "How many cello sounds are there?"')],
    model: Annotated[str | None, tyro.conf.arg(help="By default ask-notes, and ask-pictures for a picture.")] = None,
    answers: Annotated[ranges.Count, tyro.conf.arg(help="How many answers to print, the likeliest first.")] = 5,
    program: Annotated[
        Path | None, tyro.conf.arg(help="A scenes.json that describes SCENE: also print the true answer to one of its questions.")
    ] = None,
) -> None:
    """Answer a question about a sound or a picture."""
    from vqaudio import hub
    from vqaudio.questions.inputs import read_source

    loaded = check_answers(hub.load(model or ("ask-pictures" if source.suffix.lower() in PICTURES else "ask-notes")))
    answer = loaded.ask(read_source(source, loaded.config), question)
    if answer.unknown:
        print(f"unknown words: {', '.join(answer.unknown)}")
    for text, chance in list(answer.distribution.items())[:answers]:
        print(f"{text:<12} {chance:.1%}")
    if program:
        print(f"true answer  {_true_answer(program, source.name, question)}")


PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")


def _true_answer(path: Path, name: str, question: str) -> str:
    """The answer that questions.json beside a scenes.json has for this question about this file."""
    from vqaudio.questions.layouts import read

    folder = read("scenes", path.parent, "")
    for one in folder.questions:
        if folder.sources[one.picture].name == name and one.text == question:
            return one.answer
    raise InputError(f"{path.parent} does not hold this question about {name}.")


def check_answers(model):
    """The model; InputError where it is of another family."""
    from vqaudio.questions.film import QuestionModel

    if not isinstance(model, QuestionModel):
        raise InputError(f"{model.name} does not answer questions. Choose ask-notes or ask-pictures.")
    return model


def train(args: list[str]) -> None:
    """Train a network that answers questions: metrics.csv and a checkpoint an epoch, and the model in OUT/best."""
    from dataclasses import replace

    import torch

    from vqaudio.questions.codes import config_for
    from vqaudio.questions.examples import answers_of, examples
    from vqaudio.questions.film import QuestionModel
    from vqaudio.questions.inputs import inputs_of
    from vqaudio.questions.layouts import read
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
    facts = replace(facts, data={"dataset": settings.layout, "licence": "unknown", "splits": sizes})
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
    """Take the weights of a model of the same shape, vocabulary and answers."""
    from vqaudio import hub

    started = check_answers(hub.load(name))
    if (started.config.vocabulary, started.config.answers) != (model.config.vocabulary, model.config.answers):
        raise InputError(f"{name} knows other words or answers than these questions have.")
    try:
        model.load_state_dict(started.state_dict())
    except RuntimeError:
        raise InputError(f"{name} has another shape than this recipe's model: give the same --model options.") from None


def evaluate(
    model: Model = "ask-notes",
    data: Annotated[Path | None, tyro.conf.arg(help="A folder of scenes and questions.")] = None,
    layout: Annotated[str, tyro.conf.arg(help="scenes, clear, clevr, easy-vqa or tfrecords.")] = "scenes",
    split: Annotated[Split, tyro.conf.arg(help="Which part of the data.")] = "test",
    json: Annotated[Path | None, tyro.conf.arg(help="Also write accuracy and by_type to this file.")] = None,
    without_column_coordinate: Annotated[bool, tyro.conf.arg(help="Switch the column's coordinate off; of sound, time.")] = False,
    without_row_coordinate: Annotated[bool, tyro.conf.arg(help="Switch the row's coordinate off.")] = False,
    compare_conditioning: Annotated[
        bool, tyro.conf.arg(help="Instead, count and time FiLM against concatenation, with one and with four residual blocks.")
    ] = False,
    save: Annotated[bool, tyro.conf.arg(help="Keep the result beside the weights, for the model card.")] = False,
    question_only: Annotated[
        str | None, tyro.conf.arg(help="A model of the recipe question-only, to put beside it.")
    ] = None,
    train_data: Annotated[
        Path | None, tyro.conf.arg(help="A folder of training questions, for the most frequent answer of each type.")
    ] = None,
) -> None:
    """Accuracy of answers by question type, beside baselines."""
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
