"""The shape of a network that answers questions, and of the pictures it sees."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional as F


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


def fitted(picture: Tensor, width: int) -> Tensor:
    """A picture [B, H, W, C] cut off or filled up with zeros at the end to `width` columns."""
    return F.pad(picture, (0, 0, 0, width - picture.shape[2]))
