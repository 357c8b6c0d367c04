"""Painting with paths: stroked, filled, and text bent along them."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import bend, painting, selection as selecting, strokes, targets, text_style
from gimp_bridge.ops.paint.clipboard import new_layer
from gimp_bridge.ops.text import text_layer

PRECISION = 0.2  # pixels that a curve may be off its polyline


@operation("stroke_path")
def stroke_path(call, path=None, layer=None, color=None, opacity=100, mode="normal", **style):
    drawable = painting.surface(call, layer)
    found = targets.path(call, path)
    words = _use_style(call, color, opacity, mode, style)
    painting.done(drawable.edit_stroke_item(found), "stroking the path")
    return {"message": f"Stroked path `{found.get_name()}` with {words}", "layer": drawable.get_id()}


@operation("stroke_selection")
def stroke_selection(call, layer=None, color=None, opacity=100, mode="normal", **style):
    drawable = targets.drawable(call, layer)
    selecting.need_some(call.image, "stroke")
    drawable = painting.surface(call, drawable.get_id())
    words = _use_style(call, color, opacity, mode, style)
    painting.done(drawable.edit_stroke_selection(), "stroking the selection")
    return {"message": f"Stroked the selection's edge with {words}", "layer": drawable.get_id()}


def _use_style(call, color, opacity, mode, style):
    """Line or brush; words for the message."""
    places = call.places()
    painting.use_blend(opacity, mode, painting.use_color(color))
    method = style.get("method", "line")
    brushes = [key for key in ("brush_name", "tool", "dynamics", "emulate_pressure") if style.get(key)]
    lines = [key for key in ("dashes", "cap", "join") if style.get(key)]
    wrong = brushes if method == "line" else lines
    if wrong:
        other = "brush" if method == "line" else "line"
        raise OperationError(
            "invalid_argument", f'`{wrong[0]}` belongs to method "{other}"', f'give method "{other}", or leave it out'
        )
    width = places.length(style.get("width", 2))
    if method == "line":
        cap, join = style.get("cap") or "butt", style.get("join") or "miter"
        strokes.use_line(width, cap, join, 10, style.get("dashes"), style.get("antialias", True))
        return f"a line of {width:g} pixels"
    brush = painting.use_brush(style.get("brush_name") or "2. Hardness 100", width, dynamics=style.get("dynamics"))
    Gimp.context_set_emulate_brush_dynamics(bool(style.get("emulate_pressure")))
    strokes.use_tool(style.get("tool") or "paintbrush")
    return f"brush `{brush.get_name()}`, size {width:g}"


@operation("fill_path")
def fill_path(call, path=None, color=None, layer=None, antialias=True, opacity=100, mode="normal"):
    drawable = painting.surface(call, layer)
    found = targets.path(call, path)
    painting.use_blend(opacity, mode, painting.use_color(color))
    _fill(call, drawable, found, antialias)
    return {"message": f"Filled path `{found.get_name()}`", "layer": drawable.get_id()}


def _fill(call, drawable, path, antialias=True):
    selecting.fill(call, drawable, antialias, lambda: call.image.select_item(Gimp.ChannelOps.REPLACE, path))


@operation("path_from_text")
def path_from_text(call, layer=None, name=None):
    image, found = call.image, text_layer(call, layer)
    made = Gimp.Path.new_from_text_layer(image, found)
    painting.done(made is not None and image.insert_path(made, None, 0), "making the path")
    made.set_name(name or found.get_name())
    return {
        "message": f"Made path `{made.get_name()}` from the text's outlines",
        "path": made.get_id(),
        "name": made.get_name(),
    }


@operation("text_along_path")
def text_along_path(
    call,
    text,
    path=None,
    font="Sans-serif",
    size=24,
    color="black",
    alignment="left",
    offset=0,
    distance=0,
    letter_spacing=0,
    result="layer",
    name=None,
):
    image, found = call.image, targets.path(call, path)
    if "\n" in text.strip("\n"):
        raise OperationError("invalid_argument", "the text has more than one line", "give one line for each path")
    places = call.places()
    rail = _rail(call, found)
    with call.masked():  # a cancel must not leave the passing image
        outlines, wide, baseline = _outlines(text, font, places.length(size), letter_spacing)
    room = rail.length - wide
    start = {"left": 0, "center": room / 2, "right": room}[alignment] + places.length(offset)
    if wide > rail.length + 0.5:
        targets.add_note(
            call, f"the text is {wide:g} pixels long and the path {rail.length:.0f}: it goes on beyond the end"
        )
    made = Gimp.Path.new(image, name or text[:60])
    painting.done(image.insert_path(made, None, 0), "inserting the path")
    lift = baseline + places.length(distance)
    for controls, closed in outlines:
        bent = bend.bend_stroke(controls, closed, rail, start, lift, max(places.length(size) / 8, 1))
        strokes.add_stroke(made, bent, closed)
    answer = {"path": made.get_id(), "layer": None, "text_length": wide, "path_length": round(rail.length, 2)}
    if result == "layer":
        layer = new_layer(image, name or text[:60])
        painting.use_blend(100, "normal", painting.use_color(color))
        _fill_alone(call, layer, made)
        image.remove_path(made)
        image.set_selected_layers([layer])
        answer.update(layer=layer.get_id(), path=None)
    return {"message": f"Bent the text along path `{found.get_name()}`", **answer}


def _rail(call, path):
    """The first stroke of a path as a measured polyline."""
    lines = path.get_strokes()
    if not lines:
        raise OperationError("invalid_argument", f"path `{path.get_name()}` is empty", "give a path that has points")
    if len(lines) > 1:
        targets.add_note(call, f"path `{path.get_name()}` has {len(lines)} strokes; the text follows the first")
    points, closed = list(path.stroke_interpolate(lines[0], PRECISION))[-2:]
    rail = bend.Rail(list(zip(points[::2], points[1::2])), bool(closed))
    if rail.length < 1:
        raise OperationError("invalid_argument", f"path `{path.get_name()}` has no length", "give a longer path")
    return rail


def _outlines(text, font, size, letter_spacing):
    """([(control points, closed)], the text's length, its baseline), from a text layer in an image of its own."""
    image = Gimp.Image.new(64, 64, Gimp.ImageBaseType.RGB)
    try:
        image.undo_disable()
        layer = text_style.new_layer(image, text, font, size)
        image.insert_layer(layer, None, 0)
        layer.set_letter_spacing(letter_spacing)
        path = Gimp.Path.new_from_text_layer(image, layer)
        if path is None or not path.get_strokes():
            raise OperationError(
                "invalid_argument", f"`{text[:60]}` has no outlines to bend", "give text with visible letters"
            )
        image.insert_path(path, None, 0)
        lines = [tuple(list(path.stroke_get_points(stroke))[-2:]) for stroke in path.get_strokes()]
        *_, ascent, _ = Gimp.text_get_extents_font(text, size, layer.get_font())
        return lines, layer.get_width(), ascent
    finally:
        image.delete()


def _fill_alone(call, layer, path):
    """Fills the path on a new layer, whatever is selected."""
    image = call.image
    with selecting.Kept(call):
        selecting.prepare()
        image.select_item(Gimp.ChannelOps.REPLACE, path)
        if not Gimp.Selection.is_empty(image):
            painting.done(layer.edit_fill(Gimp.FillType.FOREGROUND), "filling")
