"""Figures of `vqaudio plot` that encode sounds: a comparison, and a film."""

from functools import partial
from pathlib import Path

from vqaudio.errors import InputError

FILM_FORMATS = (".webp", ".gif")
SECONDS_PER_FRAME = 0.5


def comparison(clip: Path, model: str, speaker: str | None):
    """Draw a clip: waveform, features, codes, phones and reconstruction.

    Phones need a label file beside the clip.

    Raises:
        InputError: the model is not a codec or does not know the speaker, or a file cannot be read or is of another clip.
    """
    from vqaudio import audio, hub
    from vqaudio.analysis.colours import colour_ranks
    from vqaudio.analysis.phones import KIND
    from vqaudio.codec import Codec
    from vqaudio.data.annotations import label_file_of, read_labels
    from vqaudio.features import Features
    from vqaudio.speech_plots import comparison_figure

    codec = hub.load(model)
    if not isinstance(codec, Codec):
        raise InputError(f"The model {model!r} is not a codec. Choose a codec with --model.")
    kind = getattr(codec.config, "features", "logmel")
    extract = Features(kind, codec.sample_rate)
    sound = audio.read(clip, codec.sample_rate)[0]
    path = label_file_of(clip)
    labels = read_labels(path, len(sound) / codec.sample_rate) if path else ()
    codes = codec.encode(sound[None, None])
    decoded = codec.decode(codes, labels={"speaker": speaker} if speaker else None)[0, 0]
    stages = codec.spec.stages
    before, after = (extract.of_clip(one) for one in (sound, decoded))
    if kind == "mfcc39":  # each coefficient by its own deviation: the first one would hide all others
        mean, deviation = before.mean(1, keepdim=True), before.std(1, keepdim=True).clamp_min(1e-5)
        before, after = ((one - mean) / deviation for one in (before, after))
    return comparison_figure(
        wave=sound.numpy(), decoded=decoded.numpy(), sample_rate=codec.sample_rate, title=f"{clip.name}, {codec.name}",
        features=({"mfcc39": "MFCC-39", "logmel": "Log-mel"}[kind], before.numpy(), after.numpy()),
        maps=[codes.stage(j)[0].numpy() for j in range(len(stages))], vocabs=[stage.vocab for stage in stages],
        ranks=colour_ranks(codec), columns_s=codes.columns / codec.spec.frame_rate,
        phones=[label for label in labels if label.kind == KIND],
    )


def film(target: Path, run: Path, dataset: str, data: Path | None, part: str) -> None:
    """Write the film of a run's snapshots.

    Raises:
        InputError: the run has no snapshots, or the dataset cannot be read.
    """
    from vqaudio.analysis import film as films
    from vqaudio.data import load_split
    from vqaudio.files import replace_file
    from vqaudio.speech_plots import write_film

    films.snapshots(run)
    found = films.film(run, partial(load_split, dataset.replace("-", "_"), part, data))
    replace_file(target, lambda path: write_film(found, path, target.suffix.lower(), SECONDS_PER_FRAME))
