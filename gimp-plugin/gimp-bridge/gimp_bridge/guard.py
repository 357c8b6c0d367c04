"""Starts the extension again when its process dies: a second tiny PERSISTENT procedure with a process of its own.

Client code can crash the extension (a fault in C code), and it ends itself when it is stuck. GIMP and the open images
live on, but nobody would listen any more. The guard notices the death by the life file (core/life.py) and runs the
extension's procedure, as GIMP does at its start. It does not do so when GIMP quits (then the file is gone), nor without
end.
"""

import os
import sys
import time

from gi.repository import Gimp, GLib

from gimp_bridge.core import instance, life, settings

LOOK_SECONDS = 1  # between looks for the extension's process, while it is not known
POLL_SECONDS = 1  # between looks at the process where it cannot be waited for
RESTARTS, PER_SECONDS = 10, 600  # then the guard gives up
PAUSES_MS = (500, 500, 2_000)  # before a restart: a GIMP that quits ends the extension first and this process next


class Guard:
    """Watches the extension of this GIMP, which is the child of the same process as ours."""

    def __init__(self, procedure_name):
        self._procedure_name = procedure_name
        self._gimp = os.getppid()
        self._state_dir = settings.state_dir()
        self._dead = None  # the pid of the extension whose end was seen
        self._restarts = []

    def start(self):
        GLib.timeout_add_seconds(LOOK_SECONDS, self._look)

    def _look(self):
        """Finds the extension, then waits for its end. True: look again."""
        found = life.read(self._state_dir, self._gimp)
        if found is None or found["pid"] == self._dead:
            return True
        self._wait(found["pid"])
        return False

    def _wait(self, pid):
        try:
            handle = os.pidfd_open(pid)
        except (AttributeError, OSError):
            GLib.timeout_add_seconds(POLL_SECONDS, self._poll, pid)
        else:
            GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, handle, GLib.IOCondition.IN, self._ended, handle, pid)

    def _poll(self, pid):
        if instance.is_alive(pid):
            return True
        self._over(pid)
        return False

    def _ended(self, handle, condition, *data):
        os.close(handle)
        self._over(data[-1])
        return False

    def _over(self, pid):
        self._dead = pid
        now = time.monotonic()
        self._restarts = [t for t in self._restarts if now - t < PER_SECONDS]
        if len(self._restarts) >= RESTARTS:
            print(
                f"gimp-bridge: the plug-in ended {RESTARTS + 1} times within {PER_SECONDS} s and is not started again; "
                "restart GIMP",
                file=sys.stderr,
                flush=True,
            )
            return
        GLib.timeout_add(PAUSES_MS[min(len(self._restarts), len(PAUSES_MS) - 1)], self._restart)

    def _restart(self):
        if os.getppid() != self._gimp or life.read(self._state_dir, self._gimp) is None:
            return False  # GIMP is gone, or quits
        self._restarts.append(time.monotonic())
        print("gimp-bridge: the plug-in's process died and is started again", file=sys.stderr, flush=True)
        procedure = Gimp.get_pdb().lookup_procedure(self._procedure_name)
        # GIMP answers when the procedure is ready, or has died again
        procedure.run(procedure.create_config())
        found = life.read(self._state_dir, self._gimp)
        if found is not None and found["pid"] == self._dead:
            self._over(self._dead)  # it did not even come to say who it is
        else:
            self.start()
        return False
