"""Sound in containers that browsers call video, or do not know: the page takes it by the picker and by drop."""

import base64

import av
import numpy as np
import pytest
from browsing import browser, choose, fold, opened, ready, served, shows, windows  # noqa: F401

KINDS = {"a.webm": "libopus", "a.mp4": "aac", "a.3gp": "aac", "a.caf": "pcm_s16le"}
DROP = """
(node, [name, type, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type }));
  const settings = { bubbles: true, cancelable: true, dataTransfer: transfer };
  for (const kind of ["dragover", "drop"]) node.dispatchEvent(new DragEvent(kind, settings));
}
"""


@pytest.fixture(scope="module")
def app(model_folder, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", str(model_folder))
    yield from served(patch, tmp_path_factory)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A second of a sine in each container."""
    folder = tmp_path_factory.mktemp("sounds")
    sine = (8000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.int16)
    for name, encoder in KINDS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(encoder, rate=48_000)
            frame = av.AudioFrame.from_ndarray(sine[None], "s16", "mono")
            frame.sample_rate = 48_000
            for part in (*av.AudioResampler(stream.format, stream.layout, 48_000).resample(frame), None):
                container.mux(stream.encode(part))
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_sound_in_any_container_is_taken_by_the_picker(windows, files, name):  # noqa: F811
    page = windows()
    choose(page, files / name)
    opened(page, "a")
    fold(page, "recording")
    shows(page, ".cm-report", "at 48,000 Hz")


def test_sound_in_any_container_is_taken_by_drop(windows, files):  # noqa: F811
    page = windows()
    ready(page)
    for name, kind in (("a.mp4", "video/mp4"), ("a.webm", "video/webm")):
        content = base64.b64encode((files / name).read_bytes()).decode()
        page.locator(".cm-lanes").evaluate(DROP, [name.replace("a.", f"{kind[6:]}."), kind, content])
        opened(page, kind[6:])
    assert not page.locator(".cm-drop").is_visible()


def test_the_picker_shows_these_files(windows, files):  # noqa: F811
    page = windows()
    with page.expect_file_chooser():
        page.get_by_role("button", name="Upload", exact=True).click()
    accepted = page.locator("#sound input[type=file]").first.get_attribute("accept").split(",")
    assert {".webm", ".mp4", ".3gp", ".caf"} <= set(accepted)


def test_what_is_no_sound_is_refused_in_a_sentence(windows, tmp_path):  # noqa: F811
    (tmp_path / "notes.txt").write_text("no sound")
    page = windows()
    choose(page, tmp_path / "notes.txt")
    shows(page, ".cm-status", "not an audio file")
