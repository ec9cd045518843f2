"""A Hugging Face Space of this app: its folder, the checks, and the upload.

The folder has the files that the app needs, without tests, benchmarks or records. Its .gitattributes, for pushing with git, is
not in this repository: with git-lfs installed, every clone would show all weights as changed.
"""

import os
import re
import shutil
from fnmatch import fnmatch
from pathlib import Path

from vqaudio import __version__
from vqaudio.errors import InputError
from vqaudio.json_files import read_json
from vqaudio.serving import running

ROOT = Path(__file__).resolve().parent.parent
FILES = ("README.md", "LICENSE", "requirements.txt", "pyproject.toml", "app.py")
FOLDERS = {  # with the patterns of their files that a Space needs
    "vqaudio": ("*.py", "*.js", "*.css", "*.html", "*.json", "*.typ", "*.typed"), "weights": ("*.json", "*.safetensors", "*.md"),
    "assets": ("*",), "docs": ("*.md", "*.html", "*.txt"), "notebooks": ("*.ipynb",),
}  # fmt: skip
SKIPPED = (".*", "__pycache__")
LARGE = ("safetensors", "png", "jpg", "gif", "pdf", "wav", "flac", "mp3", "ogg", "m4a", "vqa")  # kept by LFS or Xet
ATTRIBUTES = "# Written by vqaudio space\n" + "".join(f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in LARGE)
REQUIRED = ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license")
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
MAX_DESCRIPTION = 60  # characters; the Hub refuses a longer short_description
MAX_REGULAR_MB, MAX_TOTAL_MB = 10, 1000  # the Hub's limits for a file outside LFS, and for a Space
# https://huggingface.co/docs/hub/spaces-zerogpu in September 2026: another version is a configuration error
ZERO_GPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.1", "2.13.0")
ZERO_GPU_PYTHON = ("3.10", "3.12")


def write(folder: Path) -> list[Path]:
    """Write the Space's folder, replacing an older one.

    Returns:
        The files, relative to the folder.

    Raises:
        InputError: this is no checkout of the project, or the folder has other files.
    """
    missing = [name for name in (*FILES, *FOLDERS) if not (ROOT / name).exists()]
    if missing:
        raise InputError(f"A Space is made from a clone of vqaudio: {ROOT} lacks {', '.join(missing)}.")
    if folder.exists():
        if not is_ours(folder):
            raise InputError(f"{folder} has other files in it. Choose another --folder, or remove it.")
        shutil.rmtree(folder)
    files = [Path(name) for name in FILES] + [path for name in FOLDERS for path in _files_of(name)]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)
    (folder / ".gitattributes").write_text(ATTRIBUTES)
    return [*files, Path(".gitattributes")]


def is_ours(folder: Path) -> bool:
    """Whether a folder is empty or was written by `write`."""
    attributes = folder / ".gitattributes"
    if not folder.is_dir():
        return False
    return not any(folder.iterdir()) or (attributes.is_file() and attributes.read_text() == ATTRIBUTES)


def _files_of(name: str) -> list[Path]:
    wanted = [path.relative_to(ROOT) for path in sorted((ROOT / name).rglob("*")) if path.is_file()]
    shown = [path for path in wanted if not any(fnmatch(part, skipped) for part in path.parts for skipped in SKIPPED)]
    return [path for path in shown if any(fnmatch(path.name, pattern) for pattern in FOLDERS[name])]


def check(folder: Path, hardware: str | None = None) -> None:
    """Raise InputError, with all faults, for a folder that the Hub would refuse.

    A missing licence is a fault too.
    """
    faults = [*_front_matter_faults(folder), *_size_faults(folder), *_licence_faults(folder)]
    if hardware == "zero-a10g":
        faults += _zero_gpu_faults(folder)
    if faults:
        raise InputError(f"{folder} is not ready for the Hub: {' '.join(faults)}")


def front_matter(folder: Path) -> dict:
    """The fields at the top of README.md; empty if they cannot be read."""
    from huggingface_hub import metadata_load

    try:
        return metadata_load(folder / "README.md") or {}
    except Exception:  # from the YAML library, or because the fields are no mapping
        return {}


def _front_matter_faults(folder: Path) -> list[str]:
    fields = front_matter(folder)
    missing = [name for name in REQUIRED if not fields.get(name)]
    if missing:
        return [f"the front matter of README.md lacks {', '.join(missing)}."]
    wrong = [name for name in ("colorFrom", "colorTo") if fields[name] not in COLORS]
    faults = [f"{name} is {fields[name]}; it can be {', '.join(COLORS)}." for name in wrong]
    if fields["sdk"] != "gradio" or str(fields["sdk_version"]) != locked(folder, "gradio"):
        faults.append(f"sdk is {fields['sdk']} {fields['sdk_version']}, but the lock has gradio {locked(folder, 'gradio')}.")
    if not (folder / str(fields["app_file"])).is_file():
        faults.append(f"app_file names {fields['app_file']}, which is not there.")
    if len(str(fields.get("short_description", ""))) > MAX_DESCRIPTION:
        faults.append(f"short_description has more than {MAX_DESCRIPTION} characters.")
    return faults


def locked(folder: Path, package: str) -> str | None:
    """The version of a package in a folder's lock; None if it is not there."""
    match = re.search(rf"^{re.escape(package)}==([^\s;]+)", (folder / "requirements.txt").read_text(), re.MULTILINE)
    return match[1] if match else None


def _size_faults(folder: Path) -> list[str]:
    sizes = {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    faults = [
        f"{path} has {size / 1e6:.0f} MB; at most {MAX_REGULAR_MB} MB are allowed for a file that LFS does not keep."
        for path, size in sizes.items()
        if size > MAX_REGULAR_MB * 1e6 and path.suffix.lstrip(".") not in LARGE
    ]
    if sum(sizes.values()) > MAX_TOTAL_MB * 1e6:
        faults.append(f"it has {sum(sizes.values()) / 1e6:.0f} MB; a Space can hold {MAX_TOTAL_MB} MB.")
    return faults


def _licence_faults(folder: Path) -> list[str]:
    faults = [f"{name} is missing." for name in ("LICENSE", "assets/README.md") if not (folder / name).is_file()]
    models = [path.parent for path in sorted((folder / "weights").glob("*/config.json"))]
    served = [model for model in models if not str(read_json(model / "config.json").get("module")).endswith("judges")]
    without = [model.name for model in served if not front_matter(model).get("license")]
    return faults + ([f"the model card of {', '.join(without)} names no license."] if without else [])


def _zero_gpu_faults(folder: Path) -> list[str]:
    torch, python = locked(folder, "torch"), str(front_matter(folder).get("python_version"))
    faults = []
    if torch not in ZERO_GPU_TORCH:
        faults.append(f"ZeroGPU takes torch {', '.join(ZERO_GPU_TORCH)}; the lock has {torch}.")
    if not python.startswith(ZERO_GPU_PYTHON):
        faults.append(f"ZeroGPU takes Python {' and '.join(ZERO_GPU_PYTHON)}; python_version is {python}.")
    return faults


def try_out(folder: Path) -> float:
    """Start the app from a Space's folder; returns seconds until its page answered.

    Nothing of this repository is used.

    Raises:
        InputError: it does not start.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GRADIO_", "VQAUDIO_"))}
    environment = {**kept, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    with running(folder, folder.with_name(f"{folder.name}.log"), environment=environment) as (_, _, seconds):
        return seconds


def upload(folder: Path, repo_id: str, private: bool = False, hardware: str | None = None) -> str:
    """Create or update the Space, and upload a checked folder; returns its address.

    Args:
        repo_id: OWNER/NAME.
        private: whether a new Space can be seen by its owner only.
        hardware: such as zero-a10g; None for cpu-basic, or the Space's current hardware.

    Raises:
        InputError: not signed in, the Space has another app, or the Hub refuses.
    """
    from vqaudio.hub import uploading

    with uploading(repo_id) as api:
        address = api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private or None, exist_ok=True)
        there = api.list_repo_files(repo_id, repo_type="space")
        if "app.py" in there and "vqaudio/__init__.py" not in there:
            raise InputError(f"The Space {repo_id} has another app. Choose another name.")
        if hardware:
            api.request_space_hardware(repo_id, hardware)
        api.upload_folder(
            repo_id=repo_id, repo_type="space", folder_path=folder, commit_message=f"vqaudio {__version__}",
            delete_patterns=[f"{name}/*" for name in FOLDERS],
        )  # fmt: skip
    return str(address)
