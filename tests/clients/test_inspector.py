"""The MCP Inspector's command line against stdio and HTTP."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def node():
    """An environment whose PATH has node 22 and the Inspector."""
    cache = os.environ.get("GIMP_BRIDGE_CACHE_DIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "gimp-bridge"
    )
    folder = os.path.join(cache, "node")
    subprocess.run([ROOT / "scripts" / "setup-node", folder], check=True, timeout=600)
    modules = os.path.join(folder, "node_modules")
    return f"{modules}/node/bin:{modules}/.bin:{os.environ['PATH']}"


@pytest.fixture(params=["stdio", "http"])
def inspect(request, node, binary, environment):
    """Runs one method; gives the parsed answer."""
    environment = {**environment, "PATH": node}
    if request.param == "stdio":
        target = [binary, "stdio"]
    else:
        target = [request.getfixturevalue("daemon").url, "--transport", "http"]

    def run(*arguments):
        command = ["mcp-inspector", "--cli", *target, *arguments, "--format", "json"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout)

    return run


def test_the_inspector_s_strict_check_is_clean(node, binary, environment):
    for tools in ("core", "all"):
        command = ["mcp-inspector", "--cli", binary, "stdio", "--tools", tools, "--method", "tools/list", "--strict"]
        ended = subprocess.run(command, env={**environment, "PATH": node}, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0 and "Issue:" not in ended.stderr, ended.stderr


def result(answer):
    """The method's result, whether or not the Inspector wraps it."""
    return answer.get("result", answer)


def test_the_inspector_lists_and_calls(inspect, catalogue):
    tools = result(inspect("--method", "tools/list"))["tools"]
    assert {tool["name"] for tool in tools} == {name for name, declared in catalogue.items() if declared.get("core")}
    # It calls listed tools only: the others through run_operation.
    through = json.dumps({"name": "list_instances"})
    called = result(inspect("--method", "tools/call", "--tool-name", "run_operation", "--tool-args-json", through))
    assert called["structuredContent"] == {"status": "success", "instances": [], "selected": None}
    failed = result(inspect("--method", "tools/call", "--tool-name", "get_image_metadata", "--tool-args-json", "{}"))
    assert failed["isError"] and failed["structuredContent"]["kind"] == "no_gimp"
    resources = result(inspect("--method", "resources/list"))["resources"]
    assert "gimp://docs/python" in [resource["uri"] for resource in resources]
