"""Model folders: saved and loaded to the bit, damaged ones refused in one sentence, the Hub absent or closed."""

import json
import shutil
import subprocess
import sys
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file

from vqaudio import hub
from vqaudio.codecs.waveform import WaveformCodec
from vqaudio.errors import InputError


@pytest.fixture
def folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


def change_config(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))


def test_a_model_is_the_same_after_saving_and_loading(model_folder, tmp_path):
    codec = hub.load(model_folder)
    codec.save_pretrained(tmp_path / "again")
    again = hub.load(tmp_path / "again")
    assert again.fingerprint == codec.fingerprint and again.config == codec.config and not again.training
    audio = torch.randn(1, 1, 4000)
    assert torch.equal(again.decode(again.encode(audio)), codec.decode(codec.encode(audio)))


def test_the_fingerprint_follows_every_weight_and_every_setting(model_folder, other_folder, folder):
    assert hub.load(model_folder).fingerprint != hub.load(other_folder).fingerprint
    one = hub.load(folder).fingerprint
    change_config(folder, reference_level_db=-21.0)
    assert hub.load(folder).fingerprint != one


def test_the_fingerprint_follows_weights_that_change_in_place(model_folder):
    codec = hub.load(model_folder)
    before = codec.fingerprint
    next(codec.parameters()).data.add_(1)
    assert codec.fingerprint != before


def test_a_model_loaded_in_inference_mode_has_the_same_fingerprint(model_folder):
    with torch.inference_mode():
        codec = hub.load(model_folder)
    assert codec.fingerprint == hub.load(model_folder).fingerprint


def test_a_setting_that_came_later_changes_no_older_fingerprint(folder):
    """The shipped priors name their codec by a fingerprint from before `look_ahead`."""
    settings = json.loads((folder / "config.json").read_text())
    one = hub.load(folder).fingerprint
    del settings["look_ahead"]
    (folder / "config.json").write_text(json.dumps(settings))
    assert hub.load(folder).fingerprint == one
    change_config(folder, look_ahead=1)
    assert hub.load(folder).fingerprint != one


def test_names_in_weights_are_found(model_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "WEIGHTS", model_folder.parent)
    monkeypatch.chdir(tmp_path)
    assert "small" in hub.installed() and hub.load("small").name == "small"
    with pytest.raises(InputError, match=r"no model 'large'.*small"):
        hub.load("large")


def test_no_folder_no_config_no_weights(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no model"):
        hub.load(tmp_path / "empty")
    with pytest.raises(InputError, match="no model"):
        hub.load(tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no model\.safetensors"):
        hub.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"hello", b"[1]", b"null", b"{}"])
def test_a_config_that_is_none(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json"):
        hub.load(folder)


@pytest.mark.parametrize("module", ["os", "../hub", "hub", "codecs", "codecs.", "codecs.waveform.x", "codecs.no", None, 7, ["a"]])
def test_only_modules_of_the_registry_can_be_named(folder, module):
    change_config(folder, module=module)
    with pytest.raises(InputError, match="names the module"):
        hub.load(folder)


def test_weights_that_are_cut_altered_or_noise(folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for content in (b"", whole[:7], whole[:100], whole[:-1], whole + b"x", b"\xff" * 1000, whole[:8] + b"\x00" + whole[9:]):
        weights.write_bytes(content)
        with pytest.raises(InputError, match="model") as caught:
            hub.load(folder)
        assert "\n" not in str(caught.value)


def test_a_weight_that_is_missing_or_foreign_or_of_another_shape_is_not_passed_over(folder):
    weights = load_file(folder / "model.safetensors")
    name = next(iter(weights))
    for wrong in (
        {key: value for key, value in weights.items() if key != name}, weights | {"foreign": torch.zeros(1)},
        weights | {name: torch.zeros(3)},
    ):  # fmt: skip
        save_file(wrong, folder / "model.safetensors")
        with pytest.raises(InputError, match=r"do not fit its config\.json"):
            hub.load(folder)


@pytest.mark.parametrize("value", ["x", -1, 0, 0.5, None, [], {}, True])
def test_a_config_of_nonsense_loads_or_is_refused_and_no_more(model_folder, folder, value):
    good = json.loads((model_folder / "config.json").read_text())
    refused = 0
    for field in (*good, "unknown"):
        if field == "module":
            continue
        (folder / "config.json").write_text(json.dumps(good | {field: value}))
        try:
            hub.load(folder)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused >= 5


def test_the_hub_cannot_be_reached(tmp_path, environment):
    """A closed port of this machine stands for the Hub; in a process of its own, since the address is read at import."""
    script = "import sys, vqaudio; getattr(vqaudio, sys.argv[1])(*sys.argv[2:])"
    closed = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", script, "load", "someone/some-codec"]
    done = subprocess.run(command, env=environment | closed, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert "InputError: 'someone/some-codec' is no folder here, and the Hugging Face Hub cannot be reached" in done.stderr


@pytest.mark.parametrize("name", ["a/b/c", "some one/x", "a/../b"])
def test_names_that_no_hub_allows(name):
    with pytest.raises(InputError):
        hub.load(name)


def test_pushing_without_a_login(model_folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="Not signed in to the Hub: run `hf auth login`"):
        hub.push(model_folder, "someone/small")


def test_pushing_a_damaged_model_is_refused_before_the_hub_is_asked(folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "token")
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: pytest.fail("asked the Hub"))
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        hub.push(folder, "someone/small")


class FakeHub:
    """Records what is asked of it."""

    calls: ClassVar[list] = []

    def create_repo(self, repo_id, **options):
        self.calls.append((repo_id, options["private"]))

    def upload_folder(self, repo_id, folder_path, allow_patterns):
        self.calls.append(sorted(path.name for pattern in allow_patterns for path in folder_path.glob(pattern)))


def test_pushing_sends_the_model_and_never_the_optimiser(folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "token")
    monkeypatch.setattr("huggingface_hub.HfApi", FakeHub)
    (folder / "checkpoint.pt").write_bytes(b"optimiser")
    (folder / "README.md").write_text("card")
    assert hub.push(folder, "someone/small", private=True) == "https://huggingface.co/someone/small"
    assert FakeHub.calls == [("someone/small", True), ["README.md", "config.json", "model.safetensors"]]


def test_the_hub_refuses(model_folder, monkeypatch):
    def refuse(self, repo_id, **options):
        raise ConnectionError("403 Forbidden\nmore\nlines")

    monkeypatch.setattr("huggingface_hub.get_token", lambda: "token")
    monkeypatch.setattr(FakeHub, "create_repo", refuse)
    monkeypatch.setattr("huggingface_hub.HfApi", FakeHub)
    with pytest.raises(InputError, match=r"someone/small could not be pushed: 403 Forbidden$"):
        hub.push(model_folder, "someone/small")


def test_the_mixins_way_of_loading_is_strict_too(folder):
    assert WaveformCodec.from_pretrained(folder).fingerprint == hub.load(folder).fingerprint
    weights = load_file(folder / "model.safetensors")
    weights.pop("stem.weight")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"stem\.weight"):
        WaveformCodec.from_pretrained(folder)
