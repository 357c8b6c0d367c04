"""Characters that a font has no picture of. Pango, which draws GIMP's text, takes another font's, or draws a box."""

import gi

gi.require_version("Pango", "1.0")
gi.require_version("PangoCairo", "1.0")

from gi.repository import Pango, PangoCairo  # noqa: E402

MAX_CHARACTERS = 2_000  # different ones that are looked at
SHOWN = 8


def missing(text, font):
    """A sentence about the characters of `text` that `font` (a Gimp.Font) lacks, or None."""
    description = font.get_pango_font_description()
    context = PangoCairo.FontMap.get_default().create_context()
    loaded = context.load_font(description) if description is not None else None
    if loaded is None:
        return None
    wanted = list(dict.fromkeys(each for each in text if each.isprintable() and not each.isspace()))[:MAX_CHARACTERS]
    lacking = [each for each in wanted if not loaded.has_char(each)]
    boxes = [each for each in lacking if _is_unknown(context, description, each)]
    lent = [each for each in lacking if each not in boxes]
    said = []
    if boxes:
        said.append(f"no font here has {_listed(boxes)}, so boxes are drawn")
    if lent:
        said.append(f"`{font.get_name()}` has no {_listed(lent)}, so another font's are drawn")
    return "; ".join(said) or None


def _is_unknown(context, description, character):
    layout = Pango.Layout.new(context)
    layout.set_font_description(description)
    layout.set_text(character, -1)
    return layout.get_unknown_glyphs_count() > 0


def _listed(characters):
    names = [f"`{each}` (U+{ord(each):04X})" for each in characters[:SHOWN]]
    return ", ".join(names) + (f" and {len(characters) - SHOWN} more" if len(characters) > SHOWN else "")
