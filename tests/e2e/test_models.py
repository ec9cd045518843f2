"""Two codecs in one app: the picker, what follows it, and what each clip and file is opened with."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from browsing import EAR, NO_TOUR, browser, download, fold, generate, n_stages, opened, ready, served, settle, shows, upload  # noqa: F401
from filling import drag, ids

from vqaudio import hub
from vqaudio.codecs.waveform import WaveformCodec, WaveformConfig
from vqaudio.priors.masked import CONFIG as MaskedConfig
from vqaudio.priors.masked import MODEL as MaskedPrior

# The shape of the voice codec, with few channels, and not trained.
VOICE = WaveformConfig(
    sample_rate=16000, hop=320, n_fft=640, n_stages=12, vocab=1024, encoder_channels=16, encoder_blocks=1, decoder_channels=16,
    decoder_blocks=1, frame_channels=16, frame_blocks=1, latent_dim=8,
)


@pytest.fixture(scope="module")
def voice(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "wide"
    torch.manual_seed(2)
    hub.save_compact(WaveformCodec(VOICE), folder)
    (folder / "about.json").write_text(json.dumps({"title": "Voice", "knows": "people who speak", "examples": "notes"}))
    return folder


@pytest.fixture(scope="module")
def prior(voice) -> Path:
    codec = hub.load(voice)
    config = MaskedConfig(
        codec_name=codec.name, codec_fingerprint=codec.encoder_fingerprint, hop=codec.hop, frame_rate=50.0,
        stages=tuple((s.bands, s.steps, s.vocab) for s in codec.spec.stages), label_kinds=("word",),
        label_values=(("alexa", "jarvis"),), n_examples=1, dim=16, layers=1, heads=2, dropout=0.0,
    )  # fmt: skip
    made = MaskedPrior(config)
    made.remember(torch.tensor([16000]), torch.tensor([[0]]), torch.tensor([-20.0]))
    hub.save_compact(made, voice.parent / "wide-masked")
    return voice.parent / "wide-masked"


@pytest.fixture(scope="module")
def app(voice, prior, model_folder, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", os.pathsep.join((str(voice), str(model_folder))))
    patch.setenv("VQAUDIO_PRIORS", str(prior))
    yield from served(patch, tmp_path_factory)


@pytest.fixture
def pages(browser, app):
    contexts, faults = [], []

    def new(clip: Path | None = None, query: str = "", width: int = 1440):
        context = browser.new_context(viewport={"width": width, "height": 1000}, accept_downloads=True)
        contexts.append(context)
        context.add_init_script(EAR + NO_TOUR)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{app}/?{query}")
        page.wait_for_selector("#codemap .cm[data-priors]", state="attached")
        page.wait_for_selector("#model input:checked", state="attached")
        ready(page)
        if clip:
            upload(page, clip)
        return page

    yield new
    for context in contexts:
        context.close()
    assert not faults


def choose(page, title: str) -> None:
    page.locator("#model label", has_text=title).click()


def test_the_first_model_is_the_usual_one_and_the_picker_changes_it(pages, example_clips, tmp_path):
    page = pages(example_clips[0])
    assert page.locator("#model input:checked").input_value() == "wide" and n_stages(page) == 12
    fold(page, "recording")
    assert "people who speak, at 16 kHz" in page.locator(".cm-report").inner_text()
    assert page.locator(".cm").get_attribute("data-priors") == "some"
    assert soundfile.info(download(page, "wav", tmp_path)).samplerate == 16000
    choose(page, "small")
    page.wait_for_function("document.querySelectorAll('.cm-lane-stage').length === 4")
    settle(page)
    page.wait_for_selector(".cm[data-priors=none]")
    assert page.locator(".cm-prior option").count() == 0 and page.locator(".cm-colour option").count() == 1
    assert soundfile.info(download(page, "wav", tmp_path)).samplerate == 8000
    choose(page, "Voice")
    page.wait_for_function("document.querySelectorAll('.cm-lane-stage').length === 12")
    page.wait_for_selector(".cm[data-priors=some]")
    assert page.locator(".cm-prior").input_value() == "wide-masked"


def test_another_model_keeps_the_edited_clip_a_press_away(pages, example_clips, tmp_path):
    page = pages(example_clips[0], query="model=small")
    drag(page, (2, 0.2), (2, 0.5))
    page.locator("[data-touch=randomise]").click()
    shows(page, ".cm-status", "1 change in all")
    edited = ids(page, tmp_path)
    choose(page, "Voice")
    page.wait_for_function("document.querySelectorAll('.cm-lane-stage').length === 12")
    page.get_by_role("button", name="Back to the edited small clip").click()
    page.wait_for_function("document.querySelectorAll('.cm-lane-stage').length === 4")
    assert np.array_equal(ids(page, tmp_path), edited)
    assert page.locator("#model input:checked").input_value() == "small"


def test_an_example_names_its_model_and_opens_in_it(pages):
    page = pages()
    opened(page, "Flute, C5")
    page.get_by_role("button", name="Examples", exact=True).click()
    groups = page.locator(".cm-examples-menu section").all()
    assert [group.locator("h4").inner_text() for group in groups] == ["Voice", "small"]
    groups[1].get_by_text("Seven (Jackson)").click()
    opened(page, "Seven (Jackson)")
    assert n_stages(page) == 4 and not page.locator(".cm-examples-menu").is_visible()
    page.wait_for_selector("#model input[value=small]:checked", state="attached")
    assert "model=small" in page.url and "example=7_jackson_0" in page.url
    page.go_back()
    opened(page, "Flute, C5")
    page.wait_for_selector("#model input[value=wide]:checked", state="attached")
    assert n_stages(page) == 12


def test_the_priors_of_a_new_clip_follow_the_picker(pages):
    page = pages()
    page.wait_for_selector(".cm[data-priors=some]")
    fold(page, "more")
    page.locator(".cm-steps").fill("2")
    generate(page, 0.4)
    shows(page, ".cm-status", "Generated ")
    assert n_stages(page) == 12
    choose(page, "small")
    page.wait_for_selector(".cm[data-priors=none]")


def test_a_link_names_its_model(pages):
    page = pages(query="model=small")
    page.wait_for_selector(".cm[data-priors=none]")
    assert page.locator("#model input:checked").input_value() == "small"
    page = pages(query="model=nobody")
    assert page.locator("#model input:checked").input_value() == "wide"


def test_a_vqa_is_opened_with_the_model_that_made_it(pages, example_clips, tmp_path):
    page = pages(example_clips[1], query="model=small")
    vqa, ids = download(page, "vqa", tmp_path), json.loads(download(page, "json", tmp_path).read_text())
    other = pages()
    upload(other, vqa)
    assert json.loads(download(other, "json", tmp_path).read_text()) == ids
    other.wait_for_selector("#model input[value=small]:checked", state="attached")


@pytest.mark.parametrize("fault, sentence", [
    ("NotFoundError", "No microphone was found. Plug one in"), ("NotAllowedError", "Allow it beside the address"),
    ("NotReadableError", "Another program is using the microphone. Close it"), ("lost", "The microphone was lost"),
])  # fmt: skip
def test_a_microphone_that_cannot_be_used_gets_a_sentence(browser, app, fault, sentence):
    page = browser.new_page()
    page.add_init_script("""
        const usual = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          if (FAULT !== "lost") throw new DOMException("", FAULT);
          const stream = await usual(wanted);
          setTimeout(() => stream.getAudioTracks()[0].dispatchEvent(new Event("ended")), 300);
          return stream;
        };""".replace("FAULT", json.dumps(fault)))
    page.goto(app)
    ready(page)
    page.get_by_role("button", name="Record", exact=True).click()
    shows(page, "#codemap .cm-status", sentence)
    assert page.get_by_role("button", name="Record", exact=True).is_visible(), "it can be pressed again"
    page.close()


def test_programs_choose_a_model(app, voice, model_folder, example_clips):
    from gradio_client import Client, handle_file

    client, clip = Client(app, verbose=False), handle_file(str(example_clips[0]))
    for name, folder, asked in (("wide", voice, {}), ("small", model_folder, {"model": "small"})):
        vqa, ids = client.predict(clip, **asked, api_name="/encode")
        codec = hub.load(folder)
        assert ids["model"] == name and ids["fingerprint"] == codec.fingerprint
        sound, rate = soundfile.read(client.predict(handle_file(vqa), "3", api_name="/decode"))
        assert rate == codec.sample_rate and np.isfinite(sound).all()
    with pytest.raises(Exception, match="There is no model 'nobody' here. Known are wide, small"):
        client.predict(clip, model="nobody", api_name="/encode")
    _, _, told = client.predict(prior="wide-masked", seconds=0.3, steps=2, api_name="/generate")
    assert told["prior"] == "wide-masked"
