"""Round each run of client code: whatever it leaves behind in the plug-in ends with its call. Never imports Gimp.

Undone are event sources, threads, and what scripting/baseline.py knows of. What the client's own namespace holds stays.
"""

import contextlib
import time

from gimp_bridge.core import own_thread
from gimp_bridge.safety import deadman, loops as exec_loops
from gimp_bridge.scripting.baseline import Baseline

THREAD_SECONDS = 0.5  # for threads to end; one that does not is told again every second
MARGIN_SECONDS = 3  # the watchdog comes first, as it says more

_baseline = None


def install(watchdog, modules=(), classes=()):
    """When the plug-in has started: what holds now is what each call is put back to."""
    global _baseline
    if _baseline is None:
        _baseline = Baseline(modules, classes)
        exec_loops.install()
        watchdog.on_attempt = exec_loops.end_running
        watchdog.every_second(lambda now: own_thread.end_strangers())


def client_builtins():
    """The module `builtins` that client code works with."""
    return _baseline.client_builtins


@contextlib.contextmanager
def scope(call, may_patch):
    """Within `call.masked()`: the block's code is the client's. `call.note` says what was undone."""
    call.client.may_patch = call.client.may_patch or may_patch  # for good: a later call may use what it defines
    sources = exec_loops.Sources()
    restart_after = call.settings.restart_after
    try:
        with deadman.armed(call.timeout + restart_after + MARGIN_SECONDS if restart_after is not False else None):
            yield
    finally:
        undone = _baseline.restore(call.client.may_patch)
        if count := sources.remove():
            undone.append(f"{count} timers or other event sources")
        if threads := own_thread.strangers():
            undone.append(f"{len(threads)} threads" + ("" if _ended() else ", which have not ended yet"))
        if undone:
            undone = "this code left behind what ends with its call: " + ", ".join(undone)
            call.note = f"{call.note}; {undone}" if call.note else undone


def _ended():
    deadline = time.monotonic() + THREAD_SECONDS
    while time.monotonic() < deadline:
        if not own_thread.end_strangers():
            return True
        time.sleep(0.02)
    return not own_thread.strangers()
