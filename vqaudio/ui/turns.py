"""How what the page and programs ask for reaches the pools: server functions and events, each in its session's line."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable

import gradio as gr
from gradio.context import LocalContext

from vqaudio.errors import InputError
from vqaudio.ui import pools, wire

REQUEST = gr.Request | None


def for_page(functions: Iterable[Callable]) -> list[Callable]:
    """Server functions as a component takes them; each that is not quick waits for its session's turn in `pools.computing`."""
    return [f if f.quick else _server_function(f) for f in functions]


def _server_function(f: Callable) -> Callable:
    async def in_turn(data, request: gr.Request):
        LocalContext.request.set(request)  # where ZeroGPU finds whose share of a graphics card is used
        try:
            return await _result(pools.computing, await _session_in(request), f, data)
        except InputError as error:
            return wire.refusal(str(error))

    return _named_like(f, in_turn)


async def _session_in(request) -> str:
    """The page that called a server function: Gradio passes the raw request, and the session stands in its body."""
    try:
        return str((await request.json())["session_hash"])[:100]
    except Exception:  # a form: not sent by a page, so the address has to do
        return _address(request)


def event(f: Callable, pool: pools.Pool = pools.computing) -> Callable:
    """An event handler that waits for its session's turn in a pool. Give the event `concurrency_limit=None`: Gradio's own queue
    serves whoever came first, and would hold all others up.

    It has the signature of `f` and the request, which Gradio fills in.
    """

    async def in_turn(*arguments):
        *arguments, request = arguments
        try:
            return await _result(pool, _session_of(request), f, *arguments)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None

    own = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=REQUEST)
    signature = inspect.signature(f)
    in_turn.__signature__ = signature.replace(parameters=[*signature.parameters.values(), own])
    in_turn.__annotations__ = {**f.__annotations__, "request": REQUEST}
    return _named_like(f, in_turn)


def _session_of(request: gr.Request) -> str:
    """The page or program that sent an event. MCP clients share one session of Gradio's, and a plain POST to /call gets a new one
    each time.
    """
    if told := request.headers.get("mcp-session-id"):
        return told[:100]
    return _address(request) if "/call/" in request.url.path else request.session_hash or _address(request)


def _named_like(f: Callable, wrapper: Callable) -> Callable:
    """What Gradio reads of a function, except for its signature."""
    wrapper.__module__, wrapper.__name__, wrapper.__doc__ = f.__module__, f.__name__, f.__doc__
    return wrapper


def endpoint(f: Callable, inputs, outputs, pool: pools.Pool = pools.computing, name: str = "") -> None:
    """Serve `f` to programs under a name, or its own, inside the current Blocks."""
    gr.Button(visible=False).click(event(f, pool), inputs, outputs, api_name=name or f.__name__, show_progress="hidden")


def _address(request) -> str:
    return request.client.host if request.client else ""


async def _result(pool: pools.Pool, session: str, f: Callable, *arguments):
    pools.session.set(session)
    return await asyncio.wrap_future(pool.submit(session, functools.partial(f, *arguments), f.__name__).future)
