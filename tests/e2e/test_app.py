"""The app as a person and a program use it: a real server, headless Chromium, gradio_client. What comes back is measured."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsing import (  # noqa: F401
    ask_server,
    browser,
    choose,
    download,
    fold,
    lane,
    level_of,
    listen,
    n_stages,
    opened,
    ready,
    settle,
    shows,
    solo,
    switch,
    upload,
    windows,
)

from vqaudio import hub
from vqaudio.audio import load as load_audio

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", ROOT / "artifacts"))


@pytest.fixture(scope="module")
def clip(example_clips) -> Path:
    return example_clips[0]


@pytest.fixture(scope="module")
def model(model_folder) -> str:
    """The shipped model where there is one, so that the sound can be judged; else a small untrained one."""
    return "fsdd-8khz" if "fsdd-8khz" in hub.installed() else str(model_folder)


@pytest.fixture(scope="module")
def app(model, environment, tmp_path_factory):
    """The address of `python app.py` in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "log.txt"
    settings = {
        "VQAUDIO_MODEL": model, "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1",
        "GRADIO_TEMP_DIR": str(tmp_path_factory.mktemp("uploads")),
    }
    data = ROOT.parent / "shared" / "data" / "fsdd"
    if data.is_dir():
        settings["VQAUDIO_DATA"] = str(data)
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment | settings, stdout=out, stderr=out)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, process, log)
            yield address
        finally:
            process.terminate()
            process.wait(20)
    assert " failed" not in log.read_text(), "a handler met an error that it did not foresee"


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the app did not start: {log.read_text()}")


@pytest.fixture
def pages(windows):  # noqa: F811
    return lambda width=1440, theme="light": windows(width, f"__theme={theme}")


@pytest.fixture
def page(pages, clip):
    """A page with a clip open and all of its prefixes decoded."""
    page = pages()
    upload(page, clip)
    return page


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20)


# --- the Studio -------------------------------------------------------------------------------------------------------------


def test_a_clip_comes_back_with_its_length_and_its_level(page, clip, tmp_path, model):
    path = download(page, "wav", tmp_path)
    given, _ = soundfile.read(clip)
    back, rate = soundfile.read(path)
    assert (rate, back.shape, soundfile.info(path).subtype) == (8000, given.shape, "PCM_16")
    assert np.abs(back).max() > 0.005
    if model == "fsdd-8khz":
        assert abs(level_db(back) - level_db(given)) < 3


def test_an_example_opens_with_a_report_in_words(pages):
    page = pages()
    page.get_by_role("button", name="Examples", exact=True).click()
    page.locator("[data-example='7_jackson_0']").click()
    opened(page, "Seven (Jackson)")
    fold(page, "recording")
    report = page.locator(".cm-report").inner_text()
    for word in ("Length", "8,000 Hz", "mono", "dBFS", "Clipping", "Silence cut", "This model"):
        assert word in report


def test_the_microphone(pages):
    page = pages()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_function("/[1-9]\\.\\d s, .\\d+ dBFS/.test(document.querySelector('.cm-meter output').textContent)")
    bars = "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((x) => x > 0)"
    assert page.locator(".cm-meter canvas").evaluate(bars), "the level is drawn"
    page.get_by_role("button", name="Stop", exact=True).click()
    opened(page, "Recording")
    assert not page.locator(".cm-meter").is_visible() and float(page.locator(".cm-length").inner_text()) > 0.9
    fold(page, "recording")
    assert "Length" in page.locator(".cm-report").inner_text()


def test_stages_are_switched_soloed_and_counted(page, tmp_path):
    n = n_stages(page)
    full, _ = soundfile.read(download(page, "wav", tmp_path))
    switch(page, 2).click()
    page.wait_for_selector(".cm:not(.cm-waiting)")
    shows(page, ".cm-depth-text", f"stages 1, 3\u2013{n}")
    without, _ = soundfile.read(download(page, "wav", tmp_path))
    assert without.shape == full.shape and np.abs(without - full).max() > 1e-3
    solo(page, 3)
    shows(page, ".cm-depth-text", "stage 3 ·")
    switch(page, 3).click()
    shows(page, ".cm-status", "At least one stage stays on")
    solo(page, 3)  # again: the former stages come back
    shows(page, ".cm-depth-text", f"stages 1, 3\u2013{n}")
    page.locator(".cm-slider").fill("2")
    shows(page, ".cm-status", "stages 1\u20132")
    assert switch(page, 2).get_attribute("aria-checked") == "true"
    assert switch(page, 3).get_attribute("aria-checked") == "false"


def test_each_action_shows_its_time_and_an_energy_that_is_said_to_be_estimated(page):
    chip, details = page.locator("#vq-spent summary"), page.locator("#vq-spent p")
    assert re.fullmatch(r"[\d.]+ s of one core, about [\d.]+ m?J, estimated", chip.inner_text())
    assert not details.is_visible()
    chip.click()
    shows(page, "#vq-spent p", "Last action (decoding)")
    before = details.inner_text()
    assert "J." in before and "Energy is estimated: 4 W while" in before
    lane(page, 1).locator("canvas").click(position={"x": 100, "y": 15})
    shows(page, "#vq-spent p", "looking a cell up")
    assert "This page so far" in details.inner_text() != before


def test_each_combination_is_decoded_once(page):
    asked = []
    listen(page, asked)
    for _ in range(2):
        for stage in (2, 3, 2, 3):
            switch(page, stage).click()
            page.wait_for_timeout(400)
            page.wait_for_selector(".cm:not(.cm-waiting)")
        page.locator(".cm-slider").fill("1")
        page.locator(".cm-slider").fill(str(n_stages(page)))
    combinations = [tuple(request["data"]["stages"]) for request in asked if request["fn_name"] == "decode"]
    assert len(combinations) == len(set(combinations))
    assert not any(c == tuple(range(len(c))) for c in combinations), "prefixes were here before"


def test_what_is_played_is_measured(page, clip):
    given, rate = soundfile.read(clip)
    page.locator("[data-source=original]").click()
    page.locator(".cm-play").click()
    heard = page.evaluate("window.ear.at(-1)")
    assert (heard["rate"], heard["n"], heard["gain"]) == (rate, len(given), 1)
    assert abs(20 * np.log10(heard["rms"]) - level_db(given)) < 0.05, "the original is played at its own level"
    shows(page, ".cm-status", "Stopped at the end.")
    page.wait_for_selector(".cm:not(.cm-playing)")


def test_what_a_stage_adds_is_true_until_it_is_boosted(page):
    switch(page, 3).hover()
    page.get_by_role("button", name="Hear what stage 3 adds").click()
    heard = page.evaluate("window.ear.at(-1)")
    level = level_of(page, 3)
    assert heard["gain"] == 1
    assert abs(20 * np.log10(heard["rms"]) - level) < 0.06
    shows(page, ".cm-gutter-sound", "Added by stage 3")
    shows(page, ".cm-depth-text", "stage 3 alone")
    page.wait_for_selector(".cm:not(.cm-playing)")
    page.get_by_role("button", name="True level").click()
    raised = float(re.search(r"\+([\d.]+) dB", page.locator(".cm-level-switch").inner_text())[1])
    shows(page, ".cm-status", f"raised by {raised} dB")
    page.get_by_role("button", name=re.compile("Play|Pause"), exact=True).click()
    if page.locator(".cm-play").get_attribute("aria-label") == "Play":
        page.locator(".cm-play").click()
    assert abs(20 * np.log10(page.evaluate("window.ear.at(-1).gain")) - raised) < 0.06


def test_a_cell_is_opened_swapped_and_put_back(page, tmp_path):
    before = json.loads(download(page, "json", tmp_path).read_text())["ids"]
    sound, _ = soundfile.read(download(page, "wav", tmp_path))
    lane(page, 1).locator("canvas").click(position={"x": 100, "y": 15})
    page.wait_for_selector(".cm-words")
    seconds = re.search(r"at ([\d.]+) s", page.locator(".cm-cell-title").inner_text())[1]
    column = round(float(seconds) * 50)
    assert f"Code {before[0][column]}" in page.locator(".cm-cell-title").inner_text()
    assert page.locator(".cm-words tbody tr").count() >= 8
    distances = [float(t) for t in page.locator(".cm-words tbody tr td:nth-child(3)").all_inner_texts()]
    assert distances == sorted(distances) and "is here" in page.locator(".cm-words tbody tr").first.inner_text()
    page.locator(".cm-put").last.click()
    page.wait_for_selector(".cm-undo")
    shows(page, ".cm-status", "1 change in all")
    settle(page)
    after = json.loads(download(page, "json", tmp_path).read_text())["ids"]
    changed = [(k, t) for k, row in enumerate(before) for t, index in enumerate(row) if after[k][t] != index]
    assert changed == [(0, column)]
    swapped, _ = soundfile.read(download(page, "wav", tmp_path))
    assert np.abs(swapped - sound).max() > 1e-3
    page.locator(".cm-undo").click()
    page.wait_for_selector(".cm-undo", state="detached")
    assert json.loads(download(page, "json", tmp_path).read_text())["ids"] == before
    again, _ = soundfile.read(download(page, "wav", tmp_path))
    assert np.array_equal(again, sound)


def test_a_code_that_is_not_there_is_refused_in_words(page):
    lane(page, 1).locator("canvas").click(position={"x": 100, "y": 15})
    page.wait_for_selector(".cm-other")
    page.locator(".cm-other input").evaluate("(node) => { node.max = ''; node.value = 70000; }")
    page.locator(".cm-other button").click()
    page.wait_for_function("document.querySelector('.cm-status').textContent.includes('there is no 70000')")


def test_the_keyboard(page):
    page.locator(".cm-lanes").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.locator(".cm-status").inner_text().startswith("Stage 2, 0.02 to 0.04 s: code ")
    page.keyboard.press("Enter")
    page.wait_for_selector(".cm-words")
    page.keyboard.press(" ")
    page.wait_for_function("window.ear.length > 0")


def test_hovering_tells_stage_time_index_and_frequency(page):
    lane(page, 4).locator("canvas").hover(position={"x": 60, "y": 15})
    assert re.search(r"Stage 4, 0\.\d\d to 0\.\d\d s: code \d+, .*training set", page.locator(".cm-tip").inner_text())


def test_the_curve_marks_the_point_in_use(page):
    fold(page, "quality")
    for name in ("si_sdr_db", "mel_l1"):
        curve = page.locator(f"[data-curve={name}]")
        assert curve.locator(".cm-dot").count() == n_stages(page)
        assert curve.locator(".cm-here-dot").count() == 1
    before = page.locator("[data-curve=mel_l1] strong").inner_text()
    page.locator(".cm-slider").fill("1")
    page.wait_for_function(f"document.querySelector('[data-curve=mel_l1] strong').textContent !== '{before}'")


def test_files_to_take_home_and_a_vqa_opened_again(page, pages, tmp_path, clip):
    page.locator(".cm-slider").fill("3")
    assert download(page, "png", tmp_path).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    ids = json.loads(download(page, "json", tmp_path).read_text())
    vqa = download(page, "vqa", tmp_path)
    sound, _ = soundfile.read(download(page, "wav", tmp_path))
    other = pages()
    upload(other, vqa)
    assert json.loads(download(other, "json", tmp_path).read_text()) == ids
    assert other.locator("[data-source=original]").is_disabled()
    fold(other, "quality")
    assert "nothing to compare with" in other.locator(".cm-curves").inner_text()
    other.locator(".cm-slider").fill("3")
    again, _ = soundfile.read(download(other, "wav", tmp_path))
    assert np.abs(again - sound).max() <= 2 / 32768


def test_the_codebooks_view_says_something(pages):
    page = pages()
    page.get_by_role("tab", name="Codebooks").click()
    page.wait_for_selector(".cb-book, .vq-note >> visible=true")
    if page.locator(".cb-book").count():
        assert re.search(r"Perplexity\s+\d+ of 256", page.locator(".cb-book").first.inner_text())


def test_the_shipped_prior_fills_a_hole(page, model, tmp_path):
    if model != "fsdd-8khz" or "fsdd-8khz-masked" not in hub.installed():
        pytest.skip("the masked prior is not shipped yet")
    page.wait_for_selector(".cm[data-priors=some]")
    fold(page, "more")
    page.locator(".cm-from").fill("0.1")
    page.locator(".cm-to").fill("0.2")
    page.locator(".cm-to").press("Tab")
    assert page.locator(".cm-prior").input_value() == "fsdd-8khz-masked"
    page.locator(".cm-labels [data-label=digit]").select_option("0")
    page.locator(".cm-do-fill").click()
    shows(page, ".cm-status", "Filled 4 times with fsdd-8khz-masked")
    total = int(page.locator(".cm-count").inner_text().split()[2])
    for text in page.locator(".cm-kept").all_inner_texts():
        kept, of = map(int, re.findall(r"\d+", text))
        assert kept == of == total - 5 * n_stages(page)
    before, _ = soundfile.read(download(page, "wav", tmp_path))
    for n in (1, 2, 3, 4):
        page.get_by_label(f"Use variation {n}").click()
        shows(page, ".cm-status", f"Variation {n} is the clip now")
        after, rate = soundfile.read(download(page, "wav", tmp_path))
        hole, around = slice(int(0.12 * rate), int(0.18 * rate)), slice(int(0.02 * rate), int(0.28 * rate))
        assert len(after) == len(before) and not np.array_equal(after, before)
        assert abs(level_db(after[hole]) - level_db(after[around])) < 15, "neither silent nor a bang"


# --- other people, bad input ------------------------------------------------------------------------------------------------


def test_two_people_do_not_see_each_others_clips(app, pages, example_clips):
    first, second = pages(), pages()
    seen = {first: [], second: []}
    for page, clip in ((first, example_clips[0]), (second, example_clips[1])):
        listen(page, seen[page])
        upload(page, clip)
    decoded = {page: [request for request in seen[page] if request["fn_name"] == "decode"] for page in seen}
    used = [{request["data"]["token"] for request in decoded[page]} for page in (first, second)]
    assert all(used) and not used[0] & used[1] and all(len(token) == 32 for token in used[0] | used[1])
    request = decoded[first][-1]
    guessed = request | {"data": request["data"] | {"token": "A" * 32}}
    answer = ask_server(app, guessed)
    assert answer == {"ok": False, "error": "This clip is no longer kept here: open it again."}
    for clip in 2 * example_clips[2:]:
        upload(first, clip)
    assert not ask_server(app, request)["ok"], "of one page, the last eight clips are kept"


def test_junk_from_the_page_gets_a_sentence(app, pages, clip):
    page, seen = pages(), []
    listen(page, seen)
    upload(page, clip)
    good = next(request for request in seen if request["fn_name"] == "decode")
    wrong_stages = [good["data"] | {"stages": stages} for stages in ([], [-1], [0] * 999, ["a"])]
    unknown = [None, [], "x", {}, {"token": 5}, good["data"] | {"more": 1}]
    for sentence, requests in (("Stages are a text", wrong_stages), ("reload the page", unknown)):
        for data in requests:
            answer = ask_server(app, good | {"data": data})
            assert not answer["ok"] and sentence in answer["error"], (data, answer)
    token = {"token": good["data"]["token"]}
    assert "There is no cell" in ask_server(app, good | {"fn_name": "inspect", "data": token | {"row": 99, "column": 0}})["error"]
    assert "stages" in ask_server(app, good | {"data": token | {"stages": [63]}})["error"]


def bad_sounds(folder: Path) -> dict[str, Path]:
    (folder / "text.wav").write_text("this is no sound")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "nan.wav", np.full(8000, np.nan, np.float32), 8000, subtype="FLOAT")
    soundfile.write(folder / "long.wav", np.full(61 * 8000, 0.1, np.float32), 8000)
    return {
        "not an audio file": folder / "text.wav", "is empty": folder / "empty.wav", "NaN": folder / "nan.wav",
        "longer than 60 s": folder / "long.wav",
    }


def test_a_sound_that_cannot_be_used_gets_one_sentence(pages, tmp_path):
    page = pages()
    ready(page)
    before = page.locator(".cm-title").inner_text()
    for sentence, path in bad_sounds(tmp_path).items():
        choose(page, path)
        shows(page, ".cm-status", sentence)
        answer = page.locator(".cm-status").inner_text()
        assert str(tmp_path) not in answer and "gradio" not in answer
        assert page.locator(".cm-title").inner_text() == before, "the clip that was open stays open"


@pytest.mark.parametrize("samples", [np.zeros(4000), np.array([0.5])], ids=["silence", "one sample"])
def test_the_least_that_is_a_sound_opens(pages, tmp_path, samples):
    soundfile.write(tmp_path / "least.wav", samples, 8000)
    page = pages()
    upload(page, tmp_path / "least.wav")
    back, _ = soundfile.read(download(page, "wav", tmp_path))
    assert back.shape == samples.shape and np.isfinite(back).all()


def test_a_damaged_vqa_gets_one_sentence(page, pages, tmp_path):
    data = bytearray(download(page, "vqa", tmp_path).read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged.vqa").write_bytes(data)
    other = pages()
    choose(other, tmp_path / "damaged.vqa")
    shows(other, ".cm-status", "damaged.vqa is damaged: it was truncated or altered.")


# --- programs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(app):
    from gradio_client import Client

    return Client(app, verbose=False)


def test_the_endpoints(client, clip, model):
    from gradio_client import handle_file

    vqa, ids = client.predict(handle_file(str(clip)), api_name="/encode")
    codec = hub.load(model)
    audio, _ = load_audio(clip, codec.sample_rate)
    assert ids["ids"] == codec.encode(audio[None]).ids[0].tolist()
    assert ids["fingerprint"] == codec.fingerprint and ids["samples"] == audio.shape[1]
    whole, _ = soundfile.read(client.predict(handle_file(vqa), api_name="/decode"))
    direct, _ = soundfile.read(client.predict(handle_file(str(clip)), "", api_name="/reconstruct"))
    assert whole.shape == (audio.shape[1],) and np.abs(whole - direct).max() <= 2 / 32768
    part, _ = soundfile.read(client.predict(handle_file(str(clip)), "1-2,4", api_name="/reconstruct"))
    wanted = codec.decode(codec.encode(audio[None]), (0, 1, 3))[0, 0].numpy()
    assert np.abs(part - np.clip(wanted, -1, 1)).max() <= 2 / 32768


def test_the_endpoints_describe_themselves(client):
    described = client.view_api(return_format="dict")["named_endpoints"]
    made = {"/generate", "/inpaint", "/score", "/sampler"}
    assert set(described) == {"/encode", "/decode", "/reconstruct", "/convert", "/models", "/ask", *made}
    info = json.loads(urllib.request.urlopen(f"{client.src}gradio_api/info").read())["named_endpoints"]
    assert all(endpoint["description"] for endpoint in info.values())


@pytest.mark.parametrize(
    "sound, stages, sentence",
    [
        (None, "", "There is no sound yet"),
        ("/etc/passwd", "", "a path on the server is not read"),
        ({"a": 1}, "", "a path on the server is not read"),
        ("clip", "0", "There are stages 1 to"),
        ("clip", "99", "There are stages 1 to"),
        ("clip", "x", "a count such as 3"),
    ],
)
def test_the_endpoints_refuse_with_a_sentence(client, clip, sound, stages, sentence):
    from gradio_client import handle_file

    with pytest.raises(Exception, match=sentence) as caught:
        client.predict(handle_file(str(clip)) if sound == "clip" else sound, stages, api_name="/reconstruct")
    assert "Traceback" not in str(caught.value)


def test_a_path_on_the_server_is_not_read(app):
    """As a raw request, because gradio_client would upload the file."""
    body = json.dumps({"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "", ""]}).encode()
    address = f"{app}/gradio_api/call/reconstruct"
    with urllib.request.urlopen(urllib.request.Request(address, body, {"content-type": "application/json"})) as answer:
        event = json.loads(answer.read())["event_id"]
    with urllib.request.urlopen(f"{address}/{event}") as answer:
        told = answer.read().decode()
    assert "event: error" in told and "not uploaded" in told


def test_bad_sounds_through_the_endpoints(client, tmp_path):
    from gradio_client import handle_file

    for sentence, path in bad_sounds(tmp_path).items():
        with pytest.raises(Exception, match=sentence):
            client.predict(handle_file(str(path)), "", api_name="/reconstruct")


# --- how it looks -------------------------------------------------------------------------------------------------------------


COLOURS_OF_LANES = """[...document.querySelectorAll('.cm-lane-stage canvas')].map((lane) =>
  new Set(new Uint32Array(lane.getContext('2d').getImageData(0, 0, lane.width, lane.height).data.buffer)).size)"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_the_window(pages, clip, width, theme):
    page = pages(width, theme)
    upload(page, clip)
    lane(page, 2).locator("canvas").click(position={"x": 80, "y": 15})
    page.wait_for_selector(".cm-words")
    page.mouse.move(1, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out to the right"
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"studio-{width}-{theme}.png", full_page=True)
    assert min(page.evaluate(COLOURS_OF_LANES)) > 2, "every lane is drawn"
    page.get_by_role("tab", name="Codebooks").click()
    page.wait_for_selector(".vq-note >> visible=true")
    page.screenshot(path=ARTIFACTS / f"codebooks-{width}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
