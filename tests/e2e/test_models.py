"""Two codecs in one app: the picker, what follows it, and what each clip and file is opened with."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from browsing import EAR, browser, download, n_stages, served, settle, shows  # noqa: F401

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
        context.add_init_script(EAR)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{app}/?{query}")
        page.wait_for_selector("#codemap .cm[data-priors]", state="attached")
        page.wait_for_selector("#model input:checked", state="attached")
        if clip:
            page.locator("#sound input[type=file]").first.set_input_files(str(clip))
            page.wait_for_selector("#codemap .cm[data-state=open]")
            settle(page)
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
    assert "people who speak, at 16 kHz" in page.locator("#report").inner_text()
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


def test_the_examples_follow_the_picker(pages):
    page = pages()
    page.get_by_text("Flute, C5").wait_for()
    assert page.get_by_text("7, jackson").count() == 0
    choose(page, "small")
    page.get_by_text("7, jackson").wait_for()
    assert page.get_by_text("Flute, C5").count() == 0
    choose(page, "Voice")
    page.get_by_text("Flute, C5").click()
    shows(page, ".cm-status", "Opened flute_5_C: 0.8")
    assert n_stages(page) == 12


def test_the_priors_of_a_new_clip_follow_the_picker_before_anything_is_open(pages):
    page = pages()
    page.wait_for_selector(".cm[data-priors=some]")
    page.locator(".cm-seconds").fill("0.4")
    page.locator(".cm-steps").fill("2")
    page.locator(".cm-new").click()
    shows(page, ".cm-status", "Made ")
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
    other.locator("input[type=file][accept*=vqa]").first.set_input_files(str(vqa))
    other.wait_for_selector("#codemap .cm[data-state=open]")
    settle(other)
    assert json.loads(download(other, "json", tmp_path).read_text()) == ids
    other.wait_for_selector("#model input[value=small]:checked", state="attached")


@pytest.mark.parametrize("fault, sentence", [
    ("NotFoundError", "No microphone was found: plug one in"), ("NotAllowedError", "does not let this page use the microphone"),
    ("NotReadableError", "in use by another program"), ("lost", "The microphone was lost while it was in use"),
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
    page.locator("[aria-label='Record audio'], [aria-label='Microphone'], [title='Microphone']").first.click()
    if fault == "lost":
        page.get_by_role("button", name="Record", exact=True).click()
    try:
        shows(page, "#microphone", sentence)
    except AssertionError:  # Gradio asks for the microphone when its tab or when Record is pressed, as its version is
        page.get_by_role("button", name="Record", exact=True).click()
        shows(page, "#microphone", sentence)
    page.close()


def test_a_full_queue_is_told_in_a_sentence(browser, app, example_clips, monkeypatch):
    from gradio_client import Client, handle_file

    from vqaudio.ui import build, verbs

    usual, gate = verbs.encode, threading.Event()
    monkeypatch.setattr(verbs, "encode", lambda *given: gate.wait(60) and usual(*given))
    monkeypatch.setattr(build, "MAX_WAITING", 2)
    demo = build.build()
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **build.LAUNCH)
    client, page, clip = Client(address, verbose=False), browser.new_page(), handle_file(str(example_clips[0]))
    page.goto(address)
    page.wait_for_selector("#codemap .cm[data-priors]", state="attached")
    try:
        jobs = []
        while len(jobs) < 7:  # two are at work and two wait, whatever comes later is sent away
            jobs.append(client.submit(clip, api_name="/encode"))
            page.wait_for_timeout(1000)
        page.locator("#sound input[type=file]").first.set_input_files(str(example_clips[1]))
        page.get_by_text("busy. Please try again").first.wait_for(timeout=20_000)
    finally:
        gate.set()
    told = []
    for job in jobs:
        try:
            assert job.result(60)[1]["model"] == "wide"
        except Exception as error:
            told.append(str(error))
    assert told and set(told) == {"Queue is full! Please try again."}
    page.close()
    demo.close()


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
