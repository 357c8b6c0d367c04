"""Colours as clients write them, to Gegl.Color, exactly in sRGB.

GEGL's own text form `rgb(r, g, b)` is linear light in GIMP 3, so it is never used here: components go in as sRGB values.
"""

import colorsys
import math
import re

from errors import OperationError

FORMS = ("a CSS name, #rgb, #rgba, #rrggbb, #rrggbbaa, rgb(r, g, b) or rgba(r, g, b, a) with 0-255, hsl(h, s%, l%), "
         "[r, g, b] or [r, g, b, a] with 0-255, or \"transparent\"")

CSS = {
    "aliceblue": 0xf0f8ff, "antiquewhite": 0xfaebd7, "aqua": 0x00ffff, "aquamarine": 0x7fffd4, "azure": 0xf0ffff,
    "beige": 0xf5f5dc, "bisque": 0xffe4c4, "black": 0x000000, "blanchedalmond": 0xffebcd, "blue": 0x0000ff,
    "blueviolet": 0x8a2be2, "brown": 0xa52a2a, "burlywood": 0xdeb887, "cadetblue": 0x5f9ea0, "chartreuse": 0x7fff00,
    "chocolate": 0xd2691e, "coral": 0xff7f50, "cornflowerblue": 0x6495ed, "cornsilk": 0xfff8dc, "crimson": 0xdc143c,
    "cyan": 0x00ffff, "darkblue": 0x00008b, "darkcyan": 0x008b8b, "darkgoldenrod": 0xb8860b, "darkgray": 0xa9a9a9,
    "darkgreen": 0x006400, "darkgrey": 0xa9a9a9, "darkkhaki": 0xbdb76b, "darkmagenta": 0x8b008b,
    "darkolivegreen": 0x556b2f, "darkorange": 0xff8c00, "darkorchid": 0x9932cc, "darkred": 0x8b0000,
    "darksalmon": 0xe9967a, "darkseagreen": 0x8fbc8f, "darkslateblue": 0x483d8b, "darkslategray": 0x2f4f4f,
    "darkslategrey": 0x2f4f4f, "darkturquoise": 0x00ced1, "darkviolet": 0x9400d3, "deeppink": 0xff1493,
    "deepskyblue": 0x00bfff, "dimgray": 0x696969, "dimgrey": 0x696969, "dodgerblue": 0x1e90ff, "firebrick": 0xb22222,
    "floralwhite": 0xfffaf0, "forestgreen": 0x228b22, "fuchsia": 0xff00ff, "gainsboro": 0xdcdcdc,
    "ghostwhite": 0xf8f8ff, "gold": 0xffd700, "goldenrod": 0xdaa520, "gray": 0x808080, "green": 0x008000,
    "greenyellow": 0xadff2f, "grey": 0x808080, "honeydew": 0xf0fff0, "hotpink": 0xff69b4, "indianred": 0xcd5c5c,
    "indigo": 0x4b0082, "ivory": 0xfffff0, "khaki": 0xf0e68c, "lavender": 0xe6e6fa, "lavenderblush": 0xfff0f5,
    "lawngreen": 0x7cfc00, "lemonchiffon": 0xfffacd, "lightblue": 0xadd8e6, "lightcoral": 0xf08080,
    "lightcyan": 0xe0ffff, "lightgoldenrodyellow": 0xfafad2, "lightgray": 0xd3d3d3, "lightgreen": 0x90ee90,
    "lightgrey": 0xd3d3d3, "lightpink": 0xffb6c1, "lightsalmon": 0xffa07a, "lightseagreen": 0x20b2aa,
    "lightskyblue": 0x87cefa, "lightslategray": 0x778899, "lightslategrey": 0x778899, "lightsteelblue": 0xb0c4de,
    "lightyellow": 0xffffe0, "lime": 0x00ff00, "limegreen": 0x32cd32, "linen": 0xfaf0e6, "magenta": 0xff00ff,
    "maroon": 0x800000, "mediumaquamarine": 0x66cdaa, "mediumblue": 0x0000cd, "mediumorchid": 0xba55d3,
    "mediumpurple": 0x9370db, "mediumseagreen": 0x3cb371, "mediumslateblue": 0x7b68ee, "mediumspringgreen": 0x00fa9a,
    "mediumturquoise": 0x48d1cc, "mediumvioletred": 0xc71585, "midnightblue": 0x191970, "mintcream": 0xf5fffa,
    "mistyrose": 0xffe4e1, "moccasin": 0xffe4b5, "navajowhite": 0xffdead, "navy": 0x000080, "oldlace": 0xfdf5e6,
    "olive": 0x808000, "olivedrab": 0x6b8e23, "orange": 0xffa500, "orangered": 0xff4500, "orchid": 0xda70d6,
    "palegoldenrod": 0xeee8aa, "palegreen": 0x98fb98, "paleturquoise": 0xafeeee, "palevioletred": 0xdb7093,
    "papayawhip": 0xffefd5, "peachpuff": 0xffdab9, "peru": 0xcd853f, "pink": 0xffc0cb, "plum": 0xdda0dd,
    "powderblue": 0xb0e0e6, "purple": 0x800080, "rebeccapurple": 0x663399, "red": 0xff0000, "rosybrown": 0xbc8f8f,
    "royalblue": 0x4169e1, "saddlebrown": 0x8b4513, "salmon": 0xfa8072, "sandybrown": 0xf4a460, "seagreen": 0x2e8b57,
    "seashell": 0xfff5ee, "sienna": 0xa0522d, "silver": 0xc0c0c0, "skyblue": 0x87ceeb, "slateblue": 0x6a5acd,
    "slategray": 0x708090, "slategrey": 0x708090, "snow": 0xfffafa, "springgreen": 0x00ff7f, "steelblue": 0x4682b4,
    "tan": 0xd2b48c, "teal": 0x008080, "thistle": 0xd8bfd8, "tomato": 0xff6347, "turquoise": 0x40e0d0,
    "violet": 0xee82ee, "wheat": 0xf5deb3, "white": 0xffffff, "whitesmoke": 0xf5f5f5, "yellow": 0xffff00,
    "yellowgreen": 0x9acd32,
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
    import struct

    from gi.repository import Babl, Gegl, GLib

    color = Gegl.Color.new("black")
    color.set_bytes(Babl.format("R'G'B'A double"), GLib.Bytes.new(struct.pack("=4d", *rgba)))
    return color


def describe(color):
    """A Gegl.Color as `rgba(r,g,b,a)`: r, g and b 0-255 in sRGB, alpha 0-1. What `parse` takes back."""
    import struct

    from gi.repository import Babl

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
    parts = tuple(int(digits[i:i + 2], 16) / 255 for i in range(0, len(digits), 2))
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
    if not (math.isfinite(hue) and 0 <= saturation <= 100 and 0 <= light <= 100) or any("deg" in part for part in parts[1:]):
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
    return OperationError("invalid_argument", f"color `{str(value)[:80]}` {what}", f"give {FORMS}", value=str(value)[:200])
