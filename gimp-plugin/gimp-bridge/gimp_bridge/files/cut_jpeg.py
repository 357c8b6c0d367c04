"""How many rows a JPEG without an end really lacks.

The end mark alone may be missing, and then nothing is. Its data is run through GIMP's reader a second time, with noise
after it: what noise changes was not in the file.
"""

import os
import random
import tempfile

from gi.repository import Gimp, Gio, GLib

from gimp_bridge.images import pixel_diff

_NOISE = 64 * 1024


def missing(image, path):
    """What the picture just opened from `path` lacks, a sentence, or None where the rows are all there."""
    layer = image.get_layers()[0]
    size = layer.get_width(), layer.get_height()
    other = _with_noise(path)
    if other is None:
        return "it ends before its end mark"
    try:
        twin = other.get_layers()[0]
        if (twin.get_width(), twin.get_height()) != size:
            return "it ends before its end mark"
        bounds, _ = pixel_diff.compare(layer, twin, size)
    finally:
        other.delete()
    if bounds is None:
        return None
    return f"of its {size[1]} rows the lowest {size[1] - bounds[1]} are missing"


def _with_noise(path):
    with open(path, "rb") as file:
        data = file.read().rstrip(b"\xff")
    handle, name = tempfile.mkstemp(prefix="gimp-bridge-", suffix=".jpg")
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.write(random.Random(1).randbytes(_NOISE).replace(b"\xff", b"\xaa"))
            file.write(b"\xff\xd9")
        return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(name))
    except GLib.Error:
        return None
    finally:
        os.unlink(name)
