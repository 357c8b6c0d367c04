"""Colours to other colours: desaturate, invert, threshold, posterize, colourise, gradient map, alpha, channel mixer."""

import colorsys
import struct

from gi.repository import Babl, Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter
from gimp_bridge.items import color_target, targets
from gimp_bridge.items.colors import gegl_color, parse, to_gegl
from gimp_bridge.ops.color.color import CHANNELS, SAMPLES, apply_table, check_channel
from gimp_bridge.pdb import values as pdb_values


ROUNDING = 1e-5


@operation("desaturate")
def desaturate(call, mode, layer=None, as_effect=False):
    drawable = color_target.target(call, layer, as_effect, ("RGB",), "desaturating")
    which, made = getattr(Gimp.DesaturateMode, mode.upper()), []
    if as_effect:
        made = [gegl_filter.apply(drawable, "gimp:desaturate", {"mode": which}, True)]
    else:
        color_target.check_done(drawable.desaturate(which), "desaturate")
    return color_target.answer(drawable, f"Desaturated by {mode}", made)


INVERTS = {"perceptual": "gegl:invert-gamma", "linear": "gegl:invert-linear", "value": "gegl:value-invert"}


@operation("invert_colors")
def invert_colors(call, mode, layer=None, as_effect=False):
    found = color_target.target(call, layer, as_effect, ("RGB", "GRAY"), "inverting")
    if color_target.is_mask(found):
        mode = "linear"  # its values are no colours
    made = gegl_filter.apply(found, INVERTS[mode], {}, as_effect)
    return color_target.answer(found, f"Inverted colours ({mode})", [made] if made else [])


@operation("apply_threshold")
def apply_threshold(call, low, high, channel, layer=None, as_effect=False):
    if low > high:
        raise OperationError(
            "invalid_argument", f"`low` is {color_target.number(low)}, above `high`, {color_target.number(high)}", "swap them"
        )
    drawable = color_target.target(call, layer, as_effect, what="a threshold")
    check_channel(call, drawable, channel)
    which, made = getattr(Gimp.HistogramChannel, CHANNELS[channel]), []
    # 230 of 255 in GIMP's floats is not quite 230 / 255
    start, end = max(low / 255 - ROUNDING, 0.0), min(high / 255 + ROUNDING, 1.0)
    if as_effect:
        made = [gegl_filter.apply(drawable, "gimp:threshold", {"channel": which, "low": start, "high": end}, True)]
    else:
        color_target.check_done(drawable.threshold(which, start, end), "threshold")
    return color_target.answer(drawable, f"Applied a threshold from {color_target.number(low)} to {color_target.number(high)}", made)


@operation("posterize")
def posterize(call, levels, layer=None, as_effect=False):
    drawable = color_target.target(call, layer, as_effect, what="posterizing")
    made = []
    if as_effect:
        made = [gegl_filter.apply(drawable, "gimp:posterize", {"levels": levels}, True)]
    else:
        color_target.check_done(drawable.posterize(levels), "posterize")
    return color_target.answer(drawable, f"Posterized to {levels} levels", made)


@operation("colorize")
def colorize(call, hue, saturation, lightness, color=None, layer=None, as_effect=False):
    if color is not None:
        hue, saturation, lightness = _hsl(parse(color))
    drawable = color_target.target(call, layer, as_effect, ("RGB",), "colourising")
    made = []
    if as_effect:
        # Its `color` wins over its other properties
        tint = _from_hsl(hue, saturation, (lightness + 100) / 200)
        made = [gegl_filter.apply(drawable, "gimp:colorize", {"color": gegl_color((*tint, 1.0))}, True)]
    else:
        _map_luma(drawable, [_from_hsl(hue, saturation, _lightened(i / (SAMPLES - 1), lightness / 100))
                             for i in range(SAMPLES)])
    message = f"Colourised with hue {color_target.number(hue)} and saturation {color_target.number(saturation)}"
    return color_target.answer(drawable, message, made)


def _hsl(rgba):
    hue, light, saturation = colorsys.rgb_to_hls(*rgba[:3])
    return hue * 360, saturation * 100, light * 200 - 100


def _from_hsl(hue, saturation, light):
    return colorsys.hls_to_rgb(hue / 360 % 1, light, saturation / 100)


def _lightened(light, by):
    """As GIMP's colourise has it: towards white or black."""
    return light * (1 - by) + by if by > 0 else light * (1 + by)


def _map_luma(drawable, ramp):
    """Replaces each pixel by the ramp's colour for its luma. `ramp` is SAMPLES colours (r, g, b) of 0 to 1.

    GIMP's own colourise and gradient maps work in linear light or from the user's context: this gives the colours
    that were asked for.
    """
    color_target.check_done(drawable.desaturate(Gimp.DesaturateMode.LUMA), "desaturate")
    for place, channel in enumerate(("red", "green", "blue")):
        apply_table(drawable, channel, [color[place] for color in ramp])


@operation("apply_sepia")
def apply_sepia(call, strength, layer=None, as_effect=False):
    message = f"Applied sepia with strength {color_target.number(strength)}"
    return color_target.run(call, layer, "gegl:sepia", {"scale": strength / 100, "srgb": True}, message, as_effect,
                      modes=("RGB",), what="sepia")


@operation("apply_gradient_map")
def apply_gradient_map(call, reverse, colors=None, gradient=None, layer=None):
    if (gradient is None) == (colors is None):
        raise OperationError(
            "invalid_argument",
            "give either `colors`, from the darkest tone's to the lightest's, or the name of a `gradient`",
            "for example {\"colors\": [\"navy\", \"orange\", \"white\"]}",
        )
    drawable = color_target.target(call, layer, False, ("RGB",), "a gradient map")
    if gradient is None:
        stops = [parse(color)[:3] for color in colors]
        ramp = [_between(stops, i / (SAMPLES - 1)) for i in range(SAMPLES)]
    else:
        ramp = _sampled(gradient)
    if reverse:
        ramp.reverse()
    _map_luma(drawable, ramp)
    what = f"the gradient `{gradient}`" if gradient else f"{len(colors)} colours"
    return color_target.answer(drawable, f"Mapped tones to {what}")


def _between(stops, place):
    position = place * (len(stops) - 1)
    start = min(int(position), len(stops) - 2)
    share = position - start
    return tuple(a + (b - a) * share for a, b in zip(stops[start], stops[start + 1]))


def _sampled(name):
    """SAMPLES colours (r, g, b) of a gradient of GIMP's."""
    found = pdb_values.resource(Gimp.Gradient.__gtype__, name)
    return [_rgb(color) for color in found.get_uniform_samples(SAMPLES, False)]


def _rgb(color):
    parts = struct.unpack("=3d", color.get_bytes(Babl.format("R'G'B' double")).get_data())
    return tuple(min(max(part, 0.0), 1.0) for part in parts)


@operation("color_to_alpha")
def color_to_alpha(call, color, transparency_threshold, opacity_threshold, layer=None, as_effect=False):
    if transparency_threshold >= opacity_threshold:
        raise OperationError(
            "invalid_argument",
            f"`transparency_threshold` is {transparency_threshold:g}, but must be below `opacity_threshold`, "
            f"{opacity_threshold:g}",
        )
    drawable = color_target.target(call, layer, as_effect, what="colour to alpha")
    if not drawable.is_layer():
        raise OperationError("invalid_argument", f"`{drawable.get_id()}` has no transparency", "give a layer")
    if not drawable.has_alpha():
        drawable.add_alpha()
        targets.add_note(call, "an alpha channel was added")
    made = gegl_filter.apply(
        drawable, "gegl:color-to-alpha",
        {"color": to_gegl(color), "transparency-threshold": float(transparency_threshold),
         "opacity-threshold": float(opacity_threshold)}, as_effect)
    return color_target.answer(drawable, f"Made {color} transparent", [made] if made else [])


@operation("mix_channels")
def mix_channels(call, preserve_luminosity, red=None, green=None, blue=None, monochrome=None, layer=None,
                 as_effect=False):
    rows = {"r": red, "g": green, "b": blue}
    if monochrome is not None and any(rows.values()):
        raise OperationError("invalid_argument", "`monochrome` is given together with colour rows", "give one of them")
    if monochrome is None and not any(rows.values()):
        raise OperationError(
            "invalid_argument", "no row is given", "give `red`, `green` or `blue`, or `monochrome`: [r, g, b] parts"
        )
    properties = {"preserve-luminosity": preserve_luminosity}
    if monochrome is not None:
        properties.update(zip(("red", "green", "blue"), map(float, monochrome)))
        return color_target.run(call, layer, "gegl:mono-mixer", properties, "Mixed the channels to grey", as_effect,
                          modes=("RGB",), what="mixing channels")
    for letter, row in rows.items():
        for source, part in zip("rgb", row or ()):
            properties[f"{letter}{source}-gain"] = float(part)
    changed = ", ".join(name for name, row in (("red", red), ("green", green), ("blue", blue)) if row)
    return color_target.run(call, layer, "gegl:channel-mixer", properties, f"Mixed the channels into {changed}", as_effect,
                      modes=("RGB",), what="mixing channels")


@operation("replace_color")
def replace_color(call, from_color, to_color, tolerance, layer=None, as_effect=False):
    properties = {"from-color": to_gegl(from_color), "to-color": to_gegl(to_color)}
    # GEGL compares each channel on its own, up to and including the threshold
    properties.update((f"{name}-threshold", tolerance / 255) for name in ("red", "green", "blue"))
    return color_target.run(call, layer, "gegl:color-exchange", properties, f"Replaced {from_color} by {to_color}", as_effect,
                      modes=("RGB",), what="replacing a colour")


@operation("dither_colors")
def dither_colors(call, levels, method, layer=None, as_effect=False):
    properties = {f"{name}-levels": levels for name in ("red", "green", "blue")}
    properties["dither-method"] = method.replace("_", "-")
    return color_target.run(call, layer, "gegl:dither", properties, f"Dithered to {levels} levels a channel", as_effect,
                      what="dithering")


@operation("extract_component")
def extract_component(call, component, invert, layer=None, as_effect=False):
    properties = {"component": component.replace("_", "-"), "invert": invert, "linear": False}
    message = f"Extracted the component {component}"
    return color_target.run(call, layer, "gegl:component-extract", properties, message, as_effect, modes=("RGB",),
                      what="extracting a component")
