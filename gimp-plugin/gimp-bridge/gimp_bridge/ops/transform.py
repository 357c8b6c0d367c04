"""Transforms of a layer, of the pixels that are selected, or of the selection's outline (items/transform_target.py).

Angles are degrees, clockwise. The interpolation is set for each call; quarter turns and flips move pixels exactly.
"""

import math

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import displace
from gimp_bridge.items import color_target, targets, transform_target
from gimp_bridge.items.image_edits import ANCHORS
from gimp_bridge.items.transform_target import Target

MAX_PIXELS = 500_000_000  # of one layer: GIMP works on them for minutes, and cannot be stopped
MAX_SIDE = 262144
MAX_OFFSET = 524288  # pixels


@operation("move_layer")
def move_layer(call, relative, what, x=None, y=None, align=None, layer=None):
    target = Target(call, what, layer, only_place=True)
    dx, dy = _distance(call, target, x, y, relative, align)
    if max(abs(target.box[0] + dx), abs(target.box[1] + dy)) > MAX_OFFSET:
        raise OperationError(
            "invalid_argument", f"that is {dx}, {dy} pixels away, too far", f"stay within {MAX_OFFSET} of the corner"
        )
    if what == "selected_pixels":
        # GIMP moves the layer although pixels are selected, so the pixels are moved by a matrix
        moved = [1, 0, dx, 0, 1, dy, 0, 0, 1]
        target.run(lambda item: item.transform_matrix(*moved), "none")
    elif what == "selection":
        target.run(lambda item: Gimp.Selection.translate(call.image, dx, dy))
    else:
        target.run(lambda item: item.transform_translate(dx, dy))
    return target.answer(f"Moved the {_words(what)} by {dx}, {dy}")


def _distance(call, target, x, y, relative, align):
    """Whole pixels to the right and down; of `x` and `y` the one left out stays as it is."""
    left, top, width, height = target.box
    if align is not None:
        if (x, y) != (None, None):
            raise OperationError("invalid_argument", "`align` is given, and `x` or `y` too", "give one or the other")
        spare = call.image.get_width() - width, call.image.get_height() - height
        across, down = (room * part for room, part in zip(spare, ANCHORS[align]))
        return round(across - left), round(down - top)
    if (x, y) == (None, None):
        raise OperationError("invalid_argument", "neither `x`, `y` nor `align` is given", "say where it shall go")
    places = call.places(target.item if target.what != "selection" else None)
    if relative:
        return round((x or 0) * places.scale_x), round((y or 0) * places.scale_y)
    to_x, to_y = places.point(x or 0, y or 0)
    return 0 if x is None else round(to_x - left), 0 if y is None else round(to_y - top)


def _words(what):
    return what.replace("_", " ")


@operation("scale_layer")
def scale_layer(call, what, interpolation, keep_ratio, width=None, height=None, factor=None, layer=None, center=None):
    target = Target(call, what, layer)
    old_x, old_y, old_width, old_height = target.box
    places = call.places(target.item if what != "selection" else None)
    new_width, new_height = _new_size(places, (old_width, old_height), width, height, factor, keep_ratio)
    _check_size(new_width, new_height)
    if center is None:
        # GIMP's own: the corner stays
        left, top = old_x, old_y
    else:
        x, y = transform_target.find_center(call, target, center)
        left, top = x - (x - old_x) * new_width / old_width, y - (y - old_y) * new_height / old_height
    left, top = round(left), round(top)
    def scale(item):
        if what != "layer":
            # GIMP's own scaling takes the whole canvas for the selection's extent
            across, down = new_width / old_width, new_height / old_height
            return item.transform_matrix(across, 0, left - old_x * across, 0, down, top - old_y * down, 0, 0, 1)
        # Unlike a transform it adds no alpha channel
        return item.scale(new_width, new_height, True) and item.set_offsets(left, top) and item

    target.run(scale, interpolation)
    return target.answer(f"Scaled the {_words(what)} from {old_width}x{old_height} to {new_width}x{new_height}")


def _check_size(width, height):
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise OperationError(
            "too_large",
            f"the layer would be {round(width)} x {round(height)} pixels",
            f"make it smaller: the limits are {MAX_PIXELS:,} pixels and {MAX_SIDE} a side",
        )


def _new_size(places, old, width, height, factor, keep_ratio):
    if factor is not None:
        if width is not None or height is not None:
            raise OperationError("invalid_argument", "`factor` is given together with a size", "give one of them")
        return tuple(max(1, round(side * factor)) for side in old)
    if width is None and height is None:
        raise OperationError("invalid_argument", "no new size is given", "give `width`, `height` or `factor`")
    across = width * places.scale_x if width is not None else None
    down = height * places.scale_y if height is not None else None
    if across is None or down is None:
        share = across / old[0] if across is not None else down / old[1]
        across = across if across is not None else (old[0] * share if keep_ratio else old[0])
        down = down if down is not None else (old[1] * share if keep_ratio else old[1])
    return max(1, round(across)), max(1, round(down))


@operation("rotate_layer")
def rotate_layer(call, angle, what, interpolation, resize, layer=None, center=None):
    target = Target(call, what, layer)
    x, y = transform_target.find_center(call, target, center)
    turn = angle % 360
    quarters = {90: Gimp.RotationType.DEGREES90, 180: Gimp.RotationType.DEGREES180,
                270: Gimp.RotationType.DEGREES270}
    if turn in quarters and resize == "grow":
        target.run(lambda item: item.transform_rotate_simple(quarters[turn], False, x, y), interpolation)
    elif turn:
        target.run(lambda item: item.transform_rotate(math.radians(angle), False, x, y), interpolation, resize)
    return target.answer(f"Rotated the {_words(what)} by {color_target.number(angle)} degrees")


@operation("flip_layer")
def flip_layer(call, direction, what, layer=None, axis=None):
    target = Target(call, what, layer)
    across = 0 if direction == "horizontal" else 1
    point = (axis, axis) if axis is not None else None
    place = transform_target.find_center(call, target, point)[across]
    kind = Gimp.OrientationType.VERTICAL if across else Gimp.OrientationType.HORIZONTAL
    target.run(lambda item: item.transform_flip_simple(kind, False, place), "none")
    return target.answer(f"Flipped the {_words(what)} {direction}ly")


@operation("shear_layer")
def shear_layer(call, direction, amount, what, interpolation, resize, layer=None):
    target = Target(call, what, layer)
    places = call.places()
    length = amount * (places.scale_x if direction == "horizontal" else places.scale_y)
    x, y = transform_target.center(target)
    _check_size(*(size + (abs(length) if is_along else 0) for size, is_along in zip(
        target.box[2:], (direction == "horizontal", direction == "vertical"))))
    if direction == "horizontal":
        slope = length / target.box[3]
        matrix = [1, slope, -slope * y, 0, 1, 0, 0, 0, 1]
    else:
        slope = length / target.box[2]
        matrix = [1, 0, 0, slope, 1, -slope * x, 0, 0, 1]
    target.run(lambda item: item.transform_matrix(*matrix), interpolation, resize)
    return target.answer(f"Sheared the {_words(what)} {direction}ly by {color_target.number(amount)} pixels")


@operation("change_perspective")
def change_perspective(call, corners, what, interpolation, resize, layer=None):
    target = Target(call, what, layer)
    places = call.places(target.item if what != "selection" else None)
    points = places.points(corners)
    _check_corners(points)
    matrix = _homography(target.box, points)
    target.run(lambda item: item.transform_matrix(*matrix), interpolation, resize)
    return target.answer(f"Changed the perspective of the {_words(what)}")


def _homography(box, points):
    """The matrix, row by row, that takes a box's corners (clockwise from the top left) to the points."""
    left, top, width, height = box
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    dx1, dx2, dx3 = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, dy3 = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    whole = dx1 * dy2 - dx2 * dy1  # not 0 for a convex area
    g, h = (dx3 * dy2 - dx2 * dy3) / whole, (dx1 * dy3 - dx3 * dy1) / whole
    unit = [[x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0], [g, h, 1.0]]
    # From the box to the unit square, then to the points
    return [number for a, b, c in unit for number in (a / width, b / height, c - a * left / width - b * top / height)]


def _check_corners(points):
    """Refuses corners that cross or lie on a line: GIMP would make an endless picture of them."""
    turns = []
    for i in range(4):
        (ax, ay), (bx, by), (cx, cy) = points[i], points[(i + 1) % 4], points[(i + 2) % 4]
        turns.append((bx - ax) * (cy - by) - (by - ay) * (cx - bx))
    if not (all(turn > 1 for turn in turns) or all(turn < -1 for turn in turns)):
        raise OperationError(
            "invalid_argument",
            "`corners` do not bound a convex area",
            "give top left, top right, bottom right and bottom left, in this order",
        )
    across, down = zip(*points)
    _check_size(max(across) - min(across), max(down) - min(down))


@operation("warp_layer")
def warp_layer(call, points, radius, interpolation, layer=None):
    drawable = color_target.target(call, layer, False, ("RGB", "GRAY"), "warping")
    places = call.places(drawable if drawable.is_layer() else None)
    left, top = drawable.get_offsets()[-2:]
    moves = []
    for from_x, from_y, to_x, to_y in points:
        start, end = places.point(from_x, from_y), places.point(to_x, to_y)
        moves.append((start[0] - left, start[1] - top, end[0] - left, end[1] - top))
    if not displace.warp(call, drawable, moves, color_target.length(call, radius, 1.0, 100000.0), interpolation):
        targets.add_note(call, f"the points and their radius do not reach `{drawable.get_id()}`, so nothing was warped")
    return {"message": f"Warped by {len(moves)} points", "layer": drawable.get_id()}
