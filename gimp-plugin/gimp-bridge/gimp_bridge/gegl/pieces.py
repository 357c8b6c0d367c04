"""Runs a GEGL operation over a large drawable piece by piece, in the plug-in's own process, and merges the result.

GIMP's windows answer meanwhile, the call tells its progress and can be ended between two pieces; until the merge
nothing in the image has changed, and a failure leaves what people painted meanwhile. The merge respects the selection
and the locks, and is an undo step, as a filter's is.
"""

import contextlib
import time

from gi.repository import Gegl, Gimp

from gimp_bridge.core import running
from gimp_bridge.core.errors import OperationError
from gimp_bridge.gegl import local as gegl_local, properties as gegl_properties
from gimp_bridge.images import display, pixel_diff

TILE = 128
SECONDS = 0.4  # that a piece is to take
MARGINS = 12  # of an operation's reach make a piece so high that the margins, worked out twice, cost a sixth more


def run(drawable, operation, config):
    """`operation` with the properties of `config`, a filter's, over what the selection leaves of the drawable."""
    area = _area(drawable)
    if area is None:
        return
    reach = gegl_local.reach(operation, config)
    size = drawable.get_width(), drawable.get_height()
    # Copies: GIMP ends a plug-in that asks for a tile of an image which the user has closed meanwhile
    picture = drawable.get_buffer().dup()
    result = picture.dup()
    windows = not display.headless()  # where people work on
    with running.call.beside(drawable.get_image()) if windows else contextlib.nullcontext():
        root, cut, made = _graph(picture, operation, config, area)  # the root keeps the others
        for x, y, width, height in _pieces(operation, area, reach):
            _check(drawable, size, area)
            if reach is not None:
                _limit(cut, area, y - reach, y + height + reach)
            made.blit_buffer(result, Gegl.Rectangle.new(x, y, width, height), 0, Gegl.AbyssPolicy.NONE)
        running.call.check()
        _check(drawable, size, area)
        x, y, width, height = area
        if windows and pixel_diff.differ(picture, drawable.get_buffer(), (x, y, x + width, y + height)):
            raise OperationError(
                "gimp_error", "the layer was painted on while the filter ran, which was not applied", "run it again"
            )
    whole = Gegl.Rectangle.new(*area)
    with running.call.masked():
        shadow = drawable.get_shadow_buffer()
        result.copy(whole, Gegl.AbyssPolicy.NONE, shadow, whole)
        shadow.flush()
        taken = drawable.merge_shadow(True)
    if not taken:  # the layer was deleted or locked meanwhile
        raise OperationError("gimp_error", f"GIMP did not take the result: {Gimp.get_pdb().get_last_error()}")
    drawable.update(*area)


def _check(drawable, size, area):
    """In a GIMP with windows the user goes on meanwhile: what was worked out so far may fit no more."""
    if not drawable.is_valid():
        raise OperationError("image_gone", "the image was closed while the filter ran")
    if (drawable.get_width(), drawable.get_height()) != size or _area(drawable) != area:
        raise OperationError("gimp_error", "the layer or the selection was changed while the filter ran", "run it again")


def _graph(picture, operation, config, area):
    """(root, what cuts the picture, what gives the result). As in GIMP's filters, the selection's bounds are all that the
    operation sees, and its own places count from their corner."""
    root = Gegl.Node()
    source, cut, there, made, back = (
        root.create_child(name) for name in ("gegl:buffer-source", "gegl:crop", "gegl:translate", operation, "gegl:translate")
    )
    source.set_property("buffer", picture)
    _limit(cut, area, area[1], area[1] + area[3])
    for move, sign in ((there, -1.0), (back, 1.0)):
        move.set_property("x", sign * area[0])
        move.set_property("y", sign * area[1])
    gegl_properties.carry(config, made, operation)
    for first, second in ((source, cut), (cut, there), (there, made), (made, back)):
        first.link(second)
    return root, cut, back


def _limit(cut, area, top, bottom):
    """Nothing but these rows of the area is seen."""
    x, y, width, height = area
    top, bottom = max(top, y), min(bottom, y + height)
    for name, value in (("x", x), ("y", top), ("width", width), ("height", bottom - top)):
        cut.set_property(name, float(value))


def _area(drawable):
    """(x, y, width, height) of what the selection leaves, in the drawable's pixels; None for nothing."""
    width, height = drawable.get_width(), drawable.get_height()
    _, some, left, top, right, bottom = Gimp.Selection.bounds(drawable.get_image())
    if not some or drawable.is_selection():
        return 0, 0, width, height
    x, y = drawable.get_offsets()[-2:]
    left, top, right, bottom = max(left - x, 0), max(top - y, 0), min(right - x, width), min(bottom - y, height)
    return (left, top, right - left, bottom - top) if left < right and top < bottom else None


def _pieces(operation, area, reach):
    """(x, y, width, height) one after the other until they cover `area`, with the progress told before each.

    The first is one tile, or as small as its margins allow, and each as large as the time of the one before allows.
    """
    x, y, width, height = area
    if not gegl_local.in_pieces(operation):
        longest = gegl_local.longest(width * height)
        running.call.progress(0, f"{operation}: in one piece that cannot be ended; it may take up to {longest} s")
        yield area
        return
    right, bottom, left, top = x + width, y + height, x, y
    least = TILE * TILE if reach is None else width * max(MARGINS * reach // TILE * TILE, TILE)
    pixels = least
    while top < bottom:
        running.call.check()
        done = ((top - y) * width + (left - x) * min(TILE, bottom - top)) / (width * height)
        running.call.progress(done, f"{operation}: {done * 100:.0f} %")
        began = time.monotonic()
        if left > x or pixels < width * TILE:  # a part of a row of tiles
            piece = left, top, min(max(pixels // TILE // TILE, 1) * TILE, right - left), min(TILE, bottom - top)
        else:
            piece = left, top, width, min(pixels // width // TILE * TILE, bottom - top)
        yield piece
        left += piece[2]
        if left == right:
            left, top = x, top + piece[3]
        allowed = piece[2] * piece[3] * SECONDS / max(time.monotonic() - began, 0.001)
        pixels = max(least, min(4 * pixels, int(allowed)))
