"""Files are written whole or not at all, whatever their names."""

import pytest
import torch

from vqaudio import audio
from vqaudio.errors import InputError
from vqaudio.files import check_folder, replace_file


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "a"
    target.write_text("before")

    def fail(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(target, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and target.read_text() == "before"


@pytest.mark.parametrize("stem", ["a" * 226, "a" * 251, "日" * 83, "é" * 125])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, stem):
    target = tmp_path / f"{stem}.wav"
    check_folder(target)
    audio.save(target, torch.zeros(1, 100), 8000)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_two_writers_of_one_file_do_not_share_a_temporary_name(tmp_path):
    names = []

    def outer(path):
        names.append(path.name)
        replace_file(tmp_path / "a", lambda inner: names.append(inner.name) or inner.write_text("inner"))
        path.write_text("outer")

    replace_file(tmp_path / "a", outer)
    assert len(set(names)) == 2 and all(name.startswith(".") and name.endswith(".tmp") for name in names)
    assert (tmp_path / "a").read_text() == "outer"


def test_a_name_that_is_too_long_gets_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        check_folder(tmp_path / ("a" * 252 + ".wav"))
    with pytest.raises(InputError, match="there is no folder"):
        check_folder(tmp_path / "no" / "a.wav")
    with pytest.raises(InputError, match="is a folder"):
        check_folder(tmp_path)
