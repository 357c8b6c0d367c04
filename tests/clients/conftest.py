"""Real MCP clients against the real binary, without a GIMP behind: the protocol, the errors, the transports.

GIMP_BRIDGE_BIN is the binary; without it the debug build is used.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import mcp_types as types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def binary():
    path = pathlib.Path(os.environ.get("GIMP_BRIDGE_BIN", ROOT / "target" / "debug" / "gimp-bridge"))
    assert path.is_file(), f"no binary `{path}`; run cargo build, or set GIMP_BRIDGE_BIN"
    return str(path)


@pytest.fixture(params=[("http", "auto"), ("http", "legacy"), ("stdio", "auto"), ("stdio", "legacy")], ids="-".join)
def connect(request, binary, gimp_environment):
    """Makes clients of a real GIMP, over both transports and in both kinds of revision: `connect(name)`."""
    transport, mode = request.param
    if transport == "http":
        server = request.getfixturevalue("gimp_daemon").url
    else:
        server = StdioServerParameters(command=binary, args=["stdio"], env=gimp_environment)
    # A name for each test, since clients without a session are told apart by it.
    run = f"{request.node.name}-{time.monotonic_ns()}"

    def make(name="one", **options):
        info = types.Implementation(name=f"{run}-{name}", version="1")
        return Client(server, mode=mode, client_info=info, read_timeout_seconds=60, **options)

    make.mode = mode
    make.sessions = mode == "legacy" or transport == "stdio"
    return make


@pytest.fixture
def environment(tmp_path):
    """An environment whose state folder holds no GIMP."""
    return {**os.environ, "GIMP_BRIDGE_STATE_DIR": str(tmp_path)}


class Daemon:
    """A running `gimp-bridge serve`."""

    def __init__(self, binary, environment, *options):
        command = [binary, "serve", "--port", "0", *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
        line = self.process.stdout.readline()
        assert "listens on " in line, self.process.stderr.read()
        self.url = line.split("listens on ")[1].strip()
        self.origin = self.url.removesuffix("/mcp")

    def stop(self):
        """Ends it as a user would; gives the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.process.stderr.close()


@pytest.fixture
def daemon(binary, environment):
    started = Daemon(binary, environment)
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def catalogue():
    """The public operations by name."""
    operations = {}
    for path in sorted((ROOT / "protocol" / "ops").glob("*.json")):
        for operation in json.loads(path.read_text()).get("operations", ()):
            if operation.get("audience", "public") == "public":
                operations[operation["name"]] = operation
    return operations


# With a real GIMP behind: the harness of tests/gimp.
sys.path.insert(0, str(ROOT / "tests" / "gimp"))
GIMP_VERSIONS = ("3.0", "3.2")


def pytest_generate_tests(metafunc):
    if "gimp" in metafunc.fixturenames:
        chosen = os.environ.get("GIMP_BRIDGE_TEST_GIMP", "all")
        metafunc.parametrize("gimp", GIMP_VERSIONS if chosen == "all" else (chosen,), scope="module", indirect=True)


@pytest.fixture(scope="module")
def gimp(request):
    """A running headless GIMP with the plug-in."""
    from harness import Gimp

    with Gimp(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def gimp_environment(gimp):
    """An environment whose state folder is that GIMP's."""
    return {**os.environ, "GIMP_BRIDGE_STATE_DIR": str(gimp.state_dir)}


@pytest.fixture(scope="module")
def gimp_daemon(binary, gimp_environment):
    started = Daemon(binary, gimp_environment)
    yield started
    assert started.stop() == 0
