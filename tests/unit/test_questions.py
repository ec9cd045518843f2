"""Scenes, questions about them, words, pictures of sound, and readers of other datasets' files."""

import io
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from tests.asking import small_model
from vqaudio.errors import InputError
from vqaudio.questions import folder, grammar, layouts, programs, scenes, shapes, tfrecords
from vqaudio.questions.film import check_scene, fitted
from vqaudio.questions.inputs import inputs_of, read_picture
from vqaudio.questions.spectra import LOWEST_MIDI, LogPicture
from vqaudio.questions.tokeniser import PAD, UNKNOWN, Tokeniser, padded, vocabulary, words_of


def bytes_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(clear_folder, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        folder.write_sound_scenes(tmp_path / name, clear_folder, "validation", 3, 5, seed)
    one, again, other = (bytes_of(tmp_path / name) for name in "abc")
    assert one == again and one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_no_sound_of_one_split_occurs_in_another(clear_folder):
    names = {split: {note.name for note in scenes.load_notes(clear_folder, split)} for split in scenes.SPLITS}
    assert len(names["test"]) == 24 and len(names["validation"]) == 18 and len(names["train"]) == 6
    assert not names["train"] & names["test"] and not names["train"] & names["validation"] | names["validation"] & names["test"]
    shifted = {note.name.split("+")[0].rsplit("-", 1)[0] for note in scenes.load_notes(clear_folder, "train", 2)}
    assert shifted == names["train"]


def test_a_shifted_note_is_named_after_its_new_pitch(clear_folder):
    by_name = {note.name: note for note in scenes.load_notes(clear_folder, "train", 1)}
    shifted = next(note for note in by_name.values() if note.name.endswith("+1"))
    original = by_name[shifted.name.removesuffix("+1")]
    assert shifted.midi == original.midi + 1
    peaks = [np.abs(np.fft.rfft(note.audio, 2**16)).argmax() for note in (original, shifted)]
    assert peaks[1] / peaks[0] == pytest.approx(2 ** (1 / 12), rel=0.01)


def test_scenes_keep_their_limits(clear_folder):
    library = scenes.load_notes(clear_folder, "test")
    for index in range(30):
        audio, sounds = scenes.scene(library, "test", 0, index)
        assert 5 <= len(sounds) <= 10 and len(audio) <= 12 * 16000 and np.abs(audio).max() <= 1
        starts = [sound["start_s"] for sound in sounds]
        ends = [sound["start_s"] + sound["duration_s"] for sound in sounds]
        assert starts == sorted(starts) and starts[0] >= 0
        assert all(start - end >= -0.0502 for start, end in zip(starts[1:], ends))


def test_loud_is_12_db_above_quiet(clear_folder):
    note = scenes.load_notes(clear_folder, "test")[0]
    levels = {}
    for loudness in ("quiet", "loud"):
        audio = scenes.render(scenes.Plan((note,), (loudness,), (0,)), np.random.default_rng(0))
        levels[loudness] = 10 * np.log10(np.square(audio).mean())
    assert levels["loud"] - levels["quiet"] == pytest.approx(12, abs=0.01)


def test_brightness_is_the_centroid_above_its_threshold():
    time = np.arange(8000) / 16000
    low, high = np.sin(2 * np.pi * 300 * time), np.sin(2 * np.pi * 2000 * time)
    assert scenes.centroid_hz(low) == pytest.approx(300, abs=2)
    assert scenes.centroid_hz(low + high) == pytest.approx(1150, abs=5) and scenes.BRIGHT_HZ < 1150


def test_every_type_is_asked_with_balanced_answers(clear_folder):
    library, asker = scenes.load_notes(clear_folder, "test"), grammar.Asker(0, "test")
    asked = []
    for index in range(60):
        sounds = scenes.draw_plan(library, np.random.default_rng(index)).sounds()
        asked += [(one, sounds) for one in asker.ask(sounds, index, 16)]
    assert {one["type"] for one, _ in asked} == set(grammar.TYPES) and len(grammar.TYPES) >= 12
    assert all(programs.answer(one["program"], sounds) == one["answer"] for one, sounds in asked)
    shares = asker.commonest()
    assert all(shares[kind] < 0.6 for kind in grammar.TYPES)
    assert shares["query_instrument"] < 0.25 and shares["query_note"] < 0.25


def test_the_answer_ignores_the_order_of_sounds_and_the_program_names_its_faults():
    sounds = [
        {"start_s": start, "instrument": name, "note": "C", "octave": "4", "loudness": "loud", "brightness": "dark"}
        for start, name in ((2.0, "flute"), (0.5, "cello"), (1.0, "cello"))
    ]
    steps = [
        {"function": "scene", "inputs": [], "value_inputs": []},
        {"function": "filter_instrument", "inputs": [0], "value_inputs": ["flute"]},
        {"function": "unique", "inputs": [1], "value_inputs": []},
        {"function": "relate", "inputs": [2], "value_inputs": ["before"]},
        {"function": "count", "inputs": [3], "value_inputs": []},
    ]
    assert programs.answer(steps, sounds) == programs.answer(steps, sounds[::-1]) == "2"
    assert programs.trace(steps, sounds) == [[0, 1, 2], [2], 2, [0, 1], 2]
    assert programs.selections(steps, sounds) == [[0, 1], [2]]
    steps[1]["value_inputs"] = ["cello"]
    with pytest.raises(programs.IllPosed):
        programs.answer(steps, sounds)
    with pytest.raises(InputError, match="Step 1"):
        programs.answer([{"function": "guess", "inputs": []}], sounds)
    with pytest.raises(InputError, match="no steps"):
        programs.answer([], sounds)


def test_words_are_lower_case_without_punctuation():
    assert words_of("How many C# sounds, are THERE?") == ["how", "many", "c", "sharp", "sounds", "are", "there"]
    words = vocabulary(["Is it loud?", "is it quiet"])
    assert words == ("<pad>", "<unknown>", "is", "it", "loud", "quiet")
    tokeniser = Tokeniser(words)
    assert tokeniser.encode("Is it BLUE?") == [2, 3, UNKNOWN] and tokeniser.unknown("Is it blue?") == ["blue"]
    tokens, lengths = padded([[2, 3, 4], [2]])
    assert tokens.tolist() == [[2, 3, 4], [2, PAD, PAD]] and lengths.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("question", "message"), [("", "empty"), ("?!", "empty"), ("zebra giraffe", "none of"), ("is " * 10_000, "10,000 words")]
)
def test_a_question_that_cannot_be_read_is_refused(question, message):
    with pytest.raises(InputError, match=message):
        Tokeniser(vocabulary(["is it loud"])).encode(question)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (torch.zeros(1, 1, 16000), "silent"), (torch.ones(1, 1, 160), "0.01 s"), (torch.ones(1, 1, 16000 * 3600), "3,600 s"),
        (torch.ones(2, 1, 16000), r"\[1, 1, N\]"), (torch.ones(16000), r"\[1, 1, N\]"),
        (torch.full((1, 1, 16000), float("nan")), "silent"),
    ],
)
def test_a_sound_that_cannot_be_asked_about_is_refused(audio, message):
    with pytest.raises(InputError, match=message):
        check_scene(audio, 16000, 12.0)


def test_a_note_is_in_its_own_row_and_its_octave_twelve_rows_up():
    picture = LogPicture(16000, 64, "semitone", 0.04)
    time = torch.arange(16000) / 16000
    for midi in (60, 72):
        rows = picture(0.1 * torch.sin(2 * torch.pi * 440 * 2 ** ((midi - 69) / 12) * time)[None])[0, :, 12, 0]
        assert int(rows.argmax()) == midi - LOWEST_MIDI


def test_a_picture_of_sound_is_0_in_silence_and_grows_by_a_level_of_80_db():
    picture = LogPicture(16000, 64, "mel", 0.04)
    assert not picture(torch.zeros(1, 8000)).any()
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(16000) / 16000)[None]
    loud, quiet = (picture(level * tone)[0, :, 12].max() for level in (1.0, 0.1))
    assert float(loud - quiet) == pytest.approx(20 / 80, abs=1e-3)
    assert picture(torch.zeros(2, 12345)).shape == (2, 64, -(-12345 // 640), 1)
    assert fitted(torch.ones(1, 4, 5, 1), 8)[0, 0, :, 0].tolist() == [1] * 5 + [0] * 3


def test_scenes_are_read_as_they_were_written(scene_folders):
    read = layouts.read("scenes", scene_folders, "train")
    raw = json.loads((scene_folders / "train" / "questions.json").read_text())["questions"]
    assert [(q.text, q.answer, q.type) for q in read.questions] == [(q["question"], q["answer"], q["type"]) for q in raw]
    assert len(read.sources) == 12 and all(path.is_file() for path in read.sources) and len(read.sounds) == 12
    assert layouts.read("scenes", scene_folders / "train", "test") == read


def test_a_model_answers_about_a_scene_and_names_unknown_words(scene_folders):
    read = layouts.read("scenes", scene_folders, "train")
    model = small_model(read)
    audio = torch.from_numpy(soundfile.read(read.sources[0], dtype="float32")[0])[None, None]
    answer = model.ask(audio, "How many purple cello sounds are there?")
    assert answer.unknown == ("purple",) and set(answer.distribution) == set(model.config.answers)
    assert sum(answer.distribution.values()) == pytest.approx(1, abs=1e-5)
    assert answer.text == next(iter(answer.distribution)) == max(answer.distribution, key=answer.distribution.get)


def test_a_missing_sound_is_named_and_nothing_is_written(scene_folders, tmp_path):
    read = layouts.read("scenes", scene_folders, "validation")
    gone = replace(read, sources=(*read.sources[:-1], scene_folders / "audio" / "gone.flac"))
    with pytest.raises(InputError, match="gone.flac is missing"):
        inputs_of(gone, small_model(read).config, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_inputs_are_read_from_the_cache_until_a_file_changes(scene_folders, tmp_path):
    read = layouts.read("scenes", scene_folders, "validation")
    config = small_model(read).config
    first = np.array(inputs_of(read, config, tmp_path))
    assert first.shape == (4, 64, 300, 1) and first.max() > 0.3
    np.save(next(tmp_path.glob("*.npy")), first * 0)
    assert not inputs_of(read, config, tmp_path).any()
    assert inputs_of(read, replace(config, scale="mel"), tmp_path).any()


def test_clear_and_clevr_are_read_in_their_own_layouts(tmp_path):
    for name in ("scenes", "questions"):
        (tmp_path / name).mkdir()
    clear = [{"scene_index": 7, "objects": []}, {"scene_index": 9, "objects": []}]
    asked = [
        {"scene_index": 9, "scene_filename": "CLEAR_val_000009.flac", "question": "How many?", "answer": 3,
         "program": [{"type": "scene", "inputs": []}, {"type": "count", "inputs": [0]}]},
        {"scene_index": 7, "scene_filename": "CLEAR_val_000007.flac", "question": "Is there?", "answer": "yes", "program": []},
    ]
    (tmp_path / "scenes" / "CLEAR_val_scenes.json").write_text(json.dumps({"scenes": clear}))
    (tmp_path / "questions" / "CLEAR_val_questions.json").write_text(json.dumps({"questions": asked}))
    read = layouts.read("clear", tmp_path, "validation")
    assert [path.name for path in read.sources] == ["CLEAR_val_000007.flac", "CLEAR_val_000009.flac"]
    assert [(q.answer, q.type, q.picture) for q in read.questions] == [("3", "count", 1), ("yes", "question", 0)]

    asked = [
        {"image_index": 4, "image_filename": "CLEVR_val_000004.png", "question": "What?", "answer": "red", "split": "val",
         "program": [{"function": "scene", "inputs": []}, {"function": "query_color", "inputs": [0]}]},
    ]
    (tmp_path / "questions" / "CLEVR_val_questions.json").write_text(json.dumps({"info": {}, "questions": asked}))
    read = layouts.read("clevr", tmp_path, "validation")
    assert read.sources == (tmp_path / "images" / "val" / "CLEVR_val_000004.png",)
    assert [(q.text, q.answer, q.type, q.picture) for q in read.questions] == [("What?", "red", "query_color", 0)]


def test_easy_vqa_keeps_a_tenth_of_its_training_pictures_for_validation(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        asked = [["what shape?", "circle", n] for n in range(20)] + [["is it red?", "no", 0]]
        (tmp_path / part / "questions.json").write_text(json.dumps(asked))
    parts = {split: layouts.read("easy-vqa", tmp_path, split) for split in scenes.SPLITS}
    assert {split: len(one.sources) for split, one in parts.items()} == {"train": 18, "validation": 2, "test": 20}
    assert {q.type for q in parts["validation"].questions} == {"shape", "yes or no"}


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    checks = [struct.pack("<I", tfrecords.masked_crc(part)) for part in (length, data)]
    return length + checks[0] + data + checks[1]


def field(number: int, payload: bytes) -> bytes:
    """A field of a protocol buffer's message that holds bytes."""
    size, digits = len(payload), []
    while size > 127:
        digits.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *digits, size]) + payload


def example(**features: bytes | int) -> bytes:
    """A tf.train.Example of bytes and small integers."""
    entries = []
    for name, value in features.items():
        content = field(1, field(1, value)) if isinstance(value, bytes) else field(3, field(1, bytes([value])))
        entries.append(field(1, field(1, name.encode()) + field(2, content)))
    return field(1, b"".join(entries))


def test_tfrecords_are_read_without_tensorflow(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(file, "PNG")
    data = [example(image=file.getvalue(), question=b"What is it?", answer=answer) for answer in (b"gray", 3)]
    (tmp_path / "train-00.tfrecord").write_bytes(b"".join(map(record, data)))
    read = layouts.read("tfrecords", tmp_path, "train")
    assert [(q.text, q.answer, q.picture) for q in read.questions] == [("What is it?", "gray", 0), ("What is it?", "3", 1)]
    assert torch.allclose(read_picture(read.sources[0]), torch.full((8, 8, 3), 200 / 255))


def test_negative_and_long_integers_of_an_example():
    packed = bytes.fromhex("ffffffffffffffffff01" + "ac02")
    assert tfrecords.example(field(1, field(1, field(1, b"a") + field(2, field(3, field(1, packed)))))) == {"a": [-1, 300]}


@pytest.mark.parametrize("damage", ["cut", "length", "data"])
def test_a_damaged_tfrecord_is_refused_in_one_sentence(tmp_path, damage):
    whole = bytearray(record(b"\x0a\x00") + record(b"\x0a\x00"))
    if damage == "cut":
        del whole[-3:]
    else:
        whole[18 + (0 if damage == "length" else 12)] ^= 1
    (tmp_path / "test.tfrecord").write_bytes(whole)
    with pytest.raises(InputError, match=r"test.tfrecord is damaged at record 2"):
        list(tfrecords.records(tmp_path / "test.tfrecord"))


def test_checksums_are_those_of_crc32c():
    assert tfrecords.crc32c(b"123456789") == 0xE3069283 and tfrecords.crc32c(b"") == 0
    assert tfrecords.crc32c(bytes(32)) == 0x8A9136AA and tfrecords.crc32c(b"abc") != zlib.crc32(b"abc")


def test_sort_of_clevr_draws_what_it_describes(tmp_path):
    shares = shapes.write_picture_scenes(tmp_path / "a", "train", 5, 36, 0)
    assert len(shares) == 6
    read = layouts.read("scenes", tmp_path / "a", "train")
    listed = json.loads((tmp_path / "a" / "scenes.json").read_text())["scenes"]
    assert len(read.questions) == 180 and not read.sounds
    for source, scene in zip(read.sources, listed):
        picture = (read_picture(source) * 255).round().int()
        for one in scene["objects"]:
            assert picture[one["y"], one["x"]].tolist() == list(shapes.COLOURS[one["colour"]])
            corner = picture[one["y"] - 4, one["x"] - 4].tolist() == list(shapes.COLOURS[one["colour"]])
            assert corner == (one["shape"] == "square")
    with pytest.raises(InputError, match="exists already"):
        shapes.write_picture_scenes(tmp_path / "a", "train", 5, 36, 0)


def test_relational_answers_of_sort_of_clevr():
    objects = [
        {"colour": "red", "shape": "circle", "x": 10, "y": 10}, {"colour": "green", "shape": "square", "x": 20, "y": 10},
        {"colour": "blue", "shape": "circle", "x": 60, "y": 60},
    ]
    found = {kind: shapes.question(objects, kind, "red")["answer"] for kind in shapes.TEMPLATES}
    assert found == {
        "query_shape": "circle", "is_left": "yes", "is_top": "yes", "closest_shape": "square", "furthest_shape": "circle",
        "count_same_shape": "2",
    }


def test_a_run_that_is_cut_short_leaves_no_scenes(clear_folder, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes, "scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folder.write_sound_scenes(tmp_path / "out", clear_folder, "test", 3, 5, 0)
    assert not (tmp_path / "out").exists()
