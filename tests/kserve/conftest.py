"""Real KServe model servers on loopback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "generate"))

from serving import answers, free_port, until  # noqa: E402


class Server:
    """`arguments` begin with the script; its last one is the port."""

    def __init__(self, model, *arguments, **environment):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, *map(str, arguments), str(self.port)]
        given = {**os.environ, **environment}
        self.process = subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # All its addresses answer once the models are there.
        until(lambda: answers(f"{self.url}/v2/models/{model}/ready"), "the server starts", self.process, 120)

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def painter():
    """The server that paints, for all tests of a file."""
    started = Server("painter", HERE / "painter_model.py")
    yield started
    started.end()


@pytest.fixture
def own_painter():
    """One for a test that ends it."""
    started = Server("painter", HERE / "painter_model.py")
    yield started
    started.end()


@pytest.fixture
def blur():
    """Starts servers for the filter `half-blur`; `fail_first`: so many requests get 503."""
    started = []

    def start(fail_first=0):
        model = HERE.parent / "filters" / "mocks" / "half-blur.onnx"
        started.append(Server("blur", HERE / "server.py", model, "blur", FAIL_FIRST=str(fail_first)))
        return started[-1]

    yield start
    for one in started:
        one.end()
