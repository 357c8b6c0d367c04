"""rotate_image and flip_image: the whole image with its layers, masks, channels, paths and selection."""

import math

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.files import orientation
from gimp_bridge.items import colors
from gimp_bridge.items.image_edits import (
    Contents, all_layers, background_of, check_size, fill_behind, refused, selection_aside, set_interpolation,
)


@operation("rotate_image")
def rotate_image(call, angle, expand=True, fill="transparent", cut_corners=False, interpolation="cubic"):
    image = call.image
    size = image.get_width(), image.get_height()
    rgba, turn = colors.parse(fill), angle % 360
    background = background_of(image)
    if background is not None and 0 < rgba[3] < 1:
        raise OperationError(
            "invalid_argument",
            f"`fill` {fill} is translucent, but the background layer is opaque",
            'give an opaque colour, or "transparent"',
        )
    with Contents(call) as contents:
        if turn % 90 == 0:
            _turn(image, round(turn / 90), expand)
            empty = not expand and turn % 180 and size[0] != size[1]
        else:
            contents.unlock()
            _rotate(call, math.radians(turn), expand and not cut_corners, interpolation)
            if cut_corners:
                _cut_corners(image, math.radians(turn))
                if background is not None:
                    background.flatten()
            empty = not cut_corners
        if rgba[3] > 0 and empty:
            fill_behind(image, rgba, background)
        if turn:
            orientation.reset(image)
    contents.say()
    width, height = image.get_width(), image.get_height()
    return {"message": f"Rotated image by {angle:g} degrees", "width": width, "height": height}


def _turn(image, quarters, expand):
    """Exact: no pixel is worked out anew."""
    size = image.get_width(), image.get_height()
    kinds = Gimp.RotationType
    if quarters and not image.rotate((None, kinds.DEGREES90, kinds.DEGREES180, kinds.DEGREES270)[quarters]):
        raise refused("rotate the image")
    turned = image.get_width(), image.get_height()
    if not expand and turned != size:
        image.resize(*size, (size[0] - turned[0]) // 2, (size[1] - turned[1]) // 2)


def _rotate(call, radians, expand, interpolation):
    """Turns every item about the middle of the image; the canvas grows first, so that channels lose nothing."""
    image = call.image
    old = new = image.get_width(), image.get_height()
    if expand:
        sine, cosine = abs(math.sin(radians)), abs(math.cos(radians))
        # An edge of under a hundredth of a pixel shows nothing
        new = tuple(math.ceil(a * cosine + b * sine - 0.01) for a, b in (old, old[::-1]))
    check_size(*new)
    x, y = (new[0] - old[0]) // 2, (new[1] - old[1]) // 2
    # The selection turns as a channel: while there is one, only what is selected would turn
    with selection_aside(image):
        if new != old and not image.resize(*new, x, y):
            raise refused("resize the canvas")
        set_interpolation(interpolation)
        Gimp.context_set_transform_direction(Gimp.TransformDirection.FORWARD)
        Gimp.context_set_transform_resize(Gimp.TransformResize.ADJUST)
        for layer in all_layers(image.get_layers()):
            if not layer.is_group_layer() and not layer.has_alpha():
                layer.add_alpha()  # GIMP 3.0 would make the corners black
        items = [*image.get_layers(), *image.get_channels(), *image.get_paths()]
        for number, item in enumerate(items):
            call.check()
            item.transform_2d(x + old[0] / 2, y + old[1] / 2, 1, 1, radians, new[0] / 2, new[1] / 2)
            call.progress((number + 1) / len(items))


def _cut_corners(image, radians):
    """Crops to the largest upright rectangle inside the turned picture."""
    width, height = image.get_width(), image.get_height()
    sine, cosine = abs(math.sin(radians)), abs(math.cos(radians))
    if min(width, height) <= 2 * sine * cosine * max(width, height):
        # Two opposite corners touch the long sides
        half = min(width, height) / 2
        sides = (half / sine, half / cosine) if width >= height else (half / cosine, half / sine)
    else:
        double = cosine * cosine - sine * sine
        sides = (width * cosine - height * sine) / double, (height * cosine - width * sine) / double
    # A pixel at the edge is partly empty
    inner = tuple(max(min(math.floor(side) - 2, limit), 1) for side, limit in zip(sides, (width, height)))
    image.crop(*inner, (width - inner[0]) // 2, (height - inner[1]) // 2)


@operation("flip_image")
def flip_image(call, direction):
    with Contents(call) as contents:
        if not call.image.flip(getattr(Gimp.OrientationType, direction.upper())):
            raise refused("flip the image")
        orientation.reset(call.image)
    contents.say()
    return {"message": f"Flipped image {'left to right' if direction == 'horizontal' else 'top to bottom'}"}
