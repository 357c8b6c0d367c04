"""Brushes, patterns, gradients, palettes and fonts by the names that people give; gradients made of colours."""

import difflib

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import colors

KINDS = ("brush", "pattern", "gradient", "palette", "font")
# What the field calls fontconfig's families; GIMP's list has only the other name
FAMILIES = {"sans": "Sans-serif", "mono": "Monospace"}
NEAR = 5  # how many names an error gives


def listed(kind, search=""):
    """All of a kind whose name contains `search`, without regard to case, in GIMP's order."""
    getter = {
        "brush": Gimp.brushes_get_list,
        "pattern": Gimp.patterns_get_list,
        "gradient": Gimp.gradients_get_list,
        "palette": Gimp.palettes_get_list,
        "font": Gimp.fonts_get_list,
    }[kind]
    wanted = search.casefold()
    return [resource for resource in getter("") if wanted in resource.get_name().casefold()]


def find(kind, name):
    """The resource of that name; where only one differs in case alone, that one."""
    exact = getattr(Gimp, kind.capitalize()).get_by_name(name)
    if exact is not None:
        return exact
    everything = {resource.get_name(): resource for resource in listed(kind)}
    family, space, style = name.partition(" ")
    if kind == "font" and family.casefold() in FAMILIES:
        generic = FAMILIES[family.casefold()] + space + style
        name = generic if generic in everything else name
    return everything[_pick(kind, name, list(everything))]


def dynamics_names():
    procedure = Gimp.get_pdb().lookup_procedure("gimp-dynamics-get-name-list")
    return list(procedure.run(procedure.create_config()).index(1))


def find_dynamics(name):
    return _pick("paint dynamics", name, dynamics_names())


def _pick(what, name, names):
    if name in names:
        return name
    alike = [other for other in names if other.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    near = alike or [other for other in names if name.casefold() in other.casefold()]
    folded = {other.casefold(): other for other in names}
    near += [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, NEAR, 0.4)]
    near = list(dict.fromkeys(near))[:NEAR] or names[:NEAR]
    raise OperationError(
        "not_found",
        f"there is no {what} `{name[:100]}`",
        f"the nearest are {', '.join(f'`{other}`' for other in near)}; list_resources gives all" if near else None,
        nearest=near,
    )


def page(rows, offset, limit):
    """{total, next_offset} and the rows of one page."""
    end = min(offset + limit, len(rows))
    return rows[offset:end], {"total": len(rows), "next_offset": end if end < len(rows) else None}


def gradient_stops(values, positions=None):
    """[(position, rgba)] of a gradient, from 0 to 1 and ascending."""
    rgba = [colors.parse(value) for value in values]
    if positions is None:
        return [(index / (len(rgba) - 1), color) for index, color in enumerate(rgba)]
    if len(positions) != len(rgba):
        raise OperationError(
            "invalid_argument",
            f"there are {len(rgba)} `colors` and {len(positions)} `positions`",
            "give a position for each color, or leave `positions` out to spread them evenly",
        )
    if any(after < before for before, after in zip(positions, positions[1:])):
        raise OperationError("invalid_argument", f"`positions` {positions[:10]} do not ascend", "sort them from 0 to 1")
    stops = list(zip(positions, rgba))
    if stops[0][0] > 0:
        stops.insert(0, (0.0, rgba[0]))
    if stops[-1][0] < 1:
        stops.append((1.0, rgba[-1]))
    return stops


def make_gradient(call, name, stops, blending="linear"):
    """A new Gimp.Gradient of `stops`; two stops at one place make a hard edge."""
    gradient = make(call, "Gradient", name)
    _set_stops(gradient, stops, blending)
    return gradient


def make(call, kind, name):
    """A new resource of that class in Gimp, which goes again if the call fails."""
    with call.masked():
        made = getattr(Gimp, kind).new(name)
        call.way_back(lambda: made.is_valid() and made.delete())
    return made


def _set_stops(gradient, stops, blending):
    places = []
    for position, _ in stops:
        if not places or position - places[-1] > 1e-6:
            places.append(position)
    for index, position in enumerate(places[1:-1]):
        gradient.segment_set_middle_pos(index, position)
        gradient.segment_range_split_midpoint(index, index)
    for index, (start, end) in enumerate(zip(places, places[1:])):
        left = [color for position, color in stops if abs(position - start) <= 1e-6][-1]
        right = [color for position, color in stops if abs(position - end) <= 1e-6][0]
        # What is wholly transparent has no colour of its own: without this, red to transparent darkens on the way
        if left[3] == 0:
            left = (*right[:3], 0.0)
        if right[3] == 0:
            right = (*left[:3], 0.0)
        gradient.segment_set_left_color(index, colors.gegl_color(left))
        gradient.segment_set_right_color(index, colors.gegl_color(right))
        gradient.segment_set_middle_pos(index, (start + end) / 2)
    last = gradient.get_number_of_segments() - 1
    kind = getattr(Gimp.GradientSegmentType, blending.upper())
    gradient.segment_range_set_blending_function(0, last, kind)
    gradient.segment_range_set_coloring_type(0, last, Gimp.GradientSegmentColor.RGB)
