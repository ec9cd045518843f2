"""Plug-ins: the guide's codec and prior keep every law, are trained, and load; nothing else does."""

import importlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import vqaudio
from vqaudio import data, hub, registry
from vqaudio.errors import InputError
from vqaudio.testing import check_codec, check_prior

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"^```python ?(\S*)\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A folder of plug-ins on the path, and an empty registry."""
    (tmp_path / "plugins").mkdir()
    for name, code in BLOCKS:
        if name:
            (tmp_path / "plugins" / name).write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    monkeypatch.setattr(registry, "_registered", {kind: {} for kind in registry.KINDS})
    yield tmp_path / "plugins"
    for name in ("tiny_codec", "tiny_prior"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("folder", ["model_folder", "wave_folder", "picture_folder"])
def test_our_own_codecs_keep_the_laws(folder, request):
    check_codec(hub.load(request.getfixturevalue(folder)))


def test_the_guide_runs_and_is_short(plugins):
    lines = {name: len([line for line in code.splitlines() if line]) for name, code in BLOCKS if name}
    assert lines["tiny_codec.py"] <= 60 and lines["tiny_prior.py"] <= 40
    for name, code in BLOCKS:
        if not name:
            exec(code, {})


def test_a_registered_codec_is_trained_and_loaded_like_any_other(plugins, command, tiny_dataset, tmp_path):
    tiny_codec = importlib.import_module("tiny_codec")
    out = tmp_path / "run"
    steps = ("--recipe", "fsdd-8khz-small", "--loop.steps", 2, "--loop.device", "cpu", "--training.batch-size", 4)
    code, _, err = command(
        "train", "codec", "--codec.module", "tiny_codec", "--codec.latent-dim", 16, "--dataset", "fsdd", "--data", tiny_dataset,
        "--out", out, *steps,
    )  # fmt: skip
    assert code == 0, err
    codec = vqaudio.load(out / "best")
    assert type(codec) is tiny_codec.TinyCodec and codec.config.latent_dim == 16
    check_codec(codec)
    registry._registered["codecs"].clear()
    with pytest.raises(InputError, match="names the module 'tiny_codec'; known are codecs"):
        vqaudio.load(out / "best")


def test_a_config_imports_registered_modules_only(plugins, model_folder, tmp_path):
    config = json.loads((model_folder / "config.json").read_text())
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    for module in ("evil", "os", "vqaudio.registry", "tiny_codec", "", None, ["codecs.waveform"]):
        (tmp_path / "config.json").write_text(json.dumps(config | {"module": module}))
        with pytest.raises(InputError, match="names the module"):
            vqaudio.load(tmp_path)
    vqaudio.register("codecs", "json")
    with pytest.raises(InputError, match="The module json needs the names MODEL and CONFIG"):
        hub.module_named("json")
    with pytest.raises(InputError, match="no plug-ins of the kind 'codec'; choose codecs, priors"):
        vqaudio.register("codec", "tiny_codec")


def test_entry_points_are_found(monkeypatch, tmp_path):
    info = tmp_path / "sounds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sounds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vqaudio.datasets]\nbirds = sounds_birds\n[vqaudio.codecs]\ntiny = sounds.codec\n")
    (tmp_path / "sounds_birds.py").write_text("def load_split(part, root, sample_rate):\n    return part\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry._installed.cache_clear()
    try:
        assert data.load_split("birds", "train", None, 8000) == "train"
        assert "sounds.codec" in hub.known_modules()
    finally:
        registry._installed.cache_clear()
    with pytest.raises(InputError, match="no dataset 'bees'"):
        data.load_split("bees", "train", None, 8000)


def test_the_checks_notice_a_broken_law(plugins):
    tiny_codec, tiny_prior = map(importlib.import_module, ("tiny_codec", "tiny_prior"))

    class Wrong(tiny_codec.TinyCodec):
        def quantise(self, latents, beam):
            return super().quantise(latents - latents.mean(-1, keepdim=True), beam)

    with pytest.raises(AssertionError, match=r"a clip in a batch|in blocks"):
        check_codec(Wrong(tiny_codec.TinyConfig()).eval())

    class Careless(tiny_prior.TinyPrior):
        def fill(self, codes, mask, *rest, **settings):
            return replace(codes, ids=torch.zeros_like(codes.ids))

    config = tiny_prior.TinyPriorConfig(stages=((1, 1, 8),), frame_rate=50.0)
    with pytest.raises(AssertionError, match="cells outside the mask keep their ids"):
        check_prior(Careless(config).eval())
