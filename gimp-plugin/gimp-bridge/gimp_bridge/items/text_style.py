"""How text layers look: from a client's words to GIMP's setters, and back."""

import re
import xml.etree.ElementTree as ElementTree

from gi.repository import Gegl, Gimp

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import colors, painting, resources

ALIGNMENTS = {"left": "LEFT", "right": "RIGHT", "center": "CENTER", "justify": "FILL"}
OUTLINES = {"filled": "STROKE_FILL", "hollow": "STROKE_ONLY", "none": "NONE"}
OUTLINE_KEYS = ("outline", "outline_color", "outline_width", "outline_position")
MAX_BOX = 32768  # pixels of height that wrapped text is tried in


def new_layer(image, text, font, size):
    """A text layer that is not in the image yet."""
    layer = Gimp.TextLayer.new(image, text, resources.find("font", font), size, Gimp.Unit.pixel())
    painting.done(layer is not None, "making a text layer")
    return layer


def apply(layer, style):
    """Sets what `style` ({name: value}) has; a layer that is in an image. Values of None are left out."""
    style = {key: value for key, value in style.items() if value is not None}
    _check_outline(style)
    found = resources.find("font", style.pop("font")) if "font" in style else None
    if found is not None:
        painting.done(layer.set_font(found), "setting the font")
    if "size" in style:
        painting.done(layer.set_font_size(style["size"], Gimp.Unit.pixel()), "setting the size")
    if "color" in style:
        rgba = colors.parse(style["color"])
        layer.set_color(colors.gegl_color((*rgba[:3], 1.0)))
        if rgba[3] < 1:  # text has no alpha of its own
            layer.set_opacity(rgba[3] * 100)
    for key in ("line_spacing", "letter_spacing", "indent", "kerning", "antialias"):
        if key in style:
            painting.done(getattr(layer, f"set_{key}")(style[key]), f"setting {key}")
    if "alignment" in style:
        layer.set_justification(getattr(Gimp.TextJustification, ALIGNMENTS[style["alignment"]]))
    if "hinting" in style:
        layer.set_hint_style(getattr(Gimp.TextHintStyle, style["hinting"].upper()))
    if "direction" in style:
        layer.set_base_direction(getattr(Gimp.TextDirection, style["direction"].upper()))
    if "language" in style:
        layer.set_language(style["language"])
    _apply_outline(layer, style)


def _check_outline(style):
    if any(key in style for key in OUTLINE_KEYS) and not hasattr(Gimp.TextLayer, "set_outline"):
        raise OperationError(
            "unsupported",
            f"GIMP {Gimp.version()} has no outlines of text; they came with 3.2",
            "use path_from_text, then stroke_path on a layer below",
        )


def _apply_outline(layer, style):
    given = [key for key in OUTLINE_KEYS if key in style]
    if not given:
        return
    kind = style.get("outline", "filled")
    layer.set_outline(getattr(Gimp.TextOutline, OUTLINES[kind]))
    if "outline_color" in style:
        layer.set_outline_color(colors.gegl_color((*colors.parse(style["outline_color"])[:3], 1.0)))
    if "outline_width" in style:
        painting.done(layer.set_outline_width(style["outline_width"], Gimp.Unit.pixel()), "setting the outline's width")
    if "outline_position" in style:
        layer.set_outline_direction(getattr(Gimp.TextOutlineDirection, style["outline_position"].upper()))


def set_text(layer, text, markup):
    """Plain text, or Pango markup, which GIMP ignores without a word where it does not like it."""
    if not markup:
        painting.done(layer.set_text(text), "setting the text")
        return
    check_markup(text)
    worked = layer.set_markup(text)
    if not worked or layer.get_markup() is None or plain(layer.get_markup()) != plain(text):
        raise OperationError(
            "invalid_argument",
            f"GIMP does not take this markup: `{text[:100]}`",
            'Pango markup has <b>, <i>, <u>, <s>, <sub>, <sup>, <small>, <big>, <tt> and <span foreground="#f00" '
            'font="Serif 20" …>',
        )


def check_markup(text):
    """Raises where `text` is not well-formed, with the place."""
    try:
        ElementTree.fromstring(f"<markup>{text}</markup>" if not text.lstrip().startswith("<markup") else text)
    except ElementTree.ParseError as error:
        raise OperationError(
            "invalid_argument", f"the markup is not well-formed: {error}", "close each tag, and write & as &amp;"
        ) from None


def plain(markup):
    """Markup without its tags."""
    return re.sub(r"<[^<>]*>", "", markup).strip()


def fit_box(layer, width, height, text):
    """Wraps at `width`; without a `height` the box becomes as high as the text needs."""
    if height is None:
        height = _needed_height(layer, width, text)
    painting.done(layer.resize(width, height), "setting the box")


def _needed_height(layer, width, text):
    """Tries a box that is surely high enough and looks how far the ink reaches."""
    size = layer.get_font_size()[0]
    line = size * 1.6 + max(layer.get_line_spacing(), 0)
    wrapped = sum(2 + len(row) * (size + max(layer.get_letter_spacing(), 0)) // width for row in text.split("\n"))
    tall = min(max(int(wrapped * line), 16), MAX_BOX)
    painting.done(layer.resize(width, tall), "setting the box")
    band, buffer = 64, layer.get_buffer()
    for top in range(tall - band, -band, -band):
        rows = Gegl.Rectangle.new(0, max(top, 0), round(width), min(band, tall))
        data = bytes(buffer.get(rows, 1.0, "A u8", Gegl.AbyssPolicy.NONE))
        if data.count(0) < len(data):
            last = len(data.rstrip(b"\0")) // max(round(width), 1) + max(top, 0)
            return last + 1 + size * 0.25
    return line


def describe(layer):
    """Everything of a text layer that edit_text_layer takes."""
    size, unit = layer.get_font_size()
    font, markup = layer.get_font(), layer.get_markup()
    by_name = {value: key for key, value in ALIGNMENTS.items()}
    described = {
        "text": layer.get_text() if not markup else plain(markup),
        "markup": markup or None,
        "font": font.get_name() if font else None,
        "size": size,
        "size_unit": unit.get_name(),
        "color": colors.describe(layer.get_color()),
        "alignment": by_name.get(enums.name(Gimp.TextJustification, layer.get_justification())),
        "line_spacing": layer.get_line_spacing(),
        "letter_spacing": layer.get_letter_spacing(),
        "indent": layer.get_indent(),
        "kerning": layer.get_kerning(),
        "antialias": layer.get_antialias(),
        "hinting": enums.name(Gimp.TextHintStyle, layer.get_hint_style()).lower(),
        "direction": enums.name(Gimp.TextDirection, layer.get_base_direction()).lower(),
        "language": layer.get_language(),
    }
    if hasattr(layer, "get_outline"):
        names = {value: key for key, value in OUTLINES.items()}
        described["outline"] = names.get(enums.name(Gimp.TextOutline, layer.get_outline()))
        if described["outline"] != "none":
            described["outline_color"] = colors.describe(layer.get_outline_color())
            described["outline_width"] = layer.get_outline_width()[0]
            position = enums.name(Gimp.TextOutlineDirection, layer.get_outline_direction())
            described["outline_position"] = position.lower()
    return described
