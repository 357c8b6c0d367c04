"""Blend modes, blend spaces and the like by the names that clients use: GIMP's own, in lower case."""

from gi.repository import Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError

SPACES = {
    "auto": "AUTO",
    "linear": "RGB_LINEAR",
    "perceptual": "RGB_PERCEPTUAL",
    "non-linear": "RGB_NON_LINEAR",
    "lab": "LAB",
}


def mode(name):
    """The Gimp.LayerMode of a name that the catalogue allows: all that layers can have, not those for painting only."""
    return getattr(Gimp.LayerMode, name.upper())


def mode_name(value):
    return enums.name(Gimp.LayerMode, value).lower()


def need_group_for(value, is_group):
    """Refuses a mode that only layer groups have."""
    if not is_group and int(value) == int(Gimp.LayerMode.PASS_THROUGH):
        raise OperationError(
            "invalid_argument", "the mode `pass_through` is for layer groups only", "give another mode, such as normal"
        )


def space_name(value):
    exact = enums.name(Gimp.LayerColorSpace, value)
    return next((name for name, theirs in SPACES.items() if theirs == exact), exact.lower())
