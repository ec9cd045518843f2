"""Timed labels in clips, folders, batches, shards and codes: kept, shifted with crops, and checked."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

from vqaudio.data.batches import Augmentation, TrainingBatches, in_order
from vqaudio.data.clips import Clip, Split, crop_timed_labels
from vqaudio.data.datasets import folder
from vqaudio.data.encoded import encoded
from vqaudio.data.sources import timed_labels_of
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel
from vqaudio.training.prior_task import transposed

RATE = 8000
WORDS = (TimedLabel("word", "one", 0.1, 0.3), TimedLabel("note", "C4", 0.25, 0.9))


def marked(seconds: float, labels: tuple[TimedLabel, ...], name: str = "clip") -> Clip:
    """A clip that is 0.5 inside its labels and silent elsewhere."""
    sound = torch.zeros(round(seconds * RATE))
    for label in labels:
        sound[round(label.start_s * RATE) : round(label.end_s * RATE)] = 0.5
    return Clip(sound, name, {"pitch": "60"}, labels)


def recording(path: Path, seconds: float = 1.0, rows=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, marked(seconds, ()).audio.numpy() + 0.1, RATE)
    if rows is not None:
        path.with_suffix(".labels.json").write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """A long recording with labels beside ten short ones, three of them with labels too."""
    root = tmp_path_factory.mktemp("sounds")
    for i in range(10):
        recording(root / f"{i}.wav", 1.0, [["phone", f"ə{i}", 0.25, 0.5]] if i < 3 else None)
    recording(root / "long.wav", 25.0, [["word", "seam", 8.0, 9.0], ["word", "tail", 24.0, 25.0005]])
    return root


def times(labels) -> list[tuple[str, float, float]]:
    return [(label.value, round(label.start_s, 3), round(label.end_s, 3)) for label in labels]


def clips_of(root: Path, load) -> dict[str, Clip]:
    return {clip.name: clip for part in ("train", "validation", "test") for clip in load(part, root, RATE).clips}


def test_a_crop_shifts_clips_and_drops_labels():
    assert times(crop_timed_labels(WORDS, 0.2, 0.5)) == [("one", 0.0, 0.1), ("C4", 0.05, 0.5)]
    assert times(crop_timed_labels(WORDS, 0.3, 0.1)) == [("C4", 0.0, 0.1)]
    assert crop_timed_labels(WORDS, 0.9, 1.0) == ()
    assert times(crop_timed_labels(WORDS, 0.0, 1.0, speed=2.0)) == [("one", 0.05, 0.15), ("C4", 0.125, 0.45)]


def test_a_folder_reads_labels_beside_the_recordings_and_pieces_keep_their_own(sounds):
    clips = clips_of(sounds, folder.load_split)
    assert clips["1.wav"].timed_labels == (TimedLabel("phone", "ə1", 0.25, 0.5),) and clips["5.wav"].timed_labels == ()
    pieces = [clips[f"long.wav#{i}"] for i in range(3)]
    seam = 25 / 3  # seconds
    assert [[label.value for label in piece.timed_labels] for piece in pieces] == [["seam"], ["seam"], ["tail"]]
    assert pieces[0].timed_labels[0].end_s == pytest.approx(seam, abs=1e-3)
    assert times(pieces[1].timed_labels) == [("seam", 0.0, round(9 - seam, 3))]
    assert pieces[2].timed_labels[0].end_s == len(pieces[2].audio) / RATE, "never beyond the end"


@pytest.mark.parametrize(("rows", "sentence"), [
    ("{", "not JSON in UTF-8"),
    ({"word": 1}, r"list of \[kind, value, start_s, end_s\]"),
    ([["word", "one", 0.5]], r"list of \[kind, value, start_s, end_s\]"),
    ([["word", "one", 0.5, 0.2]], "0 <= start < end"),
    ([["word", 1, 0.2, 0.5]], "both text"),
    ([["word", "one", 0.5, 1.5]], "ends at 1.5 s, but the clip ends at 1 s"),
    ("[" * 100_000, "not JSON in UTF-8"),
])  # fmt: skip
def test_bad_labels_are_one_sentence_with_the_file(tmp_path, rows, sentence):
    path = recording(tmp_path / "take.wav", 1.0, rows)
    with pytest.raises(InputError, match=rf"take\.labels\.json: .*{sentence}"):
        timed_labels_of(path, 1.0)


def test_a_recording_with_bad_labels_is_skipped_and_named(tmp_path, capsys):
    for i in range(20):
        recording(tmp_path / f"{i}.wav", 0.2, "nothing" if i % 2 else None)
    train = folder.load_split("train", tmp_path, RATE)
    assert train.clips and all(int(Path(clip.name).stem) % 2 == 0 for clip in train.clips)
    assert ".labels.json: It is not JSON in UTF-8." in capsys.readouterr().err


@pytest.mark.parametrize("speed", [1.0, 2.0, 0.5])
def test_labels_follow_the_sound_into_crops(speed):
    split = Split(tuple(marked(1.0 + i / 10, WORDS[1:], str(i)) for i in range(4)), RATE, {})
    still = Augmentation(speeds=(speed,), gain_db=0.0, polarity=False)
    batch = TrainingBatches(split, 16, 4000, 0, still).batch(0)
    for sound, length, labels in zip(batch.audio[:, 0], batch.lengths, batch.timed_labels):
        inside = torch.zeros(int(length))
        for label in labels:
            inside[round(label.start_s * RATE) : round(label.end_s * RATE)] = 0.5
        assert float((sound[: int(length)] - inside).abs().gt(0.25).sum()) <= 4, "but for a sample or two at the edges"
    assert any(labels for labels in batch.timed_labels)
    assert [labels for batch in in_order(split, 3) for labels in batch.timed_labels] == [WORDS[1:]] * 4


def test_codes_keep_labels_through_shifts_speeds_and_transposition(codec, tmp_path):
    split = Split((marked(1.0, WORDS), marked(0.5, (), "plain")), RATE, {"pitch": ("60", "61")})
    plain = encoded(codec, split, "train", cache=tmp_path)
    assert plain.timed_labels == (WORDS, ())
    moved = encoded(codec, split, "train", shift=800, speed=2.0, cache=tmp_path)
    assert moved.timed_labels[0] == crop_timed_labels(WORDS, 0.1, 0.45, 2.0)
    assert times(moved.timed_labels[0])[0] == ("one", 0.0, 0.1)
    bare = Split(tuple(replace(clip, timed_labels=()) for clip in split.clips), RATE, {})
    assert encoded(codec, bare, "train", cache=tmp_path).timed_labels == ()
    higher = transposed(split, 1).clips[0]
    assert higher.labels == {"pitch": "61"} and higher.timed_labels[0].end_s == pytest.approx(0.3 / 1.06)


def test_shards_keep_labels_and_old_shards_still_open(sounds, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    from vqaudio.data import shards

    shards.prepare("folder", tmp_path / "new", sounds, RATE)
    direct, packed = clips_of(sounds, folder.load_split), clips_of(tmp_path / "new", shards.load_split)
    assert set(packed) == set(direct) and all(packed[name].timed_labels == direct[name].timed_labels for name in direct)
    train = shards.load_split("train", tmp_path / "new", RATE)
    batch = train.clips.batches(train, 8, RATE, 0, None).batch(0)
    assert [labels for labels in batch.timed_labels if labels], "a batch from shards carries them too"

    def rewrite(change):
        described = json.loads((tmp_path / "new" / "dataset.json").read_text())
        for shard in (shard for part in described["parts"].values() for shard in part):
            path = tmp_path / "new" / shard["file"]
            parquet.write_table(change(parquet.read_table(path)), path)
            shard["bytes"] = path.stat().st_size
        (tmp_path / "new" / "dataset.json").write_text(json.dumps(described))

    rewrite(lambda table: table.set_column(table.schema.get_field_index("timed_labels"), "timed_labels", [["[0"] * len(table)]))
    with pytest.raises(InputError, match=r"is damaged: the timed labels of .* cannot be read"):
        clips_of(tmp_path / "new", shards.load_split)
    rewrite(lambda table: table.drop_columns(["timed_labels"]))
    assert not any(clip.timed_labels for clip in clips_of(tmp_path / "new", shards.load_split).values())


def test_tokens_keep_labels(sounds, codec, model_folder, tmp_path):
    pytest.importorskip("pyarrow")
    from vqaudio.data import tokens

    tokens.tokenize(codec, str(model_folder), tmp_path / "codes", sounds)
    found = {clip.name: clip for clip in tokens.read_clips(tmp_path / "codes", codec=codec)}
    assert found["2.wav"].timed_labels == (TimedLabel("phone", "ə2", 0.25, 0.5),) and found["7.wav"].timed_labels == ()
    assert [label.value for label in found["long.wav"].timed_labels] == ["seam", "tail"]
    assert {name for name, _, _ in tokens.read(tmp_path / "codes")} == set(found)
