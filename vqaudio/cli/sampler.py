"""The `sampler` command."""

from pathlib import Path
from typing import Annotated

import tyro

from vqaudio import ranges
from vqaudio.cli.prior import Codec, Labels, Prior, Seed, Settings, chosen_seed, parse_labels
from vqaudio.cli.sound import Device
from vqaudio.errors import InputError
from vqaudio.sampling import UNSET

ZipOut = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The .zip file to write.", metavar="OUT.zip")]
Low = Annotated[str, tyro.conf.arg(name="from", help="The lowest note, such as C3, A#3 or 48.")]
High = Annotated[str, tyro.conf.arg(help="The highest note.")]


def sampler(
    target: ZipOut, low: Low = "C3", to: High = "C5", labels: Labels = (),
    seconds: Annotated[ranges.ClipSeconds, tyro.conf.arg(help="Length of each note.")] = 1.5,
    seed: Seed = None, prior: Prior = "masked", model: Codec = "notes-16khz", sampling: Settings = UNSET,
    device: Device = "auto",
) -> None:
    """Generate a range of notes and export them as an SFZ instrument."""
    from vqaudio import files, sfz
    from vqaudio.cli.sound import _codec
    from vqaudio.pitches import key_of
    from vqaudio.progress import bar
    from vqaudio.replay import load_prior

    if target.suffix.lower() != ".zip":
        raise InputError(f"{target} should end in .zip.")
    files.check_folder(target)
    ends, conditions = (key_of(low), key_of(to)), parse_labels(labels)
    codec, chosen = _codec(model, device), load_prior(prior, model)
    chosen.check_codec(codec)
    seed = chosen_seed(seed)
    made = []
    notes = sfz.notes(codec, chosen.to(codec.device), *ends, conditions, seconds=seconds, seed=seed, sampling=sampling)
    with bar("notes", None, " notes") as progress:
        for note in notes:
            made.append(note)
            progress.update(1)
    name = sfz.title(conditions, chosen.name)
    data = sfz.sampler(made, codec.sample_rate, name, sfz.source(made, conditions, chosen.name))
    files.replace_file(target, lambda path: path.write_bytes(data))
