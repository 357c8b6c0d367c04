"""Which GEGL operations give the same in the plug-in's own process, and which of them piece by piece.

GEGL does not tell. The rows were found by running every filter over a layer of several tiles, as GIMP's and in pieces in
the plug-in, in GIMP 3.0.4 and 3.2.6: what then differed by more than 1 of 255 is not here, nor is GIMP's own.
"""

import math

SMALL = 250_000  # pixels up to which nothing here takes a second, unless its radius is very large


def _sigmas(*names):
    """A Gaussian blur's reach: what lies beyond four standard deviations counts 0.02 of 255."""
    return lambda config: math.ceil(4 * max(config.get_property(name) for name in names)) + 1


# {operation: function(config) giving how many rows a pixel looks up and down}, of those made of GEGL's recursive
# Gaussian blur: it asks for whole columns, although it reaches only so far
_BLURRING = {
    "gegl:gaussian-blur": _sigmas("std-dev-y"),
    "gegl:unsharp-mask": _sigmas("std-dev"),
    "gegl:high-pass": _sigmas("std-dev"),
    "gegl:difference-of-gaussians": _sigmas("radius1", "radius2"),
    "gegl:softglow": _sigmas("glow-radius"),
    "gegl:bloom": _sigmas("radius"),
    "gegl:shadows-highlights": _sigmas("radius"),
}
# A pixel depends on its neighbourhood, whose size GEGL knows, and on its place
_LOCAL = {
    f"gegl:{name}"
    for name in (
        "alien-map", "antialias", "apply-lens", "bilateral-filter", "box-blur", "brightness-contrast", "channel-mixer",
        "color-temperature", "color-to-alpha", "convolution-matrix", "edge", "edge-laplace", "emboss", "engrave",
        "exposure", "focus-blur", "gaussian-blur-selective", "hue-chroma", "invert-gamma", "invert-linear", "lens-blur",
        "lens-distortion", "mean-curvature-blur", "median-blur", "mirrors", "mono-mixer", "motion-blur-circular",
        "motion-blur-linear", "motion-blur-zoom", "newsprint", "noise-cie-lch", "noise-hsv", "noise-hurl", "noise-pick",
        "noise-rgb", "noise-slur", "noise-spread", "oilify", "pixelize", "ripple", "saturation", "sepia", "shift",
        "snn-mean", "spherize", "texturize-canvas", "tile-paper", "value-invert", "vibrance", "video-degradation",
        "vignette", "waves", "whirl-pinch", "wind",
    )
}  # fmt: skip
# The first piece would look at the whole picture, and cost as much as all
_WHOLE = {f"gegl:{name}" for name in ("cartoon", "cubism", "denoise-dct", "domain-transform", "photocopy", "waterpixels")}

KNOWN = {*_BLURRING, *_LOCAL, *_WHOLE}


def takes(operation, drawable):
    """Whether the plug-in runs it: it is known, and the layer so large that it may take over a second."""
    return operation in KNOWN and drawable.get_width() * drawable.get_height() > SMALL


def in_pieces(operation):
    return operation not in _WHOLE


def reach(operation, config):
    """How many rows up and down have to be given to it, or None where GEGL asks for what it needs."""
    found = _BLURRING.get(operation)
    return found(config) if found else None


def longest(pixels):
    """Seconds within which even a slow filter is done with so many pixels on a slow machine, for what is told."""
    return pixels // 250_000 + 1
