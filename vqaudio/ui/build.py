"""The whole page. Handlers are glue: they call the package and hand what they get to the page."""

from pathlib import Path

import gradio as gr
import torch
from gradio.utils import LRUCache

from vqaudio.ui import ask, compare, memory, models, pools, reading, turns, verbs
from vqaudio.ui.api import convert, notes, priors, questions, sounds
from vqaudio.ui.clip import cell_edits, handlers, inpainting
from vqaudio.ui.clip.store import SESSIONS
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.codemap import CodeMap
from vqaudio.ui.keyboard import Keyboard
from vqaudio.ui.keyboard.handlers import note_as_clip
from vqaudio.ui.panels import codebooks, examples, figures, fit, report
from vqaudio.ui.spending import Clock

EVENTS = 256  # of all people that Gradio handles at a time; most of them only wait for their turn in a pool, see `turns`
TITLE = """<div class="vq-title"><h1>vqaudio</h1><p>A neural codec turns sound into a few rows of whole numbers and back.
Open a sound, see its numbers, switch rows of them off, change one, have
a prior write some anew, and hear what each does.</p></div>"""
THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.orange, neutral_hue=gr.themes.colors.gray,
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif"],
    font_mono=["ui-monospace", "SF Mono", "DejaVu Sans Mono", "monospace"],
).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400")
LAUNCH = {
    "theme": THEME,
    "css": (Path(__file__).parent / "page.css").read_text(),
    "head": "".join(f"<script>{(Path(__file__).parent / name).read_text()}</script>" for name in ("microphone.js", "upload.js"))
    + "<style>@keyframes kb-pulse { 50% { opacity: .2; } }</style>",  # a component's own style cannot hold keyframes
    "max_file_size": f"{reading.MAX_MB}mb",
    "max_threads": EVENTS,
    "state_session_capacity": SESSIONS,
    "show_error": True,  # the sentence of Gradio's own refusals; ours are plain already, and no traceback is in either
    "footer_links": ["api", "settings"],
}


def start(request: gr.Request):
    """A page opens: the model that its link names, or the usual one. Returns the picker's and the codemap's values."""
    known, asked = models.names(), request.query_params.get("model")
    model = asked if asked in known else next(iter(known), None)
    return model, {"model": model}


def open_sound(path: str | None, trim: bool, model: str | None, token: str | None):
    """A new sound, or another model: encode it. Returns the codemap's value, the report, and the session's new token."""
    handlers.store.drop(token)
    if not path:
        return {"model": model}, report.NOTHING_YET, None
    return _opened(lambda: _from_sound(path, bool(trim), model), model)


def open_codes(path: str | None, model: str | None, token: str | None):
    """A .vqa file: show it. Returns what `open_sound` returns, and the model that made it."""
    if not path:
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    handlers.store.drop(token)
    value, told, token = _opened(lambda: _from_codes(path), model)
    return value, told, token, value["model"]


def _opened(make, model: str | None):
    try:
        with reading.plain_errors():
            with Clock() as clock:
                bench, told = make()
            token = handlers.store.put(bench)
            told += fit.view(bench)
            told += report.limits(models.limits(bench.codec), clock.spent.in_words())
            return handlers.describe(token, bench), told, token
    except gr.Error as error:
        return {"model": model}, report.refusal(error.message), None


def _from_sound(path: str, trim: bool, model: str | None) -> tuple[Workbench, str]:
    codec = models.codec(model)
    audio, told = reading.sound(path, codec, trim)
    codes, latents = verbs.encode(codec, audio)
    return Workbench(codec, codes, Path(path).stem, audio[0], latents[0]), report.of_sound(told)


def _from_codes(path: str) -> tuple[Workbench, str]:
    codec, codes = reading.codes(path)
    bench = Workbench(codec, codes, Path(path).stem)
    seconds = bench.n_samples / codec.sample_rate
    told = f"{Path(path).name} holds the codes of {seconds:.2f} s, {codes.columns} columns of {codes.spec.rows} indices."
    return bench, report.of_codes((told, "The original is not in it, so nothing can be compared with it."))


def open_note(event: gr.EventData):
    """A note that was played: show it as a clip in Listen. Returns what `open_codes` returns, and the tab to go to."""
    with reading.plain_errors():
        with Clock() as clock:
            value, sentences, token, model = note_as_clip(event)
        told = report.of_codes(sentences) + report.limits(models.limits(models.codec(model)), clock.spent.in_words())
        return value, told, token, model, gr.Tabs(selected="listen")


def build() -> gr.Blocks:
    """The app, with its queue and limits set; not launched.

    Several people are served at a time, each with its share of the cores: that wastes less than threads that wait for each
    other.
    """
    torch.set_num_threads(1)
    memory.return_what_is_freed()
    with gr.Blocks(title="vqaudio", delete_cache=(600, 3600), analytics_enabled=False, fill_width=True) as demo:
        gr.HTML(TITLE)
        session = gr.State(None, time_to_live=3600, delete_callback=handlers.store.drop)
        with gr.Tabs() as tabs:
            with gr.Tab("Listen", id="listen"):
                picker, sound, trim, codemap, told = _listen(session)
            with gr.Tab("Play"):
                keyboard = Keyboard(elem_id="keyboard")
            compare.view(sound, trim, picker)
            ask.view()
            with gr.Tab("Codebooks") as tab:
                books, drawn = gr.HTML(), gr.HTML()
        hidden = {"api_visibility": "private", "show_progress": "hidden"}
        drawing = tab.select(turns.event(codebooks.view), picker, books, **hidden)
        drawing.then(turns.event(figures.view), picker, drawn, **hidden)
        keyboard.open_note(
            turns.event(open_note, pools.sampling), None, [codemap, told, session, picker, tabs], **hidden
        )
        demo.load(start, None, [picker, codemap], **hidden)
        sounds.add_endpoints()
        convert.add_endpoints()
        priors.add_endpoints()
        notes.add_endpoints()
        questions.add_endpoints()
    demo.queue(default_concurrency_limit=None, max_size=EVENTS)
    demo._queue.pending_messages_per_session = LRUCache(EVENTS)  # of 2,000 pages Gradio would keep what they never fetched
    return demo


def _listen(session: gr.State) -> tuple:
    choices = models.titles()
    with gr.Row(elem_classes="vq-input"):
        with gr.Column(scale=3, min_width=320):
            picker = gr.Radio(choices, label="Model", visible=len(choices) > 1, elem_id="model", container=False)
            sound = reading.only_uploads(
                gr.Audio(type="filepath", label="Your sound", sources=["upload", "microphone"], elem_id="sound", buttons=[])
            )
            gr.HTML('<p id="microphone" role="alert"></p>')
            examples.view(sound, picker)
            with gr.Row(elem_classes="vq-options"):
                trim = gr.Checkbox(False, label="Cut silence from both ends", container=False, min_width=220)
                codes = reading.only_uploads(
                    gr.UploadButton("Open a .vqa file", file_types=[".vqa"], type="filepath", size="sm", elem_id="open-vqa")
                )
        with gr.Column(scale=2, min_width=300):
            told = gr.HTML(report.NOTHING_YET, elem_id="report")
    functions = turns.for_page([*handlers.FUNCTIONS, *inpainting.FUNCTIONS, *cell_edits.FUNCTIONS])
    codemap = CodeMap(server_functions=functions, elem_id="codemap")
    out = [codemap, told, session]
    hidden = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on(
        [sound.change, trim.input, picker.input], turns.event(open_sound), [sound, trim, picker, session], out,
        trigger_mode="always_last", **hidden,
    )
    codes.upload(turns.event(open_codes), [codes, picker, session], [*out, picker], **hidden)
    return picker, sound, trim, codemap, told
