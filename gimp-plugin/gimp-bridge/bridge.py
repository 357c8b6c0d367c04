"""The whole plug-in put together: settings, secret, server, dispatcher, instance file."""

import atexit
import os
import sys
import time

from gi.repository import Gegl, Gimp, GLib

import auth
import catalogue
import exec_guards
import gimp_side
import instance
import menu
from filter_menu import FilterMenu
import settings as settings_module
from clients import Clients
from registry import Dispatcher
from runner import Runner
from server import Server
from watchdog import Watchdog

VERSION = "0.1.0"
SOFTWARE = {"name": "gimp-bridge-plugin", "version": VERSION}
SWEEP_SECONDS = 60
WINDOWS_SECONDS = 30  # for GIMP to show its first window


class Bridge:
    """Lives as long as the plug-in. All methods are for the main thread."""

    version = VERSION

    def __init__(self, plug_in):
        self.plug_in = plug_in
        self.state_dir = settings_module.state_dir()
        self.settings = None
        self.problem = None  # why it does not listen, for people
        self.server = None
        self._instance = {}
        self._instance_file = None
        self._watchdog = Watchdog()
        self._runner = None
        self.filters = None  # the menu of AI filters

    def start(self):
        """Begins to listen; what hinders is told in `problem` and on stderr."""
        # Errors of GIMP's procedures belong to the caller, not into the user's message dialog
        self.plug_in.set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
        Gegl.init(None)  # before any GEGL operation can be listed
        # The reader's and the writer's turns with the interpreter: the default of 5 ms would be most of a short call.
        sys.setswitchinterval(0.0005)
        exec_guards.install(Gimp)
        self._watchdog.start()
        GLib.timeout_add_seconds(SWEEP_SECONDS, self._sweep)
        atexit.register(self.stop)
        menu.install(self)
        self.filters = FilterMenu(self)
        if is_headless():
            self.listen()
        else:
            self._windows_deadline = time.monotonic() + WINDOWS_SECONDS
            GLib.timeout_add(100, self._listen_with_windows)

    def _listen_with_windows(self):
        """GIMP starts its extensions before its windows, and an image opened then would get none: waits for them."""
        # The first display is the empty image window, or that of the first image
        if not Gimp.Display.id_is_valid(1) and time.monotonic() < self._windows_deadline:
            return True
        self.listen()
        return False

    def stop(self):
        """Twice is fine: GIMP's quit, the end of the main loop and atexit all call it."""
        self.stop_listening()
        self._watchdog.stop()

    def listen(self):
        """Reads the settings anew and listens; returns whether it does."""
        if self.server is not None:
            return True
        self.problem = None
        try:
            self.settings = settings_module.load(self.state_dir)
            secret = auth.load_secret(os.path.join(self.state_dir, "secret"))
            self._prepare()
            self.server = Server(self._runner, secret, SOFTWARE, self.describe, self.settings.auto_disconnect)
            self.server.start(self.settings.port)
            self._instance = self._describe_instance()
            self._watchdog.every_second(self.server.housekeeping)
            self._instance_file = instance.announce(self.state_dir, self._instance)
        except (settings_module.SettingsError, auth.SecretError, OSError) as error:
            self.problem = str(error)
            print(f"gimp-bridge does not listen: {error}", file=sys.stderr, flush=True)
            self.stop_listening()
            return False
        return True

    def stop_listening(self):
        if self._instance_file is not None:
            instance.withdraw(self._instance_file)
            self._instance_file = None
        if self.server is not None:
            server, self.server = self.server, None
            self._watchdog.forget_chore(server.housekeeping)
            server.stop()

    def busy(self):
        """What runs now, for people; see `$/ping`."""
        return self._runner.state()["busy"] if self._runner is not None else None

    def describe(self):
        """What the handshake tells. Any thread."""
        return {"instance": self._instance, "policy": self.settings.policy()}

    def _describe_instance(self):
        return {
            "id": f"{os.getpid()}-{self.server.port}",
            "port": self.server.port,
            "pid": os.getpid(),
            "started": int(_STARTED),
            "gimp_version": Gimp.version(),
            "plugin_version": VERSION,
            "protocol": auth.PROTOCOL,
            "headless": is_headless(),
            "profile": Gimp.directory(),
            "gimp_pid": os.getppid(),
        }

    def _prepare(self):
        """The parts that depend on the settings."""
        import history
        import ops  # noqa: F401  registers the operations

        history.install(self.settings.checkpoints, self.settings.checkpoint_memory_mb)
        if self._runner is None:
            self._dispatcher = Dispatcher(catalogue.load(), gimp_side, Clients(), self.settings, self._watchdog)
            self._runner = Runner(self._dispatcher.execute, self._watchdog, self._wake, self._dispatcher.clients.forget)
        self._dispatcher.settings = self.settings

    def _wake(self):
        """Any thread: GLib wakes the main loop. Idle priority: GIMP's own messages and drawing go first."""
        GLib.idle_add(self._runner.drain)

    @staticmethod
    def _sweep():
        import history

        history.sweep()
        return True


_STARTED = time.time()


def is_headless():
    """Only a GIMP with windows tells its plug-ins a window class."""
    return Gimp.wm_class() is None
