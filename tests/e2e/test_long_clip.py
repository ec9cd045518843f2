"""Selecting and filling in a minute of 12 stages of 1,024 codewords: what the largest codec that is planned will make."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import numpy as np
import pytest
from browsing import EAR, browser, lane, shows  # noqa: F401
from filling import done, drag, ids, selected
from tones import Tones
from toy_prior import ToyPrior

from vqaudio.codes import CodeSpec, Stage

CODEC = Tones(CodeSpec((Stage(1, 1, 1024),) * 12, 50.0), 16_000)


@pytest.fixture
def page(browser, monkeypatch):
    import gradio as gr

    from vqaudio.ui import models
    from vqaudio.ui.clip import handlers, inpainting
    from vqaudio.ui.clip.workbench import Workbench
    from vqaudio.ui.codemap import CodeMap

    toy = ToyPrior(CODEC, pause_s=0.05)
    monkeypatch.setattr(models, "codec", lambda *_: CODEC)
    monkeypatch.setattr(models, "names", lambda: [CODEC.name])
    monkeypatch.setattr(models, "_prior_names", lambda: ["toy"])
    monkeypatch.setattr(models, "_prior", lambda name: toy)
    bench = Workbench(CODEC, CODEC.ramp(3000), "a minute")
    token = handlers.store.put(bench)
    with gr.Blocks(analytics_enabled=False) as demo:
        codemap = CodeMap(server_functions=[*handlers.FUNCTIONS, *inpainting.FUNCTIONS], elem_id="codemap")
        demo.load(lambda: handlers.describe(token, bench), None, codemap)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.add_init_script(EAR)
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(address)
    page.wait_for_selector(".cm[data-state=open][data-priors=some]")
    page.locator("[data-fold=more]").click()
    yield page
    context.close()
    demo.close()
    handlers.store.drop(token)


def test_a_hole_in_a_minute_of_twelve_stages(page, tmp_path):
    before = ids(page, tmp_path)
    assert before.shape == (12, 3000)
    drag(page, (3, 0.50), (3, 0.55))
    cells = selected(page)
    assert cells % 10 == 0 and cells >= 10 * 140
    page.keyboard.press("Enter")
    done(page)
    page.get_by_label("Use variation 4").click()
    shows(page, ".cm-status", "Variation 4 is the clip now")
    after = ids(page, tmp_path)
    rows, columns = (after != before).nonzero()
    assert rows.min() == 2 and columns.min() >= 1490 and columns.max() <= 1660 and np.array_equal(after[:2], before[:2])


def test_masks_of_many_cells(page):
    page.locator("[data-mask=nth]").click()
    shows(page, ".cm-count", "18000 of 36000 cells")
    page.locator(".cm-do-fill").click()
    shows(page, ".cm-status", "a prior fills up to 10 s at a time; this selection reaches over 60.0 s")
    page.locator("[data-mask=random]").click()
    page.locator(".cm-do-fill").click()
    shows(page, ".cm-status", "a prior fills up to 10 s at a time")
    page.locator("[data-mask=clear]").click()
    for name, value in (("from", "10"), ("to", "19.5"), ("stages", "2,5-")):
        page.locator(f".cm-{name}").fill(value)
        page.locator(f".cm-{name}").press("Tab")
    shows(page, ".cm-count", f"{475 * 9} of 36000 cells")
    assert lane(page, 12).locator("canvas").count() == 1
