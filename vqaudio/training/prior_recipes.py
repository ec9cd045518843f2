"""Recipes for `vqaudio train prior --recipe NAME`."""

from dataclasses import dataclass, field, replace

from vqaudio import ranges
from vqaudio.priors.autoregressive import AutoregressivePriorConfig
from vqaudio.priors.diffusion import DiffusionPriorConfig
from vqaudio.priors.masked import MaskedPriorConfig
from vqaudio.priors.naive_bayes import NaiveBayesPriorConfig
from vqaudio.training.loop import LoopConfig
from vqaudio.training.prior_task import PriorTraining


@dataclass(frozen=True)
class PriorRecipe:
    """A prior, the codec and data that it learns from, and its training."""

    dataset: ranges.Name = "fsdd"
    """The module of vqaudio.data that reads the data."""
    codec: ranges.PathText = "fsdd-8khz"
    """A name in weights/, a folder, or a Hub id."""
    start_from: ranges.PathText | None = None
    """A prior of the same shape to take the first weights from. If it was trained on another codec with the same stages, its
    codeword tables are reinitialised."""
    training: PriorTraining = field(default_factory=PriorTraining)
    loop: LoopConfig = field(default_factory=LoopConfig)


@dataclass(frozen=True)
class MaskedRecipe(PriorRecipe):
    """See PriorRecipe."""

    prior: MaskedPriorConfig = field(default_factory=MaskedPriorConfig)


@dataclass(frozen=True)
class AutoregressiveRecipe(PriorRecipe):
    """See PriorRecipe."""

    prior: AutoregressivePriorConfig = field(default_factory=AutoregressivePriorConfig)


@dataclass(frozen=True)
class DiffusionRecipe(PriorRecipe):
    """See PriorRecipe."""

    prior: DiffusionPriorConfig = field(default_factory=DiffusionPriorConfig)


@dataclass(frozen=True)
class NaiveBayesRecipe(PriorRecipe):
    """See PriorRecipe. Its steps cover every clip about once in each variant."""

    prior: NaiveBayesPriorConfig = field(default_factory=NaiveBayesPriorConfig)


_LOOP = LoopConfig(steps=1200, log_every=50, validate_every=200, checkpoint_every=200)
_SHORTER = replace(_LOOP, steps=900)  # a causal prior learns from every cell of a batch

_VOICE = PriorTraining(batch_size=16, crop_s=2.0, shifts=(0, 160), speeds=(1.0,), rooms=4)
_FOLDER = replace(_VOICE, batch_size=32, rooms=0)
_NOTES = PriorTraining(  # a change of speed would change the pitch
    batch_size=48, learning_rate=1.5e-3, shifts=(0, 512, 1024, 1536), speeds=(1.0,), splice=0.2, precision="float32"
)
_OFTEN = LoopConfig(steps=1500, log_every=50, validate_every=100, checkpoint_every=100)  # a thousand notes soon overfit
_TRANSPOSED = replace(_NOTES, shifts=(0, 1024), semitones=(-2, -1, 0, 1, 2))
_LONG = replace(_OFTEN, steps=2500, validate_every=250, checkpoint_every=250)
_LEVELS = {"dim": 160, "layers": 3, "cell_dim": 48, "dropout": 0.2, "candidates": 4}
_CONDITIONED = {"temperature": 0.7, "guidance": 3.0}  # both the pitch and the instrument should be audible
_LARGE_CODEBOOKS = {"table_dim": 64, "attention_s": 1.0, "dropout": 0.1}  # the codewords' own dimension; half a crop

PRIOR_RECIPES = {
    "fsdd-8khz-masked": MaskedRecipe(prior=MaskedPriorConfig(dropout=0.2), loop=_LOOP),
    "fsdd-8khz-masked-narrow": MaskedRecipe(prior=MaskedPriorConfig(dim=128, dropout=0.1), loop=_LOOP),
    "fsdd-8khz-autoregressive": AutoregressiveRecipe(prior=AutoregressivePriorConfig(dropout=0.2), loop=_SHORTER),
    "fsdd-8khz-autoregressive-narrow": AutoregressiveRecipe(prior=AutoregressivePriorConfig(dim=128), loop=_SHORTER),
    "fsdd-8khz-lstm": AutoregressiveRecipe(
        prior=AutoregressivePriorConfig(temporal="lstm", dim=192, layers=2, dropout=0.2), loop=_SHORTER
    ),
    "fsdd-8khz-diffusion": DiffusionRecipe(
        training=PriorTraining(batch_size=32, learning_rate=1e-3, weight_decay=0.02, average=0.998),
        prior=DiffusionPriorConfig(dim=192, layers=6, temperature=1.0, hole_temperature=1.0, guidance=1.5),
        loop=replace(_LOOP, steps=6000),
    ),
    "fsdd-8khz-naive-bayes": NaiveBayesRecipe(loop=LoopConfig(log_every=1000, validate_every=10_000, checkpoint_every=10_000)),
    "folder-masked": MaskedRecipe(
        dataset="folder", codec="runs/folder/best", training=_FOLDER, prior=MaskedPriorConfig(dropout=0.2), loop=_LOOP
    ),
    "folder-autoregressive": AutoregressiveRecipe(
        dataset="folder", codec="runs/folder/best", training=_FOLDER, prior=AutoregressivePriorConfig(dropout=0.2), loop=_SHORTER
    ),
    "voice-16khz-masked": MaskedRecipe(
        dataset="voice", codec="voice-16khz", training=_VOICE, prior=MaskedPriorConfig(dim=224, **_LARGE_CODEBOOKS),
        loop=replace(_LOOP, steps=2600),
    ),
    "voice-16khz-autoregressive": AutoregressiveRecipe(
        dataset="voice", codec="voice-16khz", training=_VOICE,
        prior=AutoregressivePriorConfig(dim=192, hole_temperature=0.7, **_LARGE_CODEBOOKS),
        loop=replace(_LOOP, steps=3600),
    ),
    "notes-16khz-masked": MaskedRecipe(
        dataset="philharmonia", codec="notes-16khz", training=_NOTES, loop=_OFTEN,
        prior=MaskedPriorConfig(**_CONDITIONED, **_LEVELS),
    ),
    "notes-16khz-autoregressive": AutoregressiveRecipe(
        dataset="philharmonia", codec="notes-16khz", training=_NOTES, loop=_OFTEN,
        prior=AutoregressivePriorConfig(**_LEVELS),
    ),
    "notes-16khz-masked-transposed": MaskedRecipe(
        dataset="philharmonia", codec="notes-16khz", training=_TRANSPOSED, loop=_LONG,
        prior=MaskedPriorConfig(**_CONDITIONED, **_LEVELS),
    ),
    "notes-16khz-autoregressive-transposed": AutoregressiveRecipe(
        dataset="philharmonia", codec="notes-16khz", training=_TRANSPOSED, loop=_LONG, prior=AutoregressivePriorConfig(**_LEVELS)
    ),
    "notes-16khz-naive-bayes": NaiveBayesRecipe(
        dataset="philharmonia", codec="notes-16khz", training=replace(_NOTES, shifts=(0,), splice=0.0),
        prior=NaiveBayesPriorConfig(shared=True),
        loop=LoopConfig(log_every=1000, validate_every=10_000, checkpoint_every=10_000),
    ),
}
ALIASES = {name.removeprefix("fsdd-8khz-"): name for name in PRIOR_RECIPES}
