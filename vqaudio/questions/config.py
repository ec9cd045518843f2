"""Configuration of the question model and its pictures."""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.errors import InputError

MOST_NUMBERS = 2**24  # in a picture
PictureSize = Annotated[int, ranges.Range(1, 4096)]
Stride = Annotated[int, ranges.Range(1, 64)]


@dataclass(frozen=True)
class QuestionConfig:
    """The network and its input. The defaults are the coursework's."""

    module: ranges.Name = "questions.film"
    """Module of the model's class; written to config.json."""
    vocabulary: Annotated[tuple[ranges.Name, ...], ranges.Items(0, 65_536)] = ()
    """Words of the training questions; the first two are padding and unknown words."""
    answers: Annotated[tuple[ranges.Name, ...], ranges.Items(0, 65_536)] = ()
    """Answers in the order of the outputs."""
    sees: Literal["picture", "sound", "codes", "nothing"] = "picture"
    """RGB pictures, log-frequency pictures of sound, a codec's code map, or nothing: the question-only baseline."""
    height: PictureSize = 224
    """Rows of a picture."""
    width: PictureSize = 224
    """Columns of a picture."""
    inputs: ranges.Width = 3
    """Channels of a picture: 3 for RGB, 1 for sound, the sum of the stages' codeword sizes for codes."""
    extractor_channels: Annotated[tuple[ranges.Width, ...], ranges.Items(1, 16)] = (128, 128)
    extractor_strides: Annotated[tuple[tuple[Stride, Stride], ...], ranges.Items(1, 16)] = ((2, 2), (2, 2))
    """Strides of the 4x4 convolutions: (rows, columns)."""
    n_blocks: ranges.Depth = 1
    """Number of residual blocks."""
    channels: ranges.Width = 128
    """Channels of the residual blocks."""
    block_kernel: tuple[ranges.Kernel, ranges.Kernel] = (3, 3)
    """Kernel of a block's second convolution: (rows, columns)."""
    embedding: ranges.Width = 64
    """Size of a word's vector."""
    gru: ranges.Width = 128
    """Size of a recurrent layer's state."""
    gru_layers: Annotated[int, ranges.Range(1, 16)] = 2
    classifier_channels: ranges.Width = 512
    classifier_hidden: ranges.Width = 512
    pooling: Literal["max", "max+mean", "max+mean+pointers"] = "max"
    """Pooling over the cells in the classifier. Pointers also read the extractor's features where the question points to."""
    row_coordinate: bool = True
    column_coordinate: bool = True
    """For sound: the time coordinate."""
    conditioning: Literal["film", "concatenation"] = "film"
    sample_rate: ranges.SampleRate = 16_000
    """Hz, for sound."""
    scale: Literal["semitone", "mel"] = "semitone"
    """Scale of the bands of a sound's picture."""
    column_s: Annotated[float, ranges.Range(0.001, 1)] = 0.04
    """Seconds per column, for sound."""
    codec: ranges.PathText | None = None
    """The codec whose code map is the input."""
    code_stages: Annotated[int, ranges.Range(0, 64)] = 0
    """Number of its stages to use."""

    def check_together(self) -> None:
        if len(self.extractor_strides) != len(self.extractor_channels):
            raise InputError("Each of the extractor_channels needs a pair of extractor_strides.")
        if self.height * self.width * self.inputs > MOST_NUMBERS:
            raise InputError(f"A picture has at most {MOST_NUMBERS} numbers; height times width times inputs is more.")

    @property
    def longest_s(self) -> float:
        """Seconds of audio that fit into a picture."""
        return self.width * self.column_s


def fitted(picture: Tensor, width: int) -> Tensor:
    """Crop or zero-pad a picture [B, H, W, C] at the end to `width` columns."""
    return F.pad(picture, (0, 0, 0, width - picture.shape[2]))
