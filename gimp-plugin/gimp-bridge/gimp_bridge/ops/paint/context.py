"""GIMP's own tool state (the context): what the user's brushes and fills use when nothing is said."""

from gi.repository import Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch import contexts
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.items import colors, painting, resources

RESOURCES = ("brush", "pattern", "gradient", "palette", "font")


@operation("get_context_state")
def get_context_state(call):
    return state()


def state():
    """The context as JSON; what set_context_state takes."""
    named = {kind: getattr(Gimp, f"context_get_{kind}")() for kind in RESOURCES}
    return {
        "foreground": colors.describe(Gimp.context_get_foreground()),
        "background": colors.describe(Gimp.context_get_background()),
        "opacity": Gimp.context_get_opacity(),
        "paint_mode": enums.name(Gimp.LayerMode, Gimp.context_get_paint_mode()).lower(),
        **{kind: resource.get_name() if resource else None for kind, resource in named.items()},
        "brush_size": Gimp.context_get_brush_size(),
        "brush_hardness": Gimp.context_get_brush_hardness(),
        "brush_spacing": Gimp.context_get_brush_spacing() * 100,
        "dynamics": Gimp.context_get_dynamics_name() if Gimp.context_are_dynamics_enabled() else None,
        "antialias": Gimp.context_get_antialias(),
        "feather": Gimp.context_get_feather(),
        "sample_merged": Gimp.context_get_sample_merged(),
        "interpolation": enums.name(Gimp.InterpolationType, Gimp.context_get_interpolation()).lower(),
    }


def _plan(call, **arguments):
    """Not isolated: the point is that it stays. No image changes."""
    return Plan(changes=True, images=[], isolated=False)


@operation("set_context_state", plan=_plan)
def set_context_state(
    call,
    foreground=None,
    background=None,
    swap_colors=False,
    opacity=None,
    paint_mode=None,
    brush=None,
    brush_size=None,
    brush_hardness=None,
    dynamics=None,
    pattern=None,
    gradient=None,
    palette=None,
    font=None,
    reset=False,
):
    chosen = {"brush": brush, "pattern": pattern, "gradient": gradient, "palette": palette, "font": font}
    values = {
        "foreground": foreground,
        "background": background,
        "opacity": opacity,
        "paint_mode": paint_mode,
        "brush_size": brush_size,
        "brush_hardness": brush_hardness,
        "dynamics": dynamics,
        **chosen,
    }
    names = [name for name, value in values.items() if value is not None]
    names += [name for name, value in (("swap_colors", swap_colors), ("reset", reset)) if value]
    if not names:
        raise OperationError("invalid_argument", "nothing to set is given", f"give one of {', '.join(values)}")
    # Everything is looked up before anything is set
    found = {kind: resources.find(kind, name) for kind, name in chosen.items() if name is not None}
    fore, back = (colors.parse(color) if color is not None else None for color in (foreground, background))
    mode = painting.blend_mode(paint_mode) if paint_mode is not None else None
    moves = resources.find_dynamics(dynamics) if dynamics not in (None, "none") else None
    call.way_back(contexts.way_back())
    if reset:
        Gimp.context_set_defaults()
        Gimp.context_set_default_colors()
    if fore is not None:
        Gimp.context_set_foreground(colors.gegl_color((*fore[:3], 1.0)))
    if back is not None:
        Gimp.context_set_background(colors.gegl_color((*back[:3], 1.0)))
    if swap_colors:
        Gimp.context_swap_colors()
    for kind, resource in found.items():
        painting.done(getattr(Gimp, f"context_set_{kind}")(resource), f"setting the {kind}")
    if opacity is not None:
        Gimp.context_set_opacity(opacity)
    if mode is not None:
        Gimp.context_set_paint_mode(mode)
    if brush_size is not None:
        Gimp.context_set_brush_size(brush_size)
    if brush_hardness is not None:
        Gimp.context_set_brush_hardness(brush_hardness)
    if dynamics is not None:
        Gimp.context_enable_dynamics(moves is not None)
    if moves is not None:
        Gimp.context_set_dynamics_name(moves)
    return {"message": f"Set {', '.join(names)} in GIMP's tools", **state()}
