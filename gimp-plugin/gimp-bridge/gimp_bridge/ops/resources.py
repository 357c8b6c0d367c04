"""Operations on brushes, patterns, gradients, palettes and fonts: list, look at, create, delete."""

from gi.repository import Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import colors, painting, resources

SAMPLES = 11  # colours along a gradient that get_resource gives
MAX_COLORS = 1024  # of a palette that get_resource gives
THUMB = 256  # longest side of the picture that a palette is taken from


@operation("list_resources")
def list_resources(call, kind, search="", offset=0, limit=50):
    if kind == "dynamics":
        names = [name for name in resources.dynamics_names() if search.casefold() in name.casefold()]
        rows, where = resources.page(names, offset, limit)
        return {"kind": kind, "resources": [{"name": name} for name in rows], **where}
    rows, where = resources.page(resources.listed(kind, search), offset, limit)
    return {"kind": kind, "resources": [_brief(kind, row) for row in rows], **where}


def _brief(kind, resource):
    brief = {"name": resource.get_name()}
    if kind == "brush":
        brief.update(generated=resource.is_generated())
    if kind in ("brush", "pattern"):
        _, width, height, *_ = resource.get_info()
        brief.update(width=width, height=height)
    elif kind == "palette":
        brief.update(colors=resource.get_color_count())
    elif kind == "gradient":
        brief.update(segments=resource.get_number_of_segments())
    return brief


@operation("get_resource")
def get_resource(call, kind, name):
    found = resources.find(kind, name)
    result = {"kind": kind, **_brief(kind, found), "editable": found.is_editable()}
    if kind == "palette":
        result["columns"] = found.get_columns()
        result["entries"] = [
            {"color": colors.describe(color), "name": found.get_entry_name(index)[-1]}
            for index, color in enumerate(found.get_colors()[:MAX_COLORS])
        ]
    elif kind == "gradient":
        samples = found.get_uniform_samples(SAMPLES, False)
        result["samples"] = [colors.describe(color) for color in _colors(samples)]
    elif kind == "brush":
        result["spacing"] = found.get_spacing()
        if found.is_generated():
            result.update(_shape(found))
    return result


def _colors(samples):
    return list(samples[-1] if isinstance(samples, tuple) else samples)


def _shape(brush):
    """What a generated brush is made of; each getter answers (worked, value)."""
    values = {
        name: getattr(brush, f"get_{name}")()[-1] for name in ("radius", "hardness", "aspect_ratio", "angle", "spikes")
    }
    shape = enums.name(Gimp.BrushGeneratedShape, brush.get_shape()[-1]).lower()
    return {"shape": shape, **{name: round(value, 4) for name, value in values.items()}}


@operation("create_gradient")
def create_gradient(call, name, colors, positions=None, blending="linear"):
    made = resources.make_gradient(call, name, resources.gradient_stops(colors, positions), blending)
    return {
        "message": f"Created gradient `{made.get_name()}` of {len(colors)} colors",
        "name": made.get_name(),
        "segments": made.get_number_of_segments(),
    }


@operation("create_palette")
def create_palette(call, name, colors=None, color_names=None, from_image=None, columns=0):
    if (colors is None) == (from_image is None):
        raise OperationError(
            "invalid_argument", "give either `colors` or `from_image`", "from_image is how many colours to take"
        )
    if color_names is not None and len(color_names) != len(colors or ()):
        raise OperationError(
            "invalid_argument",
            f"there are {len(color_names)} `color_names` and {len(colors or ())} `colors`",
            "give a name for each color, or leave `color_names` out",
        )
    if colors is None:
        with call.masked():  # a cancel must not leave the passing copy
            chosen = _image_colors(call, from_image)
    else:
        chosen = [_opaque(color) for color in colors]
    palette = resources.make(call, "Palette", name)
    for index, color in enumerate(chosen):
        worked, _ = palette.add_entry(color_names[index] if color_names else f"Color {index + 1}", color)
        painting.done(worked, "adding a colour")
    if columns:
        palette.set_columns(columns)
    return {
        "message": f"Created palette `{palette.get_name()}` of {len(chosen)} colors",
        "name": palette.get_name(),
        "colors": [describe(color) for color in palette.get_colors()],
    }


describe = colors.describe


def _opaque(value):
    return colors.gegl_color((*colors.parse(value)[:3], 1.0))


def _image_colors(call, count):
    """The colours that an indexed copy of the picture, made small, would have."""
    if call.image is None:
        raise OperationError("no_image", "no image to take colours from", "give `image`, or `colors`")
    copy = call.image.duplicate()
    try:
        copy.undo_disable()
        copy.flatten()
        longest = max(copy.get_width(), copy.get_height())
        if longest > THUMB:
            Gimp.context_set_interpolation(Gimp.InterpolationType.LINEAR)
            wide, high = (max(side * THUMB // longest, 1) for side in (copy.get_width(), copy.get_height()))
            copy.scale(wide, high)
        if int(copy.get_base_type()) == int(Gimp.ImageBaseType.INDEXED):
            copy.convert_rgb()
        if int(copy.get_precision()) != int(Gimp.Precision.U8_NON_LINEAR):
            copy.convert_precision(Gimp.Precision.U8_NON_LINEAR)
        kinds = Gimp.ConvertPaletteType
        worked = copy.convert_indexed(Gimp.ConvertDitherType.NONE, kinds.GENERATE, count, False, False, "")
        painting.done(worked, "taking the colours")
        return copy.get_palette().get_colors()
    finally:
        copy.delete()


@operation("create_brush")
def create_brush(call, name, shape="circle", radius=10, hardness=1, spikes=2, aspect_ratio=1, angle=0, spacing=10):
    brush = resources.make(call, "Brush", name)
    brush.set_shape(getattr(Gimp.BrushGeneratedShape, shape.upper()))
    brush.set_radius(radius)
    brush.set_hardness(hardness)
    brush.set_spikes(spikes)
    brush.set_aspect_ratio(aspect_ratio)
    brush.set_angle(angle)
    brush.set_spacing(spacing)
    return {
        "message": f"Created brush `{brush.get_name()}`",
        "name": brush.get_name(),
        "spacing": brush.get_spacing(),
        **_shape(brush),
    }


@operation("delete_resource")
def delete_resource(call, kind, name):
    found = resources.find(kind, name)
    name = found.get_name()
    if not found.is_editable():
        raise OperationError(
            "forbidden",
            f"the {kind} `{name}` belongs to GIMP and cannot be deleted",
            "only what you made can be deleted",
        )
    call.commit()
    call.way_back(lambda: f"the {kind} `{name}` was deleted")
    painting.done(found.delete(), f"deleting the {kind}")
    return {"message": f"Deleted {kind} `{name}`", "deleted": name}
