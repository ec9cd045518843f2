"""Where models compute: the device that is picked, and answers that are the same on every device.

`second_device` stands for a graphics card on machines without one; where there is CUDA, the same is asked of it.
"""

import importlib

import pytest
import torch
from second_device import DEVICE, SecondDevice

import vqaudio
from vqaudio import devices, edits, hub
from vqaudio.audio import load as load_audio
from vqaudio.errors import InputError
from vqaudio.hub import modules_of
from vqaudio.judges import Judge, JudgeConfig
from vqaudio.randomness import seeded

LABELS = {"digit": ("0", "1", "2"), "speaker": ("ann", "bob")}
SHAPES = {
    "autoregressive": ({}, {"temporal": "lstm"}, {"table_dim": 4, "attention_s": 0.1}, {"cell_dim": 8}),
    "masked": ({}, {"table_dim": 4, "attention_s": 0.1}, {"cell_dim": 8}), "naive_bayes": ({}, {"shared": True}),
}  # fmt: skip
PRIORS = [(module, shape) for module in modules_of("priors") for shape in SHAPES.get(module, ({},))]


@pytest.fixture(params=["second device", "cuda"])
def device(request):
    """A device other than the CPU, and real numbers on it."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA on this machine: only the stand-in for a second device is tested")
        yield devices.pick("cuda")
    else:
        with SecondDevice():
            yield DEVICE


@pytest.fixture(params=["model_folder", "wave_folder", "picture_folder"])
def codec_folder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def sound(example_clips):
    """Two clips of a quarter and a fifth of a second."""
    clips = torch.stack([load_audio(path, 8000)[0][:, :2000] for path in example_clips[:2]])
    return clips, torch.tensor([2000, 1600])


def build(module: str, shape: dict, codec):
    torch.manual_seed(0)
    home = importlib.import_module(f"vqaudio.priors.{module}")
    settings = {"dim": 16, "layers": 2, "heads": 2, "dropout": 0.0, "candidates": 2, **shape}
    config = home.CONFIG(
        codec_name=codec.name, codec_fingerprint=codec.encoder_fingerprint, hop=codec.hop, frame_rate=codec.spec.frame_rate,
        stages=tuple((s.bands, s.steps, s.vocab) for s in codec.spec.stages), label_kinds=tuple(LABELS),
        label_values=tuple(LABELS.values()), n_examples=6,
        **{key: value for key, value in settings.items() if key in home.CONFIG.__dataclass_fields__},
    )  # fmt: skip
    prior = home.MODEL(config).eval()
    prior.remember(torch.arange(6) * 800 + 1600, torch.tensor([[i % 3, i % 2] for i in range(6)]), torch.full((6,), -20.0))
    for parameter in prior.parameters():
        parameter.data.add_(0.2 * torch.randn(parameter.shape))
    prior.spread = prior.apart = 1  # of a pseudo-likelihood: as few passes as there can be
    return prior


# --- which one ----------------------------------------------------------------------------------------------------------


def test_a_name_an_environment_variable_and_auto(monkeypatch):
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    assert devices.pick("cpu").type == "cpu"
    first = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert devices.pick().type == devices.pick("auto").type == first
    monkeypatch.setenv(devices.VARIABLE, "meta")
    assert devices.pick().type == "meta" and devices.pick("cpu").type == "cpu", "what was asked for outdoes the environment"
    monkeypatch.setenv(devices.VARIABLE, "")
    assert devices.pick().type == first


@pytest.mark.parametrize("name", ["cuda:99", "abacus", "xla", ""])
def test_a_device_that_is_not_there_is_a_sentence(name, monkeypatch):
    with pytest.raises(InputError, match="There is no device .* here. Use auto or cpu"):
        devices.pick(name)
    monkeypatch.setenv(devices.VARIABLE, "abacus")
    with pytest.raises(InputError, match="'abacus'"):
        devices.pick()


def test_every_command_takes_the_device_of_the_environment(command, model_folder, example_clips, tmp_path, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "abacus")
    arguments = ["encode", example_clips[0], tmp_path / "a.vqa", "--model", model_folder]
    code, _, err = command(*arguments)
    assert code == 2 and "There is no device 'abacus' here" in err
    assert command(*arguments, "--device", "cpu")[0] == 0


def test_a_model_is_loaded_on_the_device_once(model_folder, monkeypatch):
    codec, loads = hub.load(model_folder), []
    load = hub.load
    monkeypatch.setattr(hub, "load", lambda folder: loads.append(folder) or load(folder))
    assert devices.placed(codec) is codec and not loads, "on the CPU it is there already"
    monkeypatch.setenv(devices.VARIABLE, "meta")
    try:
        with SecondDevice():
            one, same = devices.placed(codec), devices.placed(codec)
            assert one is same and loads == [codec.folder] and one.device == DEVICE and one.name == codec.name
            assert devices.placed(one) is one
        assert codec.device.type == "cpu", "the shared one stays where it is"
    finally:
        devices._loaded.cache_clear()


# --- the same answers ---------------------------------------------------------------------------------------------------


def test_a_codec_answers_as_on_the_cpu(codec_folder, sound, device):
    here, there = hub.load(codec_folder), hub.load(codec_folder).to(device)
    codes, elsewhere = here.encode(*sound), there.encode(*sound)
    assert elsewhere.ids.device.type == device.type and torch.equal(elsewhere.to("cpu").ids, codes.ids)
    mask = codes.region(0.1, 0.2)
    for stages in (None, (0,), (1, 0)):
        difference = there.decode(codes, stages).cpu() - here.decode(codes, stages)
        assert float(difference.abs().max()) < 1e-3
    for blurred in (vqaudio.blur(there, codes, mask, generator=seeded(1, 1)[0]), vqaudio.blur(there, elsewhere, mask.to(device))):
        assert blurred[0].device.type == device.type
    wanted = vqaudio.blur(here, codes, mask, generator=seeded(1, 1)[0])[1]
    assert torch.equal(vqaudio.blur(there, elsewhere, mask, generator=seeded(1, 1)[0])[1].to("cpu").ids, wanted.ids)
    assert torch.equal(edits.erase(there, codes, mask).ids, edits.erase(here, codes, mask).ids)


@pytest.mark.parametrize(("module", "shape"), PRIORS, ids=lambda value: "-".join(map(str, value.values())) or "plain"
                         if isinstance(value, dict) else value)  # fmt: skip
@pytest.mark.parametrize("folder", ["model_folder", "picture_folder"])
def test_a_prior_answers_as_on_the_cpu(module, shape, folder, request, sound, device):
    codec = hub.load(request.getfixturevalue(folder))
    here, there = build(module, shape, codec), build(module, shape, codec).to(device)
    codes = codec.encode(*sound).to("cpu")
    mask = codes.region(0.1, 0.2)
    options = {"labels": {"digit": ["1", "2"]}, "guidance": 1.5, "local_labels": [(mask, {"speaker": "ann"})], "steps": 2}
    seen = []
    filled = there.fill(codes, mask, generator=seeded(3, 2), on_step=lambda done, total, ids: seen.append(ids), **options)
    assert filled.ids.device.type == "cpu" and seen and all(ids.device.type == "cpu" for ids in seen)
    assert torch.equal(filled.ids, here.fill(codes, mask, generator=seeded(3, 2), **options).ids)
    elsewhere = there.fill(codes.to(device), mask.to(device), generator=seeded(3, 2), **options)
    assert elsewhere.ids.device.type == device.type and torch.equal(elsewhere.to("cpu").ids, filled.ids)
    if here.likelihood != "none":
        torch.testing.assert_close(there.log_prob(codes).cpu(), here.log_prob(codes), rtol=1e-4, atol=1e-3)


def test_new_clips_and_gaps_are_those_of_the_cpu(model_folder, device, tmp_path):
    """Through the package's own verbs, codes and a critic included."""
    prior = build("masked", {}, hub.load(model_folder))
    hub.save_compact(prior, tmp_path / "prior")
    judge = Judge(JudgeConfig(classes=("0", "1", "2"), n_mels=16, channels=4))
    judge.head.weight.data.mul_(30)
    hub.save_compact(judge, tmp_path / "prior" / "critic")
    answers = []
    for place in ("cpu", device):
        codec, prior = hub.load(model_folder).to(place), hub.load(tmp_path / "prior").to(place)
        sound, codes = vqaudio.generate(codec, prior, {"digit": "1"}, generator=seeded(5, 3))
        gap = codes.region(0.1, 0.15)
        again, filled = vqaudio.inpaint(codec, prior, codec.encode(sound, codes.lengths), gap, generator=seeded(1, 3))
        answers.append([part.cpu() for part in (sound, codes.ids, again, filled.ids)])
    for wanted, found in zip(*answers):
        assert torch.equal(wanted, found) if not wanted.is_floating_point() else float((wanted - found).abs().max()) < 1e-3
