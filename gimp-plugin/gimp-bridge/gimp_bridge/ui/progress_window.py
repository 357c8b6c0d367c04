"""The window of a run's progress, with a way to cancel."""

import time

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GimpUi, GLib, Gtk  # noqa: E402

from gimp_bridge.ui import people  # noqa: E402

PULSE_SECONDS = 0.25


class ProgressWindow:
    """A bar with a Cancel button, shown after a moment, so that short runs do not flicker. Escape cancels too."""

    DELAY_MS = 300

    def __init__(self, title):
        GimpUi.init("gimp-bridge")
        self.cancelled = False
        self._title, self._window, self._bar = title, None, None
        self._timer = GLib.timeout_add(self.DELAY_MS, self._open)
        self._shown = (0.0, None, None)

    def _open(self):
        self._timer = 0
        self._window = Gtk.Window(title=self._title, resizable=False, border_width=12)
        self._window.set_role("gimp-bridge-progress")
        self._window.set_keep_above(True)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=9)
        self._bar = Gtk.ProgressBar(show_text=True, width_request=320)
        button = Gtk.Button.new_with_mnemonic("_Cancel")
        button.set_halign(Gtk.Align.END)
        button.connect("clicked", self._cancel)
        self._window.connect("delete-event", self._cancel)
        self._window.connect("key-press-event", self._key)
        box.pack_start(self._bar, False, False, 0)
        box.pack_start(button, False, False, 0)
        self._window.add(box)
        self._window.show_all()
        self._update()
        return GLib.SOURCE_REMOVE

    def _key(self, _window, event):
        return event.keyval == Gdk.KEY_Escape and self._cancel()

    def _cancel(self, *_):
        self.cancelled = True
        self._update()
        GLib.main_context_default().wakeup()
        return True

    def show(self, fraction, message):
        """`fraction` None: nobody knows how far it is. Draws only what is new: who is asked again and again between two
        events would else leave the requests of others no time."""
        now = fraction, people.doing(message), None if fraction is not None else int(time.monotonic() / PULSE_SECONDS)
        if now != self._shown:
            self._shown = now
            self._update()

    def _update(self):
        if self._bar is None:
            return
        fraction, message, _ = self._shown
        if fraction is None:
            self._bar.pulse()
        else:
            self._bar.set_fraction(fraction)
        self._bar.set_text("Cancelling…" if self.cancelled else f"{message}…" if message else f"{fraction or 0:.0%}")

    def close(self):
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0
        if self._window is not None:
            self._window.destroy()
            self._window = self._bar = None
