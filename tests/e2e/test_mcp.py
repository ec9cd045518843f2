"""The app's endpoints as MCP tools, called by the protocol's own client."""

import base64
import io
import json
import urllib.error
import urllib.request

import anyio
import numpy as np
import pytest
import soundfile

from vqaudio import hub
from vqaudio.audio import load as load_audio
from vqaudio.serving import running

pytest.importorskip("mcp", reason="gradio[mcp] is not installed")
ENDPOINTS = {"ask", "convert", "encode", "decode", "reconstruct", "generate", "inpaint", "score", "sampler", "list_models"}


@pytest.fixture(scope="module")
def app(model_folder, environment, tmp_path_factory, request):
    settings = {"VQAUDIO_MODEL": str(model_folder), "GRADIO_TEMP_DIR": str(tmp_path_factory.mktemp("uploads"))}
    log = tmp_path_factory.mktemp("mcp") / "log.txt"
    with running(request.config.rootpath, log, "--mcp", environment=environment | settings) as (address, _, _):
        yield address


def tools(app: str) -> dict:
    async def listed(session):
        return {tool.name: tool for tool in (await session.list_tools()).tools}

    return ask(app, listed)


def call(app: str, tool: str, **arguments):
    return ask(app, lambda session: session.call_tool(tool, arguments))


def ask(app: str, question):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def asked():
        async with streamablehttp_client(f"{app}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await question(session)

    return anyio.run(asked)


def as_data(path) -> str:
    return "data:audio/wav;base64," + base64.b64encode(path.read_bytes()).decode()


def test_every_endpoint_is_a_tool_with_a_valid_schema(app):
    import jsonschema

    found = tools(app)
    assert set(found) == ENDPOINTS
    for tool in found.values():
        assert tool.description
        jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
    assert "how many stages" in found["reconstruct"].inputSchema["properties"]["stages"]["description"]


def test_reconstruct_gives_the_sound_of_the_chosen_stages(app, model_folder, example_clips):
    answer = call(app, "reconstruct", audio=as_data(example_clips[0]), stages="3")
    assert not answer.isError, answer
    address = next(part.text for part in answer.content if part.type == "text")
    with urllib.request.urlopen(address) as download:
        sound, rate = soundfile.read(io.BytesIO(download.read()))
    codec = hub.load(model_folder)
    audio, _ = load_audio(example_clips[0], codec.sample_rate)
    wanted = codec.decode(codec.encode(audio[None]), (0, 1, 2))[0, 0].numpy()
    assert rate == codec.sample_rate and np.abs(sound - np.clip(wanted, -1, 1)).max() <= 2 / 32768


def test_what_is_wrong_comes_back_as_a_sentence(app, example_clips):
    answer = call(app, "reconstruct", audio=as_data(example_clips[0]), stages="99")
    assert answer.isError and "There are stages 1 to 4" in str(answer.content)
    assert "Traceback" not in str(answer.content)


@pytest.mark.parametrize("settings", [{"labels": {"digit": "7"}, "seconds": 0.3}, {"labels": None, "seed": None}])
def test_labels_and_null_are_accepted(app, settings):
    """There is no prior for this small codec, which is what the answer has to say: the arguments passed."""
    answer = call(app, "generate", **settings)
    assert answer.isError and "No prior for this codec is installed" in str(answer.content), answer


def test_schemas_of_the_endpoints_still_read_as_types(app):
    with urllib.request.urlopen(f"{app}/gradio_api/info") as answer:
        info = json.loads(answer.read())["named_endpoints"]
    types = {one["parameter_name"]: one["python_type"]["type"] for one in info["/generate"]["parameters"]}
    assert types["labels"] == "dict(str, Any) | None" and types["seed"] == "float | None", types


def test_mcp_is_off_unless_it_is_asked_for(environment, model_folder, tmp_path, request):
    settings = {"VQAUDIO_MODEL": str(model_folder), "GRADIO_TEMP_DIR": str(tmp_path), "GRADIO_MCP_SERVER": ""}
    app = running(request.config.rootpath, tmp_path / "log.txt", environment=environment | settings)
    with app as (address, _, _), pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{address}/gradio_api/mcp/schema")
    assert caught.value.code == 404


