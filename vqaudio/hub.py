"""Load, save and push models, in folders laid out like Hub repositories.

A folder has config.json, model.safetensors and README.md.

The registry is the folder: config.json names a module in `codecs/` or `priors/`, the judges', `questions.film` or a plug-in
(see `registry`), and nothing else can be imported through it. Nothing is unpickled.
"""

import hashlib
import importlib
import json
import math
import os
import pkgutil
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import torch
from safetensors.torch import save
from torch import nn

from vqaudio import model_files, ranges
from vqaudio.errors import InputError, nearest
from vqaudio.files import replace_file, replace_folder
from vqaudio.hardware import pick
from vqaudio.json_files import read_json
from vqaudio.registry import plugins

NO_WEIGHTS = "Clone the repository and set VQAUDIO_WEIGHTS to its folder weights, or install it with `pip install -e CLONE`."


def _weights_folder() -> Path:
    """The folder of shipped models.

    $VQAUDIO_WEIGHTS; or beside the package, in a clone; or in the clone that `pip install CLONE` installed from.
    """
    if named := os.environ.get("VQAUDIO_WEIGHTS"):
        return Path(named).resolve()
    beside = Path(__file__).resolve().parent.parent / "weights"
    if beside.is_dir():
        return beside
    try:
        origin = json.loads(distribution("vqaudio").read_text("direct_url.json") or "{}").get("url", "")
    except (PackageNotFoundError, ValueError):
        return beside
    clone = Path(url2pathname(urlparse(origin).path)) / "weights"
    return clone if origin.startswith("file:") and clone.is_dir() else beside


WEIGHTS = _weights_folder()
FAMILIES = ("codecs", "priors")
MODEL_KINDS = ("codecs", "priors", "questions")
SINGLE_MODULES = ("judges", "questions.film")
MOVED = {"evaluation.judges": "judges"}  # modules that have moved since they were written to config.json files
UPLOADED = ["*.json", "*.safetensors", "*.md"]
MODEL_FILES = ("config.json", "model.safetensors")
MEASURED = (
    "metrics.json", "energy.json", "exploration.json", "fit.json", "phones.json", "codebooks.json", "codebooks.safetensors",
    "README.md",
)


def known_modules() -> list[str]:
    """The modules that a config.json may name: the registry."""
    return [*_own_modules(), *(path for kind in MODEL_KINDS for path in plugins(kind).values())]


def _own_modules() -> list[str]:
    return [*(f"{family}.{name}" for family in FAMILIES for name in modules_of(family)), *SINGLE_MODULES]


def module_named(name: str) -> ModuleType:
    """Import the module of a model, also a plug-in's; it has MODEL and CONFIG.

    Raises:
        InputError: the module is not registered, or has no model.
    """
    if name not in known_modules():
        raise InputError(f"There is no module {ranges.shown(name)}; known are {', '.join(known_modules())}.")
    module = importlib.import_module(f"vqaudio.{name}" if name in _own_modules() else name)
    if not hasattr(module, "MODEL") or not hasattr(module, "CONFIG"):
        raise InputError(f"The module {name} needs the names MODEL and CONFIG: the class of the model, and of its configuration.")
    return module


def modules_of(family: str) -> list[str]:
    """The names of the modules in a package such as "codecs"."""
    package = importlib.import_module(f"vqaudio.{family}")
    return [module.name for module in pkgutil.iter_modules(package.__path__)]


def installed() -> list[str]:
    """The names of the models in weights/."""
    return sorted(path.parent.name for path in WEIGHTS.glob("[!.]*/config.json"))


def load(
    name: str | os.PathLike, *, device: torch.device | str = "cpu", dtype: torch.dtype | str | None = None, **hub_options: Any
) -> Any:
    """Load a trained model.

    Args:
        name: a name in weights/, a folder, or a Hub id such as "someone/fsdd-8khz".
        device: where to put it, such as "cuda"; "auto" picks one.
        dtype: float32 or None. Spectra and distances need that precision; `torch.autocast` speeds up training.
        hub_options: revision, token, cache_dir and the like, for a Hub id; see `huggingface_hub.snapshot_download`.

    Returns:
        A `Codec`, `Prior`, `Judge` or `QuestionModel`, in evaluation mode.

    Raises:
        InputError: no such model or device, another dtype, the Hub cannot be reached, or the folder's files are damaged.
    """
    if dtype not in (None, torch.float32, "float32"):
        raise InputError(f"Models compute in float32: spectra and distances need it. Leave out dtype={dtype}.")
    folder = folder_of(name, **hub_options)
    values = _read_config(folder)
    model_class, config_class = _classes_of(folder, values.pop("module", None))
    model = model_files.read_model(folder, model_class, model_files.read_config(folder / "config.json", config_class, values))
    model.name = _name_of(folder) if "/" not in str(name) or Path(name).exists() else str(name)
    model.folder = folder
    return model.eval() if str(device) == "cpu" else model.eval().to(pick(str(device)))


def _name_of(folder: Path) -> str:
    """The folder's name; the run's for the models in a run's best/ and last/."""
    return folder.parent.name if folder.name in ("best", "last") else folder.name


def priors_of(codec) -> list[str]:
    """The priors of a codec's codes, in weights/ and beside the codec in runs/.

    Args:
        codec: from `load`.

    Returns:
        What `load` takes, names or folders; masked priors first, because they fill gaps best.
    """
    folders = [WEIGHTS / name for name in installed()]
    if codec.folder is not None and codec.folder.parent.parent != WEIGHTS.parent:
        folders += sorted(path.parent for path in codec.folder.parent.parent.glob("*/best/config.json"))
    wanted, found = codec.encoder_fingerprint, []
    for folder in folders:
        with suppress(InputError):
            config = _read_config(folder)
            if config.get("codec_fingerprint") == wanted:
                found.append((config.get("module") != "priors.masked", folder))
    return [folder.name if folder.parent == WEIGHTS else str(folder) for _, folder in sorted(found)]


def codecs(module: str, sample_rate: int) -> list[str]:
    """The names of the codecs in weights/ of one family.

    Args:
        module: of the family, such as "codecs.waveform".
        sample_rate: Hz.
    """
    configs = {name: _read_config(WEIGHTS / name) for name in installed()}
    wanted = module, sample_rate
    return [name for name, config in configs.items() if (config.get("module"), config.get("sample_rate")) == wanted]


def about(folder: Path | None) -> dict[str, str]:
    """The texts of a model's about.json: `title` and `knows`.

    Missing or damaged ones are left out.
    """
    try:
        texts = read_json(folder / "about.json")
    except (InputError, TypeError):
        return {}
    items = texts.items() if isinstance(texts, dict) else ()
    return {key: value for key, value in items if isinstance(value, str) and value and value in ranges.Text(1000)}


def save_compact(model: nn.Module, folder: str | os.PathLike) -> None:
    """Write config.json and model.safetensors in half precision.

    Each file is written whole or not at all.

    Raises:
        InputError: a weight is too large for half precision, as when training diverges.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        key: value.detach().cpu().to(torch.float16 if value.is_floating_point() else value.dtype).contiguous()
        for key, value in model.state_dict().items()
    }
    if too_large := [key for key, value in tensors.items() if (value.abs() == math.inf).any()]:
        raise InputError(f"{too_large[0]} holds weights too large for half precision. Train with a smaller learning rate.")
    weights = save(tensors, metadata={"format": "pt"})
    replace_file(folder / "model.safetensors", lambda path: path.write_bytes(weights))
    text = json.dumps(vars(model.config), indent=2) + "\n"
    replace_file(folder / "config.json", lambda path: path.write_text(text))


def publish(source: Path, folder: Path, records: list[dict], words: dict[str, str]) -> list[str]:
    """Publish a trained model to a folder, whole or not at all.

    Other files in the folder, such as a critic, stay; measurements of other weights are removed.

    Args:
        source: folder with the model.
        folder: where to publish it.
        records: of its training runs.
        words: `title` and `knows`, see `about`; an empty one leaves the folder's text unchanged.

    Returns:
        Names of the removed files.

    Raises:
        InputError: the folder has files but no model.
    """
    if folder.exists() and not (folder / "config.json").is_file() and any(folder.iterdir()):
        raise InputError(f"{folder} holds other files and no model: name a new folder.")
    same = all(_bytes(folder / name) == _bytes(source / name) for name in MODEL_FILES)
    stale = [] if same else [name for name in MEASURED if (folder / name).is_file()]
    words = about(folder) | {key: value for key, value in words.items() if value}

    def write(new: Path) -> None:
        if folder.exists():
            shutil.copytree(folder, new, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*stale, ".*.tmp"))
        for name in MODEL_FILES:
            shutil.copyfile(source / name, new / name)
        (new / "training.json").write_text(json.dumps(records, indent=1) + "\n")
        if words:
            (new / "about.json").write_text(json.dumps(words, indent=2) + "\n")

    folder.parent.mkdir(parents=True, exist_ok=True)
    replace_folder(folder, write)
    return stale


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def push(name: str | os.PathLike, repo_id: str, private: bool = False) -> str:
    """Upload a model folder to the Hugging Face Hub.

    Args:
        name: as for `load`.
        repo_id: OWNER/NAME of the repository, which is created if it does not exist.
        private: whether a new repository is private.

    Returns:
        Its address.

    Raises:
        InputError: no such model, not signed in (`hf auth login` or HF_TOKEN), or the Hub refuses.
    """
    folder = folder_of(name)
    load(folder)
    with uploading(repo_id) as api:
        api.create_repo(repo_id, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=folder, allow_patterns=UPLOADED)
    return f"https://huggingface.co/{repo_id}"


@contextmanager
def uploading(repo_id: str) -> Iterator:
    """The Hub's API for an upload, with its errors as InputErrors."""
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise InputError("Not signed in to the Hub: run `hf auth login` first, or set HF_TOKEN.")
    try:
        yield HfApi()
    except InputError:
        raise
    except Exception as error:  # their classes differ between versions
        raise InputError(f"{repo_id} could not be pushed: {_first_line(error)}") from None


def fingerprint(model: nn.Module) -> str:
    """Hash a model's configuration and half-precision weights: 32 hex digits.

    A field of the configuration with `metadata={"later": True}` counts only if it differs from its default, so that older weights
    keep their fingerprint.
    """
    later = {field.name: field.default for field in fields(model.config) if field.metadata.get("later")}
    settings = {name: value for name, value in vars(model.config).items() if name not in later or value != later[name]}
    former = {now: before for before, now in MOVED.items()}
    settings["module"] = former.get(settings["module"], settings["module"])
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().to(torch.float16 if value.is_floating_point() else value.dtype).numpy().tobytes())
    return digest.hexdigest()[:32]


def folder_of(name: str | os.PathLike, **hub_options) -> Path:
    """Find a model's folder, downloading a Hub id.

    The name is a folder, a name in weights/, or a Hub id. Raises InputError.
    """
    try:
        for folder in (Path(name), WEIGHTS / str(name)):
            if (folder / "config.json").is_file():
                return folder.resolve()
        if Path(name).is_dir():
            raise InputError(f"{name} holds no model: it has no config.json.")
    except OSError as error:  # a name that no file system takes
        raise InputError(f"There is no model {ranges.shown(str(name))}: {error.strerror}.") from None
    if _may_be_hub_id(str(name)):
        return _download(str(name), **hub_options)
    known = installed()
    if not known:
        raise InputError(f"There is no model {str(name)!r}: this installation has no weights. {NO_WEIGHTS}")
    near = nearest(str(name), known)
    raise InputError(f"There is no model {str(name)!r}{near} Known here: {', '.join(known)}; a folder or a Hub id works too.")


def _may_be_hub_id(name: str) -> bool:
    """Whether a name looks like OWNER/NAME, and OWNER is no folder here, where the name is probably a misspelt path."""
    owner, slash, rest = name.partition("/")
    return bool(slash and owner and rest) and "/" not in rest and not owner.startswith(".") and not Path(owner).is_dir()


def _download(repo_id: str, **hub_options) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo_id, allow_patterns=UPLOADED, **hub_options))
    except HFValidationError:
        raise InputError(f"{repo_id!r} is no folder here, and not a name that the Hub allows.") from None
    except LocalEntryNotFoundError:
        raise InputError(
            f"{repo_id!r} is no folder here, and the Hugging Face Hub cannot be reached: check the connection, or name a folder."
        ) from None
    except Exception as error:  # from the Hub or its HTTP library, whose classes differ between versions
        raise InputError(f"{repo_id!r} is no folder here, and the Hub did not give it: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _read_config(folder: Path) -> dict:
    try:
        config = read_json(folder / "config.json")
    except InputError as error:
        raise InputError(f"{folder} holds no model that can be used: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{folder / 'config.json'} is not a model's configuration.")
    return config


def _classes_of(folder: Path, module_name: str | None):
    """The model's class and its configuration's class: MODEL and CONFIG of the module."""
    module_name = MOVED.get(str(module_name), module_name)
    if module_name not in known_modules():
        known = ", ".join(known_modules())
        raise InputError(f"{folder / 'config.json'} names the module {ranges.shown(module_name)}; known are {known}.")
    module = module_named(module_name)
    return module.MODEL, module.CONFIG
