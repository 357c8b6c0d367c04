"""read_pixels: raw pixels of the composed image or of one drawable, in strips.

Values are sRGB (not linear), 8 or 16 bit. Small pictures of 8 bits are scaled in GIMP's core and travel whole; all
others are read in strips of whole tiles, each sent while the next is read.
"""

import contextlib
import sys

from gi.repository import Babl, Gegl, Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.images import buffers, projection
from gimp_bridge.items import lookup

STRIP_BYTES = 1 << 20
THUMBNAIL_LIMIT = 1024  # of GIMP's own thumbnail calls
TILE = 128  # libgimp's; a strip that ends inside a tile row makes that row travel twice
MAX_OUTPUT = 1 << 33

FORMATS = {
    (True, False): ("Y'", 1),
    (True, True): ("Y'A", 2),
    (False, False): ("R'G'B'", 3),
    (False, True): ("R'G'B'A", 4),
}


@operation("read_pixels")
def read_pixels(call, layer=None, region=None, fit=None, depth=8):
    if layer is not None:
        drawable = lookup.resolve_drawable(call, layer)
        source = _drawable_source(drawable)
        with contextlib.ExitStack() as nothing:
            return _read(call, source, region, fit, depth, nothing, lambda: drawable)
    with contextlib.ExitStack() as stack:
        # The composition is made only where no thumbnail serves
        size = (call.image.get_width(), call.image.get_height())
        area = _area(region, *size)
        out = fit_size(area[2], area[3], fit)
        thumbnail = depth == 8 and _thumbnail_fits(area, out)
        whole = area == (0, 0, *size)
        exact = whole and out == _thumbnail_size(size, out)
        source = stack.enter_context(projection.visible(call.image, need_layer=not (thumbnail and exact)))

        def drawable():
            if source.drawable is None:  # the thumbnail could not be used after all
                again = stack.enter_context(projection.visible(call.image))
                source.drawable = again.drawable
            return source.drawable

        return _read(call, source, region, fit, depth, stack, drawable)


def fit_size(width, height, fit):
    """The size of `width` x `height` fitted into the bounds of `fit`; the daemon computes it in the same way."""
    if not fit:
        return width, height
    bounds = [fit[key] / length for key, length in (("max_width", width), ("max_height", height)) if fit.get(key)]
    scale = min(bounds) if bounds else 1.0
    if scale > 1 and not fit.get("enlarge"):
        scale = 1.0
    return max(1, _round(width * scale)), max(1, _round(height * scale))


def _round(value):
    return int(value + 0.5)  # half up, as Rust's round; Python's own rounds half to even


def _read(call, source, region, fit, depth, stack, drawable):
    area = _area(region, source.width, source.height)
    out = fit_size(area[2], area[3], fit)
    model, channels = FORMATS[source.gray, source.alpha]
    row_bytes = out[0] * channels * depth // 8
    if row_bytes * out[1] > MAX_OUTPUT:
        raise OperationError(
            "too_large",
            f"{out[0]} x {out[1]} pixels are {row_bytes * out[1] >> 20} MiB",
            f"the limit is {MAX_OUTPUT >> 20} MiB: ask for less",
            limit=MAX_OUTPUT,
        )
    header = {
        "width": out[0],
        "height": out[1],
        "channels": channels,
        "depth": depth,
        "row_bytes": row_bytes,
        "image": call.image.get_id(),
        "name": lookup.image_name(call.image),
        "byte_order": sys.byteorder,
        "original_width": source.width,
        "original_height": source.height,
        "region": dict(zip("xywh", area)),
    }
    format_name = f"{model} u{depth}"
    rows = None
    if depth == 8 and _thumbnail_fits(area, out):
        rows = _thumbnail(source, area, out, format_name)
    if rows is None:
        rows = strips(call, drawable().get_buffer(), area, out, format_name, row_bytes)
    call.stream(header, rows)
    return {key: header[key] for key in ("width", "height", "channels", "depth")}


def _area(region, width, height):
    if region is None:
        return 0, 0, width, height
    x, y, w, h = (region.get(key) for key in "xywh")
    if None in (x, y, w, h) or w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise OperationError(
            "invalid_argument",
            f"region {region} is not inside the {width} x {height} pixels",
            f"x and y from 0, x + w at most {width}, y + h at most {height}",
            width=width,
            height=height,
        )
    return x, y, w, h


def _drawable_source(drawable):
    """One drawable's own pixels: without its mask, opacity and effects."""
    # An effect shows in a thumbnail, but is not in the drawable's buffer
    gray = drawable.is_gray()
    source = projection.Source(drawable, drawable.has_alpha(), gray, drawable.get_width(), drawable.get_height())
    source.plain = not drawable.get_filters()
    return source


# --- small pictures, scaled in GIMP's core ---


def _thumbnail_fits(area, out):
    """Whether GIMP's thumbnails give this picture: made smaller evenly, and small enough.

    GIMP scales both axes by the smaller ratio and repeats the last row or column where that leaves some over: less than
    half a pixel for all but very narrow pictures. A region's corner must fall on a whole pixel.
    """
    if max(out) > THUMBNAIL_LIMIT or (out[0] >= area[2] and out[1] >= area[3]):
        return False
    scale = min(out[0] / area[2], out[1] / area[3])
    even = all(abs(size - length * scale) <= 0.5 for size, length in zip(out, area[2:]))
    return even and all(abs(start * scale - round(start * scale)) < 1e-6 for start in area[:2])


def _thumbnail_size(size, out):
    """What gimp-image-get-thumbnail-data makes of an image when asked for `out`: it rounds down."""
    width, height = size
    return (out[0], max(1, out[0] * height // width)) if width > height else (max(1, out[1] * width // height), out[1])


def _thumbnail(source, area, out, format_name):
    """The scaled picture as a list of one piece, or None where GIMP's thumbnail is not of use."""
    if not getattr(source, "plain", True):
        return None
    whole = area == (0, 0, source.width, source.height)
    if source.drawable is None or (
        source.image is not None and whole and out == _thumbnail_size((source.width, source.height), out)
    ):
        result = source.image.get_thumbnail_data(*out)
        own_format = _image_format(source.image)
    else:
        result = source.drawable.get_sub_thumbnail_data(*area, *out)
        own_format = None
    data, width, height, size = result[0], result[1], result[2], result[3]
    if (width, height) != out or data is None:
        return None
    data = data.get_data()
    if Gimp.MAJOR_VERSION == 3 and Gimp.MINOR_VERSION == 0:
        # 3.0 hands out the drawable's own format, 3.2 always R'G'B'(A) u8 in sRGB
        own_format = own_format or Babl.get_name(source.drawable.get_format())
        if Babl.format_get_bytes_per_pixel(Babl.format(own_format)) != size:
            return None
    else:
        own_format = {1: "Y' u8", 2: "Y'A u8", 3: "R'G'B' u8", 4: "R'G'B'A u8"}.get(size)
    if own_format is None or len(data) != width * height * size:
        return None
    if own_format == format_name:
        return [data]
    rectangle = Gegl.Rectangle.new(0, 0, width, height)
    buffer = Gegl.Buffer.new(own_format, 0, 0, width, height)
    buffers.put_area(buffer, rectangle, own_format, data)
    return [buffer.get(rectangle, 1.0, format_name, Gegl.AbyssPolicy.NONE)]


def _image_format(image):
    """The name of the format of GIMP 3.0's image thumbnails: the layers' own, with alpha."""
    layers = image.get_layers()
    if not layers:
        return None
    own = layers[0].get_format()
    name = Babl.format_get_encoding(own)
    if Babl.format_is_palette(own):
        name = "R'G'B'A u8"
    model, _, kind = name.partition(" ")
    with_alpha = f"{model if model.endswith('A') else model + 'A'} {kind}"
    return Babl.get_name(Babl.format_with_space(with_alpha, Babl.format_get_space(own)))


# --- everything else, in strips ---


def strips(call, buffer, area, out, format_name, row_bytes):
    """Yields the rows of `area`, scaled to `out`, in strips of about 1 MiB that end where tiles end."""
    x, y, width, height = area
    if out == (width, height):
        step = max(TILE, STRIP_BYTES // row_bytes // TILE * TILE)
        if row_bytes * TILE > 4 * STRIP_BYTES:
            step = max(1, STRIP_BYTES // row_bytes)  # very wide: the tile cache keeps the row of tiles
        top = y
        while top < y + height:
            bottom = min(y + height, top - top % step + step)
            call.check()
            yield buffer.get(Gegl.Rectangle.new(x, top, width, bottom - top), 1.0, format_name, Gegl.AbyssPolicy.NONE)
            top = bottom
        return
    scale = out[0] / width if width >= height else out[1] / height
    if (x, y) != (0, 0):
        # GEGL scales about the origin, in whole pixels: only a buffer that begins with the region is exact
        buffer, (x, y) = _cut(call, buffer, area, format_name), (0, 0)
    step = max(1, STRIP_BYTES // row_bytes)
    for top in range(0, out[1], step):
        call.check()
        rows = min(step, out[1] - top)
        yield buffer.get(Gegl.Rectangle.new(0, top, out[0], rows), scale, format_name, Gegl.AbyssPolicy.CLAMP)


def _cut(call, buffer, area, format_name):
    x, y, width, height = area
    cut = Gegl.Buffer.new(format_name, 0, 0, width, height)
    for top in range(0, height, TILE):
        call.check()
        rows = min(TILE, height - top)
        data = buffer.get(Gegl.Rectangle.new(x, y + top, width, rows), 1.0, format_name, Gegl.AbyssPolicy.NONE)
        buffers.put(cut, 0, top, width, rows, format_name, data)
    return cut
