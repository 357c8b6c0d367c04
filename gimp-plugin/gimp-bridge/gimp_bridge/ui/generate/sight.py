"""What is sent to an image generator, in the dialog: the part of the layer with its surroundings, what stays is dimmed.

Drawn with pixbufs alone: GIMP's Python need not have cairo.
"""

import contextlib

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GdkPixbuf, Gegl, GLib, Gtk  # noqa: E402

from gimp_bridge.core.errors import OperationError  # noqa: E402
from gimp_bridge.images import painted_area  # noqa: E402
from gimp_bridge.ui import people  # noqa: E402
from gimp_bridge.ui.filters.surface import CHECK_SIZE, CHECKS, EMPTY  # noqa: E402
from gimp_bridge.ui.generate import run as generate_run  # noqa: E402

SIDE = 240  # pixels of the picture at least, both ways
SEEN, MASK = "R'G'B'A u8", "Y u8"
ABYSS = Gegl.AbyssPolicy.NONE
DIM = 0x88  # how dark a veil lies over what stays
VEIL = bytes(round((255 - value) * DIM / 255) for value in range(256))


class Sight(Gtk.Box):
    """`look` looks anew at the layer and the selection of a run."""

    def __init__(self, run):
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._run = run
        self._room = (SIDE, SIDE)
        self._image = Gtk.Image()
        self._image.get_accessible().set_name("What is sent")
        layout = Gtk.Layout()  # has no size of its own: the window may become smaller again
        layout.put(self._image, 0, 0)
        layout.set_size_request(SIDE, SIDE)
        layout.connect("size-allocate", self._sized)
        self._line = Gtk.Label(xalign=0, wrap=True, max_width_chars=1, hexpand=True)
        self.pack_start(layout, True, True, 0)
        self.pack_start(self._line, False, False, 0)
        self._idle = 0
        self.look()

    def close(self):
        if self._idle:
            GLib.source_remove(self._idle)
            self._idle = 0

    def _sized(self, _widget, allocation):
        room = allocation.width, allocation.height
        if room != self._room:
            self._room = room
            if not self._idle:
                self._idle = GLib.idle_add(self.look)  # not while sizes are being given out

    def look(self):
        self._idle = 0
        canvas = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, *self._room)
        canvas.fill(EMPTY)
        run = self._run
        try:
            run.check_place()
            margin = run.found.margin if run.found else generate_run.MARGIN
            fills = run.kind.method == "generate/fill"
            area = painted_area.fill(run.image, margin) if fills else painted_area.vary(run.image, run.layer, margin)
            with contextlib.ExitStack() as stack:
                drawable, corner, _mask = painted_area.seen(run.image, None if fills else run.layer, stack)
                self._draw(canvas, area, drawable, corner)
            self._line.set_text(f"This part is sent: {area.box[2]} × {area.box[3]} pixels.")
        except OperationError as error:
            self._line.set_text(people.told(error, run.kind.title, run.layer_name).text)
        self._image.set_from_pixbuf(canvas)
        return GLib.SOURCE_REMOVE

    def _draw(self, canvas, area, drawable, corner):
        """What is sent, and a veil over what stays."""
        scale = min(side / pixels for side, pixels in zip(self._room, area.box[2:]))
        local = (area.box[0] - corner[0], area.box[1] - corner[1], *area.box[2:])
        picture = _part(drawable.get_buffer(), local, scale, self._room)
        flat = picture.composite_color_simple(
            picture.get_width(), picture.get_height(), GdkPixbuf.InterpType.NEAREST, 255, CHECK_SIZE, *CHECKS
        )
        if area.selected:
            veil = _part(self._run.image.get_selection().get_buffer(), area.box, scale, self._room, veil=True)
            veil.composite(flat, 0, 0, flat.get_width(), flat.get_height(), 0, 0, 1, 1, GdkPixbuf.InterpType.NEAREST, 255)
        place = tuple((room - side) // 2 for room, side in zip(self._room, (flat.get_width(), flat.get_height())))
        flat.copy_area(0, 0, flat.get_width(), flat.get_height(), canvas, *place)


def _part(buffer, area, scale, room, veil=False):
    """A part of a buffer as a pixbuf that fills the room; of a mask a veil over what it leaves out."""
    shown = min(scale, 1.0)  # enlarged afterwards: squares, as elsewhere
    x, y = (round(at * shown) for at in area[:2])
    width, height = (max(round(side * shown), 1) for side in area[2:])
    data = buffer.get(Gegl.Rectangle.new(x, y, width, height), shown, MASK if veil else SEEN, ABYSS)
    if veil:
        rgba = bytearray(4 * width * height)
        rgba[3::4] = bytes(data).translate(VEIL)
        data = bytes(rgba)
    pixbuf = GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(data), GdkPixbuf.Colorspace.RGB, True, 8, width, height, 4 * width
    )
    sides = tuple(min(max(round(side * scale), 1), most) for side, most in zip(area[2:], room))
    return pixbuf if sides == (width, height) else pixbuf.scale_simple(*sides, GdkPixbuf.InterpType.NEAREST)
