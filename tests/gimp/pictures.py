"""Pictures that tests give to GIMP as arrays, and read back as arrays."""

import io

import numpy as np
import pytest
from client import CallError
from PIL import Image
from truth import pixels


def noise(width, height, channels=4, seed=1):
    """Random 8-bit pixels; alpha, if any, never 0, where GIMP may drop the colour."""
    array = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    if channels in (2, 4):
        array[..., -1] |= 1
    return array


def png(array):
    file = io.BytesIO()
    modes = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array, modes[array.shape[2]]).save(file, "png")
    return file.getvalue()


def opened(client, array):
    """(image, layer) with these pixels."""
    answer = client.call("open_file", upload=png(array), suffix="png")
    return answer["image"], answer["layers"][0]


def added(client, image, array, name="added"):
    """A layer with these pixels on top of the image."""
    return client.call("open_file", upload=png(array), suffix="png", image=image, name=name, **{"as": "layer"})[
        "layers"
    ][0]


def afloat(client, image, layer, x=0, y=0, width=6, height=5):
    """A floating selection with a copy of these pixels of the layer, as GIMP has it after *Paste as Floating Data*."""
    client.python(
        f"i, l = Gimp.Image.get_by_id({image}), Gimp.Layer.get_by_id({layer})",
        f"i.select_rectangle(Gimp.ChannelOps.REPLACE, {x}, {y}, {width}, {height})",
        "Gimp.edit_copy([l]); Gimp.edit_paste(l, False)",
    )
    return client.eval(f"Gimp.Image.get_by_id({image}).get_floating_sel().get_id()")


def read(client, image, layer=None):
    """The composed picture's pixels, or a drawable's."""
    return pixels(client.stream("read_pixels", image=image, **({"layer": layer} if layer else {})))


def structure(client, image, detail="normal"):
    return client.call("get_image_metadata", image=image, detail=detail)


def layers(client, image, detail="normal"):
    return structure(client, image, detail)["structure"]["layers"]


def error(client, operation, **arguments):
    """The error of a call that is refused, which must change nothing."""
    before = [(row["id"], row["is_dirty"]) for row in client.call("list_images")["images"]]
    with pytest.raises(CallError) as raised:
        client.call(operation, **arguments)
    assert [(row["id"], row["is_dirty"]) for row in client.call("list_images")["images"]] == before
    return raised.value
