"""Fairness: what one session asks for holds up no other, in the pools and through the page's functions."""

import asyncio
import threading
import types

import gradio as gr
import pytest
from fastapi.testclient import TestClient
from test_ui_inpaint import HELD, held, toy  # noqa: F401

from vqaudio.audio import load as load_audio
from vqaudio.errors import InputError
from vqaudio.ui import build, pools, turns, wire
from vqaudio.ui.clip import handlers
from vqaudio.ui.clip.workbench import Workbench


class Bench:
    """A pool whose tasks wait for a signal each, and note when they start."""

    def __init__(self, workers=1, running=1, waiting=50, most_waiting=100):
        self.now = 0.0
        self.pool = pools.Pool("test", workers, running, waiting, most_waiting, "full", clock=lambda: self.now)
        self.started, self.gates = [], {}

    def submit(self, session, name, kind=None, share=float):
        begun, gate = threading.Event(), threading.Event()
        self.gates[name] = begun, gate

        def work():
            self.started.append(name)
            begun.set()
            assert gate.wait(20)
            return name

        return self.pool.submit(session, work, kind, share)

    def finish(self, *names):
        """Let tasks end, each after it has begun."""
        for name in names:
            begun, gate = self.gates[name]
            assert begun.wait(20), f"{name} does not start"
            gate.set()


def test_sessions_take_turns():
    bench = Bench()
    tasks = [bench.submit("greedy", f"g{n}") for n in range(5)]
    tasks += [bench.submit("a", "a0"), bench.submit("b", "b0"), bench.submit("a", "a1")]
    assert [bench.pool.position(task) for task in tasks] == [0, 2, 4, 5, 6, 0, 1, 3]
    bench.finish("g0", "a0", "b0", "g1", "a1", "g2", "g3", "g4")
    assert [task.future.result(20) for task in tasks] == ["g0", "g1", "g2", "g3", "g4", "a0", "b0", "a1"]
    assert bench.started == ["g0", "a0", "b0", "g1", "a1", "g2", "g3", "g4"]


def test_one_session_never_takes_all_workers():
    bench = Bench(workers=2)
    bench.submit("greedy", "g0"), bench.submit("greedy", "g1")
    task = bench.submit("a", "a0")
    bench.finish("a0")
    assert task.future.result(20) == "a0" and bench.started == ["g0", "a0"]
    bench.finish("g0", "g1")


def test_lines_are_bounded():
    bench = Bench(waiting=2, most_waiting=3)
    tasks = [bench.submit("a", "a0"), bench.submit("a", "a1"), bench.submit("a", "a2")]
    with pytest.raises(InputError, match="full"):
        bench.submit("a", "a3")
    tasks.append(bench.submit("b", "b0"))
    with pytest.raises(InputError, match="Too many people"):
        bench.submit("c", "c0")
    assert bench.pool.withdraw(tasks[1]) and tasks[1].future.cancelled()
    assert not bench.pool.withdraw(tasks[1]) and not bench.pool.withdraw(tasks[0]), "it runs"
    tasks.append(bench.submit("c", "c0"))
    bench.finish("a0", "b0", "c0", "a2")
    assert tasks[-1].future.result(20) == "c0"


def test_a_failed_task_frees_its_worker():
    bench = Bench()
    with pytest.raises(ZeroDivisionError):
        bench.pool.submit("a", lambda: 1 / 0).future.result(20)
    task = bench.submit("a", "a0")
    bench.finish("a0")
    assert task.future.result(20) == "a0"


def test_the_seconds_left_follow_from_measured_durations():
    bench = Bench(workers=2)
    first = bench.submit("a", "a0", "fill")
    assert bench.pool.seconds_left(first) is None, "nothing like it was measured"
    bench.now = 8.0
    bench.finish("a0")
    first.future.result(20)
    done = {}
    b = bench.submit("b", "b0", "fill", lambda: done.get("b", 0.0))
    bench.now = 10.0
    c = bench.submit("c", "c0", "fill")
    waits = [bench.submit(session, session, "fill") for session in "def"]
    assert bench.pool.seconds_left(b) == 6 and bench.pool.seconds_left(c) == 8
    assert [bench.pool.seconds_left(task) for task in waits] == [14, 16, 22]
    done["b"] = 0.5  # after 2 s: quicker than usual
    assert [bench.pool.seconds_left(task) for task in (b, *waits)] == [2, 10, 16, 18]
    other = bench.submit("g", "g0", "of another kind")
    assert bench.pool.seconds_left(other) is None
    bench.finish("b0", "c0", "d", "e", "f", "g0")
    assert other.future.result(20) == "g0" and bench.pool.seconds_left(other) is None


# --- through Gradio ------------------------------------------------------------------------------------------------------


class Raw:
    """A request to a server function, as Gradio hands it on."""

    client = types.SimpleNamespace(host="10.0.0.1")

    def __init__(self, session):
        self.session = session

    async def json(self):
        if self.session is None:
            raise RuntimeError("Stream consumed")
        return {"session_hash": self.session}


@pytest.fixture
def bench(monkeypatch):
    bench = Bench()
    monkeypatch.setattr(pools, "computing", bench.pool)
    return bench


def test_a_quick_function_waits_for_nobody_and_a_heavy_one_for_its_turn(bench):
    @wire.serves(wire.Message)
    def heavy(request):
        return {"session": pools.session.get()}

    @wire.serves(wire.Message, quick=True)
    def quick(request):
        return {}

    hosted = turns.for_page([heavy, quick])
    assert hosted[1] is quick and [f.__name__ for f in hosted] == ["heavy", "quick"]

    async def ask():
        waiting = [asyncio.ensure_future(hosted[0]({}, Raw("greedy"))) for _ in range(60)]
        await asyncio.sleep(0)
        other = asyncio.ensure_future(hosted[0]({}, Raw(None)))
        await asyncio.sleep(0.05)
        assert quick({})["ok"] and not any(answer.done() and answer.result()["ok"] for answer in waiting)
        bench.finish("block")
        answer = await other
        return answer, [await answer for answer in waiting]

    bench.submit("somebody", "block")
    other, answers = asyncio.run(ask())
    assert other["session"] == "10.0.0.1" and answers[0]["session"] == "greedy"
    assert sum(answer["ok"] for answer in answers) == bench.pool.waiting
    assert {answer["error"] for answer in answers if not answer["ok"]} == {"full"}


def test_an_event_waits_for_its_turn_with_the_signature_of_its_handler(bench):
    def handler(path: str, stages: str = "") -> str:
        """Say it."""
        return f"{path}{stages} for {pools.session.get()}"

    hosted = turns.event(handler, bench.pool)
    assert str(list(turns.inspect.signature(hosted).parameters)) == "['path', 'stages', 'request']"
    assert (hosted.__name__, hosted.__doc__) == ("handler", "Say it.")
    assert asyncio.run(hosted("x", "1", event_request())) == "x1 for abc"
    bench.pool.waiting = 0
    with pytest.raises(gr.Error, match="full"):
        asyncio.run(hosted("x", "1", event_request()))


def event_request(path="/gradio_api/queue/join", session="abc", **headers):
    """What Gradio gives to an event's handler."""
    host, url = types.SimpleNamespace(host="10.0.0.1"), types.SimpleNamespace(path=path)
    return types.SimpleNamespace(session_hash=session, client=host, url=url, headers=headers)


@pytest.mark.parametrize(
    "request_, session",
    [
        (event_request(), "abc"), (event_request(session=None), "10.0.0.1"),
        (event_request("/gradio_api/call/inpaint", session="new each time"), "10.0.0.1"),
        (event_request(session="of all MCP clients", **{"mcp-session-id": "m"}), "m"),
    ],
)  # fmt: skip
def test_each_kind_of_program_has_a_session(bench, request_, session):
    def whose() -> str:
        return pools.session.get()

    assert asyncio.run(turns.event(whose, bench.pool)(request_)) == session


def test_no_event_waits_in_gradios_own_queue():
    demo = build.build()
    assert {f.concurrency_limit for f in demo.fns.values()} <= {None, "default"}
    assert demo._queue.default_concurrency_limit is None


def test_a_page_that_asks_for_42_fills_holds_up_nobody(held, codec, example_clips):  # noqa: F811
    token = handlers.store.put(Workbench.from_audio(codec, load_audio(example_clips[0], 8000)[0], "a clip"))
    demo = build.build()
    page = next(part for part in demo.blocks.values() if part.elem_id == "codemap")
    http = TestClient(gr.routes.App.create_app(demo))

    def ask(name, session, **data):
        request = {"data": data, "fn_name": name, "component_id": page._id, "session_hash": session}
        return http.post("/gradio_api/component_server", json=request).json()

    fill = {"token": token, "prior": "toy", "rectangles": [{"start_s": 0.0, "end_s": 0.1}], "settings": {"steps": HELD}}
    greedy = [ask("fill", "greedy", **fill) for _ in range(42)]
    assert [answer["ok"] for answer in greedy] == [True] * 2 + [False] * 40
    other = ask("fill", "somebody", **fill | {"settings": {"steps": 1}})["job"]
    answers = [ask("progress", "greedy", job=answer["job"], seen=0) for answer in greedy[:2]]
    assert [answer["state"] for answer in answers] == ["running", "waiting"]
    assert ask("progress", "somebody", job=other, seen=0)["waiting"] < answers[1]["waiting"], "the second of many comes later"
    held.set()
    while (answer := ask("progress", "somebody", job=other, seen=0))["state"] != "done":
        assert answer["state"] in ("waiting", "running")
