"""The parts of the app that need no browser: the store, the workbench, what is sent and what is refused, the downloads."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import vqaudio
from vqaudio.analysis import colours
from vqaudio.analysis.codebooks import CodebookStatistics
from vqaudio.audio import load as load_audio
from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.errors import InputError
from vqaudio.ui import build, compare, wire
from vqaudio.ui.clip import exports, handlers, jobs, opening, pictures, sounds
from vqaudio.ui.clip import store as store_module
from vqaudio.ui.clip.store import Store
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.keyboard import notes
from vqaudio.ui.panels import codebooks, examples, report
from vqaudio.vqa import read_vqa

UI = Path(vqaudio.__file__).parent / "ui"


class Thing:
    def __init__(self, n_bytes=1):
        self.n_bytes = n_bytes


@pytest.fixture
def audio(example_clips):
    return load_audio(example_clips[0], 8000)[0]


@pytest.fixture
def bench(codec, audio):
    return Workbench.from_audio(codec, audio, "a clip")


@pytest.fixture
def token(bench):
    token = handlers.store.put(bench)
    yield token
    handlers.store.drop(token)


# --- the store ----------------------------------------------------------------------------------------------------------


def test_tokens_are_long_and_never_the_same():
    store = Store()
    tokens = {store.put(Thing()) for _ in range(50)}
    assert len(tokens) == 50 and all(len(token) == 32 for token in tokens)
    with pytest.raises(InputError, match="no longer kept"):
        store.get("A" * 32)


def test_a_clip_is_forgotten_after_its_time_unless_it_is_used():
    now = [0.0]
    store = Store(keep_s=10, clock=lambda: now[0])
    used, unused = store.put(Thing()), store.put(Thing())
    now[0] = 8
    store.get(used)
    now[0] = 15
    assert store.get(used)
    with pytest.raises(InputError):
        store.get(unused)


def test_the_store_is_bounded_in_number_and_in_bytes():
    few = Store(max_clips=2)
    tokens = [few.put(Thing()) for _ in range(3)]
    assert len(few) == 2
    with pytest.raises(InputError):
        few.get(tokens[0])
    small = Store(max_bytes=100)
    tokens = [small.put(Thing(60)) for _ in range(3)]
    assert len(small) == 1 and small.get(tokens[2])


def test_what_is_kept_for_all_people_is_what_the_store_says():
    kept = (handlers.store, compare.store, jobs.store, sounds.cache, notes.cache)
    megabytes = sum(part.max_bytes for part in kept) / 2**20
    assert f"the app keeps at most {megabytes:.0f} MB for all people together" in store_module.__doc__
    assert build.LAUNCH["state_session_capacity"] == store_module.SESSIONS
    assert build.build()._queue.pending_messages_per_session.max_size == build.EVENTS


# --- the workbench ------------------------------------------------------------------------------------------------------


def test_a_combination_is_decoded_once(bench, monkeypatch):
    asked = []
    decode = bench.codec.decode
    monkeypatch.setattr(bench.codec, "decode", lambda codes, stages: asked.append(stages) or decode(codes, stages))
    for stages in ((0, 1), (1, 0), (2,), (0, 1), (2, 2)):
        bench.sound(stages)
    assert asked == [(0, 1), (2,)]
    bench.swap(0, 0, (int(bench.ids[0, 0]) + 1) % 32)
    bench.sound((0, 1))
    bench.undo()
    bench.sound((0, 1))
    assert asked == [(0, 1), (2,), (0, 1)], "taking a swap back gives what was decoded before it"


def test_what_the_stages_add_sums_to_the_whole(bench):
    total = sum(bench.added(n) for n in range(1, bench.n_stages + 1))
    assert torch.allclose(total, bench.sound(tuple(range(bench.n_stages))), atol=1e-5)


def test_the_chosen_codeword_is_the_nearest(bench):
    for row, column in ((0, 0), (1, 5), (3, 9)):
        words, distances = bench.nearest(row, column)
        assert words[0] == int(bench.ids[row, column])
        assert distances == sorted(distances) and len(words) == 32


def test_without_an_original_the_distance_is_to_the_codeword(bench):
    opened = Workbench(bench.codec, bench.codes, "opened")
    words, distances = opened.nearest(2, 4)
    assert words[0] == int(bench.ids[2, 4]) and distances[0] == pytest.approx(0, abs=1e-3)
    assert opened.quality((0,)) is None


def test_swaps_are_undone_in_order(bench):
    before = bench.version
    bench.swap(0, 1, (int(bench.ids[0, 1]) + 1) % 32)
    bench.swap(1, 2, (int(bench.ids[1, 2]) + 1) % 32)
    assert bench.n_edits == 2 and bench.version != before
    assert bench.undo() == (1, 2) and bench.undo() == (0, 1) and bench.undo() is None
    assert bench.version == before


@pytest.mark.parametrize("cell", [(-1, 0, 0), (99, 0, 0), (0, 10**6, 0), (0, 0, 32), (0, 0, -1)])
def test_cells_and_codewords_that_are_not_there_are_refused(bench, cell):
    with pytest.raises(InputError, match=r"There is no cell|codewords are 0 to 31"):
        bench.swap(*cell)


def test_silence_has_no_quality_and_no_level(codec):
    bench = Workbench.from_audio(codec, torch.zeros(1, 800), "silence")
    assert pictures.level_db(bench.original) is None
    assert bench.quality((0,)) is None
    assert bench.picture(bench.original).max() == 0


# --- pictures and what is sent ------------------------------------------------------------------------------------------


def test_a_sine_at_full_scale_is_at_0_db_in_its_own_bin():
    sine = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)
    decibel = pictures.spectrogram_db(sine, 8000)
    middle = decibel[:, decibel.shape[1] // 2]
    assert middle.argmax() == 32 and abs(float(middle.max())) < 0.1
    assert pictures.level_db(sine) == pytest.approx(-3.01, abs=0.01)
    assert pictures.spectrogram_db(torch.zeros(60 * 8000), 8000).shape[1] <= 1502
    assert pictures.spectrogram_db(torch.zeros(1), 8000).shape == (129, 2)


def test_a_soft_sound_keeps_its_detail_and_its_level():
    soft = torch.randn(1000) * 1e-4
    sent = wire.sound(soft, loudest=True)
    back = np.frombuffer(base64.b64decode(sent["data"]), "<i2") / 32768 * sent["factor"]
    assert np.abs(back - soft.numpy()).max() < 1e-8
    plain = wire.sound(soft)
    assert plain["factor"] == 1.0 and np.abs(np.frombuffer(base64.b64decode(plain["data"]), "<i2")).max() <= 16


def test_the_server_functions_answer_in_json(bench, token):
    described = json.loads(json.dumps(handlers.describe(token, bench)))
    ids = np.frombuffer(base64.b64decode(described["ids"]), "<u2").reshape(4, -1)
    assert np.array_equal(ids, bench.ids.numpy())
    answer = json.loads(json.dumps(handlers.decode({"token": token, "stages": [0, 1]})))
    assert answer["ok"] and answer["bits_per_second"] == 2 * 5 * 50
    assert answer["added"]["level_db"] == pytest.approx(pictures.level_db(bench.added(2)))
    assert handlers.decode({"token": token, "stages": [1]})["added"] is None
    cell = handlers.inspect({"token": token, "row": 1, "column": 2})
    assert cell["words"][0]["index"] == cell["index"] and len(cell["words"]) == 8


def test_an_unforeseen_error_is_a_sentence(monkeypatch, token, caplog):
    monkeypatch.setattr(Workbench, "sound", lambda *_: 1 / 0)
    answer = handlers.decode({"token": token, "stages": [0]})
    assert answer["ok"] is False and answer["error"].startswith("Something went wrong") and "Zero" not in answer["error"]
    assert "failed" in caplog.text


# --- files to take home -------------------------------------------------------------------------------------------------


def test_downloads_hold_what_they_say(bench, tmp_path):
    names = {}
    for kind in ("wav", "png", "vqa", "json"):
        name, media, data = exports.make(bench, kind, (0, 2))
        names[kind] = name
        (tmp_path / name).write_bytes(data)
        assert media == exports.TYPES[kind]
    assert names["wav"] == "a-clip-stages-1_3.wav" and names["vqa"] == "a-clip.vqa"
    sound = load_audio(tmp_path / names["wav"], 8000)[0][0]
    assert torch.allclose(sound, bench.sound((0, 2)).clamp(-1, 1), atol=1e-4)
    assert torch.equal(read_vqa(tmp_path / names["vqa"], bench.codec).ids[0], bench.ids)
    assert json.loads((tmp_path / names["json"]).read_text())["ids"] == bench.ids.tolist()
    assert (tmp_path / names["png"]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("stages, name", [((0,), "1"), ((0, 1, 2), "1-3"), ((0, 2, 3, 6), "1_3-4_7")])
def test_names_of_stages(stages, name):
    assert exports.name_of(stages) == name


def test_a_file_name_cannot_leave_the_folder(codec, audio):
    bench = Workbench.from_audio(codec, audio, "../../etc/<b>passwd")
    assert exports.make(bench, "json", (0,))[0] == "etc-b-passwd.json"


def test_the_figure_draws_any_spec():
    from vqaudio import plots

    spec = CodeSpec((Stage(4, 1, 16), Stage(1, 3, 8)), 10.0)
    ids = torch.randint(0, 8, (1, spec.rows, 12))
    codes = Codes(ids, spec, torch.tensor([9000]), torch.ones(1, 12, dtype=torch.bool))
    figure = plots.listen_figure(
        original_db=None, decoded_db=np.zeros((129, 40)), top_db=0.0, range_db=60.0,
        maps=[codes.stage(j)[0].numpy() for j in range(2)], vocabs=[16, 8], ranks=[list(range(16)), list(range(8))], on=(1,),
        seconds=1.1, columns_s=1.2, sample_rate=8000, title="made up",
    )
    assert len(figure.axes) == 3


# --- what is known of the codewords -------------------------------------------------------------------------------------


def test_every_codeword_has_a_place_on_the_colour_scale(codec):
    for ranks, stage in zip(colours.colour_ranks(codec), codec.spec.stages):
        assert sorted(ranks) == list(range(stage.vocab))


def test_like_codewords_have_like_colours(codec):
    words = codec.rvq.vectors_of(torch.arange(32), 0).clone()
    ranks = torch.tensor(colours.colour_ranks(codec)[0]).double()
    apart = torch.cdist(words, words).flatten()
    assert torch.corrcoef(torch.stack([apart, torch.cdist(ranks[:, None], ranks[:, None]).flatten()]))[0, 1] > 0.2


def test_the_codebooks_view_shows_what_was_counted():
    counts = torch.zeros(2, 8, dtype=torch.long)
    counts[0] = 5  # even: 3 bits
    counts[1, :2] = 20  # two words: 1 bit, six dead
    html = codebooks.page(CodebookStatistics(counts, counts, torch.zeros(2, 8, 1, 2), []))
    text = re.sub(r"<[^>]+>", " ", html)
    assert re.search(r"3\.00\s+of 3", text) and re.search(r"1\.00\s+of 3", text)
    assert "costs  6 bits" in text and "carries  4.0" in text
    assert re.search(r"Dead\s+6", text) and re.search(r"Perplexity\s+2\s+of 8", text)


# --- words and colours --------------------------------------------------------------------------------------------------


def test_the_report_escapes_what_it_shows():
    assert "<script>" not in report.of_codes(("<script>alert(1)</script>.vqa holds the codes of 1 s.",))


def test_the_report_tells_the_facts(tmp_path):
    _, told = load_audio((44100, np.full((44100, 2), 0.5, np.float32)), 8000)
    text = re.sub(r"<[^>]+>", " ", report.of_sound(told))
    for words in ("1.00 s", "44,100 Hz, stereo", "&minus;6.0 dBFS", "channels were mixed", "converted to 8,000 Hz"):
        assert words in text


def test_the_colours_can_be_told_apart_with_any_colour_vision():
    """Lightness rises all the way along the scale, also as people without red or green cones see it (Vienot et al. 1999)."""
    source = (UI / "shared" / "colours.js").read_text()
    scale = np.array(json.loads("[" + re.search(r"VIRIDIS = \[(.*?),?\s*\];", source, re.S)[1] + "]")) / 255
    linear = np.where(scale <= 0.04045, scale / 12.92, ((scale + 0.055) / 1.055) ** 2.4)
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for vision in (np.eye(3), protan, deutan):
        lightness = np.cbrt((linear @ vision.T).clip(0) @ [0.2126, 0.7152, 0.0722])
        assert (np.diff(lightness) > 0.005).all()


def test_the_components_files_can_pass_through_gradio():
    for path in [*UI.glob("*/*.css"), *UI.glob("*/*.html")]:
        text = path.read_text()
        assert not any(mark in text for mark in ("`", "${", "{{")), f"Handlebars and a template literal read {path.name}"
    assert all(len(path.read_text().splitlines()) < 330 for path in UI.rglob("*.*") if path.suffix in (".py", ".css"))


def test_only_the_user_interface_imports_gradio():
    package = UI.parent
    others = [path for path in package.rglob("*.py") if UI not in path.parents]
    assert not [path for path in others if re.search(r"^\s*(import|from) gradio", path.read_text(), re.M)]


def test_a_model_that_cannot_be_loaded_is_a_sentence_on_the_page(monkeypatch, model_folder, example_clips, tmp_path):
    import shutil

    from vqaudio.ui import models

    shutil.copytree(model_folder, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"not weights")
    for name, sentence in ((str(tmp_path / "broken"), "is damaged"), ("nobody", "no model")):
        monkeypatch.setenv("VQAUDIO_MODEL", name)
        monkeypatch.setattr(models, "_codec", vqaudio.load)
        answer = opening.open_example({})
        assert not answer["ok"] and sentence in answer["error"] and "Traceback" not in answer["error"]


def test_an_example_is_compared_under_its_title(tmp_path):
    assert examples.title_of(examples.FOLDER / "0_theo_1.wav") == "Zero (Theo)"
    assert examples.title_of(tmp_path / "0_theo_1.wav") == "0_theo_1"
