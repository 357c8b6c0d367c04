"""Strokes with paint tools: brush, pencil, airbrush, eraser, and those that retouch.

A point means the middle of that pixel. GIMP's places count from pixel corners, where a brush would smear over two.
"""

import math

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import lookup, painting, selection as selecting, strokes, targets

TONED = ("dodge", "burn")


@operation("draw_brush_stroke")
def draw_brush_stroke(
    call,
    stroke_points,
    brush_name="2. Hardness 100",
    brush_size=20,
    color=None,
    tool="paintbrush",
    opacity=100,
    hardness=None,
    spacing=None,
    angle=0,
    aspect_ratio=0,
    force=None,
    dynamics=None,
    emulate_pressure=False,
    pressure=100,
    incremental=False,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    places = call.places(drawable)
    flat = _flat(places, stroke_points)
    if tool == "eraser":
        painting.need_alpha(call, drawable, "erasing")
        if color is not None or mode != "normal":
            raise OperationError("invalid_argument", "the eraser has no `color` or `mode`", "leave them out")
    alpha = painting.use_color(color)
    size = places.length(brush_size)
    brush = painting.use_brush(brush_name, size, hardness, spacing, angle, aspect_ratio, force, dynamics)
    painting.use_blend(opacity, mode, alpha)
    if dynamics is not None:
        if incremental or pressure != 100:
            raise OperationError(
                "invalid_argument", "`incremental` and `pressure` do nothing with `dynamics`", "leave them or it out"
            )
        _draw_with_dynamics(call, drawable, tool, flat, emulate_pressure)
    elif emulate_pressure:
        raise OperationError(
            "invalid_argument", "`emulate_pressure` needs `dynamics`", 'give some, e.g. "Pressure Size"'
        )
    else:
        _draw(drawable, tool, flat, pressure, incremental)
    return {
        "message": f"Drew a {tool} stroke of {len(stroke_points)} points with `{brush.get_name()}`, size {size:g}",
        "layer": drawable.get_id(),
        "brush": brush.get_name(),
        "brush_size": Gimp.context_get_brush_size(),
    }


def _draw(drawable, tool, places, pressure, incremental):
    method = Gimp.PaintApplicationMode.INCREMENTAL if incremental else Gimp.PaintApplicationMode.CONSTANT
    if tool == "paintbrush":
        worked = Gimp.paintbrush(drawable, 0.0, places, method, 0.0)
    elif tool == "pencil":
        worked = Gimp.pencil(drawable, places)
    elif tool == "airbrush":
        worked = Gimp.airbrush(drawable, pressure, places)
    else:
        worked = Gimp.eraser(drawable, places, Gimp.BrushApplicationMode.SOFT, method)
    painting.done(worked, f"the {tool} stroke")


def _draw_with_dynamics(call, drawable, tool, places, emulate_pressure):
    """GIMP's own paint calls ignore the dynamics; stroking a path does not."""
    points = list(zip(places[::2], places[1::2]))
    if len(points) == 1:
        points.append((points[0][0] + 0.01, points[0][1]))
    Gimp.context_set_emulate_brush_dynamics(emulate_pressure)
    strokes.use_tool(tool)
    strokes.draw(call, drawable, [(strokes.corners(points), False)])


@operation("retouch_stroke")
def retouch_stroke(
    call,
    tool,
    stroke_points,
    source=None,
    source_layer=None,
    strength=50,
    range="midtones",
    brush_name="2. Hardness 050",
    brush_size=20,
    hardness=None,
    opacity=100,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    places = call.places(drawable)
    flat = _flat(places, stroke_points)
    copies = tool in ("clone", "heal")
    if copies != (source is not None) or (source_layer is not None and not copies):
        raise OperationError(
            "invalid_argument",
            f"{tool} {'needs' if copies else 'has no'} `source`",
            "give the point to take pixels from" if copies else "leave `source` and `source_layer` out",
        )
    if tool != "clone":
        targets.need_mode(call, ("RGB", "GRAY"), tool)
    size = places.length(brush_size)
    brush = painting.use_brush(brush_name, size, hardness)
    painting.use_blend(opacity, mode)
    if copies:
        x, y = places.point(*source)
        origin = lookup.resolve_drawable(call, source_layer) if source_layer is not None else drawable
        _need_source(origin, x, y)
        with call.masked():  # a cancel must not leave the passing layer
            worked = _copy_along(call.image, drawable, origin, (x, y), tool, flat)
    elif tool == "smudge":
        worked = Gimp.smudge(drawable, strength, flat)
    elif tool in TONED:
        kind = getattr(Gimp.DodgeBurnType, tool.upper())
        worked = Gimp.dodgeburn(drawable, strength, kind, getattr(Gimp.TransferMode, range.upper()), flat)
    else:
        kind = getattr(Gimp.ConvolveType, tool.upper())
        worked = Gimp.convolve(drawable, strength, kind, flat)
    painting.done(worked, f"the {tool} stroke")
    return {
        "message": f"Retouched {len(stroke_points)} points with {tool}, brush `{brush.get_name()}`, size {size:g}",
        "layer": drawable.get_id(),
    }


def _copy_along(image, drawable, origin, source, tool, flat):
    """Clones or heals from a passing copy of `origin` whose source lies at the image's corner.

    GIMP 3.0 forgets the place that it is given and starts from that corner; later ones start where they are told.
    """
    layers, channels = image.get_selected_layers(), image.get_selected_channels()
    passing = Gimp.Layer.new_from_drawable(origin, image)
    painting.done(passing is not None and image.insert_layer(passing, None, 0), "reading the source")
    try:
        left, top = painting.local(origin, 0, 0)
        passing.set_offsets(round(-left) - math.floor(source[0]), round(-top) - math.floor(source[1]))
        Gimp.context_set_sample_merged(False)
        if tool == "clone":
            return Gimp.clone(drawable, passing, Gimp.CloneType.IMAGE, 0.5, 0.5, flat)
        return Gimp.heal(drawable, passing, 0.5, 0.5, flat)
    finally:
        image.remove_layer(passing)
        selecting.choose(image, layers, channels)


def _flat(places, points):
    """GIMP's flat list, through the pixels' middles."""
    return [value for x, y in places.points(points) for value in (x + 0.5, y + 0.5)]


def _need_source(origin, x, y):
    left, top = painting.local(origin, 0, 0)
    if not (-left <= x < origin.get_width() - left and -top <= y < origin.get_height() - top):
        raise OperationError(
            "invalid_argument",
            f"`source` ({x:g}, {y:g}) is not on `{origin.get_name()}`",
            f"it covers ({-left:g}, {-top:g}) to ({origin.get_width() - left:g}, {origin.get_height() - top:g})",
        )
