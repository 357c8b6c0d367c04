"""Which part of an image a generation paints, and how much round it is sent as context. Changes nothing.

The daemon works on the same area as a dialog's preview shows. All boxes are [x, y, width, height] in image pixels; those
of a layer that reaches beyond the canvas may begin at negative places.
"""

import dataclasses
import math

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.images import projection


@dataclasses.dataclass
class Area:
    """`part` is painted, `box` is sent, `frame` is what the box may grow to; `selected`: a selection limits the part."""

    part: tuple
    box: tuple
    frame: tuple
    selected: bool


def fill(image, margin):
    """The selection's bounds, and `margin` of their longer side all round, as far as there is canvas."""
    selected = _selected(image)
    if selected is None:
        raise OperationError(
            "invalid_argument",
            f"image `{image.get_id()}` has no selection to fill",
            "select where to paint; or use vary_image for the whole layer, or generate_image with `into` \"new_layer\"",
            reason="nothing_selected",
        )
    canvas = (0, 0, image.get_width(), image.get_height())
    return Area(selected, grown(selected, margin, canvas), canvas, True)


def vary(image, layer, margin):
    """The layer, or the part of it that is selected with as much of the layer round it."""
    frame = (*layer.get_offsets()[-2:], layer.get_width(), layer.get_height())
    selected = _selected(image)
    if selected is None:
        return Area(frame, frame, frame, False)
    part = common(selected, frame)
    if part is None:
        raise OperationError(
            "invalid_argument",
            f"the selection does not touch layer `{layer.get_id()}` (`{layer.get_name()}`)",
            "clear it with select_none to vary the whole layer, or select a place on the layer",
            reason="selection_beside",
        )
    return Area(part, grown(part, margin, frame), frame, True)


def grown(part, margin, frame):
    """`part` with `margin` of its longer side round it, inside of `frame`."""
    x, y, width, height = part
    pad = math.ceil(max(width, height) * margin)
    return common((x - pad, y - pad, width + 2 * pad, height + 2 * pad), frame)


def common(one, other):
    """What two boxes have in common, or None."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    return (left, top, right - left, bottom - top) if left < right and top < bottom else None


def _selected(image):
    _, some, left, top, right, bottom = Gimp.Selection.bounds(image)
    return (left, top, right - left, bottom - top) if some else None


def seen(image, layer, stack):
    """(drawable whose pixels a model gets to see, where its corner is in the image, mask that hides parts of it or None):
    what is visible, or one layer's own pixels. `stack` is a contextlib.ExitStack that ends what is temporary."""
    if layer is None:
        return stack.enter_context(projection.visible(image)).drawable, (0, 0), None
    mask = layer.get_mask()
    return layer, tuple(layer.get_offsets()[-2:]), mask if mask is not None and layer.get_apply_mask() else None
