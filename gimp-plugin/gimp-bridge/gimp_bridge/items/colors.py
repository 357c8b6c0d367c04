"""Colours as clients write them, to Gegl.Color, exactly in sRGB.

GEGL's own text form `rgb(r, g, b)` is linear light in GIMP 3, so it is never used here: components go in as sRGB.
"""

import colorsys
import math
import re
import struct

from gi.repository import Babl, Gegl, GLib

from gimp_bridge.core.errors import OperationError

FORMS = (
    "a CSS name, #rgb, #rgba, #rrggbb, #rrggbbaa, rgb(r, g, b) or rgba(r, g, b, a) with 0-255, hsl(h, s%, l%), "
    '[r, g, b] or [r, g, b, a] with 0-255, or "transparent"'
)

CSS = {
    "aliceblue": 0xF0F8FF,
    "antiquewhite": 0xFAEBD7,
    "aqua": 0x00FFFF,
    "aquamarine": 0x7FFFD4,
    "azure": 0xF0FFFF,
    "beige": 0xF5F5DC,
    "bisque": 0xFFE4C4,
    "black": 0x000000,
    "blanchedalmond": 0xFFEBCD,
    "blue": 0x0000FF,
    "blueviolet": 0x8A2BE2,
    "brown": 0xA52A2A,
    "burlywood": 0xDEB887,
    "cadetblue": 0x5F9EA0,
    "chartreuse": 0x7FFF00,
    "chocolate": 0xD2691E,
    "coral": 0xFF7F50,
    "cornflowerblue": 0x6495ED,
    "cornsilk": 0xFFF8DC,
    "crimson": 0xDC143C,
    "cyan": 0x00FFFF,
    "darkblue": 0x00008B,
    "darkcyan": 0x008B8B,
    "darkgoldenrod": 0xB8860B,
    "darkgray": 0xA9A9A9,
    "darkgreen": 0x006400,
    "darkgrey": 0xA9A9A9,
    "darkkhaki": 0xBDB76B,
    "darkmagenta": 0x8B008B,
    "darkolivegreen": 0x556B2F,
    "darkorange": 0xFF8C00,
    "darkorchid": 0x9932CC,
    "darkred": 0x8B0000,
    "darksalmon": 0xE9967A,
    "darkseagreen": 0x8FBC8F,
    "darkslateblue": 0x483D8B,
    "darkslategray": 0x2F4F4F,
    "darkslategrey": 0x2F4F4F,
    "darkturquoise": 0x00CED1,
    "darkviolet": 0x9400D3,
    "deeppink": 0xFF1493,
    "deepskyblue": 0x00BFFF,
    "dimgray": 0x696969,
    "dimgrey": 0x696969,
    "dodgerblue": 0x1E90FF,
    "firebrick": 0xB22222,
    "floralwhite": 0xFFFAF0,
    "forestgreen": 0x228B22,
    "fuchsia": 0xFF00FF,
    "gainsboro": 0xDCDCDC,
    "ghostwhite": 0xF8F8FF,
    "gold": 0xFFD700,
    "goldenrod": 0xDAA520,
    "gray": 0x808080,
    "green": 0x008000,
    "greenyellow": 0xADFF2F,
    "grey": 0x808080,
    "honeydew": 0xF0FFF0,
    "hotpink": 0xFF69B4,
    "indianred": 0xCD5C5C,
    "indigo": 0x4B0082,
    "ivory": 0xFFFFF0,
    "khaki": 0xF0E68C,
    "lavender": 0xE6E6FA,
    "lavenderblush": 0xFFF0F5,
    "lawngreen": 0x7CFC00,
    "lemonchiffon": 0xFFFACD,
    "lightblue": 0xADD8E6,
    "lightcoral": 0xF08080,
    "lightcyan": 0xE0FFFF,
    "lightgoldenrodyellow": 0xFAFAD2,
    "lightgray": 0xD3D3D3,
    "lightgreen": 0x90EE90,
    "lightgrey": 0xD3D3D3,
    "lightpink": 0xFFB6C1,
    "lightsalmon": 0xFFA07A,
    "lightseagreen": 0x20B2AA,
    "lightskyblue": 0x87CEFA,
    "lightslategray": 0x778899,
    "lightslategrey": 0x778899,
    "lightsteelblue": 0xB0C4DE,
    "lightyellow": 0xFFFFE0,
    "lime": 0x00FF00,
    "limegreen": 0x32CD32,
    "linen": 0xFAF0E6,
    "magenta": 0xFF00FF,
    "maroon": 0x800000,
    "mediumaquamarine": 0x66CDAA,
    "mediumblue": 0x0000CD,
    "mediumorchid": 0xBA55D3,
    "mediumpurple": 0x9370DB,
    "mediumseagreen": 0x3CB371,
    "mediumslateblue": 0x7B68EE,
    "mediumspringgreen": 0x00FA9A,
    "mediumturquoise": 0x48D1CC,
    "mediumvioletred": 0xC71585,
    "midnightblue": 0x191970,
    "mintcream": 0xF5FFFA,
    "mistyrose": 0xFFE4E1,
    "moccasin": 0xFFE4B5,
    "navajowhite": 0xFFDEAD,
    "navy": 0x000080,
    "oldlace": 0xFDF5E6,
    "olive": 0x808000,
    "olivedrab": 0x6B8E23,
    "orange": 0xFFA500,
    "orangered": 0xFF4500,
    "orchid": 0xDA70D6,
    "palegoldenrod": 0xEEE8AA,
    "palegreen": 0x98FB98,
    "paleturquoise": 0xAFEEEE,
    "palevioletred": 0xDB7093,
    "papayawhip": 0xFFEFD5,
    "peachpuff": 0xFFDAB9,
    "peru": 0xCD853F,
    "pink": 0xFFC0CB,
    "plum": 0xDDA0DD,
    "powderblue": 0xB0E0E6,
    "purple": 0x800080,
    "rebeccapurple": 0x663399,
    "red": 0xFF0000,
    "rosybrown": 0xBC8F8F,
    "royalblue": 0x4169E1,
    "saddlebrown": 0x8B4513,
    "salmon": 0xFA8072,
    "sandybrown": 0xF4A460,
    "seagreen": 0x2E8B57,
    "seashell": 0xFFF5EE,
    "sienna": 0xA0522D,
    "silver": 0xC0C0C0,
    "skyblue": 0x87CEEB,
    "slateblue": 0x6A5ACD,
    "slategray": 0x708090,
    "slategrey": 0x708090,
    "snow": 0xFFFAFA,
    "springgreen": 0x00FF7F,
    "steelblue": 0x4682B4,
    "tan": 0xD2B48C,
    "teal": 0x008080,
    "thistle": 0xD8BFD8,
    "tomato": 0xFF6347,
    "turquoise": 0x40E0D0,
    "violet": 0xEE82EE,
    "wheat": 0xF5DEB3,
    "white": 0xFFFFFF,
    "whitesmoke": 0xF5F5F5,
    "yellow": 0xFFFF00,
    "yellowgreen": 0x9ACD32,
}

_FUNCTION = re.compile(r"(rgba?|hsla?)\(([^()]*)\)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(%|deg)?")


def parse(value):
    """A client's colour as (red, green, blue, alpha), each 0 to 1 in sRGB."""
    if isinstance(value, (list, tuple)):
        return _from_array(value)
    if not isinstance(value, str):
        raise _bad(value, "is not a colour")
    text = value.strip().lower()
    if text in ("transparent", "none"):
        return 0.0, 0.0, 0.0, 0.0
    if text in CSS:
        return tuple((CSS[text] >> shift & 255) / 255 for shift in (16, 8, 0)) + (1.0,)
    if text.startswith("#"):
        return _from_hex(value, text[1:])
    match = _FUNCTION.fullmatch(text)
    if not match:
        raise _bad(value, "is not a colour")
    parts = [part for part in re.split(r"[\s,/]+", match.group(2).strip()) if part]
    if not all(_NUMBER.fullmatch(part) for part in parts) or len(parts) not in (3, 4):
        raise _bad(value, f"needs 3 or 4 numbers, not `{match.group(2).strip()}`")
    alpha = _alpha(value, parts[3]) if len(parts) == 4 else 1.0
    return (_rgb if match.group(1).startswith("rgb") else _hsl)(value, parts[:3]) + (alpha,)


def to_gegl(value):
    """The same as a Gegl.Color that paints exactly these sRGB values."""
    return gegl_color(parse(value))


def gegl_color(rgba):
    """(r, g, b, a), 0 to 1 in sRGB, as a Gegl.Color."""
    color = Gegl.Color.new("black")
    color.set_bytes(Babl.format("R'G'B'A double"), GLib.Bytes.new(struct.pack("=4d", *rgba)))
    return color


def describe(color):
    """A Gegl.Color as `rgba(r,g,b,a)`: r, g and b 0-255 in sRGB, alpha 0-1. What `parse` takes back."""
    red, green, blue, alpha = struct.unpack("=4d", color.get_bytes(Babl.format("R'G'B'A double")).get_data())

    def number(part):
        return f"{part:.3f}".rstrip("0").rstrip(".") if abs(part - round(part)) > 1e-3 else str(round(part))

    return f"rgba({number(red * 255)},{number(green * 255)},{number(blue * 255)},{number(alpha)})"


def _from_array(value):
    if len(value) not in (3, 4):
        raise _bad(value, f"has {len(value)} numbers, not 3 or 4")
    for part in value:
        if isinstance(part, bool) or not isinstance(part, (int, float)) or not 0 <= part <= 255:
            raise _bad(value, f"has `{part}`, which is no number from 0 to 255")
    return tuple(part / 255 for part in value) + ((1.0,) if len(value) == 3 else ())


def _from_hex(value, digits):
    if len(digits) not in (3, 4, 6, 8) or not all(digit in "0123456789abcdef" for digit in digits):
        raise _bad(value, "needs 3, 4, 6 or 8 hexadecimal digits after `#`")
    if len(digits) < 6:
        digits = "".join(digit * 2 for digit in digits)
    parts = tuple(int(digits[i : i + 2], 16) / 255 for i in range(0, len(digits), 2))
    return parts if len(parts) == 4 else parts + (1.0,)


def _rgb(value, parts):
    if any("deg" in part for part in parts):
        raise _bad(value, "has an angle where 0-255 is meant")
    numbers = [float(part.rstrip("%")) * (2.55 if part.endswith("%") else 1) for part in parts]
    if not all(math.isfinite(n) and 0 <= n <= 255 for n in numbers):
        raise _bad(value, "has a component outside 0 to 255")
    if max(numbers) <= 1 and any(n != int(n) for n in numbers):
        # Someone thinks of 0..1: near black is surely not what is meant
        raise _bad(value, f"has components of 0 to 1, but 0 to 255 is meant: {[round(n * 255) for n in numbers]}")
    return tuple(n / 255 for n in numbers)


def _hsl(value, parts):
    hue, saturation, light = (float(part.replace("deg", "").rstrip("%")) for part in parts)
    if not (math.isfinite(hue) and 0 <= saturation <= 100 and 0 <= light <= 100) or any(
        "deg" in part for part in parts[1:]
    ):
        raise _bad(value, "needs an angle and two percentages from 0 to 100")
    return colorsys.hls_to_rgb(hue % 360 / 360, light / 100, saturation / 100)


def _alpha(value, part):
    """CSS says 0 to 1; a number above 1 can only mean 0-255."""
    number = float(part.rstrip("%")) / (100 if part.endswith("%") else 1)
    if number > 1 and not part.endswith("%"):
        number /= 255
    if "deg" in part or not 0 <= number <= 1:
        raise _bad(value, "has an alpha outside 0 to 1 (or 0 to 255)")
    return number


def _bad(value, what):
    return OperationError(
        "invalid_argument", f"color `{str(value)[:80]}` {what}", f"give {FORMS}", value=str(value)[:200]
    )
