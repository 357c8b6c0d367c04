"""Blur, sharpen, noise and what looks for edges: GEGL operations with one enum parameter for the kind.

Lengths are image pixels, or those of the call's `from_preview`.
"""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter, graph
from gimp_bridge.items import color_target, targets

BLURS = {"gaussian": "Gaussian", "box": "box", "motion": "motion", "zoom": "zoom", "spin": "spin", "median": "median",
         "lens": "lens", "pixelize": "pixelize", "selective": "selective Gaussian", "bilateral": "bilateral",
         "mean_curvature": "mean curvature", "focus": "focus", "tileable": "tileable"}


@operation("apply_blur")
def apply_blur(call, blur_type, radius, angle, amount, edge, layer=None, center=None, clip=True, as_effect=False):
    drawable = color_target.target(call, layer, as_effect, what="a blur")
    length = color_target.length(call, radius)
    middle = center_of(call, drawable, center)
    if blur_type == "tileable":
        return _tileable(drawable, radius, length, as_effect)
    name, properties = _blur(blur_type, length, angle, amount, edge, middle, clip)
    made = gegl_filter.apply(drawable, name, properties, as_effect, name=None, clip=clip)
    what = BLURS[blur_type]
    detail = f"with radius {color_target.number(radius)}"
    if blur_type in ("zoom", "spin"):
        detail = f"of {color_target.number(amount)} %" if blur_type == "zoom" else f"of {color_target.number(angle)} degrees"
    return color_target.answer(drawable, f"Applied {what} blur {detail}", [made] if made else [])


def _blur(kind, length, angle, amount, edge, middle, clip):
    """(GEGL operation, its properties). Radii of box, median and pixelize are whole pixels."""
    whole = max(1, round(length))
    x, y = middle
    return {
        "gaussian": lambda: ("gegl:gaussian-blur", {
            "std-dev-x": length, "std-dev-y": length, "abyss-policy": edge, "clip-extent": clip}),
        "box": lambda: ("gegl:box-blur", {"radius": min(whole, 1000)}),
        # a blur of radius r reaches r to both sides
        "motion": lambda: ("gegl:motion-blur-linear", {"length": min(2 * length, 1000.0), "angle": _half_turn(angle)}),
        "zoom": lambda: ("gegl:motion-blur-zoom", {"center-x": x, "center-y": y, "factor": amount / 100}),
        "spin": lambda: ("gegl:motion-blur-circular", {"center-x": x, "center-y": y, "angle": angle % 360}),
        "median": lambda: ("gegl:median-blur", {"radius": min(whole, 400), "high-precision": True}),
        "lens": lambda: ("gegl:lens-blur", {"radius": length}),
        "pixelize": lambda: ("gegl:pixelize", {"size-x": whole, "size-y": whole}),
        "selective": lambda: ("gegl:gaussian-blur-selective", {
            "blur-radius": min(max(length, 1.0), 1000.0), "max-delta": amount / 100}),
        "bilateral": lambda: ("gegl:bilateral-filter", {"blur-radius": min(length, 1000.0)}),
        "mean_curvature": lambda: ("gegl:mean-curvature-blur", {"iterations": min(whole, 500)}),
        "focus": lambda: ("gegl:focus-blur", {
            "blur-radius": length, "x": x, "y": y, "radius": amount / 100}),
    }[kind]()


def _half_turn(angle):
    """An angle in -180 to 180."""
    return (angle + 180) % 360 - 180


def center_of(call, drawable, center):
    """The centre as parts of the drawable's size, which is what GEGL wants."""
    if center is None:
        return 0.5, 0.5
    layer = drawable if drawable.is_layer() else None
    x, y = call.places(layer).point(*center)
    left, top = drawable.get_offsets()[-2:]
    return (x - left) / drawable.get_width(), (y - top) / drawable.get_height()


def _tileable(drawable, radius, length, as_effect):
    """A Gaussian blur of endlessly repeated copies, so that the edges still meet."""
    if as_effect:
        raise OperationError("unsupported", "a tileable blur cannot be a layer effect", "leave `as_effect` out")
    reach = float(int(length * 4) + 2)
    around = {"x": -reach, "y": -reach, "width": drawable.get_width() + 2 * reach,
              "height": drawable.get_height() + 2 * reach}
    blur = {"std-dev-x": length, "std-dev-y": length}
    graph.run(drawable, [("gegl:tile", {}), ("gegl:crop", around), ("gegl:gaussian-blur", blur)])
    return color_target.answer(drawable, f"Applied tileable blur with radius {color_target.number(radius)}")


@operation("apply_sharpen")
def apply_sharpen(call, amount, radius, threshold, method, layer=None, as_effect=False):
    length = color_target.length(call, radius)
    if method == "unsharp_mask":
        name, mode = "gegl:unsharp-mask", None
        properties = {"std-dev": length, "scale": float(amount), "threshold": threshold / 255}
    else:
        name, mode = "gegl:high-pass", Gimp.LayerMode.GRAIN_MERGE
        properties = {"std-dev": length, "contrast": min(float(amount), 5.0)}
    drawable = color_target.target(call, layer, as_effect, what="sharpening")
    made = gegl_filter.apply(drawable, name, properties, as_effect, mode=mode)
    message = f"Sharpened by {color_target.number(amount)} with radius {color_target.number(radius)}"
    return color_target.answer(drawable, message, [made] if made else [])


@operation("reduce_noise")
def reduce_noise(call, method, strength, layer=None, as_effect=False):
    share = strength / 100
    name, properties = {
        "smooth": ("gegl:noise-reduction", {"iterations": max(1, round(share * 16))}),
        "nearest_neighbor": ("gegl:snn-mean", {"radius": max(1, round(share * 16)), "pairs": 2}),
        "median": ("gegl:median-blur", {"radius": max(1, round(share * 8)), "high-precision": True}),
        "dct": ("gegl:denoise-dct", {"patch-size": "size8x8", "sigma": 1.0 + share * 49}),
        "domain_transform": ("gegl:domain-transform", {
            "n-iterations": 3, "spatial-factor": share * 60, "edge-preservation": 0.8}),
    }[method]
    message = f"Reduced noise ({method.replace('_', ' ')}) with strength {color_target.number(strength)}"
    return color_target.run(call, layer, name, properties, message, as_effect, what="noise reduction")


@operation("add_noise")
def add_noise(call, noise_type, amount, monochrome, seed, layer=None, as_effect=False):
    if monochrome and noise_type != "rgb":
        raise OperationError("invalid_argument", f"`monochrome` is for `rgb` noise, not for `{noise_type}`",
                             "leave one of them out")
    share = amount / 100
    name, properties = {
        "rgb": ("gegl:noise-rgb", {"correlated": False, "independent": not monochrome, "linear": False,
                                   "gaussian": True, "red": share, "green": share, "blue": share, "alpha": 0.0}),
        "hsv": ("gegl:noise-hsv", {"holdness": 2, "hue-distance": share * 90, "saturation-distance": share,
                                   "value-distance": share}),
        "lch": ("gegl:noise-cie-lch", {"holdness": 2, "lightness-distance": share * 100,
                                       "chroma-distance": share * 100, "hue-distance": share * 90}),
        "hurl": ("gegl:noise-hurl", {"pct-random": amount}),
        "pick": ("gegl:noise-pick", {"pct-random": amount}),
        "slur": ("gegl:noise-slur", {"pct-random": amount}),
        "spread": ("gegl:noise-spread", {"amount-x": max(1, round(amount)), "amount-y": max(1, round(amount))}),
    }[noise_type]
    properties["seed"] = seed
    if noise_type in ("hurl", "pick", "slur"):
        properties["pct-random"] = float(amount)
    return color_target.run(call, layer, name, properties, f"Added {noise_type} noise of {color_target.number(amount)}", as_effect,
                      what="noise")


EDGES = {"sobel": "Sobel", "prewitt": "Prewitt", "gradient": "gradient", "roberts": "Roberts",
         "differential": "differential", "laplace": "Laplace"}


# gegl:edge-neon is left out: it gives black only (GEGL of GIMP 3.0.4 and 3.2.6)
@operation("detect_edges")
def detect_edges(call, method, amount, radius, layer=None, as_effect=False):
    length = color_target.length(call, radius, high=500.0)
    if method == "difference_of_gaussians":
        name, properties = "gegl:difference-of-gaussians", {"radius1": length * 1.6, "radius2": length}
    else:
        name, properties = "gegl:edge", {"algorithm": method, "amount": float(amount), "border-behavior": "clamp"}
    message = f"Detected edges with {EDGES.get(method, method.replace('_', ' '))}"
    return color_target.run(call, layer, name, properties, message, as_effect, what="edge detection")


@operation("apply_emboss")
def apply_emboss(call, mode, azimuth, elevation, depth, layer=None, as_effect=False):
    properties = {"type": mode.replace("_", ""), "azimuth": azimuth % 360.0, "elevation": float(elevation),
                  "depth": depth}
    return color_target.run(call, layer, "gegl:emboss", properties, f"Embossed with depth {depth}", as_effect, what="emboss")


@operation("apply_convolution")
def apply_convolution(call, matrix, offset, normalize, divisor=None, layer=None, as_effect=False):
    size = len(matrix)
    if size not in (3, 5) or any(len(row) != size for row in matrix):
        shape = f"{size} rows of {sorted({len(row) for row in matrix})} numbers"
        raise OperationError("invalid_argument", f"`matrix` has {shape}", "give 3 rows of 3 or 5 rows of 5 numbers")
    border = (5 - size) // 2
    total = sum(map(sum, matrix))
    properties = {"offset": offset / 255, "normalize": False, "alpha": False,
                  "divisor": float(divisor if divisor is not None else total if normalize and total else 1)}
    properties.update((f"{letter}{number}", 0.0) for letter in "abcde" for number in range(1, 6))
    for y, row in enumerate(matrix):
        for x, part in enumerate(row):  # GEGL's letters are columns
            properties[f"{'abcde'[x + border]}{y + border + 1}"] = float(part)
    if properties["divisor"] == 0:
        raise OperationError("invalid_argument", "`divisor` is 0", "give another number, or leave it out")
    note = "its parts sum to 0" if normalize and not total and divisor is None else None
    if note:
        targets.add_note(call, f"the matrix is not normalized: {note}")
    return color_target.run(call, layer, "gegl:convolution-matrix", properties, f"Convolved with a {size}x{size} matrix",
                      as_effect, what="a convolution")
