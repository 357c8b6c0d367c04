"""Light and saturation: exposure, temperature, shadows and highlights, automatic corrections, tone mapping."""

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.gegl import filters as gegl_filter
from gimp_bridge.items import color_target

NEUTRAL_KELVIN = 6500
MIREDS = 0.6  # of colour temperature for each point of warmth: -100 to 100 is about 4700 K to 10600 K


@operation("adjust_exposure")
def adjust_exposure(call, exposure, black_level, layer=None, as_effect=False):
    message = f"Adjusted exposure by {color_target.number(exposure)} stops"
    return color_target.run(call, layer, "gegl:exposure", {"exposure": float(exposure), "black-level": float(black_level)},
                      message, as_effect, what="exposure")


@operation("adjust_color_temperature")
def adjust_color_temperature(call, warmth, original_kelvin=None, intended_kelvin=None, layer=None, as_effect=False):
    if original_kelvin is None and intended_kelvin is None:
        # As in a raw developer: the higher the temperature that the picture is drawn for, the warmer it is
        original = NEUTRAL_KELVIN
        intended = 1e6 / (1e6 / NEUTRAL_KELVIN - MIREDS * warmth)
        message = f"Adjusted colour temperature: warmth {color_target.number(warmth)}"
    elif warmth:
        raise OperationError(
            "invalid_argument", "`warmth` is given together with a temperature in kelvin", "give one of them"
        )
    else:
        original, intended = original_kelvin or NEUTRAL_KELVIN, intended_kelvin or NEUTRAL_KELVIN
        message = f"Adjusted colour temperature from {color_target.number(original)} K to {color_target.number(intended)} K"
    properties = {"original-temperature": float(original), "intended-temperature": float(intended)}
    return color_target.run(call, layer, "gegl:color-temperature", properties, message, as_effect, modes=("RGB",),
                      what="colour temperature")


@operation("adjust_shadows_highlights")
def adjust_shadows_highlights(call, shadows, highlights, white_point, radius, compress, shadows_color,
                              highlights_color, layer=None, as_effect=False):
    properties = {
        "shadows": shadows, "highlights": highlights, "whitepoint": white_point,
        "radius": color_target.length(call, radius), "compress": compress, "shadows-ccorrect": shadows_color,
        "highlights-ccorrect": highlights_color,
    }
    message = f"Adjusted shadows by {color_target.number(shadows)} and highlights by {color_target.number(highlights)}"
    return color_target.run(call, layer, "gegl:shadows-highlights", {k: float(v) for k, v in properties.items()}, message,
                      as_effect, what="shadows and highlights")


@operation("adjust_saturation")
def adjust_saturation(call, scale, vibrance, layer=None, as_effect=False):
    drawable = color_target.target(call, layer, as_effect, ("RGB",), "saturation")
    made, done = [], []
    if scale != 1 or not vibrance:
        made.append(gegl_filter.apply(drawable, "gegl:saturation", {"scale": float(scale)}, as_effect))
        done.append(f"saturation times {color_target.number(scale)}")
    if vibrance:
        made.append(_vibrance(drawable, vibrance, as_effect))
        done.append(f"vibrance by {color_target.number(vibrance)}")
    return color_target.answer(drawable, f"Adjusted {' and '.join(done)}", [each for each in made if each])


def _vibrance(drawable, vibrance, as_effect):
    try:
        return gegl_filter.apply(drawable, "gegl:vibrance", {"vibrance": float(vibrance)}, as_effect)
    except OperationError as error:
        error.hint = "this GIMP has no vibrance: use `scale`"
        raise


# What each automatic correction runs: a GEGL operation with its properties, or a method of the drawable
AUTOMATIC = {
    "contrast": ("gegl:stretch-contrast", {"keep-colors": True, "perceptual": True}),
    "channels": ("gegl:stretch-contrast", {"keep-colors": False, "perceptual": True}),
    "hsv": ("gegl:stretch-contrast-hsv", {}),
    "saturation": ("gegl:color-enhance", {}),
    "white_balance": ("levels_stretch", None),
    "equalize": ("equalize", None),
}


@operation("auto_levels")
def auto_levels(call, mode, layer=None, as_effect=False):
    name, properties = AUTOMATIC[mode]
    modes = ("RGB",) if mode in ("hsv", "saturation") else ("RGB", "GRAY")
    message = f"Stretched levels automatically ({mode.replace('_', ' ')})"
    if properties is not None:
        return color_target.run(call, layer, name, properties, message, as_effect, modes=modes, what="automatic levels")
    if as_effect:
        raise OperationError(
            "unsupported",
            f"`mode` `{mode}` counts the pixels once, so it cannot be a layer effect",
            "leave `as_effect` out, or use mode `contrast` or `channels`",
        )
    drawable = color_target.target(call, layer, False, modes, "automatic levels")
    if name == "equalize":
        # GIMP's equalize changes what is outside of the selection too, unless it is told not to
        color_target.perceptual(drawable, lambda on: color_target.check_done(on.equalize(True), "equalize"))
    else:
        color_target.check_done(drawable.levels_stretch(), "white balance")
    return color_target.answer(drawable, message)


# gegl:fattal02 is left out: with the same values it sometimes gives black (a race in GEGL, seen in 3.0.4 and 3.2.6)
TONE_MAPS = {"mantiuk": "gegl:mantiuk06", "reinhard": "gegl:reinhard05", "stress": "gegl:stress"}


@operation("tone_map")
def tone_map(call, method, amount, radius, layer=None, as_effect=False):
    share = amount / 100
    properties = {
        "mantiuk": {"contrast": 1.0 - 0.9 * share, "saturation": 0.8},
        "reinhard": {"brightness": 0.0, "chromatic": 0.0, "light": share},
        "stress": {"radius": round(color_target.length(call, radius, 2, 6000))},
    }[method]
    return color_target.run(call, layer, TONE_MAPS[method], properties, f"Tone-mapped with {method}", as_effect,
                      modes=("RGB",), what="tone mapping")
