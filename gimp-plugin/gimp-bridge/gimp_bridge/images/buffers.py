"""Numbers into the buffers of drawables: the one way in.

GIMP ends a plug-in that writes beside a drawable, and a buffer's `clear` empties whole tiles in the plug-in's process
alone, without GIMP hearing of it. So what lies outside of a buffer is cut off here, and emptying is writing zeros.
"""

from gi.repository import Babl, Gegl

STRIP_BYTES = 1 << 20


def put(buffer, x, y, width, height, encoding, data):
    """Writes rows of pixels at (x, y); whatever falls outside of the buffer is dropped. Returns whether any is inside."""
    extent = buffer.get_extent()
    left, top = max(x, extent.x), max(y, extent.y)
    right, bottom = min(x + width, extent.x + extent.width), min(y + height, extent.y + extent.height)
    if left >= right or top >= bottom:
        return False
    if (left, right) != (x, x + width):
        data, pixel = memoryview(data).cast("B"), len(data) // (width * height)
        starts = (((row - y) * width + left - x) * pixel for row in range(top, bottom))
        data = b"".join(data[start : start + (right - left) * pixel] for start in starts)
    elif (top, bottom) != (y, y + height):
        row = len(data) // height
        data = bytes(memoryview(data).cast("B")[(top - y) * row : (bottom - y) * row])
    buffer.set(Gegl.Rectangle.new(left, top, right - left, bottom - top), encoding, data)
    return True


def put_area(buffer, area, encoding, data):
    """`put` for a Gegl.Rectangle."""
    return put(buffer, area.x, area.y, area.width, area.height, encoding, data)


def empty(buffer, encoding):
    """Sets all numbers of a buffer to 0, which `encoding` names the format of."""
    extent = buffer.get_extent()
    if not extent.width or not extent.height:
        return
    row_bytes = extent.width * Babl.format_get_bytes_per_pixel(Babl.format(encoding))
    rows = min(max(STRIP_BYTES // row_bytes, 1), extent.height)
    zeros = bytes(row_bytes * rows)
    for top in range(extent.y, extent.y + extent.height, rows):
        high = min(rows, extent.y + extent.height - top)
        buffer.set(Gegl.Rectangle.new(extent.x, top, extent.width, high), encoding, zeros[: row_bytes * high])
