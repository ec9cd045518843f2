"""The page's frame: header, model picker, tabs and footer."""

import threading
from html import escape
from pathlib import Path
from urllib.parse import quote

import gradio as gr
import torch
from gradio.utils import LRUCache

from vqaudio import apart
from vqaudio.ui import ask, compare, memory, models, pools, reading, turns, verbs
from vqaudio.ui.api import convert, notes, priors, questions, sounds
from vqaudio.ui.clip import cell_edits, handlers, inpainting, opening
from vqaudio.ui.clip.store import SESSIONS
from vqaudio.ui.codemap import CodeMap
from vqaudio.ui.keyboard import Keyboard
from vqaudio.ui.keyboard.handlers import note_as_clip
from vqaudio.ui.panels import codebooks, examples, figures

EVENTS = 256  # of all people that Gradio handles at a time; most of them only wait for their turn in a pool, see `turns`
TITLE = """<div class="vq-title"><h1>vqaudio</h1><p>Your voice as numbers.</p>
<a data-file hidden target="_blank" rel="noopener">How it works</a></div>"""
MENU = """<details class="vq-menu"><summary aria-label="Menu">&#8943;</summary><nav>
<a data-file hidden target="_blank" rel="noopener">How it works</a>
<a href="?tour=1">Show the tour</a>
<a href="?view=api">Use it from a program</a>
<dl><dt>Space</dt><dd>play or pause</dd><dt>Arrows</dt><dd>move over the codes; with Shift, select</dd>
<dt>Enter</dt><dd>AI fill the selection, or open the cell</dd><dt>Esc</dt><dd>clear the selection</dd>
<dt>Ctrl-C, V, Z, Y</dt><dd>copy, paste, undo, redo</dd></dl></nav></details>"""
EXPLORABLE = Path(__file__).parents[2] / "docs" / "how-it-works.html"  # not in a wheel: there the links stay hidden
# Points links at a file that Gradio serves, from the page's own base: a proxy may serve the app below a path.
LINK_FILE = """const config = window.gradio_config || {};
const base = new URL(config.root || ".", document.baseURI).pathname.replace(/\\/$/, "");
for (const link of element.querySelectorAll("[data-file]")) {
  link.href = `${base}${config.api_prefix || "/gradio_api"}/file=%s`;
  link.hidden = false;
}"""
ABOUT = """A neural audio codec turns sound into a few rows of whole numbers, its codes, and the codes back into sound. Here you
can see the codes, switch stages off, change codes, and have a model fill in what you select."""
THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.orange, neutral_hue=gr.themes.colors.gray,
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif"],
    font_mono=["ui-monospace", "SF Mono", "DejaVu Sans Mono", "monospace"],
).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400", color_accent="#c2410c")
LAUNCH = {
    "theme": THEME,
    "css": (Path(__file__).parent / "page.css").read_text(),
    "head": "<style>@keyframes kb-pulse { 50% { opacity: .2; } }</style>",  # a component's own style cannot hold keyframes
    "max_file_size": f"{reading.MAX_MB}mb",
    "max_threads": EVENTS,
    "state_session_capacity": SESSIONS,
    "show_error": True,  # the sentence of Gradio's own refusals; ours are plain already, and no traceback is in either
    "footer_links": ["api", "settings"],
}
TELL_MODEL = "(model) => { window.dispatchEvent(new CustomEvent('vq-model', { detail: model })); }"
HIDDEN = {"api_visibility": "private", "show_progress": "hidden"}


def start(request: gr.Request) -> str | None:
    """The model that the page's link names, or the usual one."""
    known, asked = models.names(), request.query_params.get("model")
    return asked if asked in known else next(iter(known), None)


def follow(event: gr.EventData):
    """Return the open clip's model, for the picker, and its recording, for Compare."""
    with reading.plain_errors():
        sent = event._data if isinstance(event._data, dict) else {}
        bench = handlers.store.get(str(sent.get("token")))
    path = bench.origin.path
    return bench.codec.name, gr.skip() if bench.origin.generated else path and str(path), bench.origin.trimmed


def open_note(event: gr.EventData):
    """Show a note as a clip: the code map's value, and the Studio's tab."""
    with reading.plain_errors():
        _, sentences, token, _ = note_as_clip(event)
        return opening.describe_note(token, sentences), gr.Tabs(selected="studio")


def build() -> gr.Blocks:
    """The app, with its queue and limits set; not launched.

    Several people are served at a time, each with its share of the cores: that wastes less than threads that wait for each
    other.
    """
    torch.set_num_threads(1)
    memory.return_what_is_freed()
    with gr.Blocks(title="vqaudio", delete_cache=(600, 3600), analytics_enabled=False, fill_width=True) as demo:
        picker = _header()
        recording, trimmed = gr.State(None), gr.State(False)
        with gr.Tabs(elem_id="views") as tabs:
            with gr.Tab("Studio", id="studio"):
                codemap = CodeMap(server_functions=turns.for_page(_functions()), elem_id="codemap")
            with gr.Tab("Instrument"):
                keyboard = Keyboard(elem_id="keyboard")
            compare.view(recording, trimmed, picker)
            if ask.networks.installed():
                ask.view()
            with gr.Tab("Codebooks") as tab:
                books, drawn = gr.HTML(), gr.HTML()
        gr.HTML(_footer())
        drawing = tab.select(turns.event(codebooks.view), picker, books, **HIDDEN)
        drawing.then(turns.event(figures.view), picker, drawn, **HIDDEN)
        picker.input(None, picker, None, js=TELL_MODEL, **HIDDEN)
        codemap.opened(follow, None, [picker, recording, trimmed], queue=False, **HIDDEN)
        keyboard.open_note(turns.event(open_note, pools.sampling), None, [codemap, tabs], **HIDDEN)
        demo.load(start, None, picker, queue=False, **HIDDEN)
        sounds.add_endpoints()
        convert.add_endpoints()
        priors.add_endpoints()
        notes.add_endpoints()
        questions.add_endpoints()
    demo.queue(default_concurrency_limit=None, max_size=EVENTS)
    demo._queue.pending_messages_per_session = LRUCache(EVENTS)  # of 2,000 pages Gradio would keep what they never fetched
    return demo


def start_samplers() -> None:
    """Start the processes that sample, where there is no GPU.

    Call it before there is any thread: see `apart`.
    """
    if verbs.on_cpu():
        apart.start(pools.SAMPLERS)


def warm_up() -> None:
    """Encode the first example in the background, before the first visitor comes."""
    threading.Thread(target=opening.warm, name="first example").start()


def _functions() -> list:
    return [*opening.FUNCTIONS, *handlers.FUNCTIONS, *inpainting.FUNCTIONS, *cell_edits.FUNCTIONS]


def _header() -> gr.Radio:
    """The line above the tabs; returns the picker of the model."""
    choices = [(title.split(",")[0], name) for title, name in models.titles()]
    script = _link_script()
    with gr.Row(elem_id="header"):
        gr.HTML(TITLE, js_on_load=script)
        picker = gr.Radio(choices, label="Model", visible=len(choices) > 1, elem_id="model", container=False)
        gr.HTML(MENU, elem_id="menu", js_on_load=script)
    return picker


def _link_script() -> str | None:
    """The script that links the header to the explorable, served by Gradio; None without that file."""
    if not EXPLORABLE.exists():
        return None
    gr.set_static_paths([EXPLORABLE])
    return LINK_FILE % quote(EXPLORABLE.as_posix())


def _footer() -> str:
    thanks = "".join(f"<li>{escape(line)}</li>" for line in examples.credits())
    return f"""<footer id="vq-footer"><details><summary>About</summary><p>{ABOUT}</p><p>Examples:</p><ul>{thanks}</ul></details>
<details id="vq-spent"><summary></summary><p></p></details></footer>"""
