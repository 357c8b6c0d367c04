"""What painting needs of GIMP's context, set explicitly: colour, opacity, blend mode, brush.

The context is the user's, and the dispatcher gives it back after each call; but until it is set here, it is whatever
the user last chose.
"""

import difflib

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import colors, resources, targets

NEUTRAL_DYNAMICS = "Pressure Size"


def done(worked, what):
    """Raises if a call to GIMP says that it did not work: libgimp answers False, without an exception."""
    if not worked:
        raise OperationError("gimp_error", f"{what} failed: {Gimp.get_pdb().get_last_error() or 'no reason given'}")


def surface(call, given=None):
    """The drawable to paint on, checked; what the client should know of it is noted."""
    found = targets.paintable(call, given)
    if found.is_layer() and found.is_text_layer():
        targets.add_note(
            call, f"painting makes the text layer `{found.get_name()}` pixels: its text can be edited no more"
        )
    if targets.base_type(call.image) == "INDEXED":
        targets.add_note(call, "the image is indexed: colours become the nearest of its colour map")
    return found


def need_alpha(call, drawable, what):
    """Gives a layer the alpha channel that making it transparent needs; `what` says for what."""
    if drawable.is_layer() and not drawable.has_alpha():
        done(drawable.add_alpha(), "adding an alpha channel")
        targets.add_note(call, f"`{drawable.get_name()}` got an alpha channel, which {what} needs")


def use_color(color):
    """Makes `color` the foreground (None: the user's stays) and returns its alpha: GIMP ignores that of the context."""
    if color is None:
        return 1.0
    rgba = colors.parse(color)
    Gimp.context_set_foreground(colors.gegl_color((*rgba[:3], 1.0)))
    return rgba[3]


def use_blend(opacity, mode, alpha=1.0):
    """`opacity` in percent, `mode` a blend mode's name; `alpha` is the colour's own."""
    Gimp.context_set_opacity(opacity * alpha)
    Gimp.context_set_paint_mode(blend_mode(mode))


def blend_mode(name):
    """The Gimp.LayerMode of a name such as "multiply" or "soft-light"."""
    known = {key: key for key in dir(Gimp.LayerMode) if key.isupper() and not key.startswith("_")}
    wanted = name.strip().upper().replace("-", "_").replace(" ", "_")
    if wanted not in known or wanted in ("SEPARATOR", "PASS_THROUGH"):
        near = difflib.get_close_matches(wanted, known, 3, 0.5)
        raise OperationError(
            "invalid_argument",
            f"there is no blend mode `{name[:60]}` to paint with",
            f"did you mean {', '.join(f'`{n.lower()}`' for n in near)}?"
            if near
            else "normal, multiply, screen, overlay …",
        )
    return getattr(Gimp.LayerMode, wanted)


def use_brush(name, size=None, hardness=None, spacing=None, angle=0.0, aspect_ratio=0.0, force=None, dynamics=None):
    """Chooses a brush and all that shapes it; returns the brush. What is None is the brush's own."""
    brush = resources.find("brush", name)
    Gimp.context_set_brush(brush)
    Gimp.context_set_brush_default_size()
    Gimp.context_set_brush_default_hardness()
    Gimp.context_set_brush_default_spacing()
    if size is not None:
        done(Gimp.context_set_brush_size(min(max(size, 1.0), 10000.0)), "setting the brush size")
    if hardness is not None:
        done(Gimp.context_set_brush_hardness(hardness), "setting the hardness")
    if spacing is not None:
        done(Gimp.context_set_brush_spacing(spacing / 100), "setting the spacing")
    Gimp.context_set_brush_angle(angle)
    Gimp.context_set_brush_aspect_ratio(aspect_ratio)
    Gimp.context_set_brush_force(0.5 if force is None else force)
    Gimp.context_set_emulate_brush_dynamics(False)
    use_dynamics(dynamics)
    return brush


def use_dynamics(name):
    """Paint dynamics by name; None: none, so that a stroke is even.

    Of the tools only the paintbrush heeds the switch. So those that do nothing at full pressure are chosen, too.
    """
    Gimp.context_enable_dynamics(name is not None)
    Gimp.context_set_dynamics_name(NEUTRAL_DYNAMICS if name is None else resources.find_dynamics(name))


def local(drawable, x, y):
    """An image place in the drawable's own pixels, where GIMP wants those."""
    left, top = (0, 0) if drawable.is_channel() and not drawable.is_layer_mask() else drawable.get_offsets()[-2:]
    return x - left, y - top
