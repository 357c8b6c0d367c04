"""What lies beside an image's pixels: resolution, guides, grid, sample points, and a look at all of it."""

from gi.repository import Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.files import metadata_xml
from gimp_bridge.items import colors, targets
from gimp_bridge.items.image_edits import refused
from gimp_bridge.ops.image.metadata import guides as list_guides
from gimp_bridge.undo import snapshot

PER_INCH = {"inch": 1.0, "cm": 2.54, "mm": 25.4}


@operation("set_image_resolution")
def set_image_resolution(call, resolution=None, resolution_x=None, resolution_y=None, per="inch", unit=None):
    image = call.image
    before = image.get_resolution()[-2:]
    if resolution is not None and (resolution_x is not None or resolution_y is not None):
        raise OperationError(
            "invalid_argument",
            "`resolution` is given, and `resolution_x` or `resolution_y` too",
            "give one or the other",
        )
    if (resolution, resolution_x, resolution_y, unit) == (None,) * 4:
        raise OperationError("invalid_argument", "nothing to set is given", "give `resolution` or `unit`")
    x, y = (
        before[axis] if value is None else value * PER_INCH[per]
        for axis, value in enumerate(
            (resolution, resolution) if resolution is not None else (resolution_x, resolution_y)
        )
    )
    if not 0.005 <= min(x, y) <= max(x, y) <= 1048576:
        raise OperationError(
            "invalid_argument", f"{min(x, y):g} to {max(x, y):g} ppi is out of range", "0.005 to 1048576"
        )
    if not image.set_resolution(x, y):
        raise refused("set the resolution")
    if unit is not None:
        image.set_unit(getattr(Gimp.Unit, unit)())
    x, y = image.get_resolution()[-2:]
    return {
        "message": f"Set resolution to {x:g} x {y:g} pixels per inch" if (x, y) != before else f"Set unit to {unit}",
        "resolution_x": x,
        "resolution_y": y,
        "unit": image.get_unit().get_name(),
    }


@operation("set_guides")
def set_guides(call, horizontal=None, vertical=None, remove=None, replace=False):
    image, places = call.image, call.places()
    present = {row["id"] for row in list_guides(image)}
    missing = [guide for guide in remove or () if guide not in present]
    if missing:
        raise OperationError(
            "not_found", f"no guide `{missing[0]}`", "get_image_metadata lists the guides", guides=list_guides(image)
        )
    rows = [round(places.point(0, y)[1]) for y in horizontal or ()]
    columns = [round(places.point(x, 0)[0]) for x in vertical or ()]
    for values, limit, name in ((rows, image.get_height(), "horizontal"), (columns, image.get_width(), "vertical")):
        for value in values:
            if not 0 <= value <= limit:
                raise OperationError(
                    "invalid_argument", f"a {name} guide at {value} lies outside the image", f"give 0 to {limit}"
                )
    removed = sorted(present) if replace else list(dict.fromkeys(remove or ()))
    for guide in removed:
        image.delete_guide(guide)
    for row in rows:
        image.add_hguide(row)
    for column in columns:
        image.add_vguide(column)
    message = f"Added {len(rows) + len(columns)} and removed {len(removed)} guides"
    return {"message": message, "guides": list_guides(image)}


@operation("set_sample_points")
def set_sample_points(call, points=None, remove=None, replace=False):
    image, places = call.image, call.places()
    present = {row["id"] for row in _sample_points(image)}
    missing = [point for point in remove or () if point not in present]
    if missing:
        raise OperationError("not_found", f"no sample point `{missing[0]}`", "get_image_properties lists them")
    pixels = [(int(x), int(y)) for x, y in places.points(points or ())]
    for x, y in pixels:
        if not (0 <= x < image.get_width() and 0 <= y < image.get_height()):
            raise OperationError(
                "invalid_argument",
                f"the sample point {x}, {y} lies outside the image",
                f"give places inside {image.get_width()}x{image.get_height()}",
            )
    removed = sorted(present) if replace else list(dict.fromkeys(remove or ()))
    for point in removed:
        image.delete_sample_point(point)
    for x, y in pixels:
        image.add_sample_point(x, y)
    message = f"Added {len(pixels)} and removed {len(removed)} sample points"
    return {"message": message, "sample_points": _sample_points(image)}


def _sample_points(image):
    """With the colours that the composed picture has there."""
    layers, found, point = image.get_layers(), [], image.find_next_sample_point(0)
    while point:
        x, y = snapshot.position_pair(image.get_sample_point_position(point))
        row = {"id": point, "x": x, "y": y, "color": None}
        if layers:
            picked = image.pick_color([layers[0]], x, y, True, False, 0)
            if picked[0] and picked[-1] is not None:
                row["color"] = colors.describe(picked[-1])
        found.append(row)
        point = image.find_next_sample_point(point)
    return found


@operation("set_grid")
def set_grid(
    call, spacing_x=None, spacing_y=None, offset_x=None, offset_y=None, style=None, color=None, background=None
):
    image = call.image
    old = snapshot.grid(image)
    if all(value is None for value in (spacing_x, spacing_y, offset_x, offset_y, style, color, background)):
        raise OperationError("invalid_argument", "nothing to set is given", "give `spacing_x`, `style` or others")
    if spacing_x is not None or spacing_y is not None:
        x = old[0][0] if spacing_x is None else spacing_x
        y = spacing_x if spacing_y is None and spacing_x is not None else old[0][1] if spacing_y is None else spacing_y
        image.grid_set_spacing(x, y)
    if offset_x is not None or offset_y is not None:
        image.grid_set_offset(*(was if value is None else value for was, value in zip(old[1], (offset_x, offset_y))))
    if style is not None:
        image.grid_set_style(getattr(Gimp.GridStyle, style.upper().replace("-", "_")))
    if color is not None:
        image.grid_set_foreground_color(colors.to_gegl(color))
    if background is not None:
        image.grid_set_background_color(colors.to_gegl(background))
    grid = _grid(image)
    return {"message": f"Set the grid to {grid['spacing_x']:g} x {grid['spacing_y']:g} pixels", "grid": grid}


def _grid(image):
    spacing, offset, style, _, _ = snapshot.grid(image)
    return {
        "spacing_x": spacing[0], "spacing_y": spacing[1], "offset_x": offset[0], "offset_y": offset[1],
        "style": enums.name(Gimp.GridStyle, style).lower().replace("_", "-"),
        "color": colors.describe(image.grid_get_foreground_color()),
        "background": colors.describe(image.grid_get_background_color()),
    }  # fmt: skip


@operation("get_image_properties")
def get_image_properties(call):
    image = call.image
    kinds = {
        int(getattr(Gimp.ChannelType, name)): name.lower()
        for name in ("RED", "GREEN", "BLUE", "GRAY", "INDEXED", "ALPHA")
    }
    profile = image.get_effective_color_profile()
    x, y = image.get_resolution()[-2:]
    parasite = image.get_parasite("gimp-comment")
    result = {
        "resolution_x": x,
        "resolution_y": y,
        "print_width_mm": round(image.get_width() / x * 25.4, 2),
        "print_height_mm": round(image.get_height() / y * 25.4, 2),
        "unit": image.get_unit().get_name(),
        "grid": _grid(image),
        "guides": list_guides(image),
        "sample_points": _sample_points(image),
        "color_profile": profile.get_label() if profile is not None else None,
        "has_own_profile": image.get_color_profile() is not None,
        "visible_components": {
            kinds[int(kind)]: image.get_component_visible(kind) for kind in snapshot.component_kinds(image)
        },
        "comment": metadata_xml.comment_text(parasite.get_data()) if parasite is not None else None,
        "parasites": list(image.get_parasite_list()),
    }
    if targets.base_type(image) == "INDEXED":
        result["palette"] = [colors.describe(color) for color in image.get_palette().get_colors()]
    return result
