"""A network that answers questions about a sound or a picture: FiLM.

Perez et al. 2018; for sound, Abdelnour et al. 2021.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.errors import InputError
from vqaudio.model import Model
from vqaudio.nn.film import AddCoordinates, Classifier, Concatenation, FeatureExtractor, FiLM, FiLMGenerator, ResBlock
from vqaudio.questions.config import QuestionConfig, fitted
from vqaudio.questions.spectra import LogPicture
from vqaudio.questions.tokeniser import Tokeniser, padded

POINTERS = 2  # one for each sound that a question compares
SHORTEST_S = 0.1
SILENCE = 1e-4  # peak


@dataclass(frozen=True)
class Answer:
    """A model's answer.

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
        super().__init__(config)
        c = config
        conditioning = {"film": FiLM, "concatenation": Concatenation}[c.conditioning]
        self.coordinates = AddCoordinates(c.row_coordinate, c.column_coordinate)
        self.extractor = FeatureExtractor(c.inputs, c.extractor_channels, c.extractor_strides)
        self.generator = FiLMGenerator(len(c.vocabulary), c.embedding, c.gru, c.gru_layers)
        widths = (c.extractor_channels[-1], *(c.channels,) * c.n_blocks)
        self.blocks = nn.ModuleList(ResBlock(i + 2, c.channels, c.gru, c.block_kernel, conditioning) for i in widths[:-1])
        self.classifier = Classifier(
            widths[-1] + 2, c.classifier_channels, c.classifier_hidden, len(c.answers), "mean" in c.pooling,
            POINTERS if "pointers" in c.pooling else 0, c.extractor_channels[-1],
        )
        self.tokeniser = Tokeniser(c.vocabulary)
        self.picture = LogPicture(c.sample_rate, c.height, c.scale, c.column_s) if c.sees == "sound" else None

    def with_coordinates(self, rows: bool, columns: bool) -> "QuestionModel":
        """Copy the model with coordinates switched on or off; the weights are shared."""
        other = object.__new__(type(self))
        other.__dict__ = {**self.__dict__, "_modules": {**self._modules, "coordinates": AddCoordinates(rows, columns)}}
        return other

    def features(self, pictures: Tensor) -> Tensor:
        """Map pictures [B, H, W, inputs] to [B, C, h, w], independent of the question."""
        return self.extractor(pictures.permute(0, 3, 1, 2))

    def answer(self, features: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Map features [B, C, h, w], tokens [B, L], lengths [B] to logits."""
        return self.classify(self.condition(features, tokens, lengths), features)

    def condition(self, features: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Run `answer` up to the last block's output [B, channels, h, w]."""
        q = self.generator(tokens, lengths)
        for block in self.blocks:
            features = block(self.coordinates(features), q)
        return features

    def pointers(self, blocks: Tensor) -> Tensor:
        """Map the last block's output to the pointers' scores [B, POINTERS, h, w]."""
        return self.classifier.pointers(self.coordinates(blocks))

    def classify(self, blocks: Tensor, features: Tensor | None = None) -> Tensor:
        """Map the last block's output to logits [B, answers].

        Pointers also need the features [B, C, h, w].
        """
        return self.classifier(self.coordinates(blocks), features)

    def forward(self, pictures: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Map pictures [B, H, W, inputs], tokens [B, L], lengths [B] to logits."""
        return self.answer(self.features(pictures), tokens, lengths)

    @torch.no_grad()
    def ask(self, source: Tensor, question: str) -> Answer:
        """Answer one question.

        Args:
            source: audio [1, 1, N] in [-1, 1] at `config.sample_rate`, or a picture [H, W, 3] in [0, 1].
            question: in English, at most `tokeniser.MAX_WORDS` words.

        Raises:
            InputError: the question is empty, too long or has only unknown words; the sound is silent, too short or too long;
                or the shape is wrong.
        """
        tokens, lengths = padded([self.tokeniser.encode(question)])
        device = next(self.parameters()).device
        logits = self(self.picture_of(source.to(device)), tokens.to(device), lengths)[0]
        chances, order = logits.softmax(-1).sort(descending=True)
        distribution = {self.config.answers[i]: float(chance) for i, chance in zip(order.tolist(), chances)}
        return Answer(next(iter(distribution)), distribution, tuple(self.tokeniser.unknown(question)))

    def picture_of(self, source: Tensor) -> Tensor:
        """Convert audio [1, 1, N] or a picture [H, W, 3] to the input [1, H, W, inputs]."""
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
    """Raise InputError unless audio [1, 1, N] suits a question.

    It must not be silent, shorter than `SHORTEST_S` or longer than `longest_s` seconds.
    """
    if audio.ndim != 3 or audio.shape[:2] != (1, 1):
        raise InputError(f"One mono clip is [1, 1, N]; this is {list(audio.shape)}.")
    seconds = audio.shape[-1] / sample_rate
    if seconds < SHORTEST_S:
        raise InputError(f"The sound lasts {seconds:.2f} s. Choose one of {SHORTEST_S:g} to {longest_s:g} s.")
    if seconds > longest_s:
        raise InputError(f"The sound lasts {seconds:,.0f} s. Choose one of at most {longest_s:g} s.")
    if not float(audio.abs().max()) > SILENCE:
        raise InputError("The sound is silent. Choose another one.")


COURSEWORK = QuestionConfig()
MODEL, CONFIG = QuestionModel, QuestionConfig
