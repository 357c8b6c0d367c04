"""Main loops and event sources of client code: loops end with their call, and so do the sources that it added.

A source that stays behind would run in the plug-in's own main loop, where no time limit holds. Never imports Gimp.
"""

import sys
import threading

from gi.repository import Gio, GLib

from gimp_bridge.core import folders

_add_idle = GLib.idle_add
_added = []  # source ids that client code added
_running = []  # what client code runs as a main loop, innermost last
_recording = False


def wake(function):
    """Any thread: runs `function` in the main loop. Idle priority: GIMP's own messages and drawing go first."""
    _add_idle(function)


def install():
    """Once, before the plug-in's own main loop runs: notes the main loops that run within client code."""
    for kind in (GLib.MainLoop, Gio.Application):
        _note_runs(kind)
    for name in ("idle_add", "timeout_add", "timeout_add_seconds", "io_add_watch", "child_watch_add", "unix_fd_add_full"):
        if hasattr(GLib, name):
            _note_sources(name)


def _note_runs(kind):
    run = kind.run

    def noted(self, *args, **kwargs):
        if not _recording:
            return run(self, *args, **kwargs)
        _running.append(self)
        try:
            return run(self, *args, **kwargs)
        finally:
            _running.remove(self)

    kind.run = noted


def end_running():
    """Any thread: tells the main loops that run in client code to end."""
    # Each of these only sets a flag. A callback in the main thread would not do: there the exception lands first
    for loop in _running[:]:
        loop.quit()
    gtk = sys.modules.get("gi.repository.Gtk")
    if _recording and gtk is not None and gtk.main_level() > 0:
        gtk.main_quit()


class Sources:
    """The event sources that client code adds to the main context from its making to `remove`."""

    def __init__(self):
        global _recording
        _added.clear()
        _recording = True

    def remove(self):
        """Removes them; returns how many there were."""
        global _recording
        _recording = False
        context, count = GLib.main_context_default(), 0
        while _added:
            number = _added.pop()
            if context.find_source_by_id(number) is not None:
                GLib.source_remove(number)
                count += 1
        return count


def _note_sources(name):
    add = getattr(GLib, name)

    def noted(*args, **kwargs):
        number = add(*args, **kwargs)
        # What the plug-in's own modules start for their work ends by their rules, though client code set it off
        is_own = folders.is_own(sys._getframe(1).f_code.co_filename)
        if _recording and not is_own and threading.current_thread() is threading.main_thread():
            _added.append(number)
        return number

    setattr(GLib, name, noted)
