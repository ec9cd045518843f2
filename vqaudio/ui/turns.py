"""Server functions and events that run in a worker pool, in their session's turn."""

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
    """Server functions for a component, queued in `pools.computing` unless quick."""
    return [f if f.quick else _server_function(f) for f in functions]


def _server_function(f: Callable) -> Callable:
    async def queued(data, request: gr.Request):
        LocalContext.request.set(request)  # ZeroGPU reads from it whose quota to use
        try:
            return await _result(pools.computing, await _session_in(request), f, data)
        except InputError as error:
            return wire.refusal(str(error))

    return _named_like(f, queued)


async def _session_in(request) -> str:
    """The session that called a server function; Gradio puts it in the request's body."""
    try:
        return str((await request.json())["session_hash"])[:100]
    except Exception:  # a form: not sent by a page, so the address has to do
        return _address(request)


def event(f: Callable, pool: pools.Pool = pools.computing) -> Callable:
    """Make an event handler that runs in a pool, in its session's turn.

    Give the event `concurrency_limit=None`: Gradio's own queue is first come, first served, and would block all sessions.

    Returns:
        a handler with the signature of `f` and the request, which Gradio passes.
    """

    async def queued(*arguments):
        *arguments, request = arguments
        try:
            return await _result(pool, _session_of(request), f, *arguments)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None

    own = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=REQUEST)
    signature = inspect.signature(f)
    queued.__signature__ = signature.replace(parameters=[*signature.parameters.values(), own])
    queued.__annotations__ = {**f.__annotations__, "request": REQUEST}
    return _named_like(f, queued)


def _session_of(request: gr.Request) -> str:
    """The page or program that sent an event.

    All MCP clients share one Gradio session, and a plain POST to /call gets a new one each time.
    """
    if mcp_session := request.headers.get("mcp-session-id"):
        return mcp_session[:100]
    return _address(request) if "/call/" in request.url.path else request.session_hash or _address(request)


def _named_like(f: Callable, wrapper: Callable) -> Callable:
    """Copy what Gradio reads of a function, except its signature."""
    wrapper.__module__, wrapper.__name__, wrapper.__doc__ = f.__module__, f.__name__, f.__doc__
    return wrapper


def endpoint(f: Callable, inputs, outputs, pool: pools.Pool = pools.computing, name: str = "") -> None:
    """Add an API endpoint to the current Blocks, under the function's name or `name`."""
    gr.Button(visible=False).click(event(f, pool), inputs, outputs, api_name=name or f.__name__, show_progress="hidden")


def _address(request) -> str:
    return request.client.host if request.client else ""


async def _result(pool: pools.Pool, session: str, f: Callable, *arguments):
    pools.session.set(session)
    return await asyncio.wrap_future(pool.submit(session, functools.partial(f, *arguments), f.__name__).future)
