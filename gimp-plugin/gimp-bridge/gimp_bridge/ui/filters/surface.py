"""The picture in a filter's dialog: as large as the window leaves room for, drawn, pressed, moved, zoomed.

As in other editors' dialogs: a press on the picture shows it without the filter as long as it is held, and moves it; the
wheel zooms where the mouse is. Drawn with pixbufs alone: GIMP's Python need not have cairo.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GdkPixbuf, GLib, Gtk  # noqa: E402

from gimp_bridge.ui.filters.preview import SIDE, ZOOMS  # noqa: E402

CHECKS = 0x999999, 0x666666  # GIMP's own, of what is transparent
CHECK_SIZE = 8
EMPTY = 0x00000033  # a shade of whatever the theme's colour is
MARK = 4  # half a mark's side
ON, OFF, RIM = 0x20C020FF, 0xE02020FF, 0xFFFFFFFF
MOVED = 3  # pixels from which a press is a drag
STEP = 32  # pixels of an arrow key
ARROWS = {Gdk.KEY_Left: (-STEP, 0), Gdk.KEY_Right: (STEP, 0), Gdk.KEY_Up: (0, -STEP), Gdk.KEY_Down: (0, STEP)}
CLOSER = Gdk.KEY_plus, Gdk.KEY_equal, Gdk.KEY_KP_Add
FARTHER = Gdk.KEY_minus, Gdk.KEY_KP_Subtract
FORGET = Gdk.KEY_Delete, Gdk.KEY_BackSpace


class Surface(Gtk.EventBox):
    """Shows what `preview` made, and tells it where the user wants to look. `takes_marks`: clicks say what the subject is."""

    def __init__(self, preview, takes_marks):
        super().__init__(can_focus=True, above_child=True)
        self._preview, self._takes_marks = preview, takes_marks
        self._shown = None
        self._pictures = None  # pixbufs without and with the filter
        self._press = self._start = None  # where the mouse went down, and on which part of the layer
        self._area = None  # what is seen instead of the pictures while it moves
        self._room = (SIDE, SIDE)
        self.before = False  # whether the layer itself is seen
        self._image = Gtk.Image()
        layout = Gtk.Layout()  # has no size of its own: the window may become smaller again
        layout.put(self._image, 0, 0)
        self.add(layout)
        self.set_size_request(SIDE, SIDE)
        self.get_accessible().set_name("Preview")
        mask = Gdk.EventMask
        self.add_events(
            mask.BUTTON_PRESS_MASK | mask.BUTTON_RELEASE_MASK | mask.BUTTON1_MOTION_MASK | mask.SCROLL_MASK
        )
        self.connect("size-allocate", self._sized)
        self.connect("button-press-event", self._pressed)
        self.connect("motion-notify-event", self._dragged)
        self.connect("button-release-event", self._released)
        self.connect("scroll-event", self._scrolled)
        self.connect("key-press-event", self._key)

    # --- what is shown ---

    def show_answer(self, shown):
        self._shown = shown
        both = shown.before, shown.after or shown.before
        self._pictures = [_scaled(_pixbuf(*shown.sent, data), shown.width, shown.height) for data in both]
        if self._press is None:  # else the hand is on it
            self._area = None
        if self.get_window() is not None:
            self.get_window().set_cursor(self._cursor())
        self.draw()

    def forget_filter(self):
        """What the filter made before is not what it makes now."""
        if self._pictures is not None:
            self._pictures = self._pictures[:1] * 2
        self.draw()

    def clear(self):
        self._shown = self._pictures = self._area = None
        self.draw()

    # --- zoom ---

    def closer(self):
        self._zoom_to(next((zoom for zoom in ZOOMS if zoom > self._level() * 1.01), None))

    def farther(self):
        self._zoom_to(next((zoom for zoom in reversed(ZOOMS) if zoom < self._level() * 0.99), None))

    def actual(self):
        self._zoom_to(1.0)

    def fit(self):
        """As much as fits the view, as at first."""
        self._area = None
        self._preview.look_closer(None)

    def _level(self):
        return self._shown.level if self._shown is not None else 1.0

    def _zoom_to(self, zoom, at=None):
        """Keeps the place of the layer `at` (a point on the picture) where it is, else the middle."""
        if self._shown is None or zoom is None:
            return
        x, y, width, height = self._area or self._shown.area
        middle = x + width / 2, y + height / 2
        if at is not None:
            spot, scale = self._place(*at), self._shown.level / zoom
            middle = tuple(there + (centre - there) * scale for there, centre in zip(spot, middle))
        self._area = None
        self._preview.look_closer(zoom, middle)

    def _scrolled(self, _widget, event):
        steps = {Gdk.ScrollDirection.UP: ZOOMS, Gdk.ScrollDirection.DOWN: tuple(reversed(ZOOMS))}
        if event.direction not in steps or self._shown is None:
            return False
        up = event.direction == Gdk.ScrollDirection.UP
        level = self._level()
        found = (zoom for zoom in steps[event.direction] if (zoom > level * 1.01 if up else zoom < level * 0.99))
        self._zoom_to(next(found, None), (event.x, event.y))
        return True

    # --- the mouse and the keys ---

    def _pressed(self, _widget, event):
        if self._takes_marks and event.button == 3 and self._pictures is not None:
            self.grab_focus()
            self._mark(event, False)
            return True
        if event.button != 1 or self._pictures is None:
            return False
        self.grab_focus()
        self._press, self._start = (event.x, event.y), self._area or self._shown.area
        self.draw()
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
        still = max(abs(self._press[0] - event.x), abs(self._press[1] - event.y)) <= MOVED
        self._press = None
        if self._takes_marks and still:
            self._mark(event, True)
        if self._area not in (None, self._start):
            self._look()
        self.draw()
        return True

    def _place(self, x, y):
        """A point on the picture as one of the layer."""
        left, top = self._corner()
        area = self._shown.area
        return (x - left) / self._shown.zoom + area[0], (y - top) / self._shown.zoom + area[1]

    def _mark(self, event, inside):
        x, y = self._place(event.x, event.y)
        if 0 <= x < self._shown.layer_size[0] and 0 <= y < self._shown.layer_size[1]:
            self._preview.mark(round(x, 1), round(y, 1), inside)
            self.draw()

    def _key(self, _widget, event):
        if event.state & (Gdk.ModifierType.CONTROL_MASK | Gdk.ModifierType.MOD1_MASK):
            return False
        key = event.keyval
        if self._takes_marks and key in FORGET:
            self._preview.unmark()
            self.draw()
        elif key in CLOSER:
            self.closer()
        elif key in FARTHER:
            self.farther()
        elif key in (Gdk.KEY_1, Gdk.KEY_KP_1):
            self.actual()
        elif key in (Gdk.KEY_0, Gdk.KEY_KP_0):
            self.fit()
        elif key in ARROWS and self._movable():
            self._move(self._area or self._shown.area, *(step / self._shown.zoom for step in ARROWS[key]))
            self._look()
        else:
            return False
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
        self.draw()

    def _look(self):
        x, y, width, height = self._area
        self._preview.look_at(x + width // 2, y + height // 2)

    # --- drawing ---

    def _sized(self, _widget, allocation):
        room = allocation.width, allocation.height
        if room != self._room:
            self._room = room
            self._preview.resize(*room)
            GLib.idle_add(self.draw)  # not while sizes are being given out

    def _corner(self):
        return tuple(max(room - side, 0) // 2 for room, side in zip(self._room, (self._shown.width, self._shown.height)))

    def draw(self):
        self._image.set_from_pixbuf(self._current())
        return GLib.SOURCE_REMOVE

    def _current(self):
        """All of the room with what is to be seen in its middle."""
        canvas = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, *self._room)
        canvas.fill(EMPTY)
        if self._pictures is None:
            return canvas
        if self._area is not None:
            part = _pixbuf(*self._preview.part(self._area, self._shown.zoom))
            picture = _scaled(part, self._shown.width, self._shown.height)
        else:
            picture = self._pictures[0 if self.before or self._press is not None else 1]
        left, top = self._corner()
        width, height = min(picture.get_width(), self._room[0] - left), min(picture.get_height(), self._room[1] - top)
        flat = picture.composite_color_simple(
            picture.get_width(), picture.get_height(), GdkPixbuf.InterpType.NEAREST, 255, CHECK_SIZE, *CHECKS
        )
        flat.copy_area(0, 0, width, height, canvas, left, top)
        self._draw_marks(canvas)
        return canvas

    def _draw_marks(self, canvas):
        (left, top), shown = self._corner(), self._shown
        for places, colour in ((self._preview.marks.on, ON), (self._preview.marks.off, OFF)):
            for x, y in places:
                across = round((x - shown.area[0]) * shown.zoom) + left
                down = round((y - shown.area[1]) * shown.zoom) + top
                for half, tone in ((MARK, RIM), (MARK - 1, colour)):
                    if half <= min(across, down) and across + half < self._room[0] and down + half < self._room[1]:
                        canvas.new_subpixbuf(across - half, down - half, 2 * half + 1, 2 * half + 1).fill(tone)


def _pixbuf(width, height, data):
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(bytes(data)), GdkPixbuf.Colorspace.RGB, True, 8, width, height, width * 4
    )


def _scaled(picture, width, height):
    """On the screen: what is enlarged shows its pixels as squares."""
    if (picture.get_width(), picture.get_height()) == (width, height):
        return picture
    larger = width > picture.get_width()
    return picture.scale_simple(width, height, GdkPixbuf.InterpType.NEAREST if larger else GdkPixbuf.InterpType.BILINEAR)
