"""Recipes for `vqaudio train questions --recipe NAME`."""

from dataclasses import dataclass, field, replace

from vqaudio import ranges
from vqaudio.questions.film import QuestionConfig
from vqaudio.training.loop import LoopConfig
from vqaudio.training.question_task import QuestionTraining


@dataclass(frozen=True)
class QuestionRecipe:
    """A question model, its data and its training. The epochs determine the steps."""

    layout: ranges.Name = "scenes"
    """Layout of the data: scenes (written by `vqaudio scenes`), clear, clevr, easy-vqa or tfrecords."""
    start_from: ranges.PathText | None = None
    """A model of the same shape, words and answers (a name in weights/ or a folder) to take the first weights from."""
    model: QuestionConfig = field(default_factory=QuestionConfig)
    training: QuestionTraining = field(default_factory=QuestionTraining)
    loop: LoopConfig = field(default_factory=LoopConfig)


NOTES = QuestionConfig(
    sees="sound", height=64, width=300, inputs=1, extractor_channels=(12, 24, 48, 96),
    extractor_strides=((2, 2), (2, 2), (4, 2), (4, 2)), n_blocks=4, channels=96, block_kernel=(1, 7),
    gru=96, classifier_channels=256, classifier_hidden=256, pooling="max+mean+pointers",
)
PICTURES = QuestionConfig(
    height=64, width=64, extractor_channels=(16, 24, 32), extractor_strides=((2, 2), (2, 2), (2, 2)), n_blocks=1, channels=48,
    embedding=32, gru=64, gru_layers=1, classifier_channels=128, classifier_hidden=128,
)
QUESTION_RECIPES = {
    "coursework": QuestionRecipe(layout="tfrecords", training=QuestionTraining(epochs=40)),
    "ask-notes": QuestionRecipe(
        model=NOTES,
        training=QuestionTraining(
            epochs=40, questions_per_picture=8, learning_rate=1.5e-3, sound_labels=0.2, program_labels=2.0,
            shift=8, tilt=0.05,
        ),
    ),
    "ask-notes-codes": QuestionRecipe(  # with --model.code-stages 1, 2 or 3
        model=replace(
            NOTES, sees="codes", codec="notes-16khz", code_stages=3, extractor_channels=(48, 64, 96),
            extractor_strides=((2, 2), (2, 2), (2, 2)),
        ),
        training=QuestionTraining(
            epochs=60, questions_per_picture=8, learning_rate=1.5e-3, sound_labels=0.2, program_labels=1.0
        ),
    ),
    "question-only": QuestionRecipe(
        model=QuestionConfig(
            sees="nothing", height=1, width=1, inputs=1, extractor_channels=(8,), extractor_strides=((1, 1),), channels=32,
            block_kernel=(1, 1), classifier_channels=128, classifier_hidden=128,
        ),
        training=QuestionTraining(epochs=10, questions_per_picture=8, learning_rate=2e-3),
    ),
    "ask-pictures": QuestionRecipe(
        layout="easy-vqa", model=PICTURES,
        training=QuestionTraining(epochs=60, questions_per_picture=8, learning_rate=2e-3, validation_pictures=400),
    ),
    "sort-of-clevr": QuestionRecipe(
        model=replace(PICTURES, n_blocks=3, channels=64, pooling="max+mean"),
        training=QuestionTraining(epochs=60, questions_per_picture=8, learning_rate=2e-3, validation_pictures=500),
    ),
    "clevr": QuestionRecipe(layout="clevr", model=QuestionConfig(n_blocks=4), training=QuestionTraining(epochs=80)),
    "clear": QuestionRecipe(
        layout="clear",
        model=QuestionConfig(sees="sound", height=64, width=1024, inputs=1, n_blocks=4),
        training=QuestionTraining(epochs=40),
    ),
}
