"""Ends this process when even its watchdog cannot: while code holds Python's interpreter for good. Never imports Gimp.

The system's alarm needs no interpreter: its signal ends the process. It is set only round client code, as nothing else
keeps the interpreter while it works. The guard starts the extension again, and the images live on in GIMP.
"""

import contextlib
import signal

_set_timer, _set_handler = getattr(signal, "setitimer", None), signal.signal  # scripting/guards.py takes the timer away


@contextlib.contextmanager
def armed(seconds):
    """Within the block this process ends after `seconds`; None: never. For the main thread."""
    if seconds is None or _set_timer is None:
        yield
        return
    _set_handler(signal.SIGALRM, signal.SIG_DFL)
    _set_timer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        _set_timer(signal.ITIMER_REAL, 0)
