"""The preview in a filter's dialog: the picture, its two switches, and one line that says what is seen.

As in other editors' dialogs: a press on the picture shows it without the filter as long as it is held, and moves it.
Drawn with pixbufs alone: GIMP's Python need not have cairo.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GdkPixbuf, GLib, Gtk, Pango  # noqa: E402

from filter_preview import SIDE, Preview  # noqa: E402

CHECKS = 0x999999, 0x666666  # GIMP's own, of what is transparent
CHECK_SIZE = 8
EMPTY = 0x00000033  # a shade of whatever the theme's colour is
MOVED = 3  # pixels from which a press is a drag
STEP = 32  # pixels of an arrow key
KEYS = {Gdk.KEY_Left: (-STEP, 0), Gdk.KEY_Right: (STEP, 0), Gdk.KEY_Up: (0, -STEP), Gdk.KEY_Down: (0, STEP)}
_wanted = True  # whether the user's last dialog had its preview on


class FilterView(Gtk.Box):
    """What `Preview` shows things on; `start` begins, `close` ends it."""

    def __init__(self, bridge, image, drawable, config, row):
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._preview = Preview(bridge, image, drawable, config, row, self)
        self._shown = None
        self._pictures = None  # pixbufs without and with the filter
        self._press = self._start = None  # where the mouse went down, and on which part of the layer
        self._area = None  # what is seen instead of the pictures while it moves
        self._picture = Gtk.Image()
        self._surface = Gtk.EventBox(can_focus=True, above_child=True, halign=Gtk.Align.CENTER)
        self._surface.set_size_request(SIDE, SIDE)
        self._surface.get_accessible().set_name("Preview")
        self._surface.add(self._picture)
        mask = Gdk.EventMask
        self._surface.add_events(mask.BUTTON_PRESS_MASK | mask.BUTTON_RELEASE_MASK | mask.BUTTON1_MOTION_MASK)
        self._surface.connect("button-press-event", self._pressed)
        self._surface.connect("motion-notify-event", self._dragged)
        self._surface.connect("button-release-event", self._released)
        self._surface.connect("key-press-event", self._key)
        rim = Gtk.EventBox(halign=Gtk.Align.CENTER)
        rim.get_style_context().add_provider(_style(), Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
        self._surface.set_property("margin", 2)
        self._surface.connect("focus-in-event", lambda *_: rim.get_style_context().add_class("focused"))
        self._surface.connect("focus-out-event", lambda *_: rim.get_style_context().remove_class("focused"))
        rim.add(self._surface)
        self._switch = Gtk.CheckButton.new_with_mnemonic("_Preview")
        self._switch.set_tooltip_text("Press on the picture to see it without the filter, drag it to see another part")
        self._switch.set_active(_wanted)
        self._switch.connect("toggled", self._switched)
        self._before = Gtk.ToggleButton.new_with_mnemonic("_Before")
        self._before.set_tooltip_text("Shows the layer without the filter")
        self._before.connect("toggled", lambda _button: self._draw())
        self._line = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END, max_width_chars=1)
        switches = Gtk.Box(spacing=6)
        switches.pack_start(self._switch, False, False, 0)
        switches.pack_end(self._before, False, False, 0)
        self.pack_start(rim, False, False, 0)
        self.pack_start(switches, False, False, 0)
        self.pack_start(self._line, False, False, 0)
        self._draw()
        self.show_all()

    def start(self):
        self._apply_switch()

    def close(self):
        self._preview.close()

    # --- what Preview tells ---

    def working(self, text):
        self._say(text)

    def failed(self, text, more):
        if self._pictures is not None:  # what the filter made before is not what it makes now
            self._pictures = self._pictures[:1] * 2
        self._say(text, f"{text}. {more}" if more else text)
        self._draw()

    def show(self, shown):
        self._shown = shown
        both = shown.before, shown.after or shown.before
        self._pictures = [_pixbuf(shown.width, shown.height, data) for data in both]
        if self._press is None:  # else the hand is on it
            self._area = None
        self._say(_line(shown))
        if self._surface.get_window() is not None:
            self._surface.get_window().set_cursor(self._cursor())
        self._draw()

    # --- the user ---

    def _switched(self, _button):
        global _wanted
        _wanted = self._switch.get_active()
        self._apply_switch()

    def _apply_switch(self):
        on = self._switch.get_active()
        self._before.set_sensitive(on)
        if not on:
            self._shown = self._pictures = self._area = None
            self._say("")
            self._draw()
        self._preview.switch(on)

    def _pressed(self, _widget, event):
        if event.button != 1 or self._pictures is None:
            return False
        self._surface.grab_focus()
        self._press, self._start = (event.x, event.y), self._area or self._shown.area
        self._draw()
        return True

    def _dragged(self, _widget, event):
        if self._press is None or not self._movable():
            return False
        dx, dy = self._press[0] - event.x, self._press[1] - event.y
        if self._area is not None or max(abs(dx), abs(dy)) > MOVED:
            self._move(self._start, dx / self._shown.zoom, dy / self._shown.zoom)
        return True

    def _released(self, _widget, event):
        if event.button != 1 or self._press is None:
            return False
        self._press = None
        if self._area not in (None, self._start):
            self._look()
        self._draw()
        return True

    def _key(self, _widget, event):
        if event.keyval not in KEYS or not self._movable():
            return False
        self._move(self._area or self._shown.area, *(step / self._shown.zoom for step in KEYS[event.keyval]))
        self._look()
        return True

    # --- moving ---

    def _movable(self):
        shown = self._shown
        return shown is not None and shown.view == "part" and shown.area[2:] != shown.layer_size

    def _cursor(self):
        return Gdk.Cursor.new_from_name(self.get_display(), "grab") if self._movable() else None

    def _move(self, start, dx, dy):
        """Shows the layer that far from `start`, without the filter as long as nothing else is known."""
        x, y, width, height = start
        most = (size - side for size, side in zip(self._shown.layer_size, (width, height)))
        left, top = (min(max(round(at), 0), limit) for at, limit in zip((x + dx, y + dy), most))
        self._area = left, top, width, height
        self._draw()

    def _look(self):
        x, y, width, height = self._area
        self._preview.look_at(x + width // 2, y + height // 2)

    # --- drawing ---

    def _say(self, text, more=None):
        self._line.set_text(text)
        self._line.set_tooltip_text(more or text or None)

    def _draw(self):
        self._picture.set_from_pixbuf(self._current())

    def _current(self):
        """A square of SIDE with what is to be seen in its middle."""
        canvas = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, SIDE, SIDE)
        canvas.fill(EMPTY)
        if self._pictures is None:
            return canvas
        if self._area is not None:
            picture = _pixbuf(*self._preview.part(self._area, self._shown.zoom))
            picture = picture.scale_simple(self._shown.width, self._shown.height, GdkPixbuf.InterpType.BILINEAR)
        else:
            picture = self._pictures[0 if self._before.get_active() or self._press is not None else 1]
        width, height = picture.get_width(), picture.get_height()
        flat = picture.composite_color_simple(width, height, GdkPixbuf.InterpType.NEAREST, 255, CHECK_SIZE, *CHECKS)
        flat.copy_area(0, 0, width, height, canvas, (SIDE - width) // 2, (SIDE - height) // 2)
        return canvas


def _style():
    """The arrow keys move the picture, so it has to be seen when they do."""
    style = Gtk.CssProvider()
    style.load_from_data(b"* { background: none } .focused { background: @theme_selected_bg_color }")
    return style


def _pixbuf(width, height, data):
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(bytes(data)), GdkPixbuf.Colorspace.RGB, True, 8, width, height, width * 4
    )


def _line(shown):
    """What is seen, in a few words."""
    what = {"part": "Part of the layer", "selection": "The selection", "whole": "The whole layer"}[shown.view]
    if shown.area[2:] == shown.layer_size:
        what = "The whole layer"
    zoom = shown.zoom
    scale = f"{zoom:.0%}" if zoom >= 0.1 else f"{zoom:.1%}"
    found = "".join(f", {name.replace('_', ' ')} {_number(value)}" for name, value in shown.measured.items())
    return f"{what}, {scale}{found}"


def _number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
