"""The plug-in's own threads, told apart from those that client code starts. Never imports Gimp.

Threads of ours begin and end at any moment, and the system gives the identifier of one that has ended to the next that
begins. So a thread is ours by what it runs, not by its identifier, and none of ours begins while others are ended.
"""

import ctypes
import sys
import threading
import time

_beginning = threading.Lock()
_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = (ctypes.c_ulong, ctypes.py_object)


class OwnThread(threading.Thread):
    """Ends with the process; nothing that cleans up after client code touches it."""

    def __init__(self, target, name):
        super().__init__(target=target, name=f"gimp-bridge {name}", daemon=True)

    def start(self):
        with _beginning:
            super().start()


def end_strangers():
    """Raises SystemExit, which `threading` takes without a word, in all threads but the plug-in's own and the main one.

    Returns how many there are. One in a long C call gets it after that.
    """
    with _beginning:
        found = strangers()
        for number in found:
            _set_async_exc(number, SystemExit)
        return len(found)


def strangers():
    """Identifiers of the threads that are not the plug-in's own nor the main one."""
    if not (first := _roots()):
        return set()
    time.sleep(0.001)  # one of ours runs a last line of Python while it is taken down; a stranger's root stays
    return {number for number, root in _roots().items() if first.get(number) is root}


def _roots():
    """The outermost frame of each thread that does not seem to be ours."""
    roots = {}
    for number, frame in sys._current_frames().items():
        while frame.f_back is not None:
            frame = frame.f_back
        # Thread._bootstrap is where each of ours begins and ends
        if number != threading.main_thread().ident and not isinstance(frame.f_locals.get("self"), OwnThread):
            roots[number] = frame
    return roots
