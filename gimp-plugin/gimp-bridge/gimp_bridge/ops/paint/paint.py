"""Filling: the selection, areas of a colour, gradients, and clearing to transparency."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import painting, resources, selection as selecting, targets
from gimp_bridge.ops.selections.selection_sources import need_on, use_sampling

FILLS = {
    "foreground": "FOREGROUND",
    "color": "FOREGROUND",
    "background": "BACKGROUND",
    "white": "WHITE",
    "middle_gray": "CIELAB_MIDDLE_GRAY",
    "transparent": "TRANSPARENT",
    "pattern": "PATTERN",
}
# As GIMP counts its fill types
BY_NUMBER = ("foreground", "background", "middle_gray", "white", "transparent", "pattern")


@operation("fill_selection")
def fill_selection(call, fill_type="foreground", color=None, pattern=None, opacity=100, mode="normal", layer=None):
    drawable = painting.surface(call, layer)
    if isinstance(fill_type, int):
        fill_type = BY_NUMBER[fill_type]
    kind, alpha, words = _use_fill(fill_type, color, pattern)
    where = "the layer" if Gimp.Selection.is_empty(call.image) else "the selection"
    if fill_type == "transparent" or alpha == 0:
        if (opacity, mode) != (100, "normal"):
            raise OperationError(
                "invalid_argument",
                "filling with transparency takes no `opacity` or `mode`",
                'to make it partly transparent, fill with a color, mode "erase" and an opacity',
            )
        return _clear(call, drawable, where)
    painting.use_blend(opacity, mode, alpha)
    painting.done(drawable.edit_fill(kind), "filling")
    return {"message": f"Filled {where} with {words}", "layer": drawable.get_id()}


def _use_fill(fill_type, color, pattern):
    """(Gimp.FillType, the colour's alpha, words); sets the context. A `color` alone means fill_type "color"."""
    if color is not None and fill_type == "foreground":
        fill_type = "color"
    for given, name, belongs in ((color, "color", "color"), (pattern, "pattern", "pattern")):
        if given is not None and fill_type != belongs:
            raise OperationError(
                "invalid_argument",
                f'`{name}` is given, but fill_type is "{fill_type}"',
                f'give fill_type "{belongs}", or leave `{name}` out',
            )
        if given is None and fill_type == name == "color":
            raise OperationError("invalid_argument", 'fill_type "color" needs `color`', "give a color")
    alpha, words = 1.0, {"middle_gray": "middle gray"}.get(fill_type, fill_type)
    if fill_type == "color":
        alpha, words = painting.use_color(color), f"{color}"
    elif fill_type == "pattern" and pattern is not None:
        found = resources.find("pattern", pattern)
        Gimp.context_set_pattern(found)
        words = f"the pattern `{found.get_name()}`"
    elif fill_type in ("foreground", "background"):
        words = f"the {fill_type} color"
    return getattr(Gimp.FillType, FILLS[fill_type]), alpha, words


@operation("clear_selection")
def clear_selection(call, layer=None):
    drawable = painting.surface(call, layer)
    return _clear(call, drawable, "the layer" if Gimp.Selection.is_empty(call.image) else "the selection")


def _clear(call, drawable, where):
    painting.need_alpha(call, drawable, "transparency")
    painting.done(drawable.edit_clear(), "clearing")
    return {"message": f"Cleared {where} of `{drawable.get_name()}`", "layer": drawable.get_id()}


@operation("bucket_fill")
def bucket_fill(
    call,
    point,
    fill_type="foreground",
    color=None,
    pattern=None,
    threshold=15,
    criterion="composite",
    diagonal=False,
    sample_merged=False,
    opacity=100,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    x, y = call.places(drawable).point(*point)
    need_on(call.image, drawable, x, y, sample_merged)
    kind, alpha, words = _use_fill(fill_type, color, pattern)
    use_sampling(threshold, criterion, sample_merged, diagonal)
    selecting.prepare()
    painting.use_blend(opacity, mode, alpha)
    if fill_type == "transparent" or alpha == 0:
        painting.need_alpha(call, drawable, "transparency")
        kind = Gimp.FillType.TRANSPARENT
        painting.use_blend(100, "normal")
    at = (x, y) if sample_merged else painting.local(drawable, x, y)
    painting.done(drawable.edit_bucket_fill(kind, *at), "the bucket fill")
    return {"message": f"Filled the area at ({x:g}, {y:g}) with {words}", "layer": drawable.get_id()}


@operation("draw_gradient")
def draw_gradient(
    call,
    type="linear",
    colors=None,
    positions=None,
    gradient=None,
    start=None,
    end=None,
    repeat="none",
    reverse=False,
    offset=0,
    blend_space="perceptual",
    dither=True,
    opacity=100,
    mode="normal",
    layer=None,
):
    drawable = painting.surface(call, layer)
    targets.need_mode(call, ("RGB", "GRAY"), "a gradient")
    if (colors is None) == (gradient is None):
        raise OperationError(
            "invalid_argument",
            "give either `colors` or `gradient`" + (", not both" if colors else ""),
            'for example colors ["#204080", "white"]',
        )
    first, last = _ends(call, drawable, type, start, end)
    if gradient is not None and positions is not None:
        raise OperationError("invalid_argument", "`positions` belong to `colors`", "leave `positions` out")
    found = resources.find("gradient", gradient) if gradient is not None else None
    stops = resources.gradient_stops(colors, positions) if found is None else None
    with call.masked():  # a cancel must not leave the passing gradient
        used = found or resources.make_gradient(call, "gimp-bridge gradient", stops)
        try:
            Gimp.context_set_gradient(used)
            _use_gradient_options(repeat, reverse, blend_space)
            painting.use_blend(opacity, mode)
            kind = getattr(Gimp.GradientType, type.upper())
            ends = (*painting.local(drawable, *first), *painting.local(drawable, *last))
            worked = drawable.edit_gradient_fill(kind, offset, False, 1, 0.0, dither, *ends)
            painting.done(worked, "the gradient")
        finally:
            if found is None:
                used.delete()
    words = f"`{found.get_name()}`" if found is not None else f"{len(colors)} colors"
    return {
        "message": f"Drew a {type.replace('_', ' ')} gradient of {words}",
        "layer": drawable.get_id(),
        "start": list(first),
        "end": list(last),
    }


def _use_gradient_options(repeat, reverse, blend_space):
    Gimp.context_set_gradient_repeat_mode(getattr(Gimp.RepeatMode, repeat.upper()))
    Gimp.context_set_gradient_reverse(reverse)
    space = {"perceptual": "RGB_PERCEPTUAL", "linear": "RGB_LINEAR", "lab": "CIE_LAB"}[blend_space]
    Gimp.context_set_gradient_blend_color_space(getattr(Gimp.GradientBlendColorSpace, space))


def _ends(call, drawable, kind, start, end):
    """Where it starts and ends, in the image; by default across what is selected, or the layer."""
    places = call.places(drawable)
    worked, x, y, width, height = drawable.mask_intersect()
    painting.done(worked, "finding the area")
    left, top = painting.local(drawable, 0, 0)
    x, y = x - left, y - top
    if kind == "linear":
        defaults = (x, y + height / 2), (x + width, y + height / 2)
    else:
        defaults = (x + width / 2, y + height / 2), (x + width, y + height / 2)
    first = places.point(*start) if start is not None else defaults[0]
    last = places.point(*end) if end is not None else defaults[1]
    if first == last and not kind.startswith("shapeburst"):
        raise OperationError(
            "invalid_argument", f"`start` and `end` are both ({first[0]:g}, {first[1]:g})", "give two different points"
        )
    return first, last
