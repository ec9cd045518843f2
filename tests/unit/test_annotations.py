"""Label files: festvox's .lab and Praat's .TextGrid, long and short; what is wrong with one is told in one sentence."""

import pytest

from vqaudio.data.annotations import SILENCE, read_labels, write_textgrid
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel

LAB = "separator ;\nnfields 1\n#\n0.34200 125 pau\n0.50000 125 k\n1.00000 125 pau\n"
SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
2
"IntervalTier"
"words"
0
1
1
0
1
"say ""hi"""
"IntervalTier"
"anna - phones"
0
1
3
0
0.4
""
0.4
0.6
"S"
0.6
1
"EY1"
'''
PHONES = (("sil", 0.0, 0.4), ("S", 0.4, 0.6), ("EY1", 0.6, 1.0))


def write(tmp_path, text: str, name: str = "a.lab", encoding: str = "utf-8"):
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


def spans(labels, kind="phone"):
    return tuple((label.value, label.start_s, label.end_s) for label in labels if label.kind == kind)


def test_a_festvox_label_begins_where_the_one_before_it_ends(tmp_path):
    assert spans(read_labels(write(tmp_path, LAB), 1.0)) == (("pau", 0.0, 0.342), ("k", 0.342, 0.5), ("pau", 0.5, 1.0))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_short_text_grid(tmp_path, encoding):
    labels = read_labels(write(tmp_path, SHORT, "a.TextGrid", encoding), 1.0)
    assert spans(labels) == PHONES and SILENCE == "sil"
    assert spans(labels, "word") == (('say "hi"', 0.0, 1.0),)


def test_a_long_text_grid_holds_what_was_written(tmp_path):
    path = tmp_path / "long.TextGrid"
    phones = [TimedLabel("phone", *span) for span in PHONES]
    words = [TimedLabel("word", 'say "12" [3]: ! 4', 0.25, 0.75)]
    write_textgrid(path, {"phones": phones, "words": words}, 1.0)
    assert "intervals [3]:" in path.read_text()
    labels = read_labels(path, 1.0)
    assert spans(labels) == PHONES
    assert spans(labels, "word") == (('say "12" [3]: ! 4', 0.25, 0.75),)


def test_points_are_left_out(tmp_path):
    clicks = '"TextTier"\n"clicks"\n0\n1\n1\n0.5\n"x"\n'
    points = SHORT.replace('2\n"IntervalTier"', f'3\n{clicks}"IntervalTier"', 1)
    assert spans(read_labels(write(tmp_path, points, "a.TextGrid"), 1.0)) == PHONES


@pytest.mark.parametrize("name,text,duration_s,message", [
    ("a.lab", LAB, 2.0, "not of this clip: its phones end at 1 s, and the clip at 2 s"),
    ("a.lab", LAB, 0.5, "not of this clip"),
    ("a.lab", LAB.replace("0.50000", "0.30000"), 1.0, "out of order: the phone 'k' ends at 0.3 s, but begins at 0.342 s"),
    ("a.lab", LAB.replace("125 k", ""), 1.0, "a label is an end in seconds"),
    ("a.lab", LAB.replace("#", ""), 1.0, "no festvox label file"),
    ("a.lab", LAB.replace("125 k", "125 q"), 1.0, "not in the phone set: q"),
    ("a.txt", LAB, 1.0, "should end in .lab or .TextGrid"),
    ("a.TextGrid", "", 1.0, "damaged TextGrid"),
    ("a.TextGrid", SHORT[: len(SHORT) // 2], 1.0, "damaged TextGrid"),
    ("a.TextGrid", SHORT.replace("ooTextFile", "ooBinary"), 1.0, "no TextGrid"),
    ("a.TextGrid", SHORT.replace('"EY1"', '""').replace('"S"', '""').replace('"say ""hi"""', '""'), 1.0, "empty TextGrid"),
    ("a.TextGrid", SHORT.split("<exists>")[0] + "<absent>\n", 1.0, "empty TextGrid"),
    ("a.TextGrid", SHORT.replace("0.4\n0.6", "0.3\n0.6"), 1.0, "begins at 0.3 s, before the one before it ends, at 0.4 s"),
    ("a.TextGrid", SHORT.replace("0.4\n0.6", "0.5\n0.6"), 1.0, "no interval from 0.4 to 0.5 s"),
    ("a.TextGrid", SHORT.replace("0.6\n1\n", "0.6\n0.6\n"), 1.0, "ends at 0.6 s, but begins at 0.6 s"),
    ("a.TextGrid", SHORT.replace("anna - phones", "words"), 1.0, "several tiers of words"),
    ("a.TextGrid", SHORT.replace("\n3\n0\n", "\n1e9\n0\n"), 1.0, "damaged TextGrid"),
    ("a.TextGrid", SHORT, 3.0, "its phones end at 1 s, and the clip at 3 s"),
])  # fmt: skip
def test_a_bad_file_is_told_in_one_sentence(tmp_path, name, text, duration_s, message):
    with pytest.raises(InputError, match=message) as caught:
        read_labels(write(tmp_path, text, name), duration_s, ("pau", "k", "sil", "S", "EY1"))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path):
    (tmp_path / "b.lab").write_bytes(b"#\n\xff\xfe\xfa\x80")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_labels(tmp_path / "b.lab", 1.0)
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "none.lab", 1.0)
