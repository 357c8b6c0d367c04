"""What operations on whole images share: limits, interpolation, locks, what became pixels, filling behind layers."""

import contextlib

from gi.repository import Gegl, Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import colors, targets
from gimp_bridge.undo.snapshot import CONTENT_KINDS, layer_kind

MAX_PIXELS = 2_000_000_000  # 8 GB of RGBA: more only looks like a wish
MAX_SIDE = 524288  # GIMP's own limit

ANCHORS = {
    "top-left": (0, 0), "top": (0.5, 0), "top-right": (1, 0),
    "left": (0, 0.5), "center": (0.5, 0.5), "right": (1, 0.5),
    "bottom-left": (0, 1), "bottom": (0.5, 1), "bottom-right": (1, 1),
}  # fmt: skip


def check_size(width, height):
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise OperationError(
            "too_large",
            f"{width} x {height} is larger than an image may become here",
            f"the limit is {MAX_PIXELS:,} pixels, and {MAX_SIDE} pixels a side",
        )


def refused(what):
    """The error where GIMP answered False."""
    return OperationError("gimp_error", f"GIMP did not {what}: {Gimp.get_pdb().get_last_error()}")


def set_interpolation(name):
    Gimp.context_set_interpolation(getattr(Gimp.InterpolationType, name.upper()))


def all_layers(layers):
    """Groups before their children."""
    for layer in layers:
        yield layer
        if isinstance(layer, Gimp.GroupLayer):
            yield from all_layers(layer.get_children())


class Contents:
    """Round a change of the whole image: lifts locks where asked, and notes text that became pixels."""

    def __init__(self, call):
        self._call, self._locked = call, []
        self._layers = [(layer, layer.get_name()) for layer in all_layers(call.image.get_layers()) if is_content(layer)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for item, setter in self._locked:
            if item.is_valid():
                setter(item, True)

    def unlock(self):
        """GIMP's own menus turn locked items with the image; a plug-in is refused."""
        image = self._call.image
        for item in [*all_layers(image.get_layers()), *image.get_channels(), *image.get_paths()]:
            for lock in ("lock_content", "lock_position"):
                if getattr(item, f"get_{lock}")():
                    setter = getattr(type(item), f"set_{lock}")
                    setter(item, False)
                    self._locked.append((item, setter))

    def say(self):
        """Adds a note of layers whose text, shape or link is gone."""
        gone = [name for layer, name in self._layers if layer.is_valid() and not is_content(layer)]
        if gone:
            names = ", ".join(f"`{name}`" for name in gone[:5]) + (
                f" and {len(gone) - 5} more" if len(gone) > 5 else ""
            )
            targets.add_note(self._call, f"text, shape or link layers became pixels: {names}")


@contextlib.contextmanager
def selection_aside(image):
    """Takes the selection away for a while, for calls that would stop at it; yields the channel that keeps it."""
    chosen = image.get_selected_layers(), image.get_selected_channels()
    kept = None if Gimp.Selection.is_empty(image) else Gimp.Selection.save(image)  # this selects the channel
    Gimp.Selection.none(image)
    try:
        yield kept
    finally:
        if kept is not None:
            image.select_item(Gimp.ChannelOps.REPLACE, kept)
            image.remove_channel(kept)
            layers, channels = ([item for item in items if item.is_valid()] for items in chosen)
            if channels:
                image.set_selected_channels(channels)
            elif layers:
                image.set_selected_layers(layers)


def remove_profile(image):
    """`set_color_profile(None)` fails on 3.0, and layer groups follow a profile that is set, not one that goes."""
    gray = targets.base_type(image) == "GRAY"
    image.set_color_profile(Gimp.ColorProfile.new_d65_gray_srgb_trc() if gray else Gimp.ColorProfile.new_rgb_srgb())
    image.detach_parasite("icc-profile")


def is_content(layer):
    """Whether its pixels follow from a text, shape or file (3.2 can keep those behind pixels that replace them)."""
    if layer_kind(layer) not in CONTENT_KINDS:
        return False
    return not (hasattr(layer, "is_rasterized") and layer.is_rasterized())


def background_of(image):
    """The lowest top-level layer if it is an opaque one of pixels, else None."""
    layers = image.get_layers()
    bottom = layers[-1] if layers else None
    return bottom if bottom is not None and not bottom.has_alpha() and not bottom.is_group_layer() else None


def fill_behind(image, rgba, background):
    """Puts a colour behind the picture where it is empty.

    `background` (an opaque layer once, which a transform has given an alpha channel) is filled up and made opaque
    again; without one the colour comes as a new layer at the bottom, whose id is returned.
    """
    if background is not None and background.is_valid():
        background.resize_to_image_size()
        if background.has_alpha():
            Gimp.context_set_background(colors.gegl_color(rgba))
            background.flatten()
        return None
    layer = new_layer(image, "Background fill", image.get_width(), image.get_height())
    image.insert_layer(layer, None, len(image.get_layers()))
    fill_boxes(layer, rgba, [(0, 0, layer.get_width(), layer.get_height())])
    return layer.get_id()


def new_layer(image, name, width, height, alpha=True, opacity=100, mode=Gimp.LayerMode.NORMAL):
    """A layer of the image's own type, transparent (black without alpha), not yet in the image."""
    kind = targets.base_type(image) + ("A_IMAGE" if alpha else "_IMAGE")
    layer = Gimp.Layer.new(image, name, width, height, getattr(Gimp.ImageType, kind), opacity, mode)
    if alpha:
        layer.fill(Gimp.FillType.TRANSPARENT)
    return layer


def fill_boxes(layer, rgba, boxes):
    """Sets boxes (x, y, width, height in the layer) to exactly that colour."""
    buffer, color = layer.get_buffer(), colors.gegl_color(rgba)
    for box in boxes:
        if box[2] > 0 and box[3] > 0:
            buffer.set_color(Gegl.Rectangle.new(*box), color)
    buffer.flush()
    layer.update(0, 0, layer.get_width(), layer.get_height())


def frame_boxes(outer, inner):
    """The parts of a rectangle (0, 0, *outer) that lie round the box `inner`, as boxes."""
    width, height = outer
    left, top = min(max(inner[0], 0), width), min(max(inner[1], 0), height)
    right, bottom = min(max(inner[0] + inner[2], left), width), min(max(inner[1] + inner[3], top), height)
    return [
        (0, 0, width, top), (0, bottom, width, height - bottom),
        (0, top, left, bottom - top), (right, top, width - right, bottom - top),
    ]  # fmt: skip


def enlarge(layer, width, height, x, y, rgba):
    """Gives a layer another canvas: its old pixels begin at x, y of the new one; what is new has the colour."""
    old = layer.get_width(), layer.get_height()
    if rgba[3] < 1 and not layer.has_alpha() and frame_is_there((width, height), (x, y, *old)):
        layer.add_alpha()
    Gimp.context_set_background(colors.gegl_color(rgba if rgba[3] else (0, 0, 0, 1)))
    # Named by its class: a text layer's own resize is that of its text box
    if not Gimp.Layer.resize(layer, width, height, x, y):
        raise refused("resize the layer")
    if rgba[3] > 0 and layer.has_alpha():
        fill_boxes(layer, rgba, frame_boxes((width, height), (x, y, *old)))


def frame_is_there(outer, inner):
    return any(box[2] > 0 and box[3] > 0 for box in frame_boxes(outer, inner))
