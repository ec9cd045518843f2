"""What a researcher types first: what works, and what fails with which message."""

import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import vqaudio
from vqaudio import hub
from vqaudio.codec import Codec
from vqaudio.codecs.spectrogram import SpectrogramCodec
from vqaudio.codecs.waveform import WaveformCodec
from vqaudio.errors import InputError
from vqaudio.priors.masked import MaskedPrior, MaskedPriorConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def audio() -> torch.Tensor:
    return 0.1 * torch.randn(4000, generator=torch.Generator().manual_seed(0))


KINDS = {
    "[N]": lambda x: x,
    "[1, N]": lambda x: x[None],
    "[1, 1, N]": lambda x: x[None, None],
    "[2, N] with equal channels": lambda x: x.expand(2, -1),
    "[1, 2, N] with equal channels": lambda x: x.expand(1, 2, -1),
    "numpy": lambda x: x.numpy(),
    "numpy [1, N]": lambda x: x[None].numpy(),
    "a numpy view that runs backwards": lambda x: x.flip(0).numpy()[::-1],
    "float64": lambda x: x.double(),
    "a list of numbers": lambda x: x.tolist(),
    "a list of one clip": lambda x: [x],
    "(samples, Hz)": lambda x: (x[None], 8000),
    "(Hz, samples)": lambda x: (8000, x.numpy()),
    "with a gradient": lambda x: x.clone().requires_grad_(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_gives_the_same_codes(codec, audio, kind):
    assert codec.encode(KINDS[kind](audio)) == codec.encode(audio[None, None])


def test_integers_are_at_full_scale(codec, audio):
    for dtype, full in ((torch.int16, 2**15), (torch.int32, 2**31)):
        integers = (audio.double() * full).round().to(dtype)
        assert codec.encode(integers) == codec.encode(integers.float() / full)
        assert codec.encode(integers.numpy()) == codec.encode(integers)
    unsigned = (audio * 128 + 128).round().to(torch.uint8)
    assert codec.encode(unsigned) == codec.encode((unsigned.float() - 128) / 128)


def test_clips_of_different_lengths(codec, audio):
    batch = codec.encode([audio, audio[:1000].numpy(), audio[None, :1]])
    assert batch.lengths.tolist() == [4000, 1000, 1] and len(batch) == 3
    for codes, clip in zip(batch, (audio, audio[:1000], audio[:1])):
        assert codes == codec.encode(clip)


def test_files_and_what_other_functions_load(codec, audio, tmp_path):
    soundfile.write(tmp_path / "a.wav", audio.numpy(), 8000, subtype="FLOAT")
    wanted = codec.encode(audio)
    for sound in (tmp_path / "a.wav", str(tmp_path / "a.wav"), vqaudio.audio.load(tmp_path / "a.wav", codec.sample_rate)):
        assert codec.encode(sound) == wanted
    assert codec.encode([tmp_path / "a.wav", audio])[0] == wanted


def test_other_sample_rates_are_resampled(codec, tmp_path):
    tone = 0.1 * torch.sin(2 * torch.pi * 440 * torch.arange(24_000) / 24_000)
    soundfile.write(tmp_path / "a.wav", tone.numpy(), 24_000, subtype="FLOAT")
    codes = codec.encode(tone, sample_rate=24_000)
    assert codes.lengths.tolist() == [8000] and codes == codec.encode((tone, 24_000)) == codec.encode(tmp_path / "a.wav")
    assert codec.encode([tone, tone[:12_000]], sample_rate=24_000).lengths.tolist() == [8000, 4000]
    two = codec.encode(tone.expand(2, 1, -1), torch.tensor([24_000, 12_000]), sample_rate=24_000)
    assert two.lengths.tolist() == [8000, 4000]
    assert codec.reconstruct(tone, sample_rate=24_000).shape == (1, 1, 8000)


REFUSED = {
    "[N, 2]": (lambda x: torch.stack([x, x], -1), r"^\[1, 4000, 2\] has more channels than samples. Transpose it to"),
    "four axes": (lambda x: x[None, None, None], r"this is \[1, 1, 1, 4000\]"),
    "nothing": (lambda x: x[:0], "The clip is empty"),
    "an empty list": (lambda x: [], "The clip is empty"),
    "long integers": (lambda x: (x * 32768).long(), "these are int64: divide them by full scale, 32768 for int16"),
    "NaN": (lambda x: x * torch.nan, "NaN or infinite"),
    "None": (lambda x: None, "^Audio is a tensor, an array, a file, or a list of these, one a clip.$"),
    "a dictionary": (lambda x: {"audio": x}, "^Audio is a tensor, an array, a file"),
    "a batch in a list": (lambda x: [x.expand(2, 1, -1)], r"Each clip of a list is \[samples\]"),
    "a file that is not there": (lambda x: "no.wav", "There is no file no.wav"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_sound_is_refused_in_a_sentence(codec, audio, kind):
    make, message = REFUSED[kind]
    with pytest.raises(InputError, match=message):
        codec.encode(make(audio))


def test_arguments_that_do_not_fit_are_refused_in_a_sentence(codec, audio):
    codes = codec.encode(audio)
    for message, call in {
        "sample_rate is 0; it takes": lambda: codec.encode(audio, sample_rate=0),
        "Give one length a clip": lambda: codec.encode(audio, 44_100),
        "A list of clips has lengths already": lambda: codec.encode([audio], [4000]),
        "can keep its first 1 to 4 stages; not 5": lambda: codec.encode(audio, stages=5),
        r"can keep its first 1 to 4 stages; not \[0, 2\]": lambda: codec.encode(audio, stages=[0, 2]),
        "Choose at least one of the stages 1 to 4": lambda: codec.decode(codes, stages=5),
        r"To make codes from ids, use `codec.codes\(ids\)`": lambda: codec.decode(codes.ids),
        r"has integer ids \[B, 4, T\]; these are \[1, 5, 9\]": lambda: codec.codes(torch.zeros(1, 5, 9, dtype=torch.long)),
        "outside 0 to 31": lambda: codec.codes(torch.full((4, 9), 32)),
        "from 1 to 1440 samples": lambda: codec.codes(torch.zeros(4, 9, dtype=torch.long), lengths=[1441]),
    }.items():
        with pytest.raises(InputError, match=message):
            call()


def test_stages_are_a_number_or_a_choice(codec, audio):
    codes = codec.encode(audio)
    assert codec.encode(audio, stages=2) == codes.first(2)
    assert torch.equal(codec.decode(codes, stages=2), codec.decode(codes, stages=(0, 1)))
    assert torch.equal(codec.decode(codes, 2), codec.decode(codes.first(2)))
    for reconstruct in (codec.reconstruct, lambda *rest, **named: vqaudio.reconstruct(codec, *rest, **named)):
        assert torch.equal(reconstruct(audio, stages=2), codec.decode(codes.first(2)))
        assert torch.equal(reconstruct(audio), codec.decode(codes))


@pytest.mark.parametrize("folder", ["model_folder", "picture_folder"])
def test_calling_a_codec_reconstructs(folder, audio, request):
    codec = vqaudio.load(request.getfixturevalue(folder))
    result = codec([audio, audio[:1000]])
    assert result.codes == codec.encode([audio, audio[:1000]]) and torch.equal(result.audio, codec.decode(result.codes))
    assert set(result.losses) == {"commitment", "waveform"}
    assert all(loss.ndim == 0 and loss > 0 and loss.isfinite() for loss in result.losses.values())
    difference = (result.audio[0, 0] - audio).abs().sum() + (result.audio[1, 0, :1000] - audio[:1000]).abs().sum()
    torch.testing.assert_close(result.losses["waveform"], difference / 5000)


def test_names_of_other_libraries(codec, picture_folder):
    assert (codec.hop_length, codec.frame_rate, codec.n_codebooks, codec.codebook_size) == (160, 50.0, 4, 32)
    assert codec.bits_per_second == 1000 and codec.device == torch.device("cpu") and codec.quantizer is codec.rvq
    picture = vqaudio.load(picture_folder)
    assert picture.n_codebooks == len(picture.spec.stages) and picture.quantizer is picture.quantisers
    with pytest.raises(AttributeError):
        codec.hop_length = 320


def test_codes_behave_like_a_batch(codec, audio):
    codes = codec.encode([audio, audio[:1000]])
    assert codes.shape == codes.ids.shape == (2, 4, 25) and codes.duration_s == 0.5
    assert [len(clip.ids[0, 0]) for clip in codes] == [25, 7] and codes[-1] == codes.clip(1) == codes[1:]
    assert isinstance(codes.numpy(), np.ndarray) and (codes.numpy() == codes.ids.numpy()).all()
    assert codes.cpu() == codes.to("cpu") == codes and codes != codes.first(3) and codes != codes[0] and codes != "codes"
    assert repr(codes) == "Codes(2 clips, 4 stages, ids [2, 4, 25], 0.50 s, 1000 bit/s)"
    with pytest.raises(IndexError, match="There are 2 clips"):
        codes[2]


def test_codes_are_made_from_ids(codec, audio):
    codes = codec.encode(audio)
    again = codec.codes(codes.ids, codes.lengths, codes.level_db)
    assert again == codes == codec.codes(codes.numpy()[0], [4000], codes.level_db)
    assert codec.codes(codes.ids[:, :2], codes.lengths, codes.level_db) == codes.first(2)
    assert codec.decode(codec.codes(codes.ids)).shape == (1, 1, 25 * 160)


def test_one_way_of_loading(model_folder, audio):
    one, two = vqaudio.load(model_folder, device="cpu"), WaveformCodec.from_pretrained(model_folder, device="auto")
    assert one.fingerprint == two.fingerprint == Codec.from_pretrained(str(model_folder)).fingerprint
    assert not two.training and two.folder == model_folder and two.name == "small"
    assert vqaudio.load(model_folder, device="meta").device.type == "meta"
    with pytest.raises(InputError, match="is a WaveformCodec, not a SpectrogramCodec"):
        SpectrogramCodec.from_pretrained(model_folder)
    with pytest.raises(InputError, match="Models compute in float32"):
        vqaudio.load(model_folder, dtype=torch.float16)
    with pytest.raises(InputError, match="There is no device 'abacus'"):
        vqaudio.load(model_folder, device="abacus")


def test_a_wrong_local_name_does_not_reach_for_the_network(monkeypatch, tmp_path, model_folder):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("the network was asked"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("the Hub was asked"))
    monkeypatch.setattr(hub, "WEIGHTS", model_folder.parent)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for load in (vqaudio.load, WaveformCodec.from_pretrained):
        with pytest.raises(InputError, match=r"There is no model 'smal'; the nearest is 'small'\."):
            load("smal")
        for name in ("runs/best", "./runs", "/nowhere/best", "runs/"):
            with pytest.raises(InputError, match="no model"):
                load(name)


def test_an_installation_without_weights_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match="no weights. Clone the repository and set VQAUDIO_WEIGHTS to its folder weights"):
        vqaudio.load("voice-16khz")


def test_an_installed_copy_finds_the_weights_of_the_clone_that_it_came_from(monkeypatch, tmp_path):
    """As `pip install .` leaves it: the package and its direct_url.json, without weights."""
    info = tmp_path / "site/vqaudio-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vqaudio\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(hub, "__file__", str(tmp_path / "site/vqaudio/hub.py"))
    assert hub._weights_folder() == tmp_path / "site/weights"
    (info / "direct_url.json").write_text(f'{{"url": "{ROOT.as_uri()}", "dir_info": {{}}}}')
    assert hub._weights_folder() == ROOT / "weights"
    monkeypatch.setenv("VQAUDIO_WEIGHTS", str(tmp_path))
    assert hub._weights_folder() == tmp_path


@pytest.fixture
def prior(codec):
    torch.manual_seed(0)
    prior = MaskedPrior(MaskedPriorConfig(
        codec_name=codec.name, codec_fingerprint=codec.encoder_fingerprint, hop=codec.hop, frame_rate=codec.frame_rate,
        stages=((1, 1, 32),) * 4, label_kinds=("digit",), label_values=(tuple("0123456789"),), n_examples=1,
        dim=16, layers=1, heads=2,
    ))  # fmt: skip
    prior.remember(torch.tensor([1600]), torch.zeros(1, 1), torch.tensor([-20.0]))
    return prior.eval()


def test_seeds_and_numbers_of_clips(codec, prior):
    def ids(**settings):
        return vqaudio.generate(codec, prior, steps=2, **settings)[1].ids

    three = ids(seed=3, n=3)
    assert len(three) == 3 and torch.equal(three[:1], ids(seed=3)) and torch.equal(three[2:], ids(seed=5))
    assert torch.equal(ids(seed=3), ids(generator=torch.Generator().manual_seed(3)))
    assert len(ids(n=2)) == len(ids(labels={"digit": [7, 8]})) == 2
    torch.manual_seed(1)
    one = ids()
    torch.manual_seed(1)
    assert torch.equal(ids(), one) and not torch.equal(ids(), one)
    with pytest.raises(InputError, match="Give a seed or a generator, not both"):
        ids(seed=1, generator=torch.Generator())


def test_labels_may_be_integers(codec, prior):
    ids = [vqaudio.generate(codec, prior, {"digit": digit}, seed=3, steps=2)[1].ids for digit in (7, "7", [7], np.int64(7))]
    assert all(torch.equal(one, ids[0]) for one in ids)
    with pytest.raises(InputError, match="There is no digit '10'; known are 0, 1"):
        vqaudio.generate(codec, prior, {"digit": 10})


def test_a_codec_finds_its_own_prior(codec, prior, model_folder, monkeypatch, tmp_path):
    shutil.copytree(model_folder, tmp_path / "small")
    monkeypatch.setattr(hub, "WEIGHTS", tmp_path)
    codec = vqaudio.load("small")
    with pytest.raises(InputError, match="There is no prior of the codec 'small' here. Train one: `vqaudio train prior"):
        vqaudio.generate(codec)
    hub.save_compact(prior, tmp_path / "any-name")
    assert codec.priors() == ["any-name"]
    one, two = (vqaudio.generate(codec, prior, seed=1, steps=2)[1] for prior in (None, "any-name"))
    assert one == two


def test_the_snippet_of_the_readme(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    exec(re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1], names)
    assert names["filled"].shape[1] == 12 and names["codes"].shape[1] == 8 and names["sound"].shape[:2] == (1, 1)


def test_everything_public_is_listed():
    assert {"Codec", "Codes", "Prior", "audio", "generate", "load", "reconstruct", *vqaudio.__all__} <= set(dir(vqaudio))
    assert all(getattr(vqaudio, name).__doc__ for name in dir(vqaudio) if name != "__version__")


def test_the_command_line_names_its_default_model(command, example_clips, tmp_path):
    code, _, err = command("encode", example_clips[0], tmp_path / "a.vqa", "--device", "cpu")
    assert (code, err) == (0, "Using voice-16khz at 16,000 Hz. Choose another codec with --model.\n")
    assert command("decode", tmp_path / "a.vqa", tmp_path / "a.wav", "--device", "cpu") == (0, "", "")
    assert soundfile.info(tmp_path / "a.wav").samplerate == 16_000
