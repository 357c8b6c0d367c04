"""The dialog that makes pictures from words: it stays while they are made, tells how far they are, and closes once they are
in the image. Cancel and Escape end what runs, and when nothing does, the dialog."""

import time

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GimpUi, GLib, Gtk  # noqa: E402

from gimp_bridge.core.errors import OperationError  # noqa: E402
from gimp_bridge.ui import mnemonics, people  # noqa: E402
from gimp_bridge.ui.filters.dialog import without_help  # noqa: E402
from gimp_bridge.ui.filters.follow import Follower  # noqa: E402
from gimp_bridge.ui.generate import run as generate_run  # noqa: E402
from gimp_bridge.ui.generate.form import Form  # noqa: E402
from gimp_bridge.ui.generate.kinds import generators  # noqa: E402
from gimp_bridge.ui.generate.prompts import History  # noqa: E402
from gimp_bridge.ui.generate.sight import Sight  # noqa: E402
from gimp_bridge.ui.mend import actions as filter_mend  # noqa: E402

LOOK_MS = 100
PULSE_SECONDS = 0.25
TEXT_HEIGHT = {True: 150, False: 124}  # pixels: some lines and a button, in the narrow column under a picture and elsewhere
ENDS = (Gtk.ResponseType.CANCEL, Gtk.ResponseType.CLOSE, Gtk.ResponseType.DELETE_EVENT)


def ask(procedure, run):
    """Asks, makes, and asks again where that failed: the daemon's answer, or None if the user gave up."""
    GimpUi.init("gimp-bridge")
    dialog = Dialog(procedure, run)
    try:
        return dialog.work()
    finally:
        dialog.end()


class Dialog:
    """Also what a run tells how far it is: `show`, `cancelled` and `close`, as filter_dialog's window has them."""

    def __init__(self, procedure, run):
        self._run, self._history = run, History(run.bridge.state_dir)
        self._gone = self._running = self.cancelled = False
        self._search, self._timer, self._shown = None, 0, None
        self._window = GimpUi.ProcedureDialog.new(procedure, run.config, run.kind.title)
        self._window.set_ok_label("_Generate")
        without_help(self._window)
        self._without_settings()
        self._form = Form(run.kind, run.config, self._history, self._entered, self._keep_on_screen, self._allow)
        self._sight = Sight(run) if run.kind.area else None
        self._lay_out()
        self._window.connect("response", self._responded)
        self._window.connect("delete-event", lambda *_: True)  # GTK would take it away while a picture is made
        self._prompted = run.config.connect("notify::prompt", lambda *_: self._allow())
        self._follower = Follower(run.image, run.drawables, self._image_gone, self._moved, self._changed)

    def _lay_out(self):
        """What is said has its place beside the fields, under the picture: the window keeps its height."""
        both = Gtk.Box(spacing=18, border_width=12)
        told = self._new_told()
        if self._sight is not None:
            left = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
            left.pack_start(self._sight, True, True, 0)
            left.pack_start(told, False, False, 0)
            both.pack_start(left, True, True, 0)
            both.pack_start(self._form, False, True, 0)
        else:
            column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12)
            column.pack_start(self._form, True, True, 0)
            column.pack_start(told, False, False, 0)
            both.pack_start(column, True, True, 0)
        self._window.get_content_area().pack_start(both, True, True, 0)
        both.show_all()
        self._say("")
        mnemonics.settle(self._window)

    def _new_told(self):
        self._line, self._told = (Gtk.Label(xalign=0, wrap=True, max_width_chars=1, hexpand=True) for _ in range(2))
        self._bar = Gtk.ProgressBar()
        self._mend = Gtk.Button(use_underline=True, halign=Gtk.Align.START)
        self._mend.connect("clicked", self._mended)
        texts = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for widget in (self._line, self._bar, self._told, self._mend):
            texts.pack_start(widget, False, False, 0)
        # Of one height, whatever is said: the window must not jump
        scroll = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, min_content_height=TEXT_HEIGHT[self._sight is not None])
        scroll.add(texts)
        return scroll

    def _without_settings(self):
        """The buttons that save and load one set of values: earlier prompts and GIMP's last values do more in less room."""
        button = self._window.get_widget_for_response(Gtk.ResponseType.OK)
        for child in self._window.get_content_area().get_children():
            if not button.is_ancestor(child):
                child.set_no_show_all(True)
                child.hide()

    def work(self):
        """Until it is done or given up. Raises OperationError once the image is closed."""
        self._look()
        self._form.prompt.grab_focus()
        while True:
            wanted = self._window.run()
            if self._gone:
                raise OperationError("image_gone", "the image was closed")
            if not wanted:
                return None
            answer = self._make()
            if answer is not None:
                return answer

    def end(self):
        """The window goes."""
        self._stop_looking()
        self._follower.close()
        if self._sight is not None:
            self._sight.close()
        self._run.config.disconnect(self._prompted)
        self._form.close()
        self._window.destroy()

    def close(self):
        """The run is over; the window stays for what is to be said."""

    # --- who can make it ---

    def _look(self):
        self._stop_looking()
        self._search, self._run.found = self._run.search(), None
        self._say("Looking for image generators…")
        self._timer = GLib.timeout_add(LOOK_MS, self._looked)
        self._allow()

    def _looked(self):
        try:
            found = self._search.poll()
            if found is None:
                return GLib.SOURCE_CONTINUE
            offered = generators(self._run.kind, found.backends)
            self._form.offer(offered)
            if all(each.lacks for each in offered):
                raise OperationError(
                    "unsupported", "no backend can do that", "configure one that can", reason="no_backend_for_this"
                )
            self._run.found = found
            if self._sight:
                self._sight.look()
            self._say("", self._closed())
        except OperationError as error:
            self._say("", self._in_words(error))
        self._timer = 0
        self._allow()
        return GLib.SOURCE_REMOVE

    def _closed(self):
        """That the one which is asked wants another key, before it is asked; None where it does not."""
        generator = self._form.generator
        if generator is None or not generator.closed:
            return None
        message = f"the backend `{generator.name}` wants a token"
        return self._in_words(OperationError("io_error", message, reason="backend_closed", other=generator.name))

    def _stop_looking(self):
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0

    # --- making it ---

    def _make(self):
        """The answer; None where the dialog has to ask again."""
        config = self._run.config
        self._history.add(config.get_property("prompt"), config.get_property("negative-prompt"))
        self.cancelled, self._running = False, True
        self._allow()
        try:
            answer = generate_run.run(self._run, self)
            self._history.used(generate_run.seed_used(answer))
            return answer
        except OperationError as error:
            if self._gone or not self._run.image.is_valid():
                raise
            if error.kind == "cancelled":
                self._say("Cancelled. The image is as it was.")
            else:
                self._say("", self._in_words(error))
            return None
        finally:
            self._running = False
            self._allow()

    def show(self, fraction, message):
        """How far it is; `fraction` None: nobody knows. Draws only what is new: who is asked again and again between two
        events would else leave the requests of others no time."""
        text = "Cancelling" if self.cancelled else people.doing(message) or "Working"
        now = text, fraction or None, None if fraction else int(time.monotonic() / PULSE_SECONDS)
        if now == self._shown:
            return
        self._shown = now
        self._say(f"{text}…", busy=True)
        if fraction:
            self._bar.set_fraction(fraction)
        else:
            self._bar.pulse()

    def _in_words(self, error):
        self._run.other = error.details.get("other", "")
        return people.told(error, self._run.kind.title, self._run.layer_name)

    def _say(self, line, told=None, busy=False):
        self._line.set_text(line)
        self._bar.set_visible(busy)
        self._told.set_text(told.whole() if told else "")
        self._told.set_visible(bool(told))
        self._action = told.action if told else None
        self._mend.set_label(told.button if self._action else "")
        self._mend.set_visible(bool(self._action))
        if self._action:
            mnemonics.settle(self._window, self._mend)

    def _allow(self):
        """What can be pressed now."""
        ready = self._run.found is not None and not self._running
        worded = not self._form.needs_words or bool(self._run.config.get_property("prompt").strip())
        self._window.set_response_sensitive(Gtk.ResponseType.OK, ready and worded)
        self._form.set_sensitive(not self._running)

    # --- the user ---

    def _entered(self):
        button = self._window.get_widget_for_response(Gtk.ResponseType.OK)
        if button.get_sensitive():
            button.clicked()

    def _keep_on_screen(self):
        """The window grew downwards: its buttons have to be seen."""
        display, inner = self._window.get_display(), self._window.get_window()
        if inner is None:
            return
        area = display.get_monitor_at_window(inner).get_workarea()
        frame = inner.get_frame_extents()
        below = frame.y + frame.height - (area.y + area.height)
        if below > 0:
            x, y = self._window.get_position()
            self._window.move(x, max(y - below, area.y))

    def _responded(self, _window, response):
        if self._running and response in ENDS:
            self.cancelled = True
            self._say("Cancelling…", busy=True)
            GLib.main_context_default().wakeup()

    def _mended(self, _button):
        """Does what the message advises."""
        try:
            filter_mend.ACTIONS[self._action](self._run)
            self._look()
        except OperationError as error:
            if error.kind != "cancelled":
                self._say("", self._in_words(error))

    # --- GIMP meanwhile ---

    def _image_gone(self):
        self._gone = self.cancelled = True
        if not self._running:
            self._window.response(Gtk.ResponseType.CANCEL)

    def _moved(self, layers):
        self._run.drawables = layers
        self._changed(True)

    def _changed(self, _selection):
        if self._sight is not None and not self._running:
            self._sight.look()

