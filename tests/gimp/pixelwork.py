"""What tests of colour, filters and transforms share: pictures of known pixels, and sRGB in numpy."""

import base64

import numpy as np
import pytest
from client import CallError
from truth import pixels


def make(client, array, precision="U8_NON_LINEAR", x=0, y=0, canvas=None, gray=False):
    """An image with one layer of `array` (height, width, 1 to 4), uint8 or uint16. Returns (image, layer)."""
    height, width, channels = array.shape
    word = "u16" if array.dtype == np.uint16 else "u8"
    form = {1: f"Y' {word}", 2: f"Y'A {word}", 3: f"R'G'B' {word}", 4: f"R'G'B'A {word}"}[channels]
    base = "GRAY" if gray or channels < 3 else "RGB"
    kind = base + ("A" if channels in (2, 4) else "")
    wide, high = canvas or (width, height)
    made = client.python(
        "import base64",
        f"im = Gimp.Image.new_with_precision({wide}, {high}, Gimp.ImageBaseType.{base}, Gimp.Precision.{precision})",
        "im.undo_disable()",
        f"l = Gimp.Layer.new(im, 'picture', {width}, {height}, Gimp.ImageType.{kind}_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        f"im.insert_layer(l, None, 0); l.set_offsets({x}, {y}); im.set_selected_layers([l])",
        f"px = base64.b64decode({base64.b64encode(array.tobytes()).decode()!r})",
        f"b = l.get_buffer(); b.set(Gegl.Rectangle.new(0, 0, {width}, {height}), {form!r}, px); b.flush()",
        f"l.update(0, 0, {width}, {height}); im.undo_enable(); im.clean_all(); print(im.get_id(), l.get_id())",
    )
    image, layer = map(int, made.split())
    return image, layer


def read(client, image, layer=None, depth=8):
    return pixels(client.stream("read_pixels", image=image, depth=depth, **({"layer": layer} if layer else {})))


def noise(width=310, height=205, channels=3, seed=5, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, (height, width, channels), dtype=np.uint8)


def smooth(width=310, height=205):
    """A photo-like RGB picture: ramps with a little grain."""
    y, x = np.mgrid[0:height, 0:width]
    grain = np.random.default_rng(3).integers(0, 20, (height, width, 3))
    plain = np.stack([x * 200 / width + 20, y * 200 / height + 10, 220 - (x + y) * 180 / (width + height)], axis=2)
    return (plain + grain).clip(0, 255).astype(np.uint8)


def to_linear(values):
    values = np.asarray(values, float) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_srgb(values):
    values = np.clip(values, 0, 1)
    return 255 * np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def assert_near(got, wanted, tolerance=1.0):
    off = np.abs(np.asarray(got, float) - np.asarray(wanted, float))
    assert off.max() <= tolerance, f"off by {off.max():.2f} at {np.unravel_index(off.argmax(), off.shape)}"


def error(client, operation, /, **arguments):
    with pytest.raises(CallError) as raised:
        client.call(operation, **arguments)
    return raised.value
