"""How the page's scripts reach the browser: under a sub-path, twice, again after the component is mounted again, and new after
an upgrade."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import threading
import time

import pytest
from browsing import browser, served, windows  # noqa: F401

from vqaudio.ui import shared


@pytest.fixture(scope="module")
def app(model_folder, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("VQAUDIO_MODEL", str(model_folder))
    patch.setenv("VQAUDIO_PRIORS", "")
    yield from served(patch, tmp_path_factory)


@pytest.fixture
def below_a_path(app):
    """The address of the same app mounted at /studio of another server."""
    import gradio as gr
    import uvicorn
    from fastapi import FastAPI

    from vqaudio.ui import build

    mounted = gr.mount_gradio_app(FastAPI(), build.build(), path="/studio")
    server = uvicorn.Server(uvicorn.Config(mounted, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/studio"
    server.should_exit = True
    thread.join()


def scripts_of(page) -> list[str]:
    """The addresses of all scripts of ours that the page loads from now on."""
    found = []
    page.on("request", lambda r: found.append(r.url) if "/file=" in r.url and r.url.endswith(".js") else None)
    return found


def ready(page) -> None:
    page.wait_for_selector("#codemap .cm[data-started]", state="attached")


@pytest.mark.parametrize("slash", ["", "/"])
def test_below_a_path_the_scripts_load_from_there(browser, below_a_path, slash):
    page = browser.new_page()
    scripts = scripts_of(page)
    page.goto(below_a_path + slash)
    ready(page)
    assert scripts and all(url.startswith(f"{below_a_path}/gradio_api/file=") for url in scripts)
    page.close()


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_header_links_to_how_it_works(browser, below_a_path, slash):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(below_a_path + slash)
    ready(page)
    with page.expect_popup() as opened:
        page.locator(".vq-title").get_by_role("link", name="How it works").click()
    opened.value.wait_for_selector("#bits .handle")
    assert opened.value.url.startswith(f"{below_a_path}/gradio_api/file=")
    page.close()


def test_every_script_comes_from_a_folder_named_by_the_content_of_all(browser, app):
    page = browser.new_page()
    scripts = scripts_of(page)
    page.goto(app)
    ready(page)
    folder, names = shared.published_modules(shared.UI)
    loaded = {url.split(f"/{folder.name}/")[1] for url in scripts}
    assert loaded >= {name for name in names if name.startswith(("codemap/", "shared/"))}, "all are loaded from it"
    page.close()


def test_a_page_that_is_open_twice_and_reloaded_starts_each_time(windows):
    first, second = windows(), windows()
    for page in (first, second):
        ready(page)
    first.reload()
    ready(first)


def test_a_component_that_is_mounted_again_starts_again(browser, model_folder, monkeypatch):
    import gradio as gr

    from vqaudio.ui.codemap import CodeMap

    monkeypatch.setenv("VQAUDIO_MODEL", str(model_folder))
    with gr.Blocks() as demo:
        shown = gr.Checkbox(True, label="shown")
        component = CodeMap(elem_id="codemap")
        shown.change(lambda is_shown: gr.update(visible=is_shown), shown, component)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    page = browser.new_page()
    page.goto(address)
    ready(page)
    page.get_by_label("shown").uncheck()
    page.wait_for_selector("#codemap .cm", state="detached")
    page.get_by_label("shown").check()
    ready(page)
    page.close()
    demo.close()


def test_a_page_whose_scripts_do_not_load_says_so(browser, app):
    page = browser.new_page()
    page.route("**/codemap/main.js", lambda route: route.abort())
    page.goto(app)
    page.get_by_text("The page did not load completely. Reload it.").wait_for()
    page.close()
