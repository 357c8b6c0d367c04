"""How tests of selections, paint and text look at the result: raw numbers from GIMP's buffers, by plain scripts."""

import tempfile

import numpy as np
import pytest
from client import CallError

_READ = (
    "b = {item}.get_buffer(); e = b.get_extent(); f = open({path!r}, 'wb')",
    "f.write(bytes(b.get(e, 1.0, {kind}, Gegl.AbyssPolicy.NONE))); f.close(); print(e.width, e.height)",
)


def _read(client, item, kind, channels):
    """By a file: a script's output has a bound."""
    with tempfile.NamedTemporaryFile(prefix="gimp-bridge-look-") as file:
        width, height = client.python(*(part.format(item=item, kind=kind, path=file.name) for part in _READ)).split()
        values = np.frombuffer(file.read(), np.uint8)
    return values.reshape((int(height), int(width), channels) if channels > 1 else (int(height), int(width)))


def mask(client, image):
    """The selection as (height, width), 0 to 255, as it is stored."""
    return _read(client, f"Gimp.Image.get_by_id({image}).get_selection()", '"Y u8"', 1)


def layer_pixels(client, layer):
    """A layer's pixels (height, width, RGBA) in sRGB, without what is round it."""
    return _read(client, f"Gimp.Item.get_by_id({layer})", "\"R'G'B'A u8\"", 4)


def channel_pixels(client, channel):
    """A channel's numbers as they are stored."""
    encoding = f"Babl.format_get_encoding(Gimp.Item.get_by_id({channel}).get_format())"
    labelled = client.python(f"from gi.repository import Babl; print({encoding})")
    kind = "Y' u8" if "'" in labelled else "Y u8"
    return _read(client, f"Gimp.Item.get_by_id({channel})", f'"{kind}"', 1)


def add_layer(client, image, width, height, x, y):
    """A transparent, selected layer on top: its id."""
    made = client.python(
        f"im = Gimp.Image.get_by_id({image}); kind = Gimp.ImageType.RGBA_IMAGE",
        f"l = Gimp.Layer.new(im, 'moved', {width}, {height}, kind, 100, Gimp.LayerMode.NORMAL)",
        f"im.insert_layer(l, None, 0); l.set_offsets({x}, {y}); im.set_selected_layers([l]); print(l.get_id())",
    )
    return int(made)


def error(client, operation, /, **arguments):
    """The error that a call must end with."""
    with pytest.raises(CallError) as raised:
        client.call(operation, **arguments)
    return raised.value


def picture(client, width=320, height=210, color="white", **more):
    """A new image of one colour, of several tiles: (image, layer)."""
    made = client.call("create_new_image", width=width, height=height, color=color, **more)
    return made["image"], made["layer"]


def box(values):
    """(x, y, width, height) of what is not 0."""
    rows, columns = np.nonzero(values.any(axis=1))[0], np.nonzero(values.any(axis=0))[0]
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)
