import json
import math

import pytest

from vqaudio import timed_labels
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel

ROWS = [["word", "seven", 0.1, 0.6], ["phone", "S", 0.1, 0.2], ["note", "C4", 0.6, 1]]


def test_labels_survive_json_and_come_back_in_order_of_time():
    labels = timed_labels.parse(json.loads(json.dumps(ROWS)), duration_s=1.0)
    assert labels[0] == TimedLabel("phone", "S", 0.1, 0.2) and [label.kind for label in labels] == ["phone", "word", "note"]
    assert timed_labels.parse(timed_labels.to_json(labels)) == labels


@pytest.mark.parametrize(
    "row",
    [
        ["", "S", 0, 1], ["phone", 7, 0, 1], ["phone", "S", 1, 1], ["phone", "S", 0.2, 0.1], ["phone", "S", -0.1, 1],
        ["phone", "S", 0, math.inf], ["phone", "S", math.nan, 1], ["phone", "S", "0", 1], ["phone", "S", True, 2],
    ],
)  # fmt: skip
def test_a_label_that_makes_no_sense_is_refused(row):
    with pytest.raises(InputError):
        TimedLabel(*row)


@pytest.mark.parametrize("rows", [None, {}, "abcd", [["phone", "S", 0]], [{"kind": "phone"}], 4])
def test_only_lists_of_four_are_labels(rows):
    with pytest.raises(InputError, match="list of"):
        timed_labels.parse(rows)


def test_a_label_must_end_inside_the_clip():
    timed_labels.parse(ROWS, duration_s=0.9995)  # annotation files round
    with pytest.raises(InputError, match="'C4' ends at 1 s, but the clip ends at 0.9 s"):
        timed_labels.parse(ROWS, duration_s=0.9)
