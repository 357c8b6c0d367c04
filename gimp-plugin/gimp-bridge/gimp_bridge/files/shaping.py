"""A copy of an image in the shape that a format holds, and what that costs.

Works on duplicates only, so that the image's file, dirty flag, export state, undo history and selection stay.
"""

import contextlib
import dataclasses

from gi.repository import Gimp

from gimp_bridge.core import enums
from gimp_bridge.files import hidden_colors
from gimp_bridge.formats import table as formats
from gimp_bridge.images import projection
from gimp_bridge.items import targets
from gimp_bridge.items.image_edits import all_layers, remove_profile

# With one of these true a format holds several pictures: the layers are left alone
SEVERAL = ("as-animation", "animation", "layers-as-pages")
MAX_COLORS = 256  # of a GIF
_NO_GRAY_ALPHA = ("bmp",)  # grey, or transparent, but not both
_NAMES = {"webp": "WebP", "xcf": "XCF"}


def title(name):
    """How people write a format's name."""
    return _NAMES.get(name, name.upper())


@dataclasses.dataclass
class Shaped:
    """`image` is the copy; `flattened` whether layers were merged; `alpha_lost` whether transparency is not whole.

    `said` are sentences for the answer, each about something that the file does not hold.
    """

    image: object
    flattened: bool = False
    alpha_lost: bool = False
    said: list = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def shaped_copy(image, name, options, holds_profile=True, kept=None):
    """The Shaped of `image` for format `name`; `kept` is the Film of layers that stay pictures of their own."""
    copy = image.duplicate()
    try:
        Gimp.Selection.none(copy)
        shaped = Shaped(copy)
        if kept is not None:
            kept.shape(copy, shaped)
        elif name in formats.LAYERED:
            _layered(copy, name, shaped)
        elif not any(options.get(key) for key in SEVERAL):
            _one_picture(copy, name, options, shaped)
        _transparency(copy, name, shaped)
        _colors(copy, name, holds_profile, shaped)
        if name == "gif" and kept is None and not options.get("as-animation"):
            _palette(copy, shaped)
        yield shaped
    finally:
        copy.delete()


def _one_picture(copy, name, options, shaped):
    layers = copy.get_layers()
    shaped.flattened = len(layers) > 1 or any(isinstance(layer, Gimp.GroupLayer) for layer in layers)
    with projection.visible(copy, need_layer=False) as source:
        alpha, as_it_is = source.alpha, source.image is None
    if as_it_is:
        return
    projection.remove_overlays(copy)
    if targets.base_type(copy) == "INDEXED":
        if not _needs_rgb(copy, name, options):
            # Merging keeps the palette; the composition of an indexed image is RGB
            if any(layer.get_visible() for layer in layers):
                copy.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE).resize_to_image_size()
            return
        copy.convert_rgb()
        if name in ("png", "tiff", "psd"):
            shaped.said.append(f"the indexed picture was saved as RGB: {title(name)} keeps its transparency only so")
    elif name in _NO_GRAY_ALPHA and targets.base_type(copy) == "GRAY" and alpha:
        copy.convert_rgb()
    merge(copy, alpha)


def _needs_rgb(copy, name, options):
    """Whether an indexed picture's transparency is lost, or shows what is below it, unless it becomes RGB."""
    if name in formats.ON_OFF_ALPHA or name in formats.NO_ALPHA:
        return False
    made = Gimp.Layer.new_from_visible(copy, copy, "visible")
    try:
        clear, soft = hidden_colors.levels(made)
    finally:
        made.delete()
    return soft > 0 or (clear > 0 and (name != "png" or options.get("format", "auto") != "auto"))


def merge(copy, alpha):
    """Puts the composed picture in the place of all layers: whole canvas, nothing hidden, nothing left to apply."""
    merged = Gimp.Layer.new_from_visible(copy, copy, "Background")
    for layer in copy.get_layers():
        copy.remove_layer(layer)
    copy.insert_layer(merged, None, 0)
    if not alpha:
        merged.flatten()


def _layered(copy, name, shaped):
    """Layers stay. GIMP's exporters read a group's layers without the group's own effects."""
    if name == "xcf":
        return
    layers = list(all_layers(copy.get_layers()))
    if targets.base_type(copy) == "INDEXED" and (len(layers) > 1 or any(layer.has_alpha() for layer in layers)):
        copy.convert_rgb()
        shaped.said.append(f"the indexed image was saved as RGB: {title(name)} keeps its layers and transparency only so")
    merged = []
    for layer in list(all_layers(copy.get_layers())):
        if layer.is_valid() and layer.is_group_layer() and any(each.get_visible() for each in layer.get_filters()):
            merged.append(f"`{layer.get_name()}`")
            layer.merge()
    if merged:
        groups = "group" if len(merged) == 1 else "groups"
        shaped.said.append(f"the {groups} {', '.join(merged)} became one layer each, as {title(name)} holds no effects of groups")


def _transparency(copy, name, shaped):
    if name not in formats.ON_OFF_ALPHA and name not in formats.NO_ALPHA:
        return
    counted = [hidden_colors.levels(layer) for layer in copy.get_layers() if not layer.is_group_layer()]
    clear, soft = sum(row[0] for row in counted), sum(row[1] for row in counted)
    if name in formats.ON_OFF_ALPHA and soft:
        shaped.alpha_lost = True
        shaped.said.append(f"soft transparency became on or off: {title(name)} has no degrees of it")
    elif name in formats.NO_ALPHA and clear + soft:
        shaped.alpha_lost = True
        shaped.said.append(f"transparent parts lie on white: {title(name)} has no transparency")


def _colors(copy, name, holds_profile, shaped):
    """Profiles that the format does not hold, or would hold wrongly, become plain sRGB; says what depth is lost."""
    base, profile = targets.base_type(copy), copy.get_color_profile()
    deep = not enums.name(Gimp.Precision, copy.get_precision()).startswith("U8_")
    if name in formats.EIGHT_BIT and deep:
        shaped.said.append(f"the colours have 8 bits a channel now: {title(name)} holds no more")
    if profile is None or name in formats.OWN_COLORS:
        return
    gray_as_rgb = base == "GRAY" and name == "webp"
    if holds_profile and base == "INDEXED" and name != "png":
        # GIMP's exporters write the palette's colours in another space than the profile says
        copy.convert_rgb()
        if name in ("tiff", "psd"):
            shaped.said.append(f"the indexed picture was saved as RGB, for {title(name)} to hold its colour profile")
    if holds_profile and not gray_as_rgb:
        return
    plain = "sRGB" in (profile.get_label() or "")
    if base == "INDEXED":
        copy.convert_rgb()  # a palette does not follow its image's profile
    to_srgb(copy)
    if gray_as_rgb:
        copy.convert_rgb()
        shaped.said.append("the grey picture and its profile became sRGB: WebP has no grey")
    elif not plain:
        shaped.said.append(f"the colours were converted to sRGB: {title(name)} holds no colour profile")


def _palette(copy, shaped):
    """As GIMP's exporter does, to see whether the colours fit."""
    if targets.base_type(copy) != "RGB":
        return
    to_palette(copy, Gimp.ConvertDitherType.FS)
    if len(copy.get_palette().get_colors()) >= MAX_COLORS - 1:
        shaped.said.append(f"the colours were reduced to {MAX_COLORS}: GIF holds no more")


def to_palette(image, dither=Gimp.ConvertDitherType.NONE, colors=MAX_COLORS):
    """Makes an image indexed, with room for the colour that a GIF takes for transparent."""
    image.convert_precision(Gimp.Precision.U8_NON_LINEAR)
    if any(layer.has_alpha() for layer in image.get_layers()):
        colors = min(colors, MAX_COLORS - 1)
    image.convert_indexed(dither, Gimp.ConvertPaletteType.GENERATE, colors, False, False, "")


def to_srgb(image):
    """Converts an image's colours to sRGB (grey: its curve) and leaves the profile out."""
    gray = targets.base_type(image) == "GRAY"
    wanted = Gimp.ColorProfile.new_d65_gray_srgb_trc() if gray else Gimp.ColorProfile.new_rgb_srgb()
    image.convert_color_profile(wanted, Gimp.ColorRenderingIntent.PERCEPTUAL, True)
    remove_profile(image)
