"""What client code may change in the interpreter and the process, and how it is put back after its call.

The plug-in is shared by all clients and by GIMP's user: what one client's code leaves behind would meet the others'.
The baseline is taken once, when the plug-in has started; after a call all that differs from it is undone. Client code
gets a module `builtins` of its own, so that one that is patched there never reaches the plug-in's threads. This module
never imports Gimp.
"""

import _signal
import ast
import atexit
import builtins
import gc
import importlib
import locale
import os
import signal
import socket
import sys
import threading
import types

from gimp_bridge.core import folders

# Modules beside the plug-in's own whose functions it works with
_LIBRARY = """
ast atexit base64 collections contextlib copy ctypes dataclasses datetime difflib errno faulthandler functools gc glob
hashlib heapq hmac importlib inspect io itertools json json.decoder json.encoder locale math operator os os.path posix
random re secrets select selectors shutil signal socket stat string struct subprocess sys tempfile textwrap threading
time traceback types urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree zlib
""".split()
# By these, beside a plain `place.name = value`, code puts something in place of a module's or a class's own
_PATCHING = frozenset(
    "setattr delattr getattr vars globals exec eval compile reload patch ctypes gc inspect modules import_module".split()
)
WATCHDOG_TOOL = "gimp-bridge watchdog"  # it ends what runs, perhaps just now
_KEPT = frozenset(("stdout", "stderr", "stdin", "last_exc", "last_type", "last_value", "last_traceback"))  # of sys


def may_patch(source, mode):
    """Whether code may replace what a module or a class holds: only then all of them are looked at (1 ms)."""
    for node in ast.walk(ast.parse(source, mode=mode)):
        if isinstance(node, ast.Attribute):
            if not isinstance(node.ctx, ast.Load) or node.attr in _PATCHING or node.attr.startswith("__"):
                return True
        elif isinstance(node, ast.Name) and (node.id in _PATCHING or node.id.startswith("__")):
            return True
        elif isinstance(node, ast.alias) and (node.name.partition(".")[0] in _PATCHING or node.name == "builtins"):
            return True
    return False


class Baseline:
    """The state to go back to; `classes` and `modules` are further ones to keep. For the main thread."""

    def __init__(self, modules=(), classes=()):
        self.client_builtins = types.ModuleType("builtins", builtins.__doc__)
        own = [m for m in list(sys.modules.values()) if _is_own(m)]
        library = [importlib.import_module(name) for name in _LIBRARY if _exists(name)]
        self._builtins = dict(vars(builtins))
        self._spaces = [(m.__name__, m, dict(vars(m))) for m in [builtins, *library, *own, *modules]]
        kept_classes = {c for m in own for c in vars(m).values() if isinstance(c, type) and c.__module__ == m.__name__}
        kept_classes |= {threading.Thread, socket.socket, os._Environ, *classes}
        self._spaces += [(c.__qualname__, c, dict(vars(c))) for c in kept_classes]
        self._environ = dict(os.environ._data)  # as it is kept: decoding all would take most of the time
        self._folder = os.getcwd()
        self._signals = [(int(n), _signal.getsignal(n)) for n in signal.valid_signals()]
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if hasattr(signal, "pthread_sigmask") else None
        self._mask = os.umask(0o077)
        os.umask(self._mask)
        self._values = [(name, read(), write) for name, read, write in _VALUES]
        self._lists = [(name, values, list(values)) for name, values in _LISTS()]
        self._imported = len(sys.modules)
        self._exits = []
        self._watch_exits()
        self._fill_builtins()
        sys.modules["builtins"] = self.client_builtins

    def _fill_builtins(self):
        space = vars(self.client_builtins)
        space.clear()
        space.update(self._builtins)

    def _watch_exits(self):
        """Notes what is registered for the process's end from now on: only client code still does."""
        register = atexit.register

        def noted(function, *args, **kwargs):
            self._exits.append(function)
            return register(function, *args, **kwargs)

        atexit.register = noted
        for name, _, space in self._spaces:
            if name == "atexit":
                space["register"] = noted

    def restore(self, patched=True):
        """Puts back what differs; returns what that was, for people. `patched`: modules and classes too."""
        undone = []
        for name, function, set_function in _TRACERS:  # first: they see every line of what follows
            if function() is not None:
                set_function(None)
                undone.append(name)
        if vars(self.client_builtins) != self._builtins:
            changed = _differing(vars(self.client_builtins), self._builtins)
            undone.append(f"changes of builtins ({', '.join(changed)})")
            self._fill_builtins()
        if sys.modules.get("builtins") is not self.client_builtins:
            sys.modules["builtins"] = self.client_builtins
        # Modules that the code imported may have patched others
        patched = patched or len(sys.modules) != self._imported
        self._imported = len(sys.modules)
        for name, place, space in self._spaces if patched else ():
            if vars(place) != space:
                undone += _put_back(name, place, space)
        undone += self._process()
        for name, read_value, write in self._values:
            undone += _reset(name, read_value, write)
        for name, values, kept in self._lists:
            if values != kept:
                values[:] = kept
                undone.append(name)
        while self._exits:
            atexit.unregister(self._exits.pop())
            undone.append("functions for the process's end")
        return list(dict.fromkeys(undone))

    def _process(self):
        now, before = os.environ._data, self._environ
        if now != before:
            changed = [key for key in {*now, *before} if now.get(key) != before.get(key)]
            for key in changed:
                name = os.environ.decodekey(key)
                if key in before:
                    os.environ[name] = os.environ.decodevalue(before[key])
                else:
                    del os.environ[name]
            yield f"environment variables ({', '.join(sorted(map(os.environ.decodekey, changed)))[:200]})"
        if _folder() != self._folder:
            try:
                os.chdir(self._folder)
                yield "the working folder"
            except OSError:
                pass  # it was removed: there is no place to go back to
        for number, handler in self._signals:
            if _signal.getsignal(number) is not handler:  # the raw one: `signal` makes an enum of each, in 100 us
                try:
                    signal.signal(number, handler if handler is not None else signal.SIG_DFL)
                    yield f"the handler of signal {number}"
                except (OSError, ValueError, TypeError):
                    pass  # one that nobody may handle
        if self._blocked is not None and signal.pthread_sigmask(signal.SIG_BLOCK, ()) != self._blocked:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
            yield "blocked signals"
        if os.umask(self._mask) != self._mask:
            yield "the umask"
        if hasattr(sys, "monitoring"):
            for tool in range(6):
                if sys.monitoring.get_tool(tool) not in (None, WATCHDOG_TOOL):
                    sys.monitoring.set_events(tool, 0)
                    sys.monitoring.free_tool_id(tool)
                    yield "monitoring tools"


def _exists(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _is_own(module):
    path = getattr(module, "__file__", None)
    return path is not None and folders.is_own(os.path.abspath(path))


def _folder():
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _differing(now, before):
    names = [name for name in {**before, **now} if now.get(name, _KEPT) is not before.get(name, _KEPT)]
    return sorted(names)[:10]


def _put_back(name, place, space):
    """Functions, classes and modules of a namespace as they were. Other values are the module's own to change."""
    undone = []
    for key, value in space.items():
        code = callable(value) or isinstance(value, (types.ModuleType, staticmethod, classmethod, property))
        if not code or key in _KEPT:
            continue
        if vars(place).get(key) is not value:
            setattr(place, key, value)
            undone.append(f"`{name}.{key}`")
    return undone


def _reset(name, before, write):
    read = _READ[name]
    if read() != before:
        write(before)
        return [name]
    return []


_TRACERS = [("sys.settrace", sys.gettrace, sys.settrace), ("sys.setprofile", sys.getprofile, sys.setprofile)]
_VALUES = [
    ("threading.settrace", lambda: threading._trace_hook, threading.settrace),
    ("threading.setprofile", lambda: threading._profile_hook, threading.setprofile),
    ("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    ("the switch interval", sys.getswitchinterval, sys.setswitchinterval),
    ("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)),
    ("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    ("the sockets' time limit", socket.getdefaulttimeout, socket.setdefaulttimeout),
    ("the integers' size limit", getattr(sys, "get_int_max_str_digits", int), getattr(sys, "set_int_max_str_digits", int)),
]
_READ = {name: read for name, read, _ in _VALUES}


def _LISTS():
    return [("sys.path", sys.path), ("sys.meta_path", sys.meta_path), ("sys.path_hooks", sys.path_hooks),
            ("gc.callbacks", gc.callbacks)]
