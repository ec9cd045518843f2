"""Recipes for `vqaudio train codec` and `vqaudio train judge`."""

from dataclasses import dataclass, field, replace

from vqaudio import ranges
from vqaudio.codecs.spectrogram import SpectrogramConfig
from vqaudio.codecs.speech import SpeechConfig
from vqaudio.codecs.waveform import WaveformConfig
from vqaudio.data.batches import Augmentation
from vqaudio.judges import JudgeConfig
from vqaudio.training.codec_task import CodecTraining
from vqaudio.training.judge_task import JudgeTraining
from vqaudio.training.loop import LoopConfig
from vqaudio.training.picture_task import PictureTraining
from vqaudio.training.speech_task import SpeechTraining


@dataclass(frozen=True)
class CodecRecipe:
    """A codec, its data and its training."""

    dataset: ranges.Name = "fsdd"
    """The module of vqaudio.data that reads it."""
    start_from: ranges.PathText | None = None
    """A model of the same shape (a name in weights/ or a folder) to take the first weights from. If a waveform codec's stages
    differ, its codebooks are reinitialised."""
    codec: WaveformConfig = field(default_factory=WaveformConfig)
    training: CodecTraining = field(default_factory=CodecTraining)
    loop: LoopConfig = field(default_factory=LoopConfig)


@dataclass(frozen=True)
class PictureRecipe(CodecRecipe):
    """A spectrogram codec, its data and its training."""

    dataset: ranges.Name = "philharmonia"
    codec: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    training: PictureTraining = field(default_factory=PictureTraining)


@dataclass(frozen=True)
class SpeechRecipe:
    """A speech codec, its data and how it is trained."""

    dataset: ranges.Name = "speech"
    """The module of vqaudio.data that reads it."""
    start_from: ranges.PathText | None = None
    """A model of the same shape (a name in weights/ or a folder) whose weights to begin with."""
    codec: SpeechConfig = field(default_factory=SpeechConfig)
    training: SpeechTraining = field(default_factory=SpeechTraining)
    loop: LoopConfig = field(default_factory=LoopConfig)


@dataclass(frozen=True)
class JudgeRecipe:
    """A judge, its data and its training."""

    dataset: ranges.Name = "fsdd"
    """The module of vqaudio.data that reads it."""
    train_split: ranges.Name = "train"
    """The part to train on; "development" includes the validation part, so use only `last` of such a run."""
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    training: JudgeTraining = field(default_factory=JudgeTraining)
    loop: LoopConfig = field(default_factory=LoopConfig)


VOICE = WaveformConfig(
    sample_rate=16_000, hop=320, n_fft=640, encoder_channels=192, latent_dim=64, phase="vector", wave_dims=40, look_ahead=1,
    n_stages=12, vocab=1024,
)
SMALL = WaveformConfig(  # small enough for experiments with several seeds: about half a minute a run on one core
    encoder_channels=64, encoder_blocks=2, latent_dim=32, decoder_channels=96, decoder_blocks=2, frame_channels=64, frame_blocks=1
)
ROOMS = Augmentation(noise=0.35, reverberation=0.15, band_limits=0.15)

CODEC_RECIPES = {
    "fsdd-8khz": CodecRecipe(
        training=CodecTraining(batch_size=20, crop_s=0.5, learning_rate=1e-3, adversary_from=None),
        loop=LoopConfig(steps=10_000, validate_every=1000, checkpoint_every=1000),
    ),
    "fsdd-8khz-small": CodecRecipe(
        codec=SMALL,
        training=CodecTraining(batch_size=10, crop_s=0.32, learning_rate=2e-3, adversary_from=None, precision="float32"),
        loop=LoopConfig(steps=250, log_every=25, validate_every=250, checkpoint_every=125),
    ),
    "fsdd-8khz-decoder": CodecRecipe(
        start_from="runs/fsdd-8khz/last",
        training=CodecTraining(
            batch_size=24, crop_s=0.5, learning_rate=6e-4, loudness=2.0, adversary_from=None, decoder_only=True
        ),
        loop=LoopConfig(steps=4000, validate_every=500, checkpoint_every=500),
    ),
    "fsdd-8khz-adversarial": CodecRecipe(
        start_from="runs/fsdd-8khz/last",
        training=CodecTraining(
            batch_size=16, crop_s=0.5, learning_rate=2e-4, adversary_from=0, discriminator_channels=16, decoder_only=True
        ),
        loop=LoopConfig(steps=2000, validate_every=250, checkpoint_every=250),
    ),
    "voice-16khz": CodecRecipe(
        dataset="voice",
        codec=VOICE,
        training=CodecTraining(
            batch_size=20, crop_s=0.6, learning_rate=1e-3, complex=0.0, waveform=5.0, loudness=1.5,
            unquantised_share=0.3, adversary_from=None, augmentation=ROOMS
        ),
        loop=LoopConfig(steps=7500, validate_every=1000, checkpoint_every=500),
    ),
    "voice-16khz-ordered": CodecRecipe(
        dataset="voice",
        start_from="voice-16khz",
        codec=replace(VOICE, network_stages=1),
        training=CodecTraining(
            batch_size=20, crop_s=0.6, learning_rate=8e-4, mel=20.0, complex=0.0, waveform=5.0, loudness=1.5,
            unquantised_share=0.2, adversary_from=None, augmentation=ROOMS
        ),
        loop=LoopConfig(steps=9000, validate_every=1500, checkpoint_every=500),
    ),
    "voice-16khz-decoder": CodecRecipe(
        dataset="voice",
        start_from="runs/voice-16khz-ordered/last",
        codec=replace(VOICE, network_stages=1, codebook_update="fixed"),
        training=CodecTraining(
            batch_size=20, crop_s=0.6, learning_rate=5e-4, mel=25.0, floor=1e-5, complex=0.0, waveform=5.0, loudness=2.0,
            adversary_from=None, augmentation=ROOMS, decoder_only=True,
        ),
        loop=LoopConfig(steps=3000, validate_every=500, checkpoint_every=500),
    ),
}
CODEC_RECIPES["voice-16khz-gpu"] = replace(
    CODEC_RECIPES["voice-16khz-ordered"],
    training=replace(
        CODEC_RECIPES["voice-16khz-ordered"].training,
        batch_size=128, crop_s=0.8, learning_rate=8e-4, mel=40.0, floor=1e-5, waveform=2.5, loudness=2.0, unquantised_share=0.1,
        augmentation=replace(ROOMS, noise=0.5, reverberation=0.2), workers=5,
    ),
    loop=LoopConfig(steps=5500, validate_every=2750, checkpoint_every=2500),
)
_VOICE_DECODER = CODEC_RECIPES["voice-16khz-decoder"]
CODEC_RECIPES["voice-16khz-adversarial"] = replace(
    _VOICE_DECODER,
    training=replace(
        _VOICE_DECODER.training, adversary_from=0, discriminator_windows=(), adversarial=0.5, feature_matching=1.0
    ),
    loop=LoopConfig(steps=800, validate_every=200, checkpoint_every=200),
)
_VOICE_TRAINING = CODEC_RECIPES["voice-16khz"].training
CODEC_RECIPES |= {
    "speech-commands-16khz": CodecRecipe(
        dataset="speech_commands",
        codec=VOICE,
        training=replace(_VOICE_TRAINING, batch_size=64, crop_s=1.0),
        loop=LoopConfig(steps=100_000, validate_every=5000, checkpoint_every=1000),
    ),
    "folder": CodecRecipe(
        dataset="folder",
        codec=replace(VOICE, look_ahead=3, n_stages=8, vocab=256),
        training=replace(_VOICE_TRAINING, augmentation=Augmentation()),
        loop=LoopConfig(steps=10_000, validate_every=500, checkpoint_every=500),
    ),
}
CODEC_RECIPES |= {
    "notes-16khz": PictureRecipe(loop=LoopConfig(steps=1600, validate_every=400, checkpoint_every=100)),
    "notes-16khz-decoder": PictureRecipe(
        start_from="runs/notes-16khz/last",
        codec=SpectrogramConfig(codebook_update="fixed"),
        training=PictureTraining(learning_rate=5e-4, prefix_share=0.1, decoder_only=True),
        loop=LoopConfig(steps=1000, validate_every=250, checkpoint_every=250),
    ),
    "notes-16khz-waveform": CodecRecipe(  # the baseline for notes-16khz
        dataset="philharmonia",
        codec=replace(VOICE, look_ahead=3, n_stages=4, vocab=256),
        training=replace(
            _VOICE_TRAINING, batch_size=16, crop_s=1.0, precision="float32", augmentation=PictureTraining().augmentation
        ),
        loop=LoopConfig(steps=1500, validate_every=500, checkpoint_every=250),
    ),
}
CODEC_RECIPES |= {
    "speech-16khz": SpeechRecipe(loop=LoopConfig(steps=600, validate_every=100, checkpoint_every=50)),
}

JUDGE_RECIPES = {
    "fsdd-judge-digit": JudgeRecipe(
        judge=JudgeConfig(target="digit"),
        training=JudgeTraining(augmentation=Augmentation(speeds=(0.88, 0.94, 1.0, 1.06, 1.12))),
        loop=LoopConfig(steps=2500, log_every=100, validate_every=250),
    ),
    "fsdd-judge-speaker": JudgeRecipe(
        judge=JudgeConfig(target="speaker"), loop=LoopConfig(steps=2500, log_every=100, validate_every=250)
    ),
    "notes-judge-instrument": JudgeRecipe(
        dataset="philharmonia",
        judge=JudgeConfig(target="instrument", sample_rate=16_000, n_fft=1024, hop=256, n_mels=64, channels=16),
        training=JudgeTraining(
            crop_s=2.0, noise_db=-40.0, augmentation=Augmentation(speeds=(0.92, 0.96, 1.0, 1.04, 1.08))
        ),  # an octave has twelve speeds of 1.06: timbre must be recognised at pitches with few notes
        loop=LoopConfig(steps=2500, log_every=100, validate_every=250),
    ),
}
_JUDGE = JUDGE_RECIPES["notes-judge-instrument"]
JUDGE_RECIPES["notes-critic-instrument"] = replace(  # the critic of a prior differs in shape from the judge that scores it
    _JUDGE,
    judge=replace(_JUDGE.judge, n_fft=2048, hop=320, n_mels=80, channels=20),
    training=replace(_JUDGE.training, learning_rate=3e-3),
    loop=replace(_JUDGE.loop, seed=1),
)
