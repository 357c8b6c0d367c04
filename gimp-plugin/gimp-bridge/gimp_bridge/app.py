"""The whole plug-in put together: settings, secret, server, dispatcher, instance file."""

import atexit
import contextlib
import dataclasses
import faulthandler
import os
import shutil
import sys
import tempfile
import time

from gi.repository import Gegl, Gimp, GLib

from gimp_bridge import ops  # noqa: F401  registers the operations
from gimp_bridge.core import instance, life, settings as settings_module, stopping
from gimp_bridge.dispatch import catalogue, gimp_port
from gimp_bridge.dispatch.clients import Clients
from gimp_bridge.dispatch.dispatcher import Dispatcher
from gimp_bridge.dispatch.runner import Runner
from gimp_bridge.images import display
from gimp_bridge.net import auth
from gimp_bridge.net.server import Server
from gimp_bridge.safety import gimp_names, identity, loops as exec_loops, scope as exec_scope
from gimp_bridge.safety.watchdog import Watchdog
from gimp_bridge.scripting import guards as exec_guards
from gimp_bridge.ui import status as menu
from gimp_bridge.ui.filters.menu import FilterMenu
from gimp_bridge.ui.generate import menu as generate_menu
from gimp_bridge.undo import history

VERSION = "0.1.0"
SOFTWARE = {"name": "gimp-bridge-plugin", "version": VERSION}
SWEEP_SECONDS = 60
LAST_WORDS_SECONDS = 0.2  # per connection, for the answers that say why the plug-in ends
_exit = os._exit  # scripting/guards.py takes it away from client code
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
        self.private = None  # what a filter's own worker connects to while the user has stopped the other
        self.private_dir = None
        self._workers = 0
        self._instance = {}
        self._instance_file = None
        self._restarted = None  # why this process was started while its GIMP was there already
        self._watchdog = Watchdog()
        self._runner = None
        self.filters = None  # the menu of AI filters

    def start(self):
        """Begins to listen; what hinders is told in `problem` and on stderr."""
        before = life.read(self.state_dir, os.getppid())
        self._restarted = before["ended"] if before is not None else os.environ.get("GIMP_BRIDGE_RESTARTED")
        life.write(self.state_dir, os.getppid())
        life.remove_stale(self.state_dir)
        # Errors of GIMP's procedures belong to the caller, not into the user's message dialog
        self.plug_in.set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
        Gegl.init(None)  # before any GEGL operation can be listed
        # The reader's and the writer's turns with the interpreter: the default of 5 ms would be most of a short call.
        sys.setswitchinterval(0.0005)
        identity.install()
        exec_guards.install(Gimp)
        self._handles = exec_guards.open_handles()
        exec_guards.keep_handles(self._all_handles)
        self._watchdog.start()
        GLib.timeout_add_seconds(SWEEP_SECONDS, self._sweep)
        atexit.register(self.stop)
        menu.install(self)
        self.filters = FilterMenu(self)
        generate_menu.install(self)
        if self.stopped:
            self._stay_stopped()
        elif display.headless():
            self.listen()
        else:
            self._windows_deadline = time.monotonic() + WINDOWS_SECONDS
            GLib.timeout_add(100, self._listen_with_windows)

    @property
    def stopped(self):
        """Whether the user has stopped it, in this GIMP or an earlier one with this profile."""
        return stopping.is_stopped(self.state_dir, Gimp.directory())

    def user_starts(self):
        """Listens again; returns whether it does."""
        stopping.start(self.state_dir, Gimp.directory())
        return self.listen()

    def user_stops(self):
        """Ends all connections and takes none, until the user starts it again: GIMP's end changes nothing about that."""
        stopping.stop(self.state_dir, Gimp.directory())
        self.stop_listening()
        self._stay_stopped()

    def _stay_stopped(self):
        """Announces that this GIMP is there and stopped: clients are to ask its user, and start no other."""
        self.problem = "the user has stopped GIMP Bridge"
        print(f"gimp-bridge does not listen: {self.problem}", file=sys.stderr, flush=True)
        self._instance = self._describe_instance()
        self._instance_file = instance.announce(self.state_dir, self._instance)

    def _all_handles(self):
        return self._handles.union(*(server.handles() for server in (self.private, self.server) if server is not None))

    def runs_operation(self):
        """Whether a client's request runs just now."""
        return self._runner is not None and self._runner.runs

    @contextlib.contextmanager
    def worker(self):
        """Within it a filter may start a worker of its own, also while stopped; that one ends with the last of these."""
        self._workers += 1
        try:
            yield
        finally:
            self._workers -= 1
            if self._workers == 0 and self.private is not None:
                private, self.private = self.private, None
                self._watchdog.forget_chore(private.housekeeping)
                private.stop()
                shutil.rmtree(self.private_dir, ignore_errors=True)

    def door(self):
        """(server, state folder) for a worker: the public one, or while stopped one that only this worker can find and
        prove itself to. Raises OSError and the like when there is none."""
        if self.server is not None:
            return self.server, self.state_dir
        if self.private is None:
            self._load()
            self.private_dir = tempfile.mkdtemp(prefix="gimp-bridge-private-")
            path = os.path.join(self.private_dir, "secret")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(auth.new_nonce() + "\n")
            private = Server(self._runner, auth.load_secret(path), SOFTWARE, self.describe, False)
            private.start(0)
            self._watchdog.every_second(private.housekeeping)
            self.private = private
        return self.private, self.private_dir

    def connections(self):
        """All that are open, of daemons and of the filters' own workers."""
        return [c for server in (self.private, self.server) if server is not None for c in server.connections()]

    def _listen_with_windows(self):
        """GIMP starts its extensions before its windows, and an image opened then would get none: waits for them."""
        # The first display is the empty image window, or that of the first image
        if not Gimp.Display.id_is_valid(1) and time.monotonic() < self._windows_deadline:
            return True
        if not self.stopped:  # by the user meanwhile
            self.listen()
        return False

    def quit(self):
        """GIMP quits."""
        life.remove(self.state_dir, os.getppid())
        self.stop()

    def give_up(self, why):
        """Ends this process at once, for the guard to start it again: the main thread does not come back. Any thread."""
        print(f"gimp-bridge: the plug-in ends itself, because {why}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(sys.__stderr__)  # where it hangs
        life.write(self.state_dir, os.getppid(), ended=why)
        server = self.server
        if server is not None:
            if self._instance_file is not None:
                instance.withdraw(self._instance_file)
            for connection in server.connections():
                connection.drain(LAST_WORDS_SECONDS)
        _exit(70)

    def stop(self):
        """Twice is fine: GIMP's quit, the end of the main loop and atexit all call it."""
        self.stop_listening()
        self._watchdog.stop()

    def listen(self):
        """Reads the settings anew and listens; returns whether it does."""
        if self.server is not None:
            return True
        self.problem = None
        self._withdraw()
        try:
            self._load()
            secret = auth.load_secret(os.path.join(self.state_dir, "secret"))
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

    def _load(self):
        # No client writes there under a policy: the secret, GIMP's settings, plug-ins and scripts
        private = self.state_dir, Gimp.directory(), Gimp.data_directory()
        self.settings = dataclasses.replace(settings_module.load(self.state_dir), private=private)
        if not display.headless():  # its user's work is not put at risk: a dialog may be all that is waited for
            self.settings = dataclasses.replace(self.settings, restart_after=False)
        self._prepare()

    def _withdraw(self):
        if self._instance_file is not None:
            instance.withdraw(self._instance_file)
            self._instance_file = None

    def stop_listening(self):
        self._withdraw()
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
        port = self.server.port if self.server is not None else 0
        return {
            "id": f"{os.getpid()}-{port}",
            "port": port,
            "stopped": self.server is None,
            "pid": os.getpid(),
            "started": int(_STARTED),
            "gimp_version": Gimp.version(),
            "plugin_version": VERSION,
            "protocol": auth.PROTOCOL,
            "headless": display.headless(),
            "profile": Gimp.directory(),
            "gimp_pid": os.getppid(),
            "restarted": self._restarted,
        }

    def _prepare(self):
        """The parts that depend on the settings."""
        history.install(self.settings.checkpoints, self.settings.checkpoint_memory_mb)
        gimp_names.install(display.headless())
        if self._runner is None:
            self._dispatcher = Dispatcher(catalogue.load(), gimp_port, Clients(), self.settings, self._watchdog)
            forget = self._dispatcher.clients.forget
            self._runner = Runner(self._dispatcher.execute, self._watchdog, self._wake, forget, self.give_up,
                                  gimp_port.named, GLib.main_context_default().iteration)
        self._dispatcher.settings = self.settings
        self._runner.restart_after = self.settings.restart_after
        exec_scope.install(self._watchdog, (Gimp,), _GIMP_CLASSES)

    def _wake(self):
        exec_loops.wake(self._runner.drain)

    @staticmethod
    def _sweep():
        history.sweep()
        return True


_STARTED = time.time()
# What the plug-in works with, and client code may have patched
_GIMP_CLASSES = (Gimp.Image, Gimp.Item, Gimp.Drawable, Gimp.Layer, Gimp.PDB, Gimp.Procedure, Gegl.Buffer)
