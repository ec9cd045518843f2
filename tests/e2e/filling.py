"""Pages with a clip and toy priors, and what tests of filling often do there."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from browsing import browser, download, fold, lane, ready, served, shows, upload, windows  # noqa: F401
from toy_prior import ToyPrior


@pytest.fixture(scope="module")
def app(model_folder, tmp_path_factory):
    """The address of the app, in this process, with three toy priors: quick, slow, and one of another codec."""
    from vqaudio.ui import models

    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", str(model_folder))
    patch.setenv("VQAUDIO_PRIORS", os.pathsep.join(("toy", "slow", "foreign")))
    codec = models.codec()
    toys = {"toy": ToyPrior(codec), "slow": ToyPrior(codec, "slow", 0.15), "foreign": ToyPrior(codec, "foreign", codec_name="x")}
    toys["slow"].sees_right = False
    patch.setattr(models, "_prior", lambda name: toys[name])
    yield from served(patch, tmp_path_factory)


@pytest.fixture
def pages(windows, example_clips):  # noqa: F811
    """Opens pages with a clip, and More open."""

    def new(clip: Path | None = example_clips[0], width: int = 1440, query: str = "", **settings):
        page = windows(width, query, 30, **settings)
        page.wait_for_selector("#codemap .cm[data-priors]", state="attached")
        ready(page)
        if clip:
            upload(page, clip)
        fold(page, "more")
        return page

    return new


@pytest.fixture
def page(pages):
    return pages()


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


def done(page, told: str = "Filled 4 times") -> None:
    page.wait_for_function("document.querySelectorAll('.cm-card[data-state=done]').length === 4")
    shows(page, ".cm-status", told)
