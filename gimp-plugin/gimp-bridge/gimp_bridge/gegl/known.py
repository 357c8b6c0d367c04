"""What neither GEGL nor GIMP tells of GEGL operations: which run as filters, which in a graph, which must not run.

The rows were found by running every operation, with several kinds of image, in a throwaway GIMP 3.0.4 and 3.2.6.
"""

from gi.repository import Gegl, Gimp

from gimp_bridge.core.errors import OperationError

OLD = (Gimp.MAJOR_VERSION, Gimp.MINOR_VERSION) < (3, 1)

FILTER, GRAPH, REFUSED = "filter", "graph", "refused"

# GIMP 3.2 takes no operation of these categories as a filter, nor these by name. GIMP 3.0 takes all, but then fills
# layers with nothing, reads files or crashes: it is held to the same rule.
_NO_FILTER_CATEGORIES = {
    "compositors", "core", "input", "output", "programming", "meta", "hidden", "transform", "video", "display",
    "matting", "vector", "gradient", "layout",
}
_NO_FILTERS = {
    "gegl:color", "gegl:contrast-curve", "gegl:gegl", "gegl:gray", "gegl:introspect", "gegl:lcms-from-profile",
    "gegl:map-absolute", "gegl:map-relative", "gegl:opacity", "gegl:posterize", "gegl:rectangle", "gegl:seamless-clone",
    "gegl:text", "gegl:threshold", "gegl:tile", "gegl:wavelet-blur",
}
# GIMP's own operations that are filters; they exist in GIMP's process only. Its others are parts of its layer modes
# and tools, though 3.2 lists them too
_GIMPS_OWN = (
    "border", "brightness-contrast", "color-balance", "colorize", "curves", "desaturate", "flood", "grow",
    "hue-saturation", "levels", "posterize", "semi-flatten", "shrink", "threshold", "threshold-alpha",
)

_CRASHES_OLD = {
    "gimp:brightness-contrast": "adjust_brightness_contrast",
    "gimp:color-balance": "adjust_color_balance",
    "gimp:curves": "adjust_curves",
    "gimp:hue-saturation": "adjust_hue_saturation",
    "gimp:levels": "adjust_levels",
}
_FILES = {"input", "output"}
_NO_GRAPH_CATEGORIES = {"programming", "display", "video", "core", "meta"}
_REFUSED = {
    "gegl:gegl": ("it runs a graph given as text, which may read and write files", "use one operation after the other"),
    "gegl:introspect": ("it needs a program outside of GIMP", None),
    "gegl:magick-load": ("it reads a file through another program", "use open_image"),
    "gegl:pack": ("it joins graphs, not pixels", None),
    "gegl:path": ("it needs a path object, which cannot be given as JSON", "use the path operations"),
    "gegl:vector-stroke": ("it needs a path object, which cannot be given as JSON", "use the path operations"),
    "gegl:fill-path": ("it needs a path object, which cannot be given as JSON", "use the path operations"),
    "gegl:warp": ("it needs a stroke object, which cannot be given as JSON", "use warp_layer"),
    "gegl:npd": ("it needs a model of points, which cannot be given as JSON", "use warp_layer"),
    "gegl:seamless-clone": ("it needs a prepared clone, and crashes without", None),
    "gegl:seamless-clone-compose": ("it needs a prepared clone, and crashes without", None),
    "gegl:lcms-from-profile": ("it needs a colour profile object", "convert the image's profile instead"),
    "gegl:piecewise-blend": ("it blends more pictures than two", "use gegl:mix with `aux_layer`"),
    "gegl:exp-combine": ("it joins a series of exposures, each an input of its own", None),
    "gegl:contrast-curve": ("it needs a curve object", "use adjust_curves"),
}


def names():
    """All operations' names, sorted: those of the plug-in's own GEGL, and GIMP's."""
    return sorted({*Gegl.list_operations(), *(f"gimp:{name}" for name in _GIMPS_OWN)})


def how(operation, categories=None):
    """FILTER, GRAPH or REFUSED."""
    if refusal(operation, categories):
        return REFUSED
    if operation.startswith("gimp:"):
        return FILTER
    kinds = _kinds(operation, categories)
    return GRAPH if kinds & _NO_FILTER_CATEGORIES or operation in _NO_FILTERS else FILTER


def refusal(operation, categories=None):
    """(why, what instead) for an operation that must not run in this GIMP, else None."""
    if OLD and operation in _CRASHES_OLD:
        return (
            "GIMP 3.0 crashes when it is asked for as a filter",
            f"use {_CRASHES_OLD[operation]} without `as_effect`; GIMP 3.2 has it as an effect",
        )
    if operation in _REFUSED:
        return _REFUSED[operation]
    if operation.startswith("gimp:"):
        if operation.removeprefix("gimp:") not in _GIMPS_OWN:
            return "it is internal to GIMP", None
        return None
    kinds = _kinds(operation, categories)
    if kinds & _FILES or operation.endswith(("-load", "-save")):
        return "it reads or writes files, past GIMP's own checks", "use open_image or save_image"
    if kinds & _NO_GRAPH_CATEGORIES:
        return "it is a building block of graphs or for display, and changes no pixels", None
    return None


def check_filter(operation):
    """Raises where making a filter of it would end GIMP or is against the rule above."""
    found = refusal(operation)
    if found:
        raise OperationError("unsupported", f"`{operation}` is not run: {found[0]}", found[1], operation=operation)


def check_effect(operation):
    """As `check_filter`, for a layer effect."""
    check_filter(operation)
    if how(operation) == GRAPH:
        raise OperationError(
            "unsupported",
            f"GIMP has no layer effect `{operation}`; it only runs on pixels",
            "leave `as_effect` out",
            operation=operation,
        )


def _kinds(operation, categories):
    if categories is None:
        categories = Gegl.Operation.get_key(operation, "categories") if operation in Gegl.list_operations() else ""
    return set((categories or "").split(":"))
