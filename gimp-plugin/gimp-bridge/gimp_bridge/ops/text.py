"""Text layers: add, change, measure; and the fonts there are."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import glyphs, painting, resources, targets, text_style

ANCHORS = {"left": 0, "center": 0.5, "right": 1, "top": 0, "middle": 0.5, "bottom": 1}


@operation("add_text_layer")
def add_text_layer(
    call,
    text,
    font="Sans-serif",
    size=24,
    color="black",
    x=0,
    y=0,
    width=None,
    height=None,
    anchor="top_left",
    angle=0,
    markup=False,
    name=None,
    **style,
):
    image = call.image
    places = call.places()
    if places.units == "layer":
        places = call.places(targets.layer(call))
    at = places.point(x, y)
    _need_box(width, height)
    style = {"color": color, **_lengths(places, style)}
    layer = text_style.new_layer(image, text if not markup else "text", font, places.length(size))
    painting.done(image.insert_layer(layer, None, 0), "inserting the layer")
    try:
        text_style.apply(layer, style)
        _set_content(layer, text, markup)
        _set_box(layer, places, width, height, text)
    except BaseException:
        image.remove_layer(layer)
        raise
    _name(layer, name or text_style.plain(text) if markup else name or text)
    lacking = _missing(layer, text, markup)
    _place(layer, at, anchor)
    if angle:
        layer = _rotate(call, layer, angle)
    image.set_selected_layers([layer])
    message = _with_missing(f"Added text layer `{layer.get_name()}`", lacking)
    return {"message": message, "layer": layer.get_id(), **_extent(layer)}


@operation("edit_text_layer")
def edit_text_layer(
    call, layer=None, text=None, markup=False, x=None, y=None, width=None, height=None, name=None, **style
):
    found = text_layer(call, layer)
    places = call.places(found)
    if text is None and markup:
        raise OperationError("invalid_argument", "`markup` says what `text` is, and there is none", "give `text` too")
    _need_box(width, height)
    asked = {**style, "text": text, "x": x, "y": y, "width": width, "name": name}
    changes = [key for key, value in asked.items() if value is not None]
    if not changes:
        raise OperationError("invalid_argument", "nothing to change is given", "give `text`, `size`, `color`, …")
    if text is not None:
        if markup:
            text_style.check_markup(text)
        before = found.get_markup(), found.get_text()
        try:
            _set_content(found, text, markup)
        except OperationError:
            found.set_markup(before[0]) if before[0] else found.set_text(before[1])
            raise
    text_style.apply(found, _lengths(places, style))
    if width is not None:
        _set_box(found, places, width, height, text or text_style.describe(found)["text"] or "")
    if name is not None:
        found.set_name(name)
    left, top = found.get_offsets()[-2:]
    if x is not None or y is not None:
        to_x, to_y = places.point(0 if x is None else x, 0 if y is None else y)
        found.set_offsets(left if x is None else round(to_x), top if y is None else round(to_y))
    lacking = None
    if text is not None or style.get("font") is not None:
        lacking = _missing(found, found.get_text() or "" if text is None else text, markup)
    return {
        "message": _with_missing(f"Changed {', '.join(changes)} of text layer `{found.get_name()}`", lacking),
        "layer": found.get_id(),
        **_extent(found),
        "properties": text_style.describe(found),
    }


@operation("get_text_layer")
def get_text_layer(call, layer=None):
    found = text_layer(call, layer)
    return {
        "layer": found.get_id(),
        "name": found.get_name(),
        **_extent(found),
        "properties": text_style.describe(found),
    }


@operation("measure_text")
def measure_text(call, text, font="Sans-serif", size=24, width=None, markup=False, **style):
    # An image of its own, so that no layer comes and goes in the user's; a cancel must not leave it
    with call.masked():
        image = Gimp.Image.new(64, 64, Gimp.ImageBaseType.RGB)
        try:
            return _measured(image, text, font, size, width, markup, style)
        finally:
            image.delete()


def _measured(image, text, font, size, width, markup, style):
    image.undo_disable()
    layer = text_style.new_layer(image, text if not markup else "text", font, size)
    image.insert_layer(layer, None, 0)
    text_style.apply(layer, style)
    _set_content(layer, text, markup)
    if width is not None:
        text_style.fit_box(layer, width, None, text)
    words = text_style.plain(text) if markup else text
    *_, ascent, descent = Gimp.text_get_extents_font(words, size, layer.get_font())
    return {
        "width": layer.get_width(),
        "height": layer.get_height(),
        "ascent": ascent,
        "descent": abs(descent),
        "font": layer.get_font().get_name(),
    }


@operation("list_fonts")
def list_fonts(call, search="", offset=0, limit=50):
    rows, where = resources.page([font.get_name() for font in resources.listed("font", search)], offset, limit)
    return {"fonts": rows, **where}


def text_layer(call, given):
    """The text layer of that id, or the selected one."""
    found = targets.layer(call, given)
    is_text = isinstance(found, Gimp.TextLayer) and found.is_text_layer()
    # GIMP 3.2 keeps the text of a layer that was painted on or rotated, but no longer draws it
    pixels = is_text and hasattr(found, "is_rasterized") and found.is_rasterized()
    if not is_text or pixels:
        raise OperationError(
            "invalid_argument",
            f"layer `{found.get_id()}` (`{found.get_name()}`) "
            + ("was text and is pixels now" if pixels else "is no text layer"),
            'give a text layer\'s id; get_image_metadata says which are (kind "text"), add_text_layer makes one',
        )
    return targets.require(found, pixels=False)


def _need_box(width, height):
    if height is not None and width is None:
        raise OperationError(
            "invalid_argument",
            "`height` is given without `width`",
            "give `width` too, or only `width` for a box that fits",
        )


def _lengths(places, style):
    """The style with its lengths in image pixels."""
    return {
        key: places.length(value) if key in ("size", "outline_width") and value is not None else value
        for key, value in style.items()
    }


def _set_content(layer, text, markup):
    text_style.set_text(layer, text, markup)


def _set_box(layer, places, width, height, text):
    if width is not None:
        wide = width * places.scale_x
        text_style.fit_box(layer, wide, height * places.scale_y if height is not None else None, text)


def _name(layer, name):
    layer.set_name(" ".join(name.split())[:60] or "Text")


def _place(layer, at, anchor):
    across, down = 0.5, 0.5
    for word in anchor.split("_"):
        if word in ("left", "right"):
            across = ANCHORS[word]
        elif word in ("top", "bottom"):
            down = ANCHORS[word]
    layer.set_offsets(round(at[0] - layer.get_width() * across), round(at[1] - layer.get_height() * down))


def _rotate(call, layer, angle):
    """Turns it round its middle; the result is pixels, on every GIMP alike."""
    Gimp.context_set_interpolation(Gimp.InterpolationType.CUBIC)
    Gimp.context_set_transform_resize(Gimp.TransformResize.ADJUST)
    turned = layer.transform_rotate(angle * 3.141592653589793 / 180, True, 0, 0)
    painting.done(turned is not None, "rotating the text")
    targets.add_note(call, "the text is rotated and so became pixels: it can no longer be edited as text")
    return turned


def _missing(layer, text, markup):
    return glyphs.missing(text_style.plain(text) if markup else text, layer.get_font())


def _with_missing(message, lacking):
    return f"{message}; {lacking}" if lacking else message


def _extent(layer):
    x, y = layer.get_offsets()[-2:]
    return {"x": x, "y": y, "width": layer.get_width(), "height": layer.get_height()}
