"""Layers as pictures of their own: frames, sprites, files.

Works on duplicates only: the image stays as it is.
"""

import contextlib

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import lookup, targets
from gimp_bridge.items.image_edits import MAX_PIXELS, all_layers
from gimp_bridge.items.scratch import scratch

MAX_FRAMES = 1_000


def chosen(call, layers=None, hidden=False, leaves=False):
    """The layers to take, topmost first: those given by id, else the top ones (or all that are no groups)."""
    if layers is not None:
        found = [lookup.resolve_layer(call, id_) for id_ in layers]
    elif leaves:
        found = [layer for layer in all_layers(call.image.get_layers()) if not layer.is_group_layer()]
    else:
        found = call.image.get_layers()
    found = [layer for layer in found if hidden or layers is not None or _is_shown(layer)]
    if not found:
        raise OperationError(
            "invalid_argument",
            f"image `{call.image.get_id()}` has no visible layer to take",
            "show one, or give `layers`",
        )
    if len(found) > MAX_FRAMES:
        raise OperationError(
            "too_large", f"{len(found)} layers are more than {MAX_FRAMES}", "give fewer of them in `layers`"
        )
    return found


def _is_shown(layer):
    while layer is not None:
        if not layer.get_visible():
            return False
        layer = layer.get_parent()
    return True


@contextlib.contextmanager
def alone(call, layers, into):
    """Yields a function that gives the picture of layers[i] alone (mask, effects, opacity applied), a layer of `into`.

    `into` is an image; the layer is as large as the canvas and not yet inserted.
    """
    with scratch(call, call.image.duplicate) as copy:
        ids = [layer.get_id() for layer in all_layers(call.image.get_layers())]
        twins = dict(zip(ids, all_layers(copy.get_layers())))
        for channel in copy.get_channels():
            channel.set_visible(False)
        for top in copy.get_layers():
            top.set_visible(False)

        def picture(number):
            call.check()
            shown = [twins[layers[number].get_id()]]
            while shown[-1].get_parent() is not None:
                parent = shown[-1].get_parent()
                for sibling in parent.get_children():
                    sibling.set_visible(False)
                shown.append(parent)
            for each in shown:
                each.set_visible(True)
            # A mode such as multiply needs something below; alone it is the layer itself
            made = Gimp.Layer.new_from_visible(copy, into, layers[number].get_name())
            for each in shown:
                each.set_visible(False)
            return made

        yield picture


def empty(call, width=None, height=None):
    """A scratch image of the call's image's mode (INDEXED becomes RGB), precision, profile and size."""
    image = call.image
    return scratch(call, lambda: _empty_like(image, width or image.get_width(), height or image.get_height()))


def _empty_like(image, width, height):
    base = image.get_base_type()
    if targets.base_type(image) == "INDEXED":
        base = Gimp.ImageBaseType.RGB
    made = Gimp.Image.new_with_precision(width, height, base, image.get_precision())
    profile = image.get_color_profile()
    if profile is not None and targets.base_type(image) != "INDEXED":
        made.set_color_profile(profile)
    return made


def check_pixels(width, height, what):
    if width * height > MAX_PIXELS:
        raise OperationError(
            "too_large", f"{what} of {width}x{height} is too large", f"the limit is {MAX_PIXELS:,} pixels"
        )
