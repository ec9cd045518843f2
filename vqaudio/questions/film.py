"""A network that answers questions about a sound or a picture: FiLM (Perez et al. 2018; of sound, Abdelnour et al. 2021)."""

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.errors import InputError
from vqaudio.model import Model
from vqaudio.nn.film import AddCoordinates, Classifier, Concatenation, FeatureExtractor, FiLM, FiLMGenerator, ResBlock
from vqaudio.questions.spectra import LogPicture
from vqaudio.questions.tokeniser import Tokeniser, padded

SHORTEST_S = 0.1
SILENCE = 1e-4  # peak


@dataclass(frozen=True)
class QuestionConfig:
    """The network and what it looks at. The defaults are those of the coursework: `COURSEWORK`."""

    module: str = "questions.film"
    """Where the model's class is; written to config.json."""
    vocabulary: tuple[str, ...] = ()
    """The words of the training questions; the first two stand for padding and for unknown words."""
    answers: tuple[str, ...] = ()
    """In the order of the outputs."""
    sees: Literal["picture", "sound", "codes", "nothing"] = "picture"
    """RGB pictures, log-frequency pictures of sound, a codec's code map, or nothing: the question-only baseline."""
    height: int = 224
    """Rows of a picture."""
    width: int = 224
    """Columns of a picture."""
    inputs: int = 3
    """Channels of a picture: 3 for RGB, 1 for sound, the sum of the stages' codeword sizes for codes."""
    extractor_channels: tuple[int, ...] = (128, 128)
    extractor_strides: tuple[tuple[int, int], ...] = ((2, 2), (2, 2))
    """Strides of the 4x4 convolutions: (rows, columns)."""
    n_blocks: int = 1
    """Residual blocks."""
    channels: int = 128
    """Of the residual blocks."""
    block_kernel: tuple[int, int] = (3, 3)
    """Of a block's second convolution: (rows, columns)."""
    embedding: int = 64
    """Size of a word's vector."""
    gru: int = 128
    """Size of a recurrent layer's state."""
    gru_layers: int = 2
    classifier_channels: int = 512
    classifier_hidden: int = 512
    pooling: Literal["max", "max+mean"] = "max"
    """Over the cells, in the classifier."""
    row_coordinate: bool = True
    column_coordinate: bool = True
    """Of sound: the time coordinate."""
    conditioning: Literal["film", "concatenation"] = "film"
    sample_rate: int = 16_000
    """Hz, of sound."""
    scale: Literal["semitone", "mel"] = "semitone"
    """Of the bands of a sound's picture."""
    column_s: float = 0.04
    """Seconds a column, of sound."""
    codec: str | None = None
    """The codec whose code map is the input."""
    code_stages: int = 0
    """How many of its stages, from the first."""

    @property
    def longest_s(self) -> float:
        """Seconds of sound that fit into a picture."""
        return self.width * self.column_s


@dataclass(frozen=True)
class Answer:
    """What a model answers.

    Attributes:
        text: the likeliest answer.
        distribution: the probability of every answer, the likeliest first.
        unknown: words of the question that training questions did not contain.
    """

    text: str
    distribution: dict[str, float]
    unknown: tuple[str, ...] = ()


class QuestionModel(Model):
    """Pictures [B, H, W, C] and questions -> logits over the answers."""

    def __init__(self, config: QuestionConfig):
        super().__init__()
        self.config, c = config, config
        conditioning = {"film": FiLM, "concatenation": Concatenation}[c.conditioning]
        self.coordinates = AddCoordinates(c.row_coordinate, c.column_coordinate)
        self.extractor = FeatureExtractor(c.inputs, c.extractor_channels, c.extractor_strides)
        self.generator = FiLMGenerator(len(c.vocabulary), c.embedding, c.gru, c.gru_layers)
        widths = (c.extractor_channels[-1], *(c.channels,) * c.n_blocks)
        self.blocks = nn.ModuleList(ResBlock(i + 2, c.channels, c.gru, c.block_kernel, conditioning) for i in widths[:-1])
        self.classifier = Classifier(
            widths[-1] + 2, c.classifier_channels, c.classifier_hidden, len(c.answers), c.pooling == "max+mean"
        )
        self.tokeniser = Tokeniser(c.vocabulary)
        self.picture = LogPicture(c.sample_rate, c.height, c.scale, c.column_s) if c.sees == "sound" else None

    def with_coordinates(self, rows: bool, columns: bool) -> "QuestionModel":
        """The same weights with coordinates switched on or off; this model stays as it is."""
        other = copy.copy(self)
        other._modules = {**self._modules, "coordinates": AddCoordinates(rows, columns)}
        return other

    def features(self, pictures: Tensor) -> Tensor:
        """Pictures [B, H, W, inputs] -> [B, C, h, w], independent of the question."""
        return self.extractor(pictures.permute(0, 3, 1, 2))

    def answer(self, features: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Features [B, C, h, w], tokens int [B, L], lengths [B] -> logits [B, answers]."""
        return self.classify(self.condition(features, tokens, lengths))

    def condition(self, features: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """As `answer`, up to the last block's output [B, channels, h, w]."""
        q = self.generator(tokens, lengths)
        for block in self.blocks:
            features = block(self.coordinates(features), q)
        return features

    def classify(self, blocks: Tensor) -> Tensor:
        """The last block's output -> logits [B, answers]."""
        return self.classifier(self.coordinates(blocks))

    def forward(self, pictures: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Pictures [B, H, W, inputs], tokens int [B, L], lengths [B] -> logits [B, answers]."""
        return self.answer(self.features(pictures), tokens, lengths)

    @torch.no_grad()
    def ask(self, source: Tensor, question: str) -> Answer:
        """Answer one question.

        Args:
            source: audio [1, 1, N] in [-1, 1] at `config.sample_rate`, or a picture [H, W, 3] in [0, 1].

        Raises:
            InputError: no question, only unknown words, too many; sound that is silent, too short or too long; a wrong shape.
        """
        tokens, lengths = padded([self.tokeniser.encode(question)])
        device = next(self.parameters()).device
        logits = self(self.picture_of(source.to(device)), tokens.to(device), lengths)[0]
        chances, order = logits.softmax(-1).sort(descending=True)
        distribution = {self.config.answers[i]: float(chance) for i, chance in zip(order.tolist(), chances)}
        return Answer(next(iter(distribution)), distribution, tuple(self.tokeniser.unknown(question)))

    def picture_of(self, source: Tensor) -> Tensor:
        """The network's input [1, H, W, inputs] for audio [1, 1, N] or a picture [H, W, 3]. Raises InputError as `ask` does."""
        if self.config.sees == "nothing":
            return torch.zeros(1, self.config.height, self.config.width, self.config.inputs)
        return self._of_picture(source) if self.config.sees == "picture" else self._of_sound(source)

    def _of_picture(self, picture: Tensor) -> Tensor:
        if picture.ndim != 3 or picture.shape[-1] != self.config.inputs:
            raise InputError(f"A picture is [height, width, {self.config.inputs}]; this is {list(picture.shape)}.")
        size = (self.config.height, self.config.width)
        if picture.shape[:2] == size:
            return picture[None]
        resized = F.interpolate(picture.permute(2, 0, 1)[None], size, mode="bilinear", antialias=True, align_corners=False)
        return resized.permute(0, 2, 3, 1)

    def _of_sound(self, audio: Tensor) -> Tensor:
        check_scene(audio, self.config.sample_rate, self.config.longest_s)
        if self.config.sees == "codes":
            from vqaudio.questions import codes

            return codes.picture_of(audio, self.config)
        return fitted(self.picture(audio[:, 0]), self.config.width)


def check_scene(audio: Tensor, sample_rate: int, longest_s: float) -> None:
    """InputError unless this is audio [1, 1, N] that is neither silent nor too short nor too long for a question."""
    if audio.ndim != 3 or audio.shape[:2] != (1, 1):
        raise InputError(f"One mono clip is [1, 1, N]; this is {list(audio.shape)}.")
    seconds = audio.shape[-1] / sample_rate
    if seconds < SHORTEST_S:
        raise InputError(f"The sound lasts {seconds:.2f} s. Choose one of {SHORTEST_S:g} to {longest_s:g} s.")
    if seconds > longest_s:
        raise InputError(f"The sound lasts {seconds:,.0f} s. Choose one of at most {longest_s:g} s.")
    if not float(audio.abs().max()) > SILENCE:
        raise InputError("The sound is silent. Choose another one.")


def fitted(picture: Tensor, width: int) -> Tensor:
    """A picture [B, H, W, C] cut off or filled up with zeros at the end to `width` columns."""
    return F.pad(picture, (0, 0, 0, width - picture.shape[2]))


COURSEWORK = QuestionConfig()
MODEL, CONFIG = QuestionModel, QuestionConfig
