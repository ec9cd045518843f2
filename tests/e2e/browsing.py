"""Headless Chromium for the tests of the app, and what they often do on its page."""

import json
import os
import re
import shutil
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
REQUIRED = os.environ.get("VQAUDIO_REQUIRE_BROWSER") == "1"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]
NO_TOUR = "try { localStorage.setItem('vqaudio.tour', 'done'); } catch {}"  # the coach marks of a first visit
# What the page hands to its loudspeaker, kept so that it can be measured.
EAR = """
window.ear = [];
const copy = AudioBuffer.prototype.copyToChannel;
AudioBuffer.prototype.copyToChannel = function (samples, ...rest) {
  const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  window.ear.push({rate: this.sampleRate, n: this.length, rms: Math.sqrt(power), gain: null});
  return copy.call(this, samples, ...rest);
};
const ramp = AudioParam.prototype.linearRampToValueAtTime;
AudioParam.prototype.linearRampToValueAtTime = function (value, ...rest) {
  if (value > 0 && window.ear.length) window.ear[window.ear.length - 1].gain = value;
  return ramp.call(this, value, ...rest);
};
"""


@pytest.fixture(scope="module")
def browser():
    if not Path(CHROMIUM).exists():
        (pytest.fail if REQUIRED else pytest.skip)("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def served(patch, uploads):
    """For a fixture: the address of the app, in this process, under the patches that were made; they are undone behind it."""
    from vqaudio.ui import build

    patch.setenv("GRADIO_TEMP_DIR", str(uploads.mktemp("uploads")))
    demo = build.build()
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **build.LAUNCH)
    yield address.rstrip("/")
    demo.close()
    patch.undo()


@pytest.fixture
def windows(browser, app):
    """Opens pages of people who know nothing of each other; fails the test on any script error."""
    contexts, faults = [], []

    def new(width: int = 1440, query: str = "", timeout_s: float = 60, height: int = 1000, tour: bool = False, **settings):
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **settings)
        contexts.append(context)
        context.add_init_script(EAR if tour else EAR + NO_TOUR)
        page = context.new_page()
        page.set_default_timeout(1000 * timeout_s)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{app}/?{query}")
        page.wait_for_selector("#codemap .cm[data-started]", state="attached")
        return page

    yield new
    for context in contexts:
        context.close()
    assert not faults


def upload(page, path: Path) -> None:
    """Open a sound, and wait until all of its prefixes are decoded."""
    choose(page, path)
    opened(page, path.stem)
    settle(page)


def choose(page, path: Path) -> None:
    """Give Upload a file."""
    page.locator("#sound input[type=file]").set_input_files(str(path))


def opened(page, title: str) -> None:
    """Wait until a clip of this title is open."""
    page.wait_for_function("(title) => document.querySelector('#codemap .cm-title').textContent === title", arg=title)
    page.wait_for_selector("#codemap .cm[data-state=open]")


def ready(page) -> None:
    """Wait until the open clip can be played."""
    page.wait_for_function("document.body.dataset.vqReady === '1'")


def fold(page, name: str) -> None:
    """Open one of the folds under the map."""
    if page.locator(f"[data-fold={name}]").get_attribute("aria-expanded") == "false":
        page.locator(f"[data-fold={name}]").click()


def switch(page, stage: int):
    """The switch of a stage."""
    return page.get_by_role("switch", name=f"Stage {stage}", exact=True)


def level_of(page, stage: int) -> float:
    """The level that is written beside a stage's switch, in dB."""
    return float(page.locator(f"[data-switch='{stage - 1}'] .cm-level").inner_text().removesuffix(" dB").replace("\u2212", "-"))


def solo(page, stage: int) -> None:
    """Press "only" beside a stage, as with a mouse."""
    switch(page, stage).hover()
    page.get_by_role("button", name=f"Hear only stage {stage}", exact=True).click()


def generate(page, seconds: float | str | None = None, **labels: str) -> None:
    """Generate new clips from the New menu."""
    page.get_by_role("button", name="New", exact=True).first.click()
    for kind, value in labels.items():
        page.locator(f".cm-new-labels [data-label={kind}]").select_option(value)
    if seconds is not None:
        page.locator(".cm-seconds").fill(str(seconds))
    page.locator(".cm-new").click()


def settle(page) -> None:
    """Wait until every stage's level is known, so all prefixes are here."""
    page.wait_for_function("[...document.querySelectorAll('.cm-level')].every((n) => n.textContent && n.textContent !== '…')")
    page.wait_for_selector(".cm:not(.cm-waiting)")


def rest(page) -> None:
    """Wait until the page no longer scrolls: where something was on the screen, something else may be now."""
    page.evaluate("""async () => {
        for (let top, calm = 0; calm < 10; calm = scrollY === top ? calm + 1 : 0, top = scrollY)
            await new Promise(requestAnimationFrame);
    }""")


def download(page, kind: str, folder: Path) -> Path:
    before = page.locator("[data-fold][aria-expanded=true]")
    name = before.get_attribute("data-fold") if before.count() else "download"
    fold(page, "download")
    with page.expect_download() as waiting:
        page.locator(f"[data-kind={kind}]").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    fold(page, name)
    return path


def listen(page, requests: list) -> None:
    """Collect what the page asks of the server functions."""
    page.on("request", lambda r: requests.append(json.loads(r.post_data)) if "component_server" in r.url else None)


def ask_server(app: str, body: dict) -> dict:
    """What a server function says to a raw request."""
    request = urllib.request.Request(
        f"{app}/gradio_api/component_server", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def lane(page, stage: int):
    return page.locator(f"[data-stage='{stage - 1}']")


def shows(page, selector: str, text: str | re.Pattern) -> None:
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_contain_text(text, timeout=30_000)  # the machine may be busy


def n_stages(page) -> int:
    return page.locator(".cm-lane-stage").count()
