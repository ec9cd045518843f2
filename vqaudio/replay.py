"""Recipe files: records of generated, inpainted or blurred sounds, to repeat them.

A recipe is JSON: the verb, the models with their fingerprints, labels, mask, seed and settings, and SHA-256 of the input. A mask
is a list of rectangles, each {"start_s", "end_s", "stages", "bands"} with stages such as "2-" or [0, 3] counted from 0, or a
matrix of 0 and 1, a row a line; an end_s of null is the clip's end. The "labels" of a rectangle say what its cells are to become,
if that differs from the clip's labels. "variations" is their number: the first has the seed, the next one the next. Nothing is
executed or unpickled.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from vqaudio import audio, blur, devices, files, generate, hub, inpaint, masks, ranges
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.critics import critic_of
from vqaudio.errors import InputError
from vqaudio.files import numbered
from vqaudio.json_files import read_json
from vqaudio.prior import Prior
from vqaudio.randomness import seeded
from vqaudio.sampling import NAMES, Sampling
from vqaudio.vqa import read_vqa, write_vqa

VERSION = 1
SETTINGS = NAMES
BLUR_SETTINGS = ("radius", "strength")
ASKED = {  # the keys of each verb's recipe besides the codec, the seed and the settings
    "generate": ("prior", "labels", "seconds"), "inpaint": ("prior", "labels", "mask"), "fill": ("prior", "labels", "mask"),
    "blur": ("mask",),
}
TYPES = {  # of a recipe's values; the mask is checked by `masks.from_json`, the settings by the verbs
    "codec": str, "prior": str, "seed": ranges.Seed, "labels": dict[str, str | list[str | None] | None],
    "seconds": ranges.ClipSeconds | None, "variations": ranges.Variations, "settings": dict,
    "source": str, "target": str,
}


def run(asked: dict, source: Path | None, target: Path, recipe: Path | None, device: str = "auto") -> Codes:
    """Run a recipe: write the sound or the .vqa file, and the recipe file.

    Args:
        asked: the keys of a recipe: verb, codec, seed, settings, and those in `ASKED`.
        source: the audio or .vqa file to change; None for "generate".
        target: a .wav or .flac file; a .vqa file for "fill".
        recipe: path of the recipe file to write, or None.
        device: see `devices.pick`.

    Returns:
        The codes of all variations.

    Raises:
        InputError: a model, file, label, mask or setting that cannot be used.
    """
    if recipe is not None:
        files.check_folder(recipe)
    if asked["verb"] == "fill":
        if target.suffix.lower() != ".vqa":
            raise InputError(f"{target} should end in .vqa.")
    else:
        audio.check_target(target)
    variations = asked.get("variations", 1)
    ranges.check_value("variations", variations, ranges.Variations)
    codec, prior = load_codec(asked["codec"], device), None
    if "prior" in asked:
        prior = load_prior(asked["prior"], asked["codec"])
        prior.check_codec(codec)
        prior.to(codec.device)
    asked, sound, codes = _run(asked, codec, prior, source, seeded(asked["seed"], variations))
    if asked["verb"] == "fill":
        write_vqa(target, codes, codec)
    else:
        for path, clip, length in zip(numbered(target, len(codes)), sound, codes.lengths.tolist()):
            audio.save(path, clip[:, :length], codec.sample_rate)
    if recipe is not None:
        write(recipe, asked, codec, prior, codes, source, target)
    return codes


def _run(asked: dict, codec: Codec, prior: Prior | None, source: Path | None, generators) -> tuple[dict, Tensor, Codes]:
    """The recipe with all its settings, the sounds and their codes."""
    if asked["verb"] == "generate":
        sampling = prior.sampling(True, Sampling(**asked["settings"]))
        made = generate(codec, prior, asked["labels"], asked["seconds"], generators, sampling=sampling)
        return asked | {"settings": asdict(sampling)}, *made
    codes = _codes_in(asked["verb"], source, codec)
    mask = masks.from_json(asked["mask"], codes)
    if asked["verb"] == "blur":
        return asked, *blur(codec, codes, mask, **asked["settings"], generator=generators[0])
    sampling, local = prior.sampling(masks.covers(mask, codes), Sampling(**asked["settings"])), asked["mask"]
    made = inpaint(
        codec, prior, codes, mask, asked["labels"], generators, sampling=sampling, local_labels=masks.local_labels(local, codes)
    )
    return asked | {"settings": asdict(sampling)}, *made


def write(
    path: Path, asked: dict, codec: Codec, prior: Prior | None, codes: Codes, source: Path | None, target: Path
) -> None:
    """Write a recipe file, whole or not at all."""
    models = {"codec": codec} if prior is None else {"codec": codec, "prior": prior}
    recipe = {
        "vqaudio_recipe": VERSION, **asked, **{f"{name}_fingerprint": model.fingerprint for name, model in models.items()},
        "ids_sha256": ids_hash(codes), "target": str(target),
    }
    if critic := _critic_fingerprint(asked, prior):
        recipe["critic_fingerprint"] = critic
    if source is not None:
        recipe |= {"source": str(source), "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
    files.replace_file(path, lambda temporary: temporary.write_text(json.dumps(recipe, indent=1) + "\n"))


def replay(path: Path, source: Path | None = None, target: Path | None = None, device: str = "auto") -> str:
    """Repeat a recipe and compare the ids.

    Args:
        path: the recipe file.
        source: the input; None for the one that the recipe names.
        target: the output; None for the recipe's own.
        device: see `devices.pick`.

    Returns:
        A sentence for the command line.

    Raises:
        InputError: the file is no recipe, a model or the input is not the one it names, or the ids differ.
    """
    recipe = read_json(path)
    if not isinstance(recipe, dict) or recipe.get("vqaudio_recipe") != VERSION or recipe.get("verb") not in list(ASKED):
        raise InputError(f"{path} is no recipe of version {VERSION}.")
    for name, hint in TYPES.items():
        if name in recipe:
            ranges.check_value(name, recipe[name], hint)
    try:
        asked = {name: recipe[name] for name in ("verb", "codec", "seed", *ASKED[recipe["verb"]])}
        asked |= {"variations": recipe["variations"]} if "variations" in recipe else {}
        names = SETTINGS if "prior" in asked else BLUR_SETTINGS
        asked["settings"] = {name: recipe["settings"][name] for name in names}
        source = source or (Path(recipe["source"]) if "source" in recipe else None)
        target = target or Path(recipe["target"])
        models = {"codec": hub.load} | ({"prior": lambda name: load_prior(name, asked["codec"])} if "prior" in asked else {})
        wanted, hash_of_ids = {name: recipe[f"{name}_fingerprint"] for name in models}, recipe["ids_sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error} is missing or wrong.") from None
    loaded = {name: load(asked[name]) for name, load in models.items()}
    for name, model in loaded.items():
        here = model.fingerprint
        if wanted[name] != here:
            raise InputError(f"{path} was made with another {name} {asked[name]!r}: fingerprint {wanted[name]}, here {here}.")
    if recipe.get("critic_fingerprint") != _critic_fingerprint(asked, loaded.get("prior")):
        raise InputError(f"{path} was made with another critic of {asked['prior']!r}, or with none.")
    if source is not None and source.exists():
        if hashlib.sha256(source.read_bytes()).hexdigest() != recipe.get("source_sha256"):
            raise InputError(f"{source} is not the input that {path} was made from.")
    elif asked["verb"] != "generate":
        raise InputError(f"The input {source} of {path} is not there; name it with --source.")
    codes = run(asked, source, target, None, device)
    if ids_hash(codes) != hash_of_ids:
        raise InputError(f"{target}: the ids differ from those of {path}, which was made on another device or version.")
    return f"{target}: the same ids"


def _critic_fingerprint(asked: dict, prior: Prior | None) -> str | None:
    """Fingerprint of the critic that ranks new clips; None without one."""
    critic = critic_of(prior) if prior is not None and asked["verb"] == "generate" else None
    return critic and critic.fingerprint


def load_codec(name: str, device: str = "auto") -> Codec:
    """Load a codec on to a device. Raises InputError if the model is no codec."""
    codec = hub.load(name)
    if not isinstance(codec, Codec):
        raise InputError(f"The model {name!r} is not a codec.")
    return codec.to(devices.pick(device))


def load_prior(name: str, codec: str) -> Prior:
    """Load a prior by its name, or by its short name.

    "masked" is weights/CODEC-masked. Raises InputError.
    """
    short = f"{Path(codec).name}-{name}"
    prior = hub.load(short if short in hub.installed() else name)
    if not isinstance(prior, Prior):
        raise InputError(f"The model {name!r} is not a prior.")
    return prior


def _codes_in(verb: str, source: Path, codec: Codec) -> Codes:
    if not source.exists():
        raise InputError(f"There is no file {source}.")
    if verb == "fill":
        return read_vqa(source, codec)
    return codec.encode(audio.read(source, codec.sample_rate)[None])


def ids_hash(codes: Codes) -> str:
    """SHA-256 of the ids as 32-bit little-endian integers."""
    return hashlib.sha256(codes.ids.cpu().numpy().astype("<i4").tobytes()).hexdigest()
