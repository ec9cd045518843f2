"""Verbs in a process of their own: the same answers, progress, cancelling, errors, and what happens when it dies."""

import threading
import time

import pytest
import torch

from vqaudio import apart, hub, verbs
from vqaudio.errors import InputError
from vqaudio.sampling import Sampling
from vqaudio.ui import verbs as ui_verbs


class Cancelled(Exception):
    """What the app raises in a verb's progress."""


@pytest.fixture(scope="module")
def helper():
    helper = apart.Helper()
    yield helper
    helper.pipe.close()
    helper.process.join(10)
    assert helper.process.exitcode == 0, "it ends when nobody can ask it any more"


@pytest.fixture(scope="module")
def prior():
    return hub.load("fsdd-8khz-masked")


def filling(prior, labels: dict[str, str] | None = None, steps: int = 4) -> tuple:
    """The arguments of a fill: two variations of a new clip of 30 columns."""
    blank = prior.blank(labels, 0.6, generator=torch.Generator().manual_seed(1))
    return prior, blank, blank.valid[:, None].expand_as(blank.ids), (3, 2), labels or {}, False, Sampling(steps=steps)


def fill(helper, arguments: tuple, on_step=None):
    return helper.run("fill", verbs.sent(arguments), on_step)


def test_the_same_seed_gives_the_same_ids_as_here(helper, prior):
    arguments = filling(prior)
    (here, kept), (there, kept_there) = verbs.fill(*arguments), fill(helper, arguments)
    assert torch.equal(here.ids, there.ids)
    assert all(torch.equal(a, b) for a, b in zip(kept[0], kept_there[0], strict=True))


def test_progress_arrives_and_its_processor_time_counts(helper, prior):
    seen, before = [], apart.processor_s()
    fill(helper, filling(prior), lambda *progress: seen.append(progress))
    assert seen and seen[0][1] == 4 and len(seen[0][2]) == 2
    assert apart.processor_s() > before


def test_an_exception_in_the_progress_ends_the_verb_but_not_the_process(helper, prior):
    process, steps = helper.process, []

    def cancel(*progress):
        steps.append(progress)
        raise Cancelled

    with pytest.raises(Cancelled):
        fill(helper, filling(prior, steps=256), cancel)
    assert len(steps) == 1
    arguments = filling(prior)
    assert torch.equal(fill(helper, arguments)[0].ids, verbs.fill(*arguments)[0].ids)
    assert helper.process is process


def test_errors_come_back_as_they_are(helper, prior):
    with pytest.raises(InputError) as here:
        verbs.fill(*filling(prior)[:4], {"digit": "eleven"}, False, Sampling())
    with pytest.raises(InputError) as there:
        fill(helper, (*filling(prior)[:4], {"digit": "eleven"}, False, Sampling()))
    assert str(there.value) == str(here.value)
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*no-such-verb"):
        helper.run("no-such-verb", (), None)


def test_a_process_that_dies_is_an_error_once(prior):
    helper, failed = apart.Helper(), []
    helper.start()

    def work():
        try:
            fill(helper, filling(prior, steps=256))
        except InputError as error:
            failed.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    helper.process.kill()
    thread.join()
    assert failed == ["The process that samples has ended. Try again."]
    assert torch.equal(fill(helper, filling(prior))[0].ids, verbs.fill(*filling(prior))[0].ids)
    helper.process.kill()


def test_the_app_samples_apart_only_what_another_process_can_load(prior, monkeypatch):
    asked = []
    monkeypatch.setattr(apart, "started", lambda: True)
    monkeypatch.setattr(apart, "run", lambda name, sent, **live: asked.append((name, sent[0])))
    ui_verbs.fill(*filling(prior))
    assert asked == [("fill", verbs.Reference(prior.folder, prior.name))]
    monkeypatch.setattr(prior, "folder", None)
    assert ui_verbs.fill(*filling(prior))[0].columns == 30 and len(asked) == 1
