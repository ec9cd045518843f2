"""phones.json beside a model: its numbers, what the app shows of it, and what is refused."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.speaking import save_small, write_voices
from vqaudio import hub
from vqaudio.analysis import phone_record, phones, units
from vqaudio.data import load_split
from vqaudio.errors import InputError
from vqaudio.ui import facts
from vqaudio.ui.clip import handlers
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.panels import figures, phone_figures


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture
def codec(tmp_path):
    return hub.load(save_small(tmp_path / "small"))


@pytest.fixture
def record(codec, voices):
    train, test = (list(load_split("festvox_ru", part, voices, 16_000).clips) for part in ("train", "test"))
    return phone_record.measure(codec, "small", train, test, "festvox-ru", "vqaudio phones measure")


def test_the_command_writes_what_can_be_read_and_says_where(command, codec, voices):
    code, printed, error = command("phones", "measure", "--model", codec.folder, "--data", voices)
    assert code == 0, error
    found = phone_record.load(codec.folder)
    assert found.encoder == codec.encoder_fingerprint and "NMI" in printed and str(codec.folder / "phones.json") in printed
    assert str(voices) not in (codec.folder / "phones.json").read_text()
    assert "phones.json" in hub.MEASURED, "new weights drop it"


def test_the_tables_equal_those_of_the_other_commands(record, codec, voices):
    train, test = (units.of_codec(codec, load_split("festvox_ru", part, voices, 16_000).clips) for part in ("train", "test"))
    mapped = phones.mapping(*phones.all_frames(train))
    named = record.code_phones()
    assert {code for code, phone in enumerate(named) if phone} == set(mapped)
    assert all(named[code] == (phone, pytest.approx(share, abs=1e-4)) for code, (phone, share) in mapped.items())
    assert record.accuracy == phones.accuracy(mapped, *phones.all_frames(test))
    assert record.metrics["small"]["nmi"] == pytest.approx(phones.nmi(*phones.all_frames(test)), abs=1e-4)
    counts = np.array(record.phone_bigrams)
    sequences = [one.frames()[0].tolist() for one in test]
    assert np.allclose(counts / counts.sum(1, keepdims=True).clip(min=1), phones.bigrams(sequences, record.phones, True))
    assert np.array(record.code_bigrams).sum() == counts.sum() == record.test_frames - record.test_clips


def test_a_record_survives_its_file_and_a_damaged_one_is_refused(record, codec):
    phone_record.save(record, codec.folder)
    assert phone_record.load(codec.folder) == record
    path = codec.folder / "phones.json"
    whole = json.loads(path.read_text())
    for change in ({"together": [[1]]}, {"metrics": {}}, {"phones": 7}, {"code_bigrams": [[-1]]}, {"accuracy": "most"}):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(InputError, match="`vqaudio phones measure` rebuilds it"):
            phone_record.load(codec.folder)
    assert facts.code_phones(codec) is None, "a damaged record stops no clip"
    assert "rebuilds it" in phone_figures.view(codec)


def test_the_page_names_phones_only_for_the_measured_weights(record, codec):
    bench = Workbench.from_audio(codec, bench_sound(), "a")
    assert handlers.describe("t", bench)["code_phones"] is None and phone_figures.view(codec) == ""
    for cached in (facts.phones, facts.code_phones):
        cached.cache_clear()
    phone_record.save(record, codec.folder)
    assert handlers.describe("t", bench)["code_phones"] == record.code_phones()
    for cached in (facts.phones, facts.code_phones):
        cached.cache_clear()
    phone_record.save(replace(record, encoder="another"), codec.folder)
    assert handlers.describe("t", bench)["code_phones"] is None and phone_figures.view(codec) == ""


def bench_sound():
    from tests.speaking import sentence

    return sentence(["aa", "s"])[0][None]


def test_codebooks_draws_the_record(record, codec, monkeypatch):
    phone_record.save(record, codec.folder)
    monkeypatch.setattr(figures.models, "codec", lambda name: codec)
    page = figures.view("small")
    assert "vqaudio explore" in page and page.count('class="vq-chart"') == 2
    for chart in re.findall(r"<svg.*?</svg>", page, re.S):
        assert ElementTree.fromstring(chart).get("role") == "img"
    assert [*re.findall(r'data-kind="([^"]+)" style="display:(\w*)"', page)] == [
        ("codewords, without repeats", ""), ("codewords", "none"), ("phones, without repeats", "none"), ("phones", "none"),
    ]  # fmt: skip
    rows = ElementTree.fromstring(re.search(r"<table.*?</table>", page, re.S)[0])
    shown = {row[0].text: row[1].text for row in rows.find("tbody")}
    assert len(shown) == 9 and shown["NMI"] == f"{record.metrics['small']['nmi']:.3f}"
    assert [cell.text for cell in rows.find("thead")[0]][1:] == [*record.metrics]
    assert "Code 3: mostly " in page or "Code 3 never occurs" in page
