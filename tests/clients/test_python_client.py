"""The Python MCP client over stdio and HTTP, in the newest revision and in the ones with sessions."""

import contextlib
import json
import re
import subprocess
import time
import urllib.request
from pathlib import Path

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters

MODES = ["auto", "legacy"]
INITIALIZE = json.dumps({
    "jsonrpc": "2.0", "id": 0, "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
})


@pytest.fixture(params=["stdio", "http"])
def server(request, binary, environment):
    """What a client connects to; the daemon ends with the test."""
    if request.param == "stdio":
        yield StdioServerParameters(command=binary, args=["stdio"], env=environment)
    else:
        yield request.getfixturevalue("daemon").url


@contextlib.asynccontextmanager
async def connected(server, mode):
    info = types.Implementation(name="test_python_client", version="1")
    async with Client(server, mode=mode, client_info=info, read_timeout_seconds=90) as client:
        yield client


def finished(command, environment, given=""):
    """A command that ends by itself."""
    return subprocess.run(command, input=given, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("mode", MODES)
def test_tools_are_listed_as_declared(server, mode, catalogue):
    async def run():
        async with connected(server, mode) as client:
            assert client.protocol_version == ("2026-07-28" if mode == "auto" else "2025-11-25")
            assert "get_image_bitmap" in client.instructions
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools.keys() == {name for name, declared in catalogue.items() if declared.get("core")}
            for name, tool in tools.items():
                declared = catalogue[name]
                begins = tool.description.split(" More parameters: ")[0].rstrip(".…")
                assert declared.get("summary", declared["description"]).startswith(begins)
                assert tool.annotations.read_only_hint == (declared["access"] == "read")
                if declared["access"] != "read":
                    assert tool.annotations.destructive_hint == (declared["access"] == "destroy")
                    assert bool(tool.annotations.idempotent_hint) == declared["idempotent"]
                assert set(declared["params"].get("required", ())) <= tool.input_schema["properties"].keys()
            # What is not listed is found, described and run; the client checks each answer against the listed schema.
            found = await client.call_tool("search_operations", {"query": "which GIMPs are running"})
            assert "list_instances" in [row["name"] for row in found.structured_content["operations"]][:3]
            described = (await client.call_tool("describe_operation", {"name": "list_instances"})).structured_content
            described = described["operations"][0]
            assert described["description"] == catalogue["list_instances"]["description"]
            run_it = await client.call_tool("run_operation", {"name": "list_instances"})
            assert run_it.structured_content == {"status": "success", "instances": [], "selected": None}

    anyio.run(run)


def test_packs_of_tools_are_chosen(binary, environment, catalogue):
    async def listed(*options, variable=None):
        given = {**environment, **({"GIMP_BRIDGE_TOOLS": variable} if variable else {})}
        server = StdioServerParameters(command=binary, args=["stdio", *options], env=given)
        async with connected(server, "auto") as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    async def run():
        assert await listed("--tools", "all") == catalogue.keys() == await listed(variable="all")
        history = await listed("--tools", "history")
        assert {"undo", "list_checkpoints", "search_operations", "run_operation"} <= history
        assert "open_image" not in history

    anyio.run(run)
    wrong = finished([binary, "stdio", "--tools", "core,histroy"], environment)
    assert wrong.returncode != 0 and "did you mean `history`" in wrong.stderr


@pytest.mark.parametrize("mode", MODES)
def test_calls_answer_with_structure_text_and_clear_errors(server, mode):
    async def run():
        async with connected(server, mode) as client:
            listed = await client.call_tool("list_instances", {})
            assert listed.structured_content == {"status": "success", "instances": [], "selected": None}
            assert not listed.is_error and '"instances":[]' in listed.content[0].text
            for name in ["get_image_metadata", "get_image_bitmap", "get_gimp_info", "undo"]:
                failed = await client.call_tool(name, {})
                assert failed.is_error and failed.structured_content["kind"] == "no_gimp", failed
                assert failed.content[0].text.startswith(failed.structured_content["message"])
            wrong = await client.call_tool("get_image_bitmap", {"max_width": "wide"})
            assert wrong.is_error and wrong.structured_content["kind"] == "invalid_argument"
            assert "max_width" in wrong.structured_content["message"]
            with pytest.raises(MCPError) as unknown:
                await client.call_tool("no_such_tool", {})
            assert unknown.value.error.code == -32602

    anyio.run(run)


@pytest.mark.parametrize("mode", MODES)
def test_resources_and_prompts(server, mode):
    async def run():
        async with connected(server, mode) as client:
            uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
            assert uris == ["gimp://docs/python", "gimp://images"]
            templates = (await client.list_resource_templates()).resource_templates
            assert [template.uri_template.split("{?")[0] for template in templates] == [
                "gimp://images/{id}", "gimp://images/{id}/bitmap", "gimp://layers/{id}/bitmap",
            ]
            guide = (await client.read_resource("gimp://docs/python")).contents[0]
            assert guide.mime_type == "text/markdown" and "```python" in guide.text
            for uri, kind in [("gimp://images", "no_gimp"), ("gimp://nothing", "not_found")]:
                with pytest.raises(MCPError) as failed:
                    await client.read_resource(uri)
                assert failed.value.error.data["kind"] == kind
            prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
            assert prompts.keys() == {"edit-step-by-step", "retouch-photo"}
            edit = await client.get_prompt("edit-step-by-step", {"goal": "a bluer sky"})
            assert "a bluer sky" in edit.messages[0].content.text
            with pytest.raises(MCPError, match="goal"):
                await client.get_prompt("edit-step-by-step", {})

    anyio.run(run)


def test_many_calls_at_once(daemon):
    async def client_at_work(number):
        async with connected(daemon.url, MODES[number % 2]) as client:
            for _ in range(20):
                result = await client.call_tool("list_instances", {})
                assert result.structured_content["status"] == "success"

    async def run():
        async with anyio.create_task_group() as group:
            for number in range(16):
                group.start_soon(client_at_work, number)

    anyio.run(run)


def test_stdio_keeps_stdout_clean_and_ends_with_stdin(binary, environment):
    request = '{"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"_meta":{' \
        '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},' \
        '"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}}}}\n'
    loud = {**environment, "GIMP_BRIDGE_LOG_LEVEL": "debug"}
    ended = finished([binary, "stdio"], loud, "garbage\n" + request)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1 and ended.stdout.startswith('{"jsonrpc":"2.0","id":1,"result"')


def test_a_daemon_with_an_open_stream_ends_on_sigterm(daemon):
    body = INITIALIZE.encode()
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    session = urllib.request.urlopen(urllib.request.Request(daemon.url, body, headers)).headers["mcp-session-id"]
    stream = urllib.request.urlopen(urllib.request.Request(daemon.url, headers={**headers, "mcp-session-id": session}))
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 50
    stream.read()


def test_a_second_daemon_on_the_port_says_so(binary, environment, daemon):
    port = daemon.origin.rsplit(":", 1)[1]
    second = finished([binary, "serve", "--port", port], environment)
    assert second.returncode != 0
    assert port in second.stderr and "--port" in second.stderr


def test_an_open_address_needs_a_key(binary, environment):
    without = {name: value for name, value in environment.items() if name != "GIMP_BRIDGE_API_KEY"}
    refused = finished([binary, "serve", "--host", "0.0.0.0", "--port", "0"], without)
    assert refused.returncode != 0 and "API key" in refused.stderr, refused.stderr


def test_idle_memory_is_small(binary, environment):
    pipe = subprocess.PIPE
    process = subprocess.Popen([binary, "stdio"], stdin=pipe, stdout=pipe, env=environment, text=True)
    try:
        process.stdin.write(INITIALIZE + "\n")
        process.stdin.flush()
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
        # Without the code, of which a debug build has much; the limit for a release build is in scripts/bench-bridge.
        assert int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) < 25_000
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stdout.close()
