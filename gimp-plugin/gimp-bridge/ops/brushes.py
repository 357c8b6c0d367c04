"""Strokes with paint tools: brush, pencil, airbrush, eraser, and those that retouch.

A point means the middle of that pixel. GIMP's places count from pixel corners, where a brush would smear over two.
"""

from gi.repository import Gimp

import lookup
import painting
import targets
from errors import OperationError
from registry import operation

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
    pressure=100,
    fade_out=0,
    incremental=False,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    places = call.places(drawable if drawable.is_layer() else None)
    strokes = _strokes(places, stroke_points)
    if tool == "eraser":
        painting.need_alpha(call, drawable, "erasing")
        if color is not None or mode != "normal":
            raise OperationError("invalid_argument", "the eraser has no `color` or `mode`", "leave them out")
    alpha = painting.use_color(color)
    size = places.length(brush_size)
    brush = painting.use_brush(brush_name, size, hardness, spacing, angle, aspect_ratio, force, dynamics)
    painting.use_blend(opacity, mode, alpha)
    method = Gimp.PaintApplicationMode.INCREMENTAL if incremental else Gimp.PaintApplicationMode.CONSTANT
    if fade_out and tool != "paintbrush":
        raise OperationError("invalid_argument", f"the {tool} has no `fade_out`", "use the paintbrush, or leave it out")
    if tool == "paintbrush":
        worked = Gimp.paintbrush(drawable, places.length(fade_out), strokes, method, 0.0)
    elif tool == "pencil":
        worked = Gimp.pencil(drawable, strokes)
    elif tool == "airbrush":
        worked = Gimp.airbrush(drawable, pressure, strokes)
    else:
        worked = Gimp.eraser(drawable, strokes, Gimp.BrushApplicationMode.SOFT, method)
    painting.done(worked, f"the {tool} stroke")
    return {
        "message": f"Drew a {tool} stroke of {len(stroke_points)} points with `{brush.get_name()}`, size {size:g}",
        "layer": drawable.get_id(),
        "brush": brush.get_name(),
        "brush_size": Gimp.context_get_brush_size(),
    }


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
    places = call.places(drawable if drawable.is_layer() else None)
    strokes = _strokes(places, stroke_points)
    copies = tool in ("clone", "heal")
    if copies != (source is not None) or (source_layer is not None and not copies):
        raise OperationError(
            "invalid_argument",
            f"{tool} {'needs' if copies else 'has no'} `source`",
            "give the point to take pixels from" if copies else "leave `source` and `source_layer` out",
        )
    if not copies:
        targets.need_mode(call, ("RGB", "GRAY"), tool)
    size = places.length(brush_size)
    brush = painting.use_brush(brush_name, size, hardness)
    painting.use_blend(opacity, mode)
    if copies:
        x, y = places.point(*source)
        origin = lookup.resolve_drawable(call, source_layer) if source_layer is not None else drawable
        _need_source(origin, x, y)
        at = painting.local(origin, x + 0.5, y + 0.5)
        if tool == "clone":
            Gimp.context_set_sample_merged(False)
            worked = Gimp.clone(drawable, origin, Gimp.CloneType.IMAGE, *at, strokes)
        else:
            worked = Gimp.heal(drawable, origin, *at, strokes)
    elif tool == "smudge":
        worked = Gimp.smudge(drawable, strength, strokes)
    elif tool in TONED:
        kind = getattr(Gimp.DodgeBurnType, tool.upper())
        worked = Gimp.dodgeburn(drawable, strength, kind, getattr(Gimp.TransferMode, range.upper()), strokes)
    else:
        kind = getattr(Gimp.ConvolveType, tool.upper())
        worked = Gimp.convolve(drawable, strength, kind, strokes)
    painting.done(worked, f"the {tool} stroke")
    return {
        "message": f"Retouched {len(stroke_points)} points with {tool}, brush `{brush.get_name()}`, size {size:g}",
        "layer": drawable.get_id(),
    }


def _strokes(places, points):
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
