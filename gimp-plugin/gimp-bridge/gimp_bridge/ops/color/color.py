"""Colour: brightness and contrast, hue and saturation, levels, curves, balance, and what maps values to values.

Numbers are GIMP's own dialogs': 0 to 255 for values whatever the precision, -100 to 100 for amounts. Values are
perceptual (sRGB), as in those dialogs, although libgimp computes some of them in linear light.
"""

import math

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter, known as gegl_known
from gimp_bridge.items import color_target, targets

CHANNELS = {"value": "VALUE", "red": "RED", "green": "GREEN", "blue": "BLUE", "alpha": "ALPHA"}
RANGES = {"all": "ALL", "red": "RED", "yellow": "YELLOW", "green": "GREEN", "cyan": "CYAN", "blue": "BLUE",
          "magenta": "MAGENTA"}


@operation("adjust_brightness_contrast")
def adjust_brightness_contrast(call, brightness, contrast, layer=None, as_effect=False):
    if not brightness and not contrast:
        targets.add_note(call, "brightness and contrast of 0 change nothing")
    drawable = color_target.target(call, layer, as_effect, what="brightness and contrast")
    made = apply_levels(drawable, "value", *brightness_contrast_levels(brightness / 127, contrast / 127),
                        as_effect=as_effect, name="Brightness-Contrast")
    message = f"Adjusted brightness by {color_target.number(brightness)} and contrast by {color_target.number(contrast)}"
    return color_target.answer(drawable, message, made)


def brightness_contrast_levels(brightness, contrast):
    """GIMP's brightness and contrast (-1 to 1) as levels: (low in, high in, gamma, low out, high out), 0 to 1.

    The line is `(v * (1 - |b|) + max(b, 0) - 0.5) * slant + 0.5` with b = brightness / 2, cut at 0 and 1.
    """
    half = brightness / 2
    slant = math.tan((min(contrast, 0.995) + 1) * math.pi / 4)
    steep = slant * (1 - abs(half))
    start = (max(half, 0) - 0.5) * slant + 0.5  # the value of black
    end = start + steep  # and of white
    low_in, high_in = 0.0, 1.0
    if start < 0:
        low_in, start = -start / steep, 0.0
    if end > 1:
        high_in, end = 1 - (end - 1) / steep, 1.0
    return low_in, high_in, 1.0, start, end


def apply_levels(drawable, channel, low_in, high_in, gamma, low_out, high_out, clamp=True, as_effect=False, name=None):
    """Levels with values 0 to 1. The list of layer effects made."""
    which = getattr(Gimp.HistogramChannel, CHANNELS[channel])
    if not as_effect and gegl_known.OLD:
        color_target.perceptual(drawable, lambda on: color_target.check_done(
            on.levels(which, low_in, high_in, clamp, gamma, low_out, high_out, clamp), "levels"))
        return []
    gegl_known.check_filter("gimp:levels")
    curve = Gimp.TRCType.LINEAR if color_target.is_mask(drawable) else Gimp.TRCType.NON_LINEAR
    made = gegl_filter.apply(
        drawable,
        "gimp:levels",
        {"trc": curve, "channel": which, "low-input": low_in, "high-input": high_in, "clamp-input": clamp,
         "gamma": gamma, "low-output": low_out, "high-output": high_out, "clamp-output": clamp},
        as_effect,
        name=name,
    )
    return [made] if made else []


@operation("adjust_levels")
def adjust_levels(call, channel, low_input, high_input, gamma, low_output, high_output, clamp, layer=None,
                  as_effect=False):
    if low_input >= high_input:
        raise OperationError(
            "invalid_argument",
            f"`low_input` is {color_target.number(low_input)}, but must be below `high_input`, {color_target.number(high_input)}",
            "to invert, swap `low_output` and `high_output`",
        )
    drawable = color_target.target(call, layer, as_effect, what="adjusting levels")
    check_channel(call, drawable, channel)
    made = apply_levels(drawable, channel, low_input / 255, high_input / 255, gamma, low_output / 255,
                        high_output / 255, clamp, as_effect)
    message = (f"Adjusted {channel} levels: input {color_target.number(low_input)} to {color_target.number(high_input)}, "
               f"gamma {color_target.number(gamma)}, output {color_target.number(low_output)} to {color_target.number(high_output)}")
    return color_target.answer(drawable, message, made)


def check_channel(call, drawable, channel):
    """Refuses a colour channel that the drawable has not: GIMP would change nothing."""
    if channel == "value":
        return
    gray = color_target.is_mask(drawable) or targets.base_type(call.image) == "GRAY"
    if channel == "alpha" and not drawable.has_alpha():
        raise OperationError(
            "invalid_argument",
            f"`{drawable.get_id()}` has no alpha channel",
            "add one with set_layer_alpha, or leave `channel` out",
        )
    if gray and channel != "alpha":
        raise OperationError(
            "invalid_argument",
            f"`channel` is `{channel}`, but `{drawable.get_id()}` is grey and has only `value`",
            "leave `channel` out",
        )


@operation("adjust_hue_saturation")
def adjust_hue_saturation(call, hue, saturation, lightness, color_range, overlap, layer=None, as_effect=False):
    drawable = color_target.target(call, layer, as_effect, ("RGB",), "hue and saturation")
    which, made = getattr(Gimp.HueRange, RANGES[color_range]), []
    if as_effect:
        made = [gegl_filter.apply(
            drawable, "gimp:hue-saturation",
            {"range": which, "hue": hue / 180, "saturation": saturation / 100, "lightness": lightness / 100,
             "overlap": overlap / 100}, True)]
    else:
        color_target.check_done(drawable.hue_saturation(which, hue, lightness, saturation, overlap), "hue and saturation")
    message = (f"Adjusted hue by {color_target.number(hue)}, saturation by {color_target.number(saturation)}, lightness by "
               f"{color_target.number(lightness)}" + (f" of the {color_range} tones" if color_range != "all" else ""))
    return color_target.answer(drawable, message, made)


@operation("adjust_curves")
def adjust_curves(call, points, channel, curve_type, layer=None, as_effect=False):
    drawable = color_target.target(call, layer, as_effect, what="adjusting curves")
    check_channel(call, drawable, channel)
    pairs = _curve_points(points)
    which, made = getattr(Gimp.HistogramChannel, CHANNELS[channel]), []
    if as_effect or _by_filter(drawable):
        made = [apply_curve(drawable, which, _curve(pairs, curve_type == "linear"), as_effect)]
    elif curve_type == "smooth":
        flat = [number for pair in pairs for number in pair]
        color_target.perceptual(drawable, lambda on: color_target.check_done(on.curves_spline(which, flat), "curves"))
    else:
        apply_table(drawable, channel, [_on_line(pairs, i / (SAMPLES - 1)) for i in range(SAMPLES)])
    return color_target.answer(drawable, f"Adjusted the {channel} curve through {len(pairs)} points",
                         [each for each in made if each])


SAMPLES = 1024  # GIMP interpolates between them


def apply_table(drawable, channel, values):
    """Maps a channel by a table of 256 to 4096 values from 0 to 1."""
    which = getattr(Gimp.HistogramChannel, CHANNELS[channel])
    color_target.perceptual(drawable, lambda on: color_target.check_done(on.curves_explicit(which, values), "curves"))


def _by_filter(drawable):
    """GIMP 3.2's curves take a mask for perceptual values; its filter can be told."""
    return color_target.is_mask(drawable) and not gegl_known.OLD


def _curve_points(points):
    pairs = sorted((x / 255, y / 255) for x, y in points)
    same = next((a for a, b in zip(pairs, pairs[1:]) if b[0] - a[0] < 1e-6), None)
    if same:
        raise OperationError(
            "invalid_argument",
            f"two `points` have the same input {color_target.number(same[0] * 255)}",
            "give each input once",
        )
    return pairs


def _on_line(pairs, x):
    """The value at x of the straight lines through the points, level outside of them."""
    if x <= pairs[0][0]:
        return pairs[0][1]
    for (left, low), (right, high) in zip(pairs, pairs[1:]):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return pairs[-1][1]


def _curve(pairs, corners):
    """A Gimp.Curve, which GIMP 3.2 has."""
    gegl_known.check_effect("gimp:curves")
    curve = Gimp.Curve.new()
    curve.clear_points()
    for x, y in pairs:
        place = curve.add_point(x, y)
        if corners:
            curve.set_point_type(place, Gimp.CurvePointType.CORNER)
    return curve


def apply_curve(drawable, which, curve, as_effect):
    trc = Gimp.TRCType.LINEAR if color_target.is_mask(drawable) else Gimp.TRCType.PERCEPTUAL
    return gegl_filter.apply(drawable, "gimp:curves", {"trc": trc, "channel": which, "curve": curve}, as_effect)


@operation("adjust_color_balance")
def adjust_color_balance(call, cyan_red, magenta_green, yellow_blue, tones, preserve_luminosity, layer=None,
                         as_effect=False):
    drawable = color_target.target(call, layer, as_effect, ("RGB",), "colour balance")
    which, made = getattr(Gimp.TransferMode, tones.upper()), []
    if as_effect:
        made = [gegl_filter.apply(
            drawable, "gimp:color-balance",
            {"range": which, "cyan-red": cyan_red / 100, "magenta-green": magenta_green / 100,
             "yellow-blue": yellow_blue / 100, "preserve-luminosity": preserve_luminosity}, True)]
    else:
        color_target.check_done(
            drawable.color_balance(which, preserve_luminosity, cyan_red, magenta_green, yellow_blue), "colour balance")
    message = (f"Adjusted the colour balance of the {tones}: cyan-red {color_target.number(cyan_red)}, magenta-green "
               f"{color_target.number(magenta_green)}, yellow-blue {color_target.number(yellow_blue)}")
    return color_target.answer(drawable, message, made)
