"""What a filter's preview asks the daemon for, and when. Knows no widget: a `view` shows what comes.

One request at a time: a change that comes meanwhile cancels it, and the next goes out when its answer is there. So a
slider that is dragged for a minute costs one tile's work at a time. Nothing here waits.
"""

import base64

from gi.repository import Babl, Gegl, GLib

from gimp_bridge.core.errors import OperationError
from gimp_bridge.images import buffers
from gimp_bridge.safety import loops as exec_loops
from gimp_bridge.ui import daemon_process, people
from gimp_bridge.ui.filters import measured as filter_auto, run as filter_run

SIDE = 320  # pixels of the preview at least, both ways
MOST = 1024  # what a daemon makes
ZOOMS = tuple(2.0**step for step in range(-6, 6))  # pixels of the screen for one of the result's
SETTLE_MS = 300  # a slider is still moving
POLL_MS = 100
SEEN = "R'G'B'A u8"  # what the screen shows
ABYSS = Gegl.AbyssPolicy.NONE


class Shown:
    """One answer: the same part of the layer without and with the filter, as sRGB bytes with alpha."""

    def __init__(self, drawable, answer):
        self.sent = answer["width"], answer["height"]  # pixels that came
        self.level = answer["zoom"]  # pixels of the screen for one of the result's
        self.width, self.height = (round(side * max(self.level, 1.0)) for side in self.sent)  # on the screen
        self.area, self.layer_size = tuple(answer["area"]), tuple(answer["layer_size"])
        self.view, self.measured = answer["view"], answer["measured"]
        self.notes = [people.note(note) for note in answer.get("notes") or ()]
        self.before = _to_screen(drawable, answer["before"], *self.sent)
        after = answer["after"]  # None: it did not run yet
        self.after = None if after is None else _to_screen(drawable, after, *self.sent)

    @property
    def zoom(self):
        """Pixels of the screen for one of the layer's."""
        return self.width / self.area[2]


class Preview:
    """Asks for previews of one dialog. `view` has working(text), failed(told) and show(shown). Main thread."""

    def __init__(self, bridge, image, drawable, config, row, view):
        self._bridge, self._image, self._drawable = bridge, image, drawable
        self._config, self._row, self._view = config, row, view
        self._values = filter_auto.Values(config, row)
        names = [parameter["name"].replace("_", "-") for parameter in row["params"]]
        self._names = {*names, *(f"{name}-auto" for name in names), "style"}
        self._handler = config.connect("notify", self._notified)
        self._centre = None  # where in the layer the user wants to look
        self._zoom = None  # how close; None: as it fits
        self._room = (SIDE, SIDE)
        self.marks = filter_run.Marks()
        self._timer = 0
        self._ask = self._starting = None
        self._again = False  # what runs is out of date
        self._on = False
        self._begun = False  # the layer as it is comes first, at once

    def switch(self, on):
        self._on = on
        if on:
            self.look_again()
        else:
            self._stop()

    def look_again(self, selection=False):
        """The layer looks otherwise, or the selection, which is looked at then."""
        if selection:
            self._centre = None
        self._values.forget()
        self._begun = False
        self._changed(0)

    def aim(self, drawable):
        """Another layer is meant from now on."""
        self._drawable, self._centre = drawable, None
        self.marks = filter_run.Marks()
        self.look_again()

    def look_at(self, x, y):
        """Moves the middle of the preview to that place of the layer."""
        self._centre = (round(x), round(y))
        self._changed(SETTLE_MS // 3)

    def look_closer(self, zoom, centre=None):
        """Pixels of the screen for one of the result's, or None for what fits; `centre` is a place of the layer."""
        self._zoom = zoom
        if centre is not None:
            self._centre = tuple(round(at) for at in centre)
        if zoom is None:
            self._centre = None
        self._begun = False  # the layer itself, at once
        self._changed(0)

    def resize(self, width, height):
        """So much room there is for the picture."""
        room = tuple(min(max(side, 16), MOST) for side in (width, height))
        if room != self._room:
            self._room, self._begun = room, False
            self._changed(SETTLE_MS // 3)

    def mark(self, x, y, inside):
        """The user says of a place of the layer whether it is on the subject."""
        self.marks.add(x, y, inside)
        self._changed(SETTLE_MS // 3)

    def unmark(self):
        """Forgets all marks."""
        self.marks = filter_run.Marks()
        self._changed(SETTLE_MS // 3)

    def part(self, area, zoom):
        """The layer as it is there, at once: (width, height, bytes). For a picture that moves under the mouse."""
        buffer, scale = self._drawable.get_buffer(), min(zoom, 1.0)
        x, y, width, height = (round(side * scale) for side in area)
        width, height = max(width, 1), max(height, 1)
        return width, height, buffer.get(Gegl.Rectangle.new(x, y, width, height), scale, SEEN, ABYSS)

    def close(self):
        """Ends what runs; nothing is shown any more."""
        self._on = False
        self._stop()
        self._values.settle()
        if self._handler:
            self._config.disconnect(self._handler)
            self._handler = 0

    def _notified(self, _config, spec):
        if spec.name in self._names and self._values.changed(spec.name):  # where the result goes does not change it
            self._changed(SETTLE_MS)

    @property
    def _wanted(self):
        """Whether there is something to ask: the preview, or with that off a value to be measured."""
        return self._on or self._values.asked

    def _changed(self, wait):
        if not self._wanted:
            return
        if self._ask is not None and not self._again:
            self._again = True
            self._ask.cancel()
        self._view.working("Working…")
        self._soon(wait)

    def _soon(self, wait):
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer = GLib.timeout_add(wait, self._send)

    def _stop(self):
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0
        self._starting = None
        if self._ask is not None and not self._again:
            self._again = True
            self._ask.cancel()

    def _send(self):
        """The timer's end: asks, or sees to it that there is somebody to ask."""
        self._timer = 0
        if not self._wanted or self._ask is not None:
            return GLib.SOURCE_REMOVE  # the answer to come looks at `_again`
        try:
            if not self._drawable.is_valid():
                raise OperationError("not_found", "the layer is not there any more", reason="layer_gone")
            if self._row.get("style") and self._config.get_property("style") is None:
                raise OperationError("invalid_argument", "no style picture is chosen", reason="style_missing")
            connection = self._connection()
            if connection is None:
                self._view.working("Starting the program that runs the AI filters…")
                self._timer = GLib.timeout_add(POLL_MS, self._send)
            else:
                self._view.working("Working…")
                self._ask = connection.asking.ask("filters/preview", self._params(), self._wake)
        except OperationError as error:
            self._failed(error)
        return GLib.SOURCE_REMOVE

    def _connection(self):
        busy = self._bridge.busy()
        if busy and busy["operation"] not in ("batch", "GIMP"):
            message = "no preview while an AI client's code waits for this dialog"
            raise OperationError("busy", message, reason="client_waits")
        connection = daemon_process.able_connection(self._bridge)
        if connection is None:
            self._starting = self._starting or daemon_process.start(self._bridge)
            connection = self._starting.poll()
        if connection is not None:
            self._starting = None
        return connection

    def _params(self):
        params = {
            "filter": self._row["name"],
            "parameters": self._values.parameters(),
            "image": self._image.get_id(),
            "layer": self._drawable.get_id(),
            "width": self._room[0],
            "height": self._room[1],
            "run": self._begun or not self._on,
        }
        if self._centre is not None:
            params["x"], params["y"] = self._centre
        if self._zoom is not None:
            params["zoom"] = self._zoom
        if self._values.measured:
            params["measured"] = self._values.measured
        params.update(self.marks.params())
        if self._row.get("style"):
            params["style_path"] = self._config.get_property("style").get_path()
        return params

    def _wake(self):
        exec_loops.wake(self._news)  # the reader's thread calls

    def _news(self):
        ask = self._ask
        if ask is None:
            return GLib.SOURCE_REMOVE
        if not ask.done:
            if self._on and not self._again and ask.progress[0] > 0:
                self._view.working(f"Working… {ask.progress[0]:.0%}")
            return GLib.SOURCE_REMOVE
        self._ask, outdated, self._again = None, self._again, False
        if outdated and self._wanted and not self._timer:
            self._send()
        if outdated or not self._wanted:
            return GLib.SOURCE_REMOVE
        try:
            shown = Shown(self._drawable, ask.result())
            # What was measured holds for the whole layer, whatever part is looked at and whatever else is changed
            self._values.found(shown.measured)
            if not self._on:
                self._view.working("")
                return GLib.SOURCE_REMOVE
            self._view.show(shown)
            if not self._begun:
                self._begun = True
                self._send()
        except OperationError as error:
            self._failed(error)
        return GLib.SOURCE_REMOVE

    def _failed(self, error):
        self._starting = None
        self._values.settle()
        layer = self._drawable.get_name() if self._drawable.is_valid() else ""
        self._view.failed(people.told(error, self._row["title"], layer))


def _to_screen(drawable, text, width, height):
    """The daemon's numbers are of the layer's own colour space; the screen gets sRGB."""
    data, area = base64.b64decode(text, validate=True), Gegl.Rectangle.new(0, 0, width, height)
    if len(data) != width * height * 4:
        raise OperationError("protocol_error", f"gimp-bridge sent {len(data)} bytes of a {width}x{height} preview")
    own = drawable.get_format()
    if Babl.format_is_palette(own):
        return data
    buffer = Gegl.Buffer.new(SEEN, 0, 0, width, height)
    buffers.put_area(buffer, area, Babl.get_name(Babl.format_with_space(SEEN, Babl.format_get_space(own))), data)
    return buffer.get(area, 1.0, SEEN, ABYSS)
