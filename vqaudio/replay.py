"""Recipe files: records of generated or edited sounds, to repeat them.

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

from vqaudio import audio, blur, devices, files, generate, hub, inpaint, masks, ranges, smear
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
KEYS = {  # the keys of each verb's recipe besides the codec, the seed and the settings
    "generate": ("prior", "labels", "seconds"), "inpaint": ("prior", "labels", "mask"), "fill": ("prior", "labels", "mask"),
    "blur": ("mask",), "smear": ("mask",),  # a blur may have a prior too
}
TYPES = {  # of a recipe's values; the mask is checked by `masks.from_json`, the settings by the verbs
    "codec": str, "prior": str, "seed": ranges.Seed, "labels": dict[str, str | list[str | None] | None],
    "seconds": ranges.ClipSeconds | None, "variations": ranges.Variations, "settings": dict,
    "source": str, "target": str,
}


def run(request: dict, source: Path | None, target: Path, recipe: Path | None, device: str = "auto") -> Codes:
    """Run a recipe: write the sound or the .vqa file, and the recipe file.

    Args:
        request: the keys of a recipe: verb, codec, seed, settings, and those in `KEYS`.
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
    if request["verb"] == "fill":
        if target.suffix.lower() != ".vqa":
            raise InputError(f"{target} should end in .vqa.")
    else:
        audio.check_target(target)
    variations = request.get("variations", 1)
    ranges.check_value("variations", variations, ranges.Variations)
    codec, prior = load_codec(request["codec"], device), None
    if "prior" in request:
        prior = load_prior(request["prior"], request["codec"])
        prior.check_codec(codec)
        prior.to(codec.device)
    request, sound, codes = _run(request, codec, prior, source, seeded(request["seed"], variations))
    if request["verb"] == "fill":
        write_vqa(target, codes, codec)
    else:
        for path, clip, length in zip(numbered(target, len(codes)), sound, codes.lengths.tolist()):
            audio.save(path, clip[:, :length], codec.sample_rate)
    if recipe is not None:
        write(recipe, request, codec, prior, codes, source, target)
    return codes


def _run(request: dict, codec: Codec, prior: Prior | None, source: Path | None, generators) -> tuple[dict, Tensor, Codes]:
    """The recipe with all its settings, the sounds and their codes."""
    if request["verb"] == "generate":
        sampling = prior.sampling(True, Sampling(**request["settings"]))
        made = generate(codec, prior, request["labels"], request["seconds"], generators, sampling=sampling)
        return request | {"settings": asdict(sampling)}, *made
    codes = _codes_in(request["verb"], source, codec)
    mask = masks.from_json(request["mask"], codes)
    if request["verb"] == "blur":
        return request, *blur(codec, codes, mask, **request["settings"], generator=generators[0], prior=prior)
    if request["verb"] == "smear":
        return request, *smear(codec, codes, mask, **request["settings"], generator=generators[0])
    sampling, local = prior.sampling(masks.covers(mask, codes), Sampling(**request["settings"])), request["mask"]
    made = inpaint(
        codec, prior, codes, mask, request["labels"], generators, sampling=sampling, local_labels=masks.local_labels(local, codes)
    )
    return request | {"settings": asdict(sampling)}, *made


def write(
    path: Path, request: dict, codec: Codec, prior: Prior | None, codes: Codes, source: Path | None, target: Path
) -> None:
    """Write a recipe file, whole or not at all."""
    models = {"codec": codec} if prior is None else {"codec": codec, "prior": prior}
    recipe = {
        "vqaudio_recipe": VERSION, **request, **{f"{name}_fingerprint": model.fingerprint for name, model in models.items()},
        "ids_sha256": ids_hash(codes), "target": str(target),
    }
    if critic := _critic_fingerprint(request, prior):
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
    if not isinstance(recipe, dict) or recipe.get("vqaudio_recipe") != VERSION or recipe.get("verb") not in list(KEYS):
        raise InputError(f"{path} is no recipe of version {VERSION}.")
    for name, hint in TYPES.items():
        if name in recipe:
            ranges.check_value(name, recipe[name], hint)
    try:
        request = {name: recipe[name] for name in ("verb", "codec", "seed", *KEYS[recipe["verb"]])}
        request |= {"variations": recipe["variations"]} if "variations" in recipe else {}
        request |= {"prior": recipe["prior"]} if "prior" in recipe and recipe["verb"] == "blur" else {}
        names = BLUR_SETTINGS if recipe["verb"] in ("blur", "smear") else SETTINGS
        request["settings"] = {name: recipe["settings"][name] for name in names}
        source = source or (Path(recipe["source"]) if "source" in recipe else None)
        target = target or Path(recipe["target"])
        models = {"codec": hub.load} | ({"prior": lambda name: load_prior(name, request["codec"])} if "prior" in request else {})
        wanted, hash_of_ids = {name: recipe[f"{name}_fingerprint"] for name in models}, recipe["ids_sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error} is missing or wrong.") from None
    loaded = {name: load(request[name]) for name, load in models.items()}
    for name, model in loaded.items():
        here = model.fingerprint
        if wanted[name] != here:
            raise InputError(f"{path} was made with another {name} {request[name]!r}: fingerprint {wanted[name]}, here {here}.")
    if recipe.get("critic_fingerprint") != _critic_fingerprint(request, loaded.get("prior")):
        raise InputError(f"{path} was made with another critic of {request['prior']!r}, or with none.")
    if source is not None and source.exists():
        if hashlib.sha256(source.read_bytes()).hexdigest() != recipe.get("source_sha256"):
            raise InputError(f"{source} is not the input that {path} was made from.")
    elif request["verb"] != "generate":
        raise InputError(f"The input {source} of {path} is not there; name it with --source.")
    codes = run(request, source, target, None, device)
    if ids_hash(codes) != hash_of_ids:
        raise InputError(f"{target}: the ids differ from those of {path}, which was made on another device or version.")
    return f"{target}: the same ids"


def _critic_fingerprint(request: dict, prior: Prior | None) -> str | None:
    """Fingerprint of the critic that ranks new clips; None without one."""
    critic = critic_of(prior) if prior is not None and request["verb"] == "generate" else None
    return critic and critic.fingerprint


def load_codec(name: str, device: str = "auto") -> Codec:
    """Load a codec on to a device. Raises InputError if the model is no codec."""
    codec = hub.load(name)
    if not isinstance(codec, Codec):
        raise InputError(f"The model {name!r} is not a codec.")
    return codec.to(devices.pick(device))


def load_prior(name: str, codec: str) -> Prior:
    """Load a prior by its name, or by its short name.

    "masked" is weights/CODEC-masked, or else the codec's own prior of that kind. Raises InputError.
    """
    short = f"{Path(codec).name}-{name}"
    if short in hub.installed():
        name = short
    elif name.replace("-", "_") in hub.modules_of("priors") and name not in hub.installed() and not Path(name).is_dir():
        name = _own_prior(name, load_codec(codec))
    prior = hub.load(name)
    if not isinstance(prior, Prior):
        raise InputError(f"The model {name!r} is not a prior.")
    return prior


def _own_prior(kind: str, codec: Codec) -> str:
    """The codec's prior of a kind, such as "masked"."""
    module = f"priors.{kind.replace('-', '_')}"
    own = [name for name in hub.priors_of(codec) if read_json(hub.folder_of(name) / "config.json").get("module") == module]
    if not own:
        raise InputError(
            f"The codec {codec.name!r} has no {kind} prior here. Name one with --prior, or train one: "
            f"vqaudio train prior --recipe folder-{kind} --codec {codec.folder or codec.name} --data DIR."
        )
    return own[0]


def _codes_in(verb: str, source: Path, codec: Codec) -> Codes:
    if not source.exists():
        raise InputError(f"There is no file {source}.")
    if verb == "fill":
        return read_vqa(source, codec)
    return codec.encode(audio.read(source, codec.sample_rate)[None])


def ids_hash(codes: Codes) -> str:
    """SHA-256 of the ids as 32-bit little-endian integers."""
    return hashlib.sha256(codes.ids.cpu().numpy().astype("<i4").tobytes()).hexdigest()
