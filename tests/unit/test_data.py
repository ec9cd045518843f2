"""The dataset's splits, its download, and batches of clips of different lengths."""

import io
import tarfile
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import numpy as np
import pytest
import soundfile
import torch

from vqaudio.data.batches import Augmentation, TrainingBatches, in_order, pad
from vqaudio.data.datasets import fsdd
from vqaudio.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Two takes of each part, of different lengths."""
    root = tmp_path / "recordings"
    root.mkdir()
    for digit in "03":
        for take in (0, 5, 10, 49):
            n = 400 + 100 * take + 50 * int(digit)
            soundfile.write(root / f"{digit}_theo_{take}.wav", 0.1 * np.sin(np.arange(n) * 0.3), 8000, subtype="PCM_16")
    return root


def test_splits_are_by_take_and_disjoint(folder):
    names = {split: {clip.name for clip in fsdd.load_split(split, folder).clips} for split in fsdd.TAKES}
    assert names["test"] == {"0_theo_0", "3_theo_0"}
    assert names["validation"] == {"0_theo_5", "3_theo_5"}
    assert names["train"] == {"0_theo_10", "3_theo_10", "0_theo_49", "3_theo_49"}


def test_the_folder_may_be_named_with_or_without_recordings(folder, monkeypatch):
    assert fsdd.recordings(folder) == fsdd.recordings(folder.parent) == folder
    monkeypatch.setenv("VQAUDIO_DATA", str(folder.parent))
    assert fsdd.recordings() == folder


def test_utterances_hold_the_digits_of_one_take(folder):
    split = fsdd.load_split("train", folder)
    spoken = [[split.clips[i].name for i in group] for group in split.utterances]
    assert sorted(spoken) == [["0_theo_10", "3_theo_10"], ["0_theo_49", "3_theo_49"]]


def test_missing_data_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("VQAUDIO_CACHE", str(tmp_path))
    monkeypatch.delenv("VQAUDIO_DATA", raising=False)
    with pytest.raises(InputError, match="vqaudio download fsdd"):
        fsdd.recordings()
    with pytest.raises(InputError, match="holds no FSDD recordings"):
        fsdd.load_split("test", tmp_path)
    with pytest.raises(InputError, match="splits train, validation, test|has the splits"):
        fsdd.load_split("dev", tmp_path)


def test_a_damaged_recording_is_named(folder):
    (folder / "0_theo_0.wav").write_text("no sound")
    with pytest.raises(InputError, match="0_theo_0.wav cannot be read"):
        fsdd.load_split("test", folder)


@pytest.fixture
def server(tmp_path):
    """A web server on this machine that gives out a folder."""
    root = tmp_path / "web"
    root.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(root))
    handler.log_message = lambda *args: None
    httpd = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield root, f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()


def archive_of(folder, target, extra=()):
    with tarfile.open(target, "w:gz") as tar:
        tar.add(folder, "free-spoken-digit-dataset-master/recordings")
        for name, data in extra:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_download_checks_and_keeps_only_recordings(folder, server, tmp_path, monkeypatch):
    root, url = server
    archive_of(folder, root / "fsdd.tar.gz", [("../../escaped.wav", b"x"), ("setup.py", b"x"), ("/abs/1_a_b.wav", b"x")])
    monkeypatch.setattr(fsdd, "CHECKSUM", fsdd.checksum(folder))
    found = fsdd.download(tmp_path / "cache", f"{url}/fsdd.tar.gz")
    assert {path.name for path in found.iterdir()} == {path.name for path in folder.iterdir()}
    assert not (tmp_path / "escaped.wav").exists() and not (tmp_path.parent / "escaped.wav").exists()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["recordings"]


def test_a_download_of_something_else_is_refused_and_leaves_nothing(folder, server, tmp_path):
    root, url = server
    archive_of(folder, root / "fsdd.tar.gz")
    with pytest.raises(InputError, match="not the dataset"):
        fsdd.download(tmp_path / "cache", f"{url}/fsdd.tar.gz")
    (root / "cut.tar.gz").write_bytes((root / "fsdd.tar.gz").read_bytes()[:500])
    with pytest.raises(InputError, match="damaged"):
        fsdd.download(tmp_path / "cache", f"{url}/cut.tar.gz")
    with pytest.raises(InputError, match="cannot be fetched"):
        fsdd.download(tmp_path / "cache", f"{url}/nothing.tar.gz")
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_server_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="Is the network there"):
        fsdd.download(tmp_path, "http://127.0.0.1:9/fsdd.tar.gz")


def test_padding_is_zero_and_lengths_are_kept():
    audio, lengths = pad([torch.ones(5), torch.ones(8)], multiple=6)
    assert audio.shape == (2, 1, 12) and lengths.tolist() == [5, 8]
    assert audio[0, 0, 5:].abs().sum() == 0 and audio[1, 0, :8].sum() == 8


def test_in_order_gives_every_clip_once(folder):
    split = fsdd.load_split("train", folder)
    names = [name for batch in in_order(split, 3) for name in batch.names]
    assert sorted(names) == sorted(clip.name for clip in split.clips)


def batches(folder, **options):
    split = fsdd.load_split("train", folder)
    settings = {"batch_size": 4, "crop": 1000, "seed": 1, "augmentation": Augmentation(), "level_db": -20.0}
    return TrainingBatches(split, **(settings | options))


def test_a_batch_is_a_function_of_its_step_alone(folder):
    first, second = batches(folder), batches(folder)
    for step in (0, 1, 2):
        first.batch(step)
    assert torch.equal(first.batch(7).audio, second.batch(7).audio)
    assert not torch.equal(first.batch(7).audio, first.batch(8).audio)
    assert not torch.equal(first.batch(7).audio, batches(folder, seed=2).batch(7).audio)


def test_processes_share_a_batch_without_overlap(folder):
    whole = batches(folder).batch(3)
    parts = [batches(folder, rank=rank, world=2).batch(3) for rank in (0, 1)]
    together = [parts[i % 2].audio[i // 2] for i in range(4)]
    assert torch.equal(torch.stack(together), whole.audio)
    assert [parts[i % 2].names[i // 2] for i in range(4)] == whole.names


def test_an_epoch_visits_every_clip(folder):
    source = batches(folder, batch_size=2)
    names = [name for step in range(2) for name in source.batch(step).names]
    assert len(set(names)) == 4


def test_clips_come_at_one_level_and_labels_fit(folder):
    batch = batches(folder, augmentation=None, crop=6000).batch(0)
    rms_db = 20 * (batch.audio.square().sum(-1) / batch.lengths[:, None]).sqrt().log10()
    assert (rms_db + 20).abs().max() < 1
    assert [fsdd.DIGITS[i] for i in batch.labels["digit"]] == [name[0] for name in batch.names]


def test_a_batch_size_that_cannot_be_shared_is_refused(folder):
    with pytest.raises(ValueError, match="multiple of the 3 processes"):
        batches(folder, world=3)
