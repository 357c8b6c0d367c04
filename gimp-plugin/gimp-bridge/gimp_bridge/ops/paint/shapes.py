"""Lines, rectangles, ellipses and polygons drawn in exact colours.

A filled shape is a selection that is filled; the user's selection limits it and comes back afterwards.
"""

import math

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import painting, selection as selecting, strokes


@operation("draw_line")
def draw_line(
    call,
    points,
    color=None,
    width=1,
    cap="butt",
    join="miter",
    dashes=None,
    arrow="none",
    arrow_size=None,
    antialias=True,
    opacity=100,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    places = call.places(drawable)
    wide = places.length(width)
    path = [
        point for index, point in enumerate(places.points(points)) if index == 0 or points[index] != points[index - 1]
    ]
    if len(path) < 2:
        raise OperationError(
            "invalid_argument",
            f"the {len(points)} points are all ({points[0][0]:g}, {points[0][1]:g})",
            "give two different points; for a dot, use draw_ellipse",
        )
    heads = []
    if arrow != "none":
        size = places.length(arrow_size) if arrow_size is not None else max(4 * wide, 8)
        path, heads = _arrow(path, arrow, size)
    elif cap == "butt":
        path = _through_end_pixels(path, wide)
    shift = _pixel_shift(wide)
    painting.use_blend(opacity, mode, painting.use_color(color))
    strokes.use_line(wide, cap, join, 10, dashes, antialias)
    line = [(x + shift, y + shift) for x, y in path]
    strokes.draw(call, drawable, [(strokes.corners(line), False)])
    for head in heads:
        flat = [value + shift for corner in head for value in corner]
        selecting.fill(call, drawable, antialias, lambda flat=flat: _select_polygon(call.image, flat))
    return {
        "message": f"Drew a line through {len(points)} points, {wide:g} pixels wide"
        + (f", with an arrow at {'both ends' if arrow == 'both' else f'the {arrow}'}" if heads else ""),
        "layer": drawable.get_id(),
    }


def _pixel_shift(width):
    """An odd width runs along the middle of pixels, so that one pixel wide is one pixel, not two half ones."""
    return 0.5 if round(width) % 2 else 0.0


def _through_end_pixels(path, width):
    """With an odd width, points are pixels: the line covers the first and the last whole."""
    if not _pixel_shift(width):
        return path
    return [_beyond(path[1], path[0], 0.5), *path[1:-1], _beyond(path[-2], path[-1], 0.5)]


def _beyond(origin, end, distance):
    """The point `distance` after `end` on the way from `origin`; before it where negative."""
    length = math.dist(origin, end)
    return tuple(e + (e - o) / length * distance for o, e in zip(origin, end))


def _arrow(path, arrow, size):
    """(the line cut back to the heads' bases, the heads as triangles)."""
    heads, path = [], list(path)
    for which, at, towards in (("start", 0, 1), ("end", -1, -2)):
        if arrow not in (which, "both"):
            continue
        tip, origin = path[at], path[towards]
        size = min(size, math.dist(origin, tip))
        base = _beyond(origin, tip, -size)
        right, down = (tip[0] - base[0]) * 0.45, (tip[1] - base[1]) * 0.45
        heads.append([tip, (base[0] - down, base[1] + right), (base[0] + down, base[1] - right)])
        path[at] = _beyond(origin, tip, -size * 0.8)  # a little into the head, so that no gap shows
    return path, heads


@operation("draw_rectangle")
def draw_rectangle(
    call,
    x,
    y,
    width,
    height,
    fill_color=None,
    outline_color=None,
    outline_width=1,
    corner_radius=0,
    antialias=True,
    opacity=100,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    places = call.places(drawable)
    box = places.pixel_box(x, y, width, height)
    radius = min(places.length(corner_radius), box[2] / 2, box[3] / 2)

    def select(how, inset):
        left, top, wide, high = _inset(box, inset)
        if wide <= 0 or high <= 0:
            return
        if radius - inset > 0:
            call.image.select_round_rectangle(how, left, top, wide, high, radius - inset, radius - inset)
        else:
            call.image.select_rectangle(how, left, top, wide, high)

    outline = round(places.length(outline_width)) or 1
    _boxed(call, drawable, box, select, fill_color, outline_color, outline, antialias, opacity, mode, "a rectangle")
    return _drawn(f"a rectangle of {box[2]}x{box[3]} at ({box[0]}, {box[1]})", drawable, fill_color, outline_color)


@operation("draw_ellipse")
def draw_ellipse(
    call,
    x,
    y,
    width,
    height,
    fill_color=None,
    outline_color=None,
    outline_width=1,
    antialias=True,
    opacity=100,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    places = call.places(drawable)
    box = places.box(x, y, width, height)

    def select(how, inset):
        left, top, wide, high = _inset(box, inset)
        if wide > 0 and high > 0:
            call.image.select_ellipse(how, left, top, wide, high)

    outline = places.length(outline_width)
    _boxed(call, drawable, box, select, fill_color, outline_color, outline, antialias, opacity, mode, "an ellipse")
    return _drawn(
        f"an ellipse of {box[2]:g}x{box[3]:g} at ({box[0]:g}, {box[1]:g})", drawable, fill_color, outline_color
    )


@operation("draw_polygon")
def draw_polygon(
    call,
    points,
    fill_color=None,
    outline_color=None,
    outline_width=1,
    join="miter",
    smooth=False,
    antialias=True,
    opacity=100,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    _need_color(fill_color, outline_color)
    places = call.places(drawable)
    corners = places.points(points)
    wide = places.length(outline_width)
    controls = strokes.smooth if smooth else lambda line, closed: strokes.corners(line)
    if fill_color is not None:
        painting.use_blend(opacity, mode, painting.use_color(fill_color))
        with strokes.passing_path(call, [(controls(corners, True), True)]) as path:
            selecting.fill(call, drawable, antialias, lambda: call.image.select_item(Gimp.ChannelOps.REPLACE, path))
    if outline_color is not None:
        shift = _pixel_shift(wide)
        painting.use_blend(opacity, mode, painting.use_color(outline_color))
        strokes.use_line(wide, "round", join, 10, None, antialias)
        line = [(x + shift, y + shift) for x, y in corners]
        strokes.draw(call, drawable, [(controls(line, True), True)])
    return _drawn(f"a polygon of {len(points)} points", drawable, fill_color, outline_color)


def _boxed(call, drawable, box, select, fill, outline, outline_width, antialias, opacity, mode, what):
    """Fills and outlines what `select(operation, inset)` selects; the outline lies inside the box."""
    _need_color(fill, outline)
    selecting.need_inside(call.image, box[0], box[1], box[0] + box[2], box[1] + box[3], what)
    if fill is not None:
        painting.use_blend(opacity, mode, painting.use_color(fill))
        # Under an opaque outline the fill goes half into it, so that no seam shows; its outer edge stays inside
        inset = 0 if outline is None else outline_width / 2 if antialias else outline_width
        whole = what == "a rectangle" and outline is not None
        selecting.fill(
            call,
            drawable,
            antialias,
            lambda: select(Gimp.ChannelOps.REPLACE, outline_width if whole else inset),
        )
    if outline is not None:
        painting.use_blend(opacity, mode, painting.use_color(outline))

        def ring():
            select(Gimp.ChannelOps.REPLACE, 0)
            select(Gimp.ChannelOps.SUBTRACT, outline_width)

        selecting.fill(call, drawable, antialias, ring)


def _select_polygon(image, flat):
    image.select_polygon(Gimp.ChannelOps.REPLACE, flat)


def _inset(box, inset):
    x, y, width, height = box
    return x + inset, y + inset, width - 2 * inset, height - 2 * inset


def _need_color(fill, outline):
    if fill is None and outline is None:
        raise OperationError(
            "invalid_argument", "neither `fill_color` nor `outline_color` is given", "give one of them, or both"
        )


def _drawn(what, drawable, fill, outline):
    words = [f"filled with {fill}"] if fill is not None else []
    words += [f"outlined in {outline}"] if outline is not None else []
    return {"message": f"Drew {what}, {' and '.join(words)}", "layer": drawable.get_id()}
