"""Pages with a clip in Select mode and toy priors behind them, and what tests of filling often do there."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from browsing import EAR, browser, download, lane, settle, shows  # noqa: F401
from toy_prior import ToyPrior


@pytest.fixture(scope="module")
def app(model_folder, tmp_path_factory):
    """The address of the app, in this process, with three toy priors: quick, slow, and one of another codec."""
    from vqaudio.ui import build, models

    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", str(model_folder))
    patch.setenv("VQAUDIO_PRIORS", os.pathsep.join(("toy", "slow", "foreign")))
    patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
    codec = models.codec()
    toys = {"toy": ToyPrior(codec), "slow": ToyPrior(codec, "slow", 0.15), "foreign": ToyPrior(codec, "foreign", codec_name="x")}
    toys["slow"].sees_right = False
    patch.setattr(models, "_prior", lambda name: toys[name])
    demo = build.build()
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **build.LAUNCH)
    yield address.rstrip("/")
    demo.close()
    patch.undo()


@pytest.fixture
def pages(browser, app, example_clips):  # noqa: F811
    """Opens pages with a clip in Select mode; fails the test on any script error."""
    contexts, faults = [], []

    def new(clip: Path | None = example_clips[0], width: int = 1440, query: str = "", **settings):
        context = browser.new_context(viewport={"width": width, "height": 1000}, accept_downloads=True, **settings)
        contexts.append(context)
        context.add_init_script(EAR)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{app}/?{query}")
        page.wait_for_selector("#codemap .cm[data-priors]", state="attached")
        if clip:
            upload(page, clip)
            page.locator("[data-mode-is=select]").click()
        return page

    yield new
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def page(pages):
    return pages()


def upload(page, clip: Path) -> None:
    clear = page.locator("#sound [aria-label='Clear']")
    if clear.count():
        clear.click()
        page.wait_for_selector("#codemap .cm[data-state=empty]", state="attached")
    page.locator("#sound input[type=file]").first.set_input_files(str(clip))
    page.wait_for_selector("#codemap .cm[data-state=open]")
    settle(page)


def columns(page) -> int:
    return round(float(page.locator(".cm-length").inner_text()) * 50 + 0.49)


def drag(page, start: tuple, end: tuple, held: str | None = None) -> None:
    """From (lane's selector or stage, share of its width) to another."""
    points = []
    for where, share in (start, end):
        track = (lane(page, where) if isinstance(where, int) else page.locator(f"[data-which={where}]")).locator(".cm-track")
        track.scroll_into_view_if_needed()
        points.append((track, share))
    boxes = [(track.bounding_box(), share) for track, share in points]
    (x, y), (x2, y2) = [(box["x"] + share * box["width"], box["y"] + box["height"] / 2) for box, share in boxes]
    if held:
        page.keyboard.down(held)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x2, y2, steps=4)
    page.mouse.up()
    if held:
        page.keyboard.up(held)


def selected(page) -> int:
    return int(page.locator(".cm-count").inner_text().split(" ")[0])


def field(page, name: str) -> str:
    return page.locator(f".cm-{name}").input_value()


def ids(page, folder: Path) -> np.ndarray:
    return np.array(json.loads(download(page, "json", folder).read_text())["ids"])


def done(page) -> None:
    page.wait_for_function("document.querySelectorAll('.cm-card').length === 4")
    shows(page, ".cm-status", "Filled 4 times")
