"""Speech Commands in its real layout, and a download that goes on where it broke off."""

import hashlib
import io
import resource
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import soundfile
import torch

from vqaudio.data import shards
from vqaudio.data.batches import pad
from vqaudio.data.datasets import speech_commands as sc
from vqaudio.data.download import fetch_checked, unpack
from vqaudio.errors import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "speech-commands-300"


@pytest.fixture
def real() -> Path:
    if not REAL.is_dir():
        pytest.skip(f"the 300 real clips are not here: {REAL}")
    return REAL


@pytest.fixture
def layout(example_clips, tmp_path) -> Path:
    """Real recordings under the names of the dataset: two words by three speakers, lists, and noise."""
    root = tmp_path / "speech_commands_v0.02"
    for i, speaker in enumerate(("0a7c2a8d", "1b4c9b89", "cb8f8307")):
        for j, word in enumerate(("yes", "no")):
            (root / word).mkdir(parents=True, exist_ok=True)
            shutil.copy(example_clips[(2 * i + j) % len(example_clips)], root / word / f"{speaker}_nohash_0.wav")
    (root / "validation_list.txt").write_text("yes/1b4c9b89_nohash_0.wav\nno/1b4c9b89_nohash_0.wav\n")
    (root / "testing_list.txt").write_text("yes/cb8f8307_nohash_0.wav\nno/cb8f8307_nohash_0.wav\n")
    (root / sc.NOISE_FOLDER).mkdir()
    shutil.copy(example_clips[0], root / sc.NOISE_FOLDER / "running_tap.wav")
    return root


def names(root, part) -> set[str]:
    return {clip.name for clip in sc.load_split(part, root).clips}


def test_the_300_clips_are_all_there_once_and_no_speaker_is_in_two_parts(real):
    splits = {part: sc.load_split(part, real) for part in ("train", "validation", "test")}
    assert sum(len(split) for split in splits.values()) == 300
    assert all(len(split) >= 10 for split in splits.values())
    speakers = [{clip.labels["speaker"] for clip in split.clips} for split in splits.values()]
    assert not (speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2])
    assert len({split.labels["word"] for split in splits.values()}) == 1 and len(splits["test"].labels["word"]) == 30


@pytest.mark.parametrize("rate", [16_000, 8_000, 4_000])
def test_batches_are_padded_to_one_second_with_lengths(real, rate):
    split = sc.load_split("validation", real, rate)
    sound, lengths = pad([clip.audio for clip in split.clips], rate)
    assert sound.shape == (len(split), 1, rate)
    for row, length, clip in zip(sound[:, 0], lengths, split.clips):
        seconds = soundfile.info(real / clip.name).duration
        assert int(length) == len(clip.audio) == pytest.approx(seconds * rate, abs=1)
        assert torch.equal(row[:length], clip.audio) and not row[length:].any()


def test_the_rule_on_speakers_is_the_datasets_own():
    """Speakers at the head of the published testing_list.txt."""
    for speaker in ("0c40e715", "0ea0e2f4", "42beb5eb", "44260689", "44715c1c", "022cd682", "096456f9"):
        assert sc.part_of(speaker) == "test"
    counts = [sc.part_of(f"{i:08x}") for i in range(5000)]
    assert abs(counts.count("validation") / 5000 - 0.1) < 0.02 and abs(counts.count("test") / 5000 - 0.1) < 0.02


def test_the_lists_decide_where_they_are_there(layout):
    assert names(layout, "validation") == {"yes/1b4c9b89_nohash_0.wav", "no/1b4c9b89_nohash_0.wav"}
    assert names(layout, "test") == {"yes/cb8f8307_nohash_0.wav", "no/cb8f8307_nohash_0.wav"}
    assert names(layout, "train") == {"yes/0a7c2a8d_nohash_0.wav", "no/0a7c2a8d_nohash_0.wav"}
    assert sc.words(layout) == ("no", "yes")


def test_longer_clips_are_cut(layout, example_clips):
    sound, rate = soundfile.read(example_clips[0])
    longer = layout / "yes" / "0a7c2a8d_nohash_1.wav"
    soundfile.write(longer, list(sound) * 10, rate)
    clip = next(clip for clip in sc.load_split("train", layout).clips if clip.name.endswith("_1.wav"))
    assert clip.audio.shape == (16_000,)


def test_it_is_packed_into_shards(command, layout, tmp_path):
    arguments = ("--data", layout, "--sample-rate", 8000, "--processes", 1)
    assert command("prepare", "speech-commands", tmp_path / "out", *arguments)[0] == 0
    for part in ("train", "validation", "test"):
        streamed, direct = shards.load_split(part, tmp_path / "out"), sc.load_split(part, layout, 8000)
        assert {clip.name for clip in streamed.clips} == {clip.name for clip in direct.clips}
        assert streamed.labels == direct.labels == {"word": ("no", "yes")}
        assert {clip.labels["speaker"] for clip in streamed.clips} == {clip.labels["speaker"] for clip in direct.clips}


def test_missing_data_and_unreadable_clips_are_told(layout, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("VQAUDIO_DATA", raising=False)
    monkeypatch.setenv("VQAUDIO_CACHE", str(tmp_path / "none"))
    with pytest.raises(InputError, match="vqaudio download speech-commands"):
        sc.load_split("train")
    with pytest.raises(InputError, match="holds no Speech Commands"):
        sc.load_split("train", tmp_path / "none")
    with pytest.raises(InputError, match="has the splits"):
        sc.load_split("dev", layout)
    (layout / "yes" / "0a7c2a8d_nohash_0.wav").write_text("no sound")
    assert names(layout.parent, "train") == {"no/0a7c2a8d_nohash_0.wav"}
    assert "skipped 1 of 2 recordings" in (warned := capsys.readouterr().err) and "0a7c2a8d_nohash_0.wav" in warned


# The download.


class Web(BaseHTTPRequestHandler):
    """Gives out one file; understands Range; breaks off after `limit` bytes where that is set."""

    body, limit, ranges = b"", None, True

    def do_GET(self):
        self.server.asked.append(self.headers.get("Range"))
        start = int(self.headers["Range"][6:-1]) if self.headers.get("Range") and self.ranges else 0
        if start and start >= len(self.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        self.send_header("Content-Length", str(len(self.body) - start))
        self.end_headers()
        self.wfile.write(self.body[start:][: self.limit])

    def log_message(self, *args):
        pass


@pytest.fixture
def web():
    """(what to set the file and its faults on, its address)"""
    handler = type("Mine", (Web,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked = handler.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/file.tar.gz"
    server.shutdown()
    server.server_close()


def packed(folder: Path, extra=()) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        tar.add(folder, ".")
        for member, content in extra:
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def member(name: str, size: int = 0, **facts) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in facts.items():
        setattr(info, key, value)
    return info


def test_a_download_that_broke_off_is_gone_on_with(web, layout, tmp_path, monkeypatch):
    server, url = web
    server.body, server.limit = packed(layout), 3000
    monkeypatch.setitem(sc.CHECKSUMS, "0.02", hashlib.sha256(server.body).hexdigest())
    cache = tmp_path / "cache"
    with pytest.raises(InputError, match="3,000 bytes are here; the same command resumes"):
        sc.download(cache, url=url)
    assert [path.name for path in cache.iterdir()] == ["speech_commands_v0.02.tar.gz.part"]
    server.limit = None
    found = sc.download(cache, url=url)
    assert server.asked == [None, "bytes=3000-"]
    assert [path.name for path in cache.iterdir()] == ["speech_commands_v0.02"]
    assert names(found, "train") == names(layout, "train") and (found / sc.NOISE_FOLDER / "running_tap.wav").is_file()
    assert sc.download(cache, url="http://127.0.0.1:9/") == found  # what is here is not fetched again


def test_a_server_without_ranges_is_asked_for_all_again(web, tmp_path):
    server, url = web
    server.body, server.limit, server.ranges = bytes(range(256)) * 100, 1000, False
    with pytest.raises(InputError):
        fetch_checked(url, tmp_path / "file", hashlib.sha256(server.body).hexdigest())
    server.limit = None
    fetch_checked(url, tmp_path / "file", hashlib.sha256(server.body).hexdigest())
    assert (tmp_path / "file").read_bytes() == server.body


def test_a_wrong_checksum_and_no_server_keep_nothing(web, layout, tmp_path):
    server, url = web
    server.body = packed(layout)
    with pytest.raises(InputError, match="SHA-256 is [0-9a-f]{12}..., not af14739ee7dc"):
        sc.download(tmp_path / "cache", url=url)
    with pytest.raises(InputError, match="Is the network there"):
        sc.download(tmp_path / "cache", url="http://127.0.0.1:9/file")
    assert not list((tmp_path / "cache").iterdir())
    with pytest.raises(InputError, match=r"has the versions 0\.01, 0\.02"):
        sc.download(tmp_path / "cache", version="3")


@pytest.mark.parametrize(
    ("entry", "content", "said"),
    [
        (member("../escaped_nohash_0.wav", 3), b"abc", "leads outside its folder"),
        (member("/yes/escaped_nohash_0.wav", 3), b"abc", "leads outside its folder"),
        (member("yes/a_nohash_1.wav", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"", "is a link or a device"),
        (member("yes/a_nohash_1.wav", type=tarfile.LNKTYPE, linkname="../../etc/passwd"), b"", "is a link or a device"),
        (member("yes/a_nohash_1.wav", 400_000), bytes(400_000), "unpacks to more than it should"),
    ],
)
def test_a_hostile_archive_is_refused_and_leaves_nothing(web, layout, tmp_path, monkeypatch, entry, content, said):
    server, url = web
    server.body = packed(layout, [(entry, content)])
    monkeypatch.setitem(sc.CHECKSUMS, "0.02", hashlib.sha256(server.body).hexdigest())
    with pytest.raises(InputError, match=said):
        sc.download(tmp_path / "cache", url=url)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["speech_commands_v0.02.tar.gz"]
    assert not list(tmp_path.glob("**/*escaped*"))


def test_a_disk_that_fills_during_a_download_is_told(web, layout, tmp_path, monkeypatch):
    """A limit on file sizes stands for the full disk."""
    server, url = web
    server.body = packed(layout)
    monkeypatch.setitem(sc.CHECKSUMS, "0.02", hashlib.sha256(server.body).hexdigest())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
        with pytest.raises(OSError, match="File too large") as caught:
            sc.download(tmp_path / "cache", url=url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Path(caught.value.filename).parent == tmp_path / "cache"
    assert names(sc.download(tmp_path / "cache", url=url), "train")  # with room again, it goes on


def test_an_archive_of_too_many_files_or_cut_short_is_refused(layout, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(packed(layout))
    with pytest.raises(InputError, match="unpacks to more than it should"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", sc._limit, max_files=3, max_bytes=10**9)
    (tmp_path / "b.tar.gz").write_bytes(packed(layout)[:-2000])
    with pytest.raises(InputError, match="damaged"):
        unpack(tmp_path / "b.tar.gz", tmp_path / "out2", sc._limit, max_files=100, max_bytes=10**9)


def test_the_recipe_trains_on_the_300_clips(command, real, tmp_path):
    """A smaller network than the recipe's; everything else is as it would be on the whole set."""
    small = (
        *("--codec.encoder-channels", "16", "--codec.encoder-blocks", "1", "--codec.decoder-channels", "16"),
        *("--codec.decoder-blocks", "1", "--codec.frame-channels", "16", "--codec.frame-blocks", "1", "--codec.vocab", "16"),
        *("--codec.n-stages", "2", "--loop.device", "cpu", "--training.batch-size", "4"),
    )
    where = ("--data", real, "--out", tmp_path / "run")
    code, out, _ = command("train", "codec", "--recipe", "speech-commands-16khz", *where, *small, "--loop.steps", 3)
    assert code == 0 and "the last validation gave mel_l1" in out
    assert (tmp_path / "run" / "last" / "model.safetensors").stat().st_size > 1000
