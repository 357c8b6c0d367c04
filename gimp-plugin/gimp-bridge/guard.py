"""Starts the extension again when its process dies: a second tiny PERSISTENT procedure with a process of its own.

Client code can crash the extension (a fault in C code). GIMP and the open images live on, but nobody would listen any
more. The guard notices the death and runs the extension's procedure, as GIMP does at its start. It does not do so when
the extension ended by itself (then its instance file is gone), nor without end.
"""

import glob
import json
import os
import sys
import time

from gi.repository import Gimp, GLib

import instance
import settings

LOOK_SECONDS = 2  # between looks for the extension's instance file, while it is not known
POLL_SECONDS = 1  # between looks at the process where it cannot be waited for
RESTARTS, PER_SECONDS = 5, 600  # then the guard gives up


class Guard:
    """Watches the extension of this GIMP, whose instance file names the same parent process as ours."""

    def __init__(self, procedure_name):
        self._procedure_name = procedure_name
        self._gimp = os.getppid()
        self._folder = os.path.join(settings.state_dir(), "instances")
        self._file = None
        self._restarts = []

    def start(self):
        GLib.timeout_add_seconds(LOOK_SECONDS, self._look)

    def _look(self):
        """Finds the extension, then waits for its end. True: look again."""
        for path in glob.glob(os.path.join(self._folder, "[0-9]*.json")):
            try:
                with open(path, encoding="utf-8") as file:
                    found = json.load(file)
            except (OSError, ValueError):
                continue  # it goes or comes just now
            if found.get("gimp_pid") == self._gimp:
                self._file = path
                self._wait(found["pid"])
                return False
        return True

    def _wait(self, pid):
        try:
            handle = os.pidfd_open(pid)
        except (AttributeError, OSError):
            GLib.timeout_add_seconds(POLL_SECONDS, self._poll, pid)
        else:
            GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, handle, GLib.IOCondition.IN, self._ended, handle)

    def _poll(self, pid):
        if instance.is_alive(pid):
            return True
        self._over()
        return False

    def _ended(self, handle, condition, *_):
        os.close(handle)
        self._over()
        return False

    def _over(self):
        # A moment: a GIMP that quits ends the extension first and this process next
        GLib.timeout_add(500, self._restart)

    def _restart(self):
        now = time.monotonic()
        self._restarts = [t for t in self._restarts if now - t < PER_SECONDS]
        if os.path.exists(self._file) and os.getppid() == self._gimp:
            instance.withdraw(self._file)
            if len(self._restarts) >= RESTARTS:
                print(
                    f"gimp-bridge: the plug-in ended {RESTARTS} times within {PER_SECONDS} s and is not started again; "
                    "restart GIMP",
                    file=sys.stderr,
                    flush=True,
                )
                return False
            self._restarts.append(now)
            print("gimp-bridge: the plug-in's process died and is started again", file=sys.stderr, flush=True)
            # GIMP answers this when the procedure is ready, or only when it ends: then the wait is here
            procedure = Gimp.get_pdb().lookup_procedure(self._procedure_name)
            procedure.run(procedure.create_config())
        self.start()
        return False
