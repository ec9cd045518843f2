"""The cost of an action, as the app shows it: time and estimated energy."""

import threading
import time

import pytest

from vqaudio.energy.record import CORE_W
from vqaudio.ui import spending, wire
from vqaudio.ui.clip import handlers, jobs
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.panels import report
from vqaudio.ui.spending import Clock, Cost


def busy(cpu_s: float) -> None:
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


def test_an_action_is_charged_its_own_thread_only():
    other = threading.Thread(target=busy, args=(0.4,))
    other.start()
    with Clock() as clock:
        busy(0.1)
    other.join()
    assert 0.1 <= clock.spent.cpu_s < 0.2 and clock.spent.seconds >= clock.spent.cpu_s


def test_waiting_takes_time_and_next_to_no_energy():
    with Clock() as clock:
        time.sleep(0.2)
    assert clock.spent.seconds >= 0.2 and clock.spent.to_json("decode")["joules"] < 0.1 * CORE_W * 0.2


def test_every_answer_says_what_it_took_and_by_which_model(codec, example_clips):
    from vqaudio.audio import load

    token = handlers.store.put(Workbench.from_audio(codec, load(example_clips[0], 8000)[0], "a clip"))
    spent = handlers.decode({"token": token, "stages": [0, 1]})["spent"]
    assert spent["verb"] == "decode" and spent["s"] > 0 and spent["joules"] == pytest.approx(CORE_W * spent["cpu_s"])
    assert spent["by"] == spending.MODEL and f"{CORE_W:g} W" in spent["by"]
    assert "spent" not in handlers.decode({"token": "A" * 32, "stages": [0]}), "a refusal has no cost to show"


def test_a_question_that_is_asked_all_the_time_is_not_charged():
    @wire.serves(wire.Message, light=True)
    def light(request):
        return {"state": "running", "spent": None}

    assert light({}) == {"ok": True, "state": "running", "spent": None}


def test_a_job_says_what_it_took_once_it_has_ended():
    job = jobs.Job(lambda job: busy(0.05), 1)
    assert job.spent is None
    token = jobs.start(job)
    for _ in range(200):
        if not job.busy:
            break
        time.sleep(0.02)
    assert job.state == "done" and job.spent["joules"] == pytest.approx(CORE_W * 0.05, rel=0.5)
    jobs.store.drop(token)


def test_the_report_says_estimated(monkeypatch):
    told = report.limits("It knows <b>.", Cost(0.5, 0.25).in_words())
    assert "0.50 s and about 1 J (estimated: 4 W" in told and "&lt;b&gt;" in told
    monkeypatch.setattr(spending.verbs, "on_cpu", lambda: False)
    assert "the GPU is not counted" in Cost(0.5, 0.25).in_words()
