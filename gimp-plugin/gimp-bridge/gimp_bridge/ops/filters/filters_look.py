"""Filters that give a look: vignette, shadow, glow, distortions, artistic styles."""

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter, graph
from gimp_bridge.items import color_target, colors, targets
from gimp_bridge.ops.filters.filters import center_of


@operation("apply_vignette")
def apply_vignette(call, shape, color, radius, softness, strength, proportion, layer=None, center=None,
                   as_effect=False):
    drawable = color_target.target(call, layer, as_effect, what="a vignette")
    x, y = center_of(call, drawable, center)
    properties = {
        "shape": shape, "color": colors.to_gegl(color), "radius": radius / 100, "softness": softness / 100,
        "gamma": 2.0, "proportion": proportion / 100, "x": x, "y": y,
    }
    made = gegl_filter.apply(drawable, "gegl:vignette", properties, as_effect, opacity=strength)
    return color_target.answer(drawable, f"Applied a vignette with radius {color_target.number(radius)} %", [made] if made else [])


@operation("apply_drop_shadow")
def apply_drop_shadow(call, offset_x, offset_y, radius, color, opacity, grow, layer=None, as_effect=False):
    places = call.places()
    drawable = color_target.target(call, layer, as_effect, what="a drop shadow")
    if not drawable.is_layer() or not drawable.has_alpha():
        raise OperationError(
            "invalid_argument",
            f"`{drawable.get_id()}` has no transparency, so its shadow would be hidden behind it",
            "give a layer with transparent parts, such as a text or a cut-out",
        )
    properties = {
        "x": offset_x * places.scale_x, "y": offset_y * places.scale_y, "radius": places.length(radius),
        "color": colors.to_gegl(color), "opacity": opacity / 100, "grow-radius": places.length(grow),
    }
    # The shadow falls outside of the layer, so that the layer has to grow
    made = gegl_filter.apply(drawable, "gegl:dropshadow", properties, as_effect, clip=False)
    message = f"Applied a drop shadow at {color_target.number(offset_x)}, {color_target.number(offset_y)}"
    return color_target.answer(drawable, message, [made] if made else [])


@operation("apply_glow")
def apply_glow(call, glow_type, radius, strength, threshold, layer=None, as_effect=False):
    length, share = color_target.length(call, radius), strength / 100
    name, properties = {
        "bloom": ("gegl:bloom", {"radius": length, "strength": float(strength), "threshold": float(threshold)}),
        "soft": ("gegl:softglow", {"glow-radius": min(max(length, 1.0), 50.0), "brightness": min(share, 1.0),
                                   "sharpness": 0.85}),
    }[glow_type]
    message = f"Applied {glow_type} glow with radius {color_target.number(radius)}"
    return color_target.run(call, layer, name, properties, message, as_effect, what="a glow")


@operation("apply_distortion")
def apply_distortion(call, distortion_type, amount, period, angle, seed, layer=None, center=None, as_effect=False):
    drawable = color_target.target(call, layer, as_effect, what="a distortion")
    places = call.places()
    length, wave = abs(places.length(amount)), places.length(period)
    x, y = center_of(call, drawable, center)
    if distortion_type == "polar":
        return _polar(drawable, as_effect)
    name, properties = {
        "ripple": lambda: ("gegl:ripple", {
            "amplitude": min(length, 1000.0), "period": min(wave, 1000.0), "angle": (angle + 180) % 360.0 - 180,
            "abyss-policy": "clamp"}),
        "waves": lambda: ("gegl:waves", {
            "amplitude": min(length, 1000.0), "period": min(max(wave, 0.1), 1000.0), "x": x, "y": y, "clamp": True}),
        "whirl": lambda: ("gegl:whirl-pinch", {"whirl": float(angle), "pinch": 0.0, "radius": 1.0}),
        "pinch": lambda: ("gegl:whirl-pinch", {"whirl": 0.0, "pinch": _percent(amount), "radius": 1.0}),
        "lens": lambda: ("gegl:lens-distortion", {"main": _percent(amount) * 100}),
        "spherize": lambda: ("gegl:spherize", {"amount": _percent(amount), "angle-of-view": 0.0}),
        "shift": lambda: ("gegl:shift", {"shift": min(max(1, round(length)), 200), "seed": seed,
                                         "direction": "vertical" if round(angle / 90) % 2 else "horizontal"}),
        "wind": lambda: ("gegl:wind", {"strength": min(max(1, round(length)), 100), "seed": seed,
                                       "direction": ("left", "top", "right", "bottom")[round(angle / 90) % 4]}),
        "engrave": lambda: ("gegl:engrave", {"row-height": min(max(2, round(length)), 16)}),
        "kaleidoscope": lambda: ("gegl:mirrors", {
            "n-segs": min(max(2, round(length)), 24), "r-angle": angle % 360.0, "c-x": min(max(x, 0.0), 1.0),
            "c-y": min(max(y, 0.0), 1.0)}),
        "spread": lambda: ("gegl:noise-spread", {
            "amount-x": min(max(1, round(length)), 512), "amount-y": min(max(1, round(length)), 512), "seed": seed}),
    }[distortion_type]()
    made = gegl_filter.apply(drawable, name, properties, as_effect)
    return color_target.answer(drawable, f"Applied {distortion_type} distortion of {color_target.number(amount)}",
                         [made] if made else [])


def _polar(drawable, as_effect):
    if as_effect:
        raise OperationError("unsupported", "GIMP has no polar distortion as an effect", "leave `as_effect` out")
    graph.run(drawable, [("gegl:polar-coordinates", {})])
    return color_target.answer(drawable, "Applied polar distortion")


def _percent(amount):
    if not -100 <= amount <= 100:
        raise OperationError(
            "invalid_argument", f"`amount` is {amount:g}, but this distortion takes percent", "give -100 to 100"
        )
    return amount / 100


@operation("apply_artistic")
def apply_artistic(call, style, size, strength, seed, layer=None, as_effect=False):
    length, share = color_target.length(call, size, 1.0), strength / 100
    whole = max(1, round(length))
    name, properties = {
        "oil_paint": ("gegl:oilify", {"mask-radius": min(whole, 100), "exponent": 8}),
        "cartoon": ("gegl:cartoon", {"mask-radius": min(length, 50.0), "pct-black": share}),
        "photocopy": ("gegl:photocopy", {"mask-radius": min(length, 50.0), "sharpness": share}),
        "cubism": ("gegl:cubism", {"tile-size": min(length, 256.0), "seed": seed}),
        "mosaic": ("gegl:mosaic", {"tile-size": min(max(length, 5.0), 1000.0), "color-variation": share, "seed": seed}),
        "stained_cells": ("gegl:waterpixels", {"size": max(whole, 8)}),
        "canvas": ("gegl:texturize-canvas", {"depth": max(1, round(share * 50))}),
        "glass_tiles": ("gegl:tile-glass", {"tile-width": min(max(whole, 5), 500),
                                            "tile-height": min(max(whole, 5), 500)}),
        "newsprint": ("gegl:newsprint", {"period": min(max(length, 1.0), 200.0), "color-model": "rgb"}),
        "crt_screen": ("gegl:video-degradation", {}),
        "long_shadow": ("gegl:long-shadow", {"length": length}),
        "bevel": ("gegl:bevel", {}),
    }[style]
    if style in ("long_shadow", "bevel"):
        targets.add_note(call, "this style follows the layer's transparent parts")
    message = f"Applied the artistic style {style.replace('_', ' ')}"
    return color_target.run(call, layer, name, properties, message, as_effect, clip=style != "long_shadow",
                      what="an artistic style")
