"""Shards: packing in bounded memory, going on, several processes, and training from them as a function of the step."""

import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

pytest.importorskip("pyarrow")

from vqaudio.data import packing, shards
from vqaudio.data.batches import Augmentation, training_batches
from vqaudio.data.datasets import folder
from vqaudio.data.index import Index
from vqaudio.data.sources import Source
from vqaudio.errors import InputError
from vqaudio.features import Features

RATE = 8000


@pytest.fixture(scope="module")
def recordings(example_clips, tmp_path_factory) -> Path:
    """48 real recordings in two sub-folders, with names in two scripts, and one that is none."""
    root = tmp_path_factory.mktemp("recordings")
    for i in range(48):
        target = root / ("один" if i % 2 else "zwei")
        target.mkdir(exist_ok=True)
        shutil.copy(example_clips[i % len(example_clips)], target / f"{i} ünï.wav")
    (root / "zwei" / "broken.flac").write_bytes(b"fLaC but no more")
    return root


@pytest.fixture(scope="module")
def packed(recordings, tmp_path_factory) -> Path:
    """The same as shards of five recordings each."""
    out = tmp_path_factory.mktemp("packed") / "shards"
    shards.prepare("folder", out, recordings, RATE, per_shard=5)
    return out


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix in (".parquet", ".json", ".csv")}


def test_shards_hold_what_the_folder_holds(recordings, packed):
    for part in ("train", "validation", "test"):
        direct, streamed = folder.load_split(part, recordings, RATE), shards.load_split(part, packed)
        assert (streamed.sample_rate, streamed.labels) == (RATE, direct.labels) == (RATE, {"label": ("zwei", "один")})
        expected = {clip.name: clip for clip in direct.clips}
        assert {clip.name for clip in streamed.clips} == set(expected) and len(streamed) == len(direct)
        for clip in streamed.clips:
            assert clip.labels == expected[clip.name].labels
            torch.testing.assert_close(clip.audio, expected[clip.name].audio, atol=1 / 32768, rtol=0)
    assert "broken.flac" in (packed / "skipped.csv").read_text(encoding="utf-8")
    assert json.loads((packed / "dataset.json").read_text())["skipped"] == 1


def test_info_says_what_is_in_them(command, packed):
    code, out, _ = command("info", packed)
    assert code == 0 and "shards of audio" in out and "8000 Hz" in out and "label (2 values)" in out and "1 recordings" in out
    clips = len(shards.load_split("train", packed))
    assert f"{clips} clips, 0.0" in out


def test_an_interrupted_packing_goes_on_to_the_same_files(recordings, packed, tmp_path, monkeypatch):
    out, asked = tmp_path / "out", []
    original = shards.AudioPacker.__call__

    def failing(self, i):
        asked.append(i)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return original(self, i)

    monkeypatch.setattr(shards.AudioPacker, "__call__", failing)
    with pytest.raises(KeyboardInterrupt):
        shards.prepare("folder", out, recordings, RATE, per_shard=5)
    with pytest.raises(InputError, match="are not complete: run the command that began them again"):
        shards.load_split("train", out)
    done = shards.prepare("folder", out, recordings, RATE, per_shard=5)
    assert asked.count(0) == asked.count(1) == 1 and done.recordings == 49 - 10
    assert contents(out).keys() == contents(packed).keys()
    for name, data in contents(out).items():
        assert name == "dataset.json" or data == contents(packed)[name]
    assert shards.prepare("folder", out, recordings, RATE, per_shard=5).recordings == 0


def test_other_settings_and_other_folders_are_refused(recordings, packed, tmp_path):
    with pytest.raises(InputError, match="started with another sample rate \\(8000, not 16000\\)"):
        shards.prepare("folder", packed, recordings, 16_000, per_shard=5)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        shards.prepare("folder", tmp_path, recordings, RATE)
    with pytest.raises(InputError, match="is a file"):
        shards.prepare("folder", tmp_path / "mine.txt", recordings, RATE)
    with pytest.raises(InputError, match="cannot be read file by file"):
        shards.prepare("shards", tmp_path / "new", recordings, RATE)
    with pytest.raises(InputError, match="holds no audio"):
        shards.prepare("folder", tmp_path / "new", tmp_path, RATE)


def test_two_processes_and_two_ranks_make_the_same_files(command, recordings, packed, tmp_path, monkeypatch):
    code, out, _ = command("prepare", "folder", tmp_path / "two", "--data", recordings, "--sample-rate", RATE, "--per-shard", 5,
                           "--processes", 2)  # fmt: skip
    assert code == 0 and "packed 48 recordings" in out and "1 could not be read" in out
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, said in (("0", "waiting for other processes"), ("1", "per core")):
        monkeypatch.setenv("RANK", rank)
        arguments = ("prepare", "folder", tmp_path / "ranks", "--data", recordings, "--sample-rate", RATE, "--per-shard", 5)
        assert said in command(*arguments)[1]
    for name in ("two", "ranks"):
        found = contents(tmp_path / name)
        assert all(found[file] == data for file, data in contents(packed).items() if file != "dataset.json")
        assert shards.load_split("train", tmp_path / name).clips.sizes == shards.load_split("train", packed).clips.sizes


@pytest.mark.parametrize("damage", ["cut", "gone", "summary"])
def test_shards_that_were_cut_short_are_told(packed, tmp_path, damage):
    out = tmp_path / "out"
    shutil.copytree(packed, out)
    shard = sorted(out.glob("train-*.parquet"))[1]
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif damage == "gone":
        shard.unlink()
    else:
        (out / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="is damaged: delete it" if damage == "summary" else f"{shard.name} is cut short"):
        shards.load_split("train", out)


def test_bytes_that_changed_inside_a_shard_are_told(packed, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(packed, out)
    for shard in out.glob("train-*.parquet"):
        data = bytearray(shard.read_bytes())
        data[4:600] = bytes(596)
        shard.write_bytes(data)
    with pytest.raises(InputError, match="is damaged"):
        list(shards.load_split("train", out).clips)
    with pytest.raises(InputError, match="holds no shards"):
        shards.load_split("train", tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        shards.load_split("train", tmp_path / "none")


def test_a_full_disk_leaves_no_half_written_shard(shell, recordings, tmp_path):
    """A limit on file sizes stands for the full disk: first for the shards, then for the list of recordings."""
    arguments = ("prepare", "folder", tmp_path / "out", "--data", recordings, "--sample-rate", 48_000, "--processes", 1)
    for limit, said in ((40_000, "-of-00001.parquet: File too large."), (4_000, "cannot be written: ")):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = shell(*arguments, preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
        assert not list((tmp_path / "out").glob("*.parquet")) and not (tmp_path / "out" / "dataset.json").exists()
    assert not list((tmp_path / "out").iterdir())


# Training from shards.


@pytest.fixture
def small_chunks(recordings, tmp_path, monkeypatch):
    """Shards with chunks of two clips."""
    monkeypatch.setattr(packing, "GROUP_ROWS", 2)
    monkeypatch.setattr(shards, "WINDOW", 4)
    shards.prepare("folder", tmp_path / "shards", recordings, RATE, per_shard=10)
    return shards.load_split("train", tmp_path / "shards")


def batches(split, **changes):
    settings = {"batch_size": 4, "crop": 1600, "seed": 3, "augmentation": Augmentation(), "level_db": -20.0} | changes
    return training_batches(split, **settings)


def test_a_batch_is_a_function_of_its_step(small_chunks):
    first = [batches(small_chunks).batch(step) for step in (0, 1, 2)]
    running = batches(small_chunks)
    for step in range(30):
        batch = running.batch(step)
        if step < 3:
            assert torch.equal(batch.audio, first[step].audio) and batch.names == first[step].names
    assert torch.equal(batches(small_chunks).batch(29).audio, batch.audio)
    assert not torch.equal(batches(small_chunks, seed=4).batch(29).audio, batch.audio)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_an_epoch_visits_every_clip_once_and_ranks_share_no_file_chunk(small_chunks, world):
    names = []
    for rank in range(world):
        mine = batches(small_chunks, batch_size=world, rank=rank, world=world)
        names.append([name for step in range(mine.per_epoch) for name in mine.batch(step).names])
        again = [name for step in range(mine.per_epoch, 2 * mine.per_epoch) for name in mine.batch(step).names]
        assert again != names[-1] and len(set(names[-1])) == len(names[-1])
    everything = [name for one in names for name in one]
    assert len(set(everything)) == len(everything) >= len(small_chunks) - 2 * (world - 1)


def test_clips_are_shuffled_across_chunks_and_labels_fit(small_chunks):
    batch = batches(small_chunks, batch_size=8).batch(0)
    values = small_chunks.labels["label"]
    assert [values[i] for i in batch.labels["label"]] == [name.split("/")[0] for name in batch.names]
    order = [clip.name for clip in small_chunks.clips]
    places = [order.index(name) // 2 for name in batch.names]
    assert len(set(places)) > 4


def test_more_processes_than_chunks_are_refused(packed):
    with pytest.raises(InputError, match="too few for 40 processes"):
        batches(shards.load_split("train", packed), batch_size=40, rank=0, world=40)


def test_training_from_shards_goes_on_to_the_bit(shell, environment, recordings, tmp_path):
    """All in processes of one thread: with another number of threads, sums differ in the last bit."""
    shards.prepare("folder", tmp_path / "shards", recordings, RATE, per_shard=10)
    small = (
        *("--codec.encoder-channels", "16", "--codec.encoder-blocks", "1", "--codec.latent-dim", "8", "--codec.n-stages", "2"),
        *("--codec.decoder-channels", "16", "--codec.decoder-blocks", "1", "--codec.frame-channels", "16"),
        *("--codec.frame-blocks", "1", "--codec.vocab", "16", "--loop.device", "cpu", "--training.batch-size", "4"),
    )
    train = ("train", "codec", "--dataset", "shards", "--data", tmp_path / "shards", *small, "--loop.validate-every", "4")
    whole = ("--loop.steps", "4", "--loop.checkpoint-every", "2")
    assert shell(*train, *whole, "--out", tmp_path / "a").returncode == 0
    script = tmp_path / "stop.py"
    script.write_text(textwrap.dedent("""
        import sys
        from vqaudio.cli import main
        from vqaudio.training.codec_task import CodecTask
        step = CodecTask.train_step
        def dying(self, n):
            if n == 3:
                sys.exit(9)
            return step(self, n)
        CodecTask.train_step = dying
        main(sys.argv[1:])
    """))
    killed = subprocess.run([sys.executable, script, *map(str, train), *whole, "--out", tmp_path / "b"], env=environment)
    assert killed.returncode == 9
    assert shell(*train, *whole, "--out", tmp_path / "b", "--resume").returncode == 0
    weights = [(tmp_path / name / "last" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


# Many clips.


def test_a_quarter_of_a_million_recordings_take_bounded_memory(tmp_path):
    """A generated list of names, and the order of training over as many clips: no file of any clip is read."""
    script = tmp_path / "many.py"
    script.write_text(textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from vqaudio.data.batches import training_batches
        from vqaudio.data.clips import Split
        from vqaudio.data.datasets.folder import part_of
        from vqaudio.data.index import Index
        from vqaudio.data.shards import Clips
        from vqaudio.data.sources import Source

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        def sources(n):
            for i in range(n):
                name = f"speaker {i % 997}/session {i % 89}/recording number {i}.wav"
                yield Source(Path("/data") / name, name, part_of(name), {"label": name.split("/")[0], "id": name})

        before, out = peak(), Path(sys.argv[1])
        for n in (25_000, 250_000):
            index = Index.build(out / f"{n}.sqlite", sources(n), {})
            assert sum(index.counts.values()) == n and set(index.labels) == {"label"}
            last = index.slice("train", index.counts["train"] - 7, 1000)
            assert len(last) == 7 and len({s.name for s in last + index.slice("train", 0, 1000)}) == 1007
            clips = Clips([(Path(f"{k}.parquet"), (128,) * 8) for k in range(n // 1024)], {})
            order = training_batches(Split(clips, 16000, {}), 64, 16000, 0, None, None, 1, 4)
            steps = range(0, order.per_epoch, order.per_epoch // 50)
            seen = [order._index(step * 64 + item) for step in steps for item in range(1, 64, 4)]
            assert len(set(seen)) == len(seen) and max(seen) < len(clips)
            print(peak() - before)
    """))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, script, tmp_path], env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    grown = [float(line) for line in done.stdout.split()]
    assert grown[1] < 100 and grown[1] - grown[0] < 60, grown  # MB


def test_an_index_that_is_damaged_is_told(tmp_path):
    path = tmp_path / "index.sqlite"
    Index.build(path, [Source(Path("a.wav"), "a.wav", "train")], {})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="is damaged"):
        Index(path)


def test_shards_keep_the_features_of_their_clips(recordings, packed, tmp_path):
    out, wanted = tmp_path / "featured", Features("mfcc39", RATE)
    shards.prepare("folder", out, recordings, RATE, per_shard=20, features="mfcc39")
    clips = shards.load_split("train", out).clips
    for i in range(3):
        torch.testing.assert_close(clips.features(i, wanted), wanted.of_clip(clips[i].audio), atol=0.05, rtol=0.01)
    with pytest.raises(InputError, match="made with features 'mfcc39'; 'logmel' is needed"):
        clips.features(0, Features("logmel", RATE))
    with pytest.raises(InputError, match="holds no features: pack them with `vqaudio prepare --features mfcc39`"):
        shards.load_split("train", packed).clips.features(0, wanted)
    with pytest.raises(InputError, match="another kind of features"):
        shards.prepare("folder", out, recordings, RATE, per_shard=20, features="logmel")
