"""Where the pixels of an image are read from: one drawable that shows what GIMP shows.

Owns the choice between the only layer itself and GIMP's own composition, and cleans up after it. The composition is
slow where GIMP has not made it yet or has to make it anew (12 megapixels: 120 to 200 ms after opening, 25 to 130 ms
after a change, 4 ms else), and thumbnails of the image wait for it too: an untouched photo is read from its layer.
Neither the image, its selection, undo history nor dirty flag is touched: the composition is a layer that never enters
the image.
"""

import contextlib
import dataclasses

from gi.repository import Gimp

from gimp_bridge.core import enums

# Modes that leave an opaque backdrop opaque. ERASE, ANTI_ERASE, COLOR_ERASE, SPLIT, REPLACE and OVERWRITE may not.
_UNSAFE_MODES = ("ERASE", "SPLIT", "REPLACE", "OVERWRITE", "BEHIND")
_COMPONENTS = {"RGB": ("RED", "GREEN", "BLUE"), "GRAY": ("GRAY",), "INDEXED": ("INDEXED",)}


@dataclasses.dataclass
class Source:
    """What to read: `drawable`, and whether it needs its alpha channel; `image` has the same pixels, for thumbnails."""

    drawable: object
    alpha: bool
    gray: bool
    width: int
    height: int
    image: object = None


@contextlib.contextmanager
def visible(image, need_layer=True):
    """The picture as GIMP's own export gives it: all visible layers, without overlays of channels.

    With `need_layer` false, `drawable` may be None where `image` serves thumbnails. What is temporary goes at the end.
    """
    base = enums.name(Gimp.ImageBaseType, image.get_base_type())
    copy = layer = None
    try:
        if _has_overlays(image, base):
            image = copy = image.duplicate()
            remove_overlays(copy)
        width, height = image.get_width(), image.get_height()
        layers = image.get_layers()
        only = layers[0] if len(layers) == 1 and _is_whole_picture(layers[0], width, height) else None
        if only is None and need_layer:
            layer = Gimp.Layer.new_from_visible(image, image, "gimp-bridge")
        yield Source(
            only or layer,
            alpha=only is None and not _is_opaque(layers, width, height),
            gray=base == "GRAY",
            width=width,
            height=height,
            image=None if only else image,
        )
    finally:
        if layer is not None and layer.is_valid():
            layer.delete()
        if copy is not None and copy.is_valid():
            copy.delete()


def _has_overlays(image, base):
    """Whether channels (such as the quick mask) tint GIMP's canvas or components are off: no part of the picture."""
    if any(channel.get_visible() for channel in image.get_channels()):
        return True
    return not all(
        image.get_component_visible(getattr(Gimp.ChannelType, name)) for name in (*_COMPONENTS[base], "ALPHA")
    )


def remove_overlays(image):
    """Switches off what tints GIMP's canvas but is no part of the picture."""
    for channel in image.get_channels():
        channel.set_visible(False)
    for name in (*_COMPONENTS[enums.name(Gimp.ImageBaseType, image.get_base_type())], "ALPHA"):
        image.set_component_visible(getattr(Gimp.ChannelType, name), True)


def _is_whole_picture(layer, width, height):
    """Whether a lone layer's own pixels are the picture: opaque, whole, nothing done to it."""
    return _is_opaque_base(layer, width, height) and not layer.get_filters()


def _is_opaque_base(layer, width, height):
    return (
        not isinstance(layer, Gimp.GroupLayer)
        and not layer.has_alpha()
        and layer.get_visible()
        and layer.get_opacity() == 100.0
        and tuple(layer.get_offsets())[1:] == (0, 0)
        and (layer.get_width(), layer.get_height()) == (width, height)
        and enums.name(Gimp.LayerMode, layer.get_mode()) in ("NORMAL", "NORMAL_LEGACY")
        and layer.get_mask() is None
    )


def _is_opaque(layers, width, height):
    """Whether the composition surely has no transparent pixel. True is a proof, False is not."""
    if not layers or not _is_opaque_base(layers[-1], width, height) or layers[-1].get_filters():
        return False
    return all(_keeps_opaque(layer) for layer in layers[:-1])


def _keeps_opaque(layer):
    if not layer.get_visible():
        return True
    mode = enums.name(Gimp.LayerMode, layer.get_mode())
    if any(word in mode for word in _UNSAFE_MODES) or layer.is_floating_sel():
        return False
    if enums.name(Gimp.LayerCompositeMode, layer.get_composite_mode()) not in ("AUTO", "UNION", "CLIP_TO_BACKDROP"):
        return False
    if mode == "PASS_THROUGH":  # its layers lie directly on the backdrop
        return all(_keeps_opaque(child) for child in layer.get_children())
    return True
