"""Recipe files: how a generated, inpainted or blurred sound came about, and how to make it again, to the same ids.

A recipe is JSON: the verb, the models with their fingerprints, labels, mask, seed and settings, and SHA-256 of the input. A mask
is a list of rectangles, each {"start_s", "end_s", "stages", "bands"} with stages such as "2-" or [0, 3] counted from 0, or a
matrix of 0 and 1, a row a line; an end_s of null is the clip's end. A rectangle's own "labels", if it has any, are what its cells
are to become, where that is not what the clip is. "variations", if given, is how many there are: the first has the seed, the next
one the next. Nothing is executed or unpickled.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from vqaudio import audio, blur, devices, files, generate, hub, inpaint
from vqaudio.codec import Codec
from vqaudio.codes import Codes, parse_stages
from vqaudio.critics import critic_of
from vqaudio.errors import InputError
from vqaudio.files import numbered
from vqaudio.json_files import read_json
from vqaudio.prior import Prior, covers, seeded
from vqaudio.vqa import read_vqa, write_vqa

VERSION = 1
MOST_VARIATIONS = 64
SETTINGS = ("temperature", "top_k", "top_p", "steps", "guidance")
BLUR_SETTINGS = ("radius", "strength")
ASKED = {  # of each verb, what its recipe says besides the codec, the seed and the settings
    "generate": ("prior", "labels", "seconds"), "inpaint": ("prior", "labels", "mask"), "fill": ("prior", "labels", "mask"),
    "blur": ("mask",),
}


def run(asked: dict, source: Path | None, target: Path, recipe: Path | None, device: str = "auto") -> Codes:
    """Do what is asked; write the sound, or the .vqa file, to `target` and the recipe beside it. Returns the codes."""
    if recipe is not None:
        files.check_folder(recipe)
    if asked["verb"] == "fill":
        if target.suffix.lower() != ".vqa":
            raise InputError(f"{target} should end in .vqa.")
    else:
        audio.check_target(target)
    variations = asked.get("variations", 1)
    if not isinstance(variations, int) or not 1 <= variations <= MOST_VARIATIONS:
        raise InputError(f"There are 1 to {MOST_VARIATIONS} variations, not {variations}.")
    codec, prior = load_codec(asked["codec"], device), None
    if "prior" in asked:
        prior = load_prior(asked["prior"], asked["codec"])
        prior.check_codec(codec)
        prior.to(codec.device)
    asked, sound, codes = _made(asked, codec, prior, source, seeded(asked["seed"], variations))
    if asked["verb"] == "fill":
        write_vqa(target, codes, codec)
    else:
        for path, clip, length in zip(numbered(target, len(codes)), sound, codes.lengths.tolist()):
            audio.save(path, clip[:, :length], codec.sample_rate)
    if recipe is not None:
        write(recipe, asked, codec, prior, codes, source, target)
    return codes


def _made(asked: dict, codec: Codec, prior: Prior | None, source: Path | None, generators) -> tuple[dict, Tensor, Codes]:
    """What was asked with all its settings, the sounds and their codes."""
    if asked["verb"] == "generate":
        asked = _settled(asked, prior, True)
        return asked, *generate(codec, prior, asked["labels"], asked["seconds"], generators, **asked["settings"])
    given = _given(asked["verb"], source, codec)
    mask = mask_of(asked["mask"], given)
    if asked["verb"] == "blur":
        return asked, *blur(codec, given, mask, **asked["settings"], generator=generators[0])
    asked = _settled(asked, prior, covers(mask, given))
    told = {**asked["settings"], "local_labels": local_labels_of(asked["mask"], given)}
    return asked, *inpaint(codec, prior, given, mask, asked["labels"], generators, **told)


def _settled(asked: dict, prior: Prior, generating: bool) -> dict:
    """With the prior's own settings in place of those that were not asked for, so that a recipe says what was used."""
    return {**asked, "settings": asdict(prior.sampling(generating, **asked["settings"]))}


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
    """Do again what a recipe says; returns a sentence.

    Raises:
        InputError: the file is no recipe, a model or the input is not the one it names, or other ids came out.
    """
    recipe = read_json(path)
    if not isinstance(recipe, dict) or recipe.get("vqaudio_recipe") != VERSION or recipe.get("verb") not in ASKED:
        raise InputError(f"{path} is no recipe of version {VERSION}.")
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
        raise InputError(f"{path} was made while another critic listened to {asked['prior']!r}, or none.")
    if source is not None and source.exists():
        if hashlib.sha256(source.read_bytes()).hexdigest() != recipe.get("source_sha256"):
            raise InputError(f"{source} is not the input that {path} was made from.")
    elif asked["verb"] != "generate":
        raise InputError(f"The input {source} of {path} is not there; name it with --source.")
    codes = run(asked, source, target, None, device)
    if ids_hash(codes) != hash_of_ids:
        raise InputError(f"{target}: other ids came out than {path} says; it was made on another device or version.")
    return f"{target}: the same ids"


def _critic_fingerprint(asked: dict, prior: Prior | None) -> str | None:
    """Of the critic that chose among new clips; None where none did."""
    critic = critic_of(prior) if prior is not None and asked["verb"] == "generate" else None
    return critic and critic.fingerprint


def load_codec(name: str, device: str = "auto") -> Codec:
    codec = hub.load(name)
    if not isinstance(codec, Codec):
        raise InputError(f"The model {name!r} is not a codec.")
    return codec.to(devices.pick(device))


def load_prior(name: str, codec: str) -> Prior:
    """A prior by its name, or by its short name among those of a codec: "masked" is weights/CODEC-masked."""
    short = f"{Path(codec).name}-{name}"
    prior = hub.load(short if short in hub.installed() else name)
    if not isinstance(prior, Prior):
        raise InputError(f"The model {name!r} is not a prior.")
    return prior


def mask_of(said, codes: Codes) -> Tensor:
    """What a recipe or a file says of a mask -> bool [B, K, T] on these codes; see the module."""
    if not isinstance(said, list) or not said:
        raise InputError("A mask is a list of rectangles, or a matrix of 0 and 1.")
    if all(isinstance(row, list) for row in said):
        return _mask_from_matrix(said, codes)
    mask = torch.zeros_like(codes.ids, dtype=torch.bool)
    for part in said:
        if not isinstance(part, dict) or not set(part) <= {"start_s", "end_s", "stages", "bands", "labels"}:
            raise InputError(f"A rectangle has start_s, end_s and, if wanted, stages, bands and labels; not {part}.")
        try:
            start, end = float(part["start_s"]), None if part["end_s"] is None else float(part["end_s"])
            bands = None if part.get("bands") is None else [int(band) for band in part["bands"]]
        except (KeyError, TypeError, ValueError):
            raise InputError(f"A rectangle needs start_s and end_s in seconds, and bands as a list; not {part}.") from None
        mask |= codes.region(start, end, _stages_of(part.get("stages"), len(codes.spec.stages)), bands)
    return mask


def local_labels_of(said, codes: Codes) -> list[tuple[Tensor, dict]]:
    """What a mask as in `mask_of` says of single rectangles' labels, as `Prior.fill` takes it."""
    found = [(part, part["labels"]) for part in said if isinstance(part, dict) and part.get("labels")]
    for _, labels in found:
        if not isinstance(labels, dict) or not all(isinstance(value, str | None) for value in labels.values()):
            raise InputError(f'A rectangle\'s labels are words by kind, such as {{"digit": "7"}}; not {labels!r}.')
    return [(mask_of([part], codes), labels) for part, labels in found]


def _stages_of(said, n: int):
    """Words as `parse_stages` takes them, a number alone being that stage; a list counts from 0."""
    if isinstance(said, str):
        return parse_stages(said, n, alone="stage")
    if said is None or (isinstance(said, list) and all(isinstance(stage, int) for stage in said)):
        return said
    raise InputError(f'Stages are words such as "2-" or a list of numbers from 0; not {said!r}.')


def _mask_from_matrix(said: list, codes: Codes) -> Tensor:
    rows, columns = codes.ids.shape[1:]
    flat = [cell for row in said for cell in row]
    if len(said) != rows or any(len(row) != columns for row in said) or not all(cell in (0, 1) for cell in flat):
        raise InputError(f"The mask must be {rows} rows of {columns} cells, each 0 or 1.")
    return torch.tensor(said, dtype=torch.bool)[None].expand(codes.ids.shape).to(codes.ids.device)


def _given(verb: str, source: Path, codec: Codec) -> Codes:
    if not source.exists():
        raise InputError(f"There is no file {source}.")
    if verb == "fill":
        return read_vqa(source, codec)
    return codec.encode(audio.read(source, codec.sample_rate)[None])


def ids_hash(codes: Codes) -> str:
    """SHA-256 of the ids' bytes as 32-bit little-endian integers."""
    return hashlib.sha256(codes.ids.cpu().numpy().astype("<i4").tobytes()).hexdigest()
