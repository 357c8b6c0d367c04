"""Who runs the filters: a daemon that is connected, or one that is started. Starting never blocks: poll it."""

import os
import subprocess
import time

from gimp_bridge.core.errors import OperationError
from gimp_bridge.core.settings import SettingsError
from gimp_bridge.net.auth import SecretError

START_SECONDS = 30  # for a daemon that we start
ABLE = ("serve", "stdio", "attend")  # labels of daemons that run filters
_starting = None  # a preview and a run may want one at the same time


def able_connections(bridge):
    """The connections to daemons that run filters, the newest last."""
    return [c for c in bridge.connections() if c.authenticated and c.is_open and c.label in ABLE]


def able_connection(bridge):
    """The newest connection to a daemon that runs filters, or None."""
    able = able_connections(bridge)
    return able[-1] if able else None


def start(bridge):
    """The daemon that is on its way already, or a new one, beside those that are connected. Raises OperationError."""
    global _starting
    if _starting is None or _starting.over:
        _starting = Starting(bridge)
    return _starting


class Starting:
    """`gimp-bridge attend` from its start until it is connected."""

    def __init__(self, bridge):
        program = os.environ.get("GIMP_BRIDGE_BIN") or bridge.filters.listed.program
        if program is None or not os.path.isfile(program):
            raise OperationError(
                "not_found",
                f"the program `{program or 'gimp-bridge'}`, which runs the AI filters, is not there",
                "install it again with: gimp-bridge install",
                reason="program_missing",
            )
        try:
            server, folder = bridge.door()
        except (SettingsError, SecretError, OSError) as error:
            message = f"the filter's worker cannot connect: {error}"
            hint = "see Tools > GIMP Bridge > Status"
            raise OperationError("no_gimp", message, hint, reason="no_door") from error
        self._over = False
        self._bridge, self._program = bridge, program
        self._before = able_connections(bridge)
        self._deadline = time.monotonic() + START_SECONDS
        self._log = os.path.join(bridge.state_dir, "attend.log")
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [program, "attend", "--port", str(server.port), "--state-dir", folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def over(self):
        """Whether there is nothing left to wait for."""
        return self._over or self._process.poll() is not None or bool(self._new())

    def _new(self):
        return [c for c in able_connections(self._bridge) if c not in self._before]

    def poll(self):
        """The connection, or None as long as there is none. Raises OperationError when there will be none."""
        new = self._new()
        if new:
            self._over = True
            return new[-1]
        ended = self._process.poll() is not None
        if not ended and time.monotonic() < self._deadline:
            return None
        self._over = True
        if not ended:
            self._process.terminate()
        message = f"gimp-bridge did not start: {_tail(self._log)}"
        hint = f"try it in a terminal: {self._program} doctor"
        raise OperationError("no_gimp", message, hint, reason="program_fails")

    def end(self):
        """Ends it again: nobody asked it for anything yet."""
        self._over = True
        if self._process.poll() is None:
            self._process.terminate()


def _tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
    except OSError as error:
        return str(error)
    return lines[-1][:300] if lines else "it said nothing"
