"""Where two drawables of equal size differ, from their raw bytes in native format.

Owns the comparison and its cost bound, and the raw copy; knows nothing of images or layers. Bytes come in strips or
tiles that follow GIMP's own 128-pixel tiles, so memory stays at a few MiB and each tile crosses the pipe once. Equality is one memcmp;
bounds are narrowed only where it fails. Refuses drawables of different sizes or formats: the caller knows what that
means.

A whole comparison costs about 7 ms per megapixel of 8-bit RGBA, all of it transport: neither thumbnails nor
GEGL's scaled reads are cheaper (both visit every tile). So a bounded comparison (`fraction` < 1) looks at a
lattice of whole tiles, exactly, then around each find; what it did not see it does not vouch for.
"""

from operator import sub

from gi.repository import Babl, Gegl

from gimp_bridge.images import buffers

TILE = 128
ABYSS = Gegl.AbyssPolicy.NONE
COVERAGE = "Y u8"  # linear, as GIMP reads a mask
LATTICE = 20  # of so many tiles along a row (more for small fractions), `fraction` are looked at


class Bounds:
    """A growing rectangle, in the drawable's own pixels; `right` and `bottom` are exclusive."""

    def __init__(self):
        self.left = self.top = self.right = self.bottom = None

    def __bool__(self):
        return self.left is not None

    def add(self, left, top, right, bottom):
        if self.left is None:
            self.left, self.top, self.right, self.bottom = left, top, right, bottom
        else:
            self.left, self.top = min(self.left, left), min(self.top, top)
            self.right, self.bottom = max(self.right, right), max(self.bottom, bottom)

    def rectangle(self):
        """`(x, y, width, height)`, or None when empty."""
        return (self.left, self.top, self.right - self.left, self.bottom - self.top) if self else None


def compare(old, new, size, fraction=1.0, check=None, area=None, coverage=False):
    """`((x, y, width, height) or None, whole)`: the bounding box of what differs, and whether all pixels were seen.

    `old` and `new` are Gimp.Drawables of equal `size` and format. `check()` is called between strips and may raise.
    `area` (left, top, right, bottom) leaves out what the caller knows to be equal. `coverage`: selections of
    which one is linear and one gamma-encoded; they are equal where they cover the same to within 1/255.
    """
    width, height = size
    reader = _Reader(old.get_buffer(), new.get_buffer(), check, COVERAGE if coverage else None)
    if fraction >= 1.0:
        _look_at_all(reader, *(area or (0, 0, width, height)))
        return reader.bounds.rectangle(), True
    seen = _look_at_lattice(reader, width, height, fraction)
    if reader.bounds:
        _grow(reader, width, height, seen)
    return reader.bounds.rectangle(), False


def differ(old, new, area, check=None):
    """Whether two Gegl.Buffers of one format differ within `area` (left, top, right, bottom)."""
    reader = _Reader(old, new, check, None)
    _look_at_all(reader, *area)
    return bool(reader.bounds)


def _look_at_all(reader, left, top, right, bottom):
    while top < bottom:
        below = min(top - top % TILE + TILE, bottom)
        reader.look(left, top, right, below)
        top = below


def copy_buffer(old, new, area=None):
    """The pixels of `old` into `new`, without an undo step: for drawables that no undo step needs to know.

    Number for number, as GIMP itself copies channels, although one may be linear and the other gamma-encoded.
    """
    left, top, right, bottom = area or (0, 0, new.get_width(), new.get_height())
    source, target = old.get_buffer(), new.get_buffer()
    name = Babl.format_get_encoding(new.get_format())
    while top < bottom:
        below = min(top - top % TILE + TILE, bottom)
        rectangle = Gegl.Rectangle.new(left, top, right - left, below - top)
        buffers.put_area(target, rectangle, name, source.get(rectangle, 1.0, None, ABYSS))
        top = below
    target.flush()
    new.update(0, 0, new.get_width(), new.get_height())


class _Reader:
    """Compares one rectangle of both buffers at a time and widens `bounds`."""

    def __init__(self, old, new, check, format_name):
        self.old, self.new, self.check, self.bounds = old, new, check, Bounds()
        self.format_name = format_name  # None means the buffer's native format: no conversion, no rounding

    def look(self, left, top, right, bottom):
        if self.check:
            self.check()
        rectangle = Gegl.Rectangle.new(left, top, right - left, bottom - top)
        old = self.old.get(rectangle, 1.0, self.format_name, ABYSS)
        new = self.new.get(rectangle, 1.0, self.format_name, ABYSS)
        if old == new or (self.format_name and max(map(abs, map(sub, old, new))) <= 1):
            return False
        self._narrow(old, new, left, top, right, bottom)
        return True

    def _narrow(self, old, new, left, top, right, bottom):
        stride = len(new) // (bottom - top)
        pixel = stride // (right - left)
        first = _first_difference(old, new) // stride
        last = _last_difference(old, new) // stride
        # Only what lies beyond the bounds found so far can widen them
        low, high = right - left, 0
        if self.bounds:
            low = max(min(self.bounds.left - left, right - left), 0)
            high = max(min(self.bounds.right - left, right - left), 0)
        for row in range(first, last + 1):
            if low == 0 and high == right - left:
                break
            start = row * stride
            if low:
                a, b = old[start:start + low * pixel], new[start:start + low * pixel]
                if a != b:
                    low = _first_difference(a, b) // pixel
            if high < right - left:
                a, b = old[start + high * pixel:start + stride], new[start + high * pixel:start + stride]
                if a != b:
                    high += _last_difference(a, b) // pixel + 1
        self.bounds.add(left + low, top + first, left + high, top + last + 1)


def _first_difference(a, b):
    """Index of the first differing byte of two unequal bytes objects: halving, each step one memcmp."""
    low, high = 0, len(a)
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] != b[low:middle]:
            high = middle
        else:
            low = middle
    return low


def _last_difference(a, b):
    low, high = 0, len(a)
    while high - low > 1:
        middle = (low + high) // 2
        if a[middle:high] != b[middle:high]:
            low = middle
        else:
            high = middle
    return low


def _look_at_lattice(reader, width, height, fraction):
    """Looks at `fraction` of the tiles, shifted from row to row so that no straight gap remains; returns which."""
    period = max(LATTICE, int(1 / fraction))
    wanted = max(1, int(fraction * period))
    slant = int(period * 0.618)  # the golden section spreads the chosen tiles evenly over the rows
    columns = (width + TILE - 1) // TILE
    seen = set()
    for row in range((height + TILE - 1) // TILE):
        run = None
        for column in range(columns + 1):
            if column < columns and (column + row * slant) % period < wanted:
                seen.add((column, row))
                run = column if run is None else run
            elif run is not None:
                reader.look(run * TILE, row * TILE, min(column * TILE, width), min((row + 1) * TILE, height))
                run = None
    return seen


def _grow(reader, width, height, seen):
    """Looks at the tiles round the find that the lattice left out, until the border is quiet or as many again are read.

    Only tiles that could widen the bounds are read: those outside, and the outermost inside.
    """
    columns, rows = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    limit = 2 * len(seen) + 64
    while len(seen) < limit:
        bounds = reader.bounds
        left, top = bounds.left // TILE, bounds.top // TILE
        right, bottom = (bounds.right - 1) // TILE, (bounds.bottom - 1) // TILE
        ring = [(column, row)
                for row in range(max(top - 1, 0), min(bottom + 2, rows))
                for column in range(max(left - 1, 0), min(right + 2, columns))
                if (column, row) not in seen and not (left < column < right and top < row < bottom)]
        if not ring:
            return
        for column, row in ring[:limit - len(seen)]:
            seen.add((column, row))
            reader.look(column * TILE, row * TILE, min((column + 1) * TILE, width), min((row + 1) * TILE, height))
