"""The plug-in's server and runner without GIMP: a thread plays the main loop, and `execute` is the test's."""

import hashlib
import queue
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gimp"))

from gimp_bridge.core.errors import OperationError  # noqa: E402
from gimp_bridge.dispatch.runner import Runner  # noqa: E402
from gimp_bridge.net.server import Server  # noqa: E402
from gimp_bridge.safety.watchdog import Watchdog  # noqa: E402

SOFTWARE = {"name": "gimp-bridge-plugin", "version": "0.1.0"}


def echo(request):
    """The operation of the vectors."""
    if request.operation != "echo":
        raise OperationError("unknown_operation", f"no operation `{request.operation}`")
    upload = None
    if request.upload is not None:
        data = Path(request.upload.path).read_bytes()
        upload = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return {"arguments": request.arguments, "upload": upload}


class FakeSide:
    """`with FakeSide(secret) as side:` listens on `side.port`. `execute(request)` runs in the loop's thread."""

    def __init__(self, secret, execute=echo, auto_disconnect=300, port=0, **options):
        self.execute = execute
        self._wakes = queue.SimpleQueue()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._loop, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(5)
        self.server = Server(
            self.runner, secret, SOFTWARE, lambda: {"instance": {}, "policy": {}}, auto_disconnect, **options
        )
        self.server.start(port)
        self.watchdog.every_second(self.server.housekeeping)
        self.port = self.server.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()
        self.watchdog.stop()
        self._wakes.put(None)
        self._thread.join(5)
        assert not self._thread.is_alive()

    def _loop(self, ready):
        self.watchdog = Watchdog()  # watches the thread that makes it
        self.watchdog.start()
        self.runner = Runner(lambda request: self.execute(request), self.watchdog, lambda: self._wakes.put(1))
        ready.set()
        while self._wakes.get():
            while self.runner.drain():
                pass
