"""Operations that change an image's size or canvas: scale, crop, canvas; and a duplicate of the whole image."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.images import display
from gimp_bridge.items import colors, lookup, targets
from gimp_bridge.items.image_edits import ANCHORS, Contents, check_size, enlarge, fill_behind, refused, set_interpolation
from gimp_bridge.ops.image.image import brief

TRANSPARENT = (0.0, 0.0, 0.0, 0.0)


@operation("resize_image")
def resize_image(call, width=None, height=None, percent=None, fit="stretch", only_shrink=False, interpolation="cubic"):
    image = call.image
    old = image.get_width(), image.get_height()
    new, crop = scaled_size(old, width, height, percent, fit, only_shrink)
    check_size(*new)
    with Contents(call) as contents:
        if new != old:
            set_interpolation(interpolation)
            if not image.scale(*new):
                raise refused("scale the image")
        if crop is not None and crop != new and not image.crop(*crop, *((a - b) // 2 for a, b in zip(new, crop))):
            raise refused("crop the image")
    contents.say()
    size = image.get_width(), image.get_height()
    return {
        "message": f"Resized image from {old[0]}x{old[1]} to {size[0]}x{size[1]}",
        "width": size[0],
        "height": size[1],
        "scale_x": round(new[0] / old[0], 6),
        "scale_y": round(new[1] / old[1], 6),
    }


def scaled_size(old, width=None, height=None, percent=None, fit="stretch", only_shrink=False):
    """((width, height) to scale to, (width, height) to crop that to or None)."""
    if percent is not None:
        if width is not None or height is not None:
            raise OperationError(
                "invalid_argument", f"`percent` is {percent:g} and a size is given too", "give one of them"
            )
        scales = (percent / 100,) * 2
    elif width is None and height is None:
        raise OperationError("invalid_argument", "neither `width`, `height` nor `percent` is given", "give one of them")
    elif width is None or height is None:
        scales = (width / old[0] if height is None else height / old[1],) * 2
    else:
        scales = width / old[0], height / old[1]
        if fit != "stretch":
            scales = ((min if fit == "contain" else max)(scales),) * 2
    if only_shrink:
        scales = tuple(scale / max(*scales, 1) for scale in scales)
    new = tuple(max(round(side * scale), 1) for side, scale in zip(old, scales))
    if fit != "cover" or width is None or height is None:
        return new, None
    return new, (min(width, new[0]), min(height, new[1]))


@operation("crop_image")
def crop_image(call, x=None, y=None, width=None, height=None, to="box", aspect=None):
    image = call.image
    size = image.get_width(), image.get_height()
    given = {"x": x, "y": y, "width": width, "height": height}
    if to != "box" and any(value is not None for value in given.values()):
        raise OperationError("invalid_argument", f'`to` is "{to}" and a box is given too', "give one of them")
    if (aspect is not None) != (to == "aspect"):
        raise OperationError(
            "invalid_argument",
            f'`to` is "{to}" {"with" if aspect else "without"} `aspect`',
            '`aspect`, such as "16:9", goes with `to`: "aspect"',
        )
    with Contents(call) as contents:
        if to == "content":
            left, top = _autocrop(image)
        else:
            left, top = _crop(call, _box(call, to, given, aspect, size))
    contents.say()
    new = image.get_width(), image.get_height()
    message = f"Cropped image from {size[0]}x{size[1]} to {new[0]}x{new[1]}"
    return {"message": message, "x": left, "y": top, "width": new[0], "height": new[1]}


def _box(call, to, given, aspect, size):
    """(x, y, width, height) in pixels of the image; it may reach beyond."""
    if to == "aspect":
        wide, high = (float(part) for part in aspect.split(":"))
        if not wide or not high:
            raise OperationError("invalid_argument", f'`aspect` "{aspect}" has a side of 0', 'give it as "16:9"')
        scale = min(size[0] / wide, size[1] / high)
        width, height = max(round(wide * scale), 1), max(round(high * scale), 1)
        return (size[0] - width) // 2, (size[1] - height) // 2, width, height
    if to == "selection":
        _, some, left, top, right, bottom = Gimp.Selection.bounds(call.image)
        if not some:
            raise OperationError(
                "invalid_argument", "nothing is selected", "select an area first, or give x, y, width and height"
            )
        return left, top, right - left, bottom - top
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise OperationError(
            "invalid_argument",
            f"to crop to a box `{'`, `'.join(missing)}` is missing",
            'give x, y, width and height, or `to`: "selection", "content" or "aspect"',
        )
    return call.places().pixel_box(**given)


def _crop(call, box):
    image = call.image
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, image.get_width()), min(y + height, image.get_height())
    if right <= left or bottom <= top:
        raise OperationError(
            "invalid_argument",
            f"the box {width}x{height} at {x}, {y} lies outside the image of {image.get_width()}x{image.get_height()}",
            "give a box inside it; resize_canvas makes an image larger",
        )
    if (right - left, bottom - top) != (width, height):
        targets.add_note(call, f"the box reached beyond the image: {right - left}x{bottom - top} of it were inside")
    if not image.crop(right - left, bottom - top, left, top):
        raise refused("crop the image")
    return left, top


def _autocrop(image):
    """Cuts the even border away, and tells where the rest was: GIMP moves a path along with the picture."""
    marker = Gimp.Path.new(image, "gimp-bridge crop")
    image.insert_path(marker, None, 0)
    try:
        stroke = marker.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, [0.0] * 6, False)
        image.autocrop(None)
        points = list(marker.stroke_get_points(stroke))[-2]
        return round(-points[0]), round(-points[1])
    finally:
        image.remove_path(marker)


@operation("resize_canvas")
def resize_canvas(
    call, width=None, height=None, to="size", anchor="center", offset_x=None, offset_y=None, fill="transparent",
    layers="background",
):  # fmt: skip
    image = call.image
    old = image.get_width(), image.get_height()
    rgba = colors.parse(fill)
    if to == "layers":
        x, y, width, height = _layers_box(image, width, height)
    else:
        width, height = width or old[0], height or old[1]
        x, y = (round((new - was) * part) for new, was, part in zip((width, height), old, ANCHORS[anchor]))
        x, y = x if offset_x is None else offset_x, y if offset_y is None else offset_y
    check_size(width, height)
    # Those that cover the old canvas: a small one that lies on it stays small
    covering = [layer for layer in image.get_layers() if _covers(layer, old)]
    bottom = covering[-1] if covering and layers != "none" else None
    with Contents(call) as contents:
        if not image.resize(width, height, x, y):
            raise refused("resize the canvas")
        for layer in covering if layers == "all" else covering[-1:] if layers == "background" else []:
            own = layer.get_offsets()[-2:]
            enlarge(layer, width, height, *own, rgba if layer.get_id() == bottom.get_id() else TRANSPARENT)
        if bottom is None and rgba[3] > 0:
            fill_behind(image, rgba, None)
    contents.say()
    return {
        "message": f"Resized canvas from {old[0]}x{old[1]} to {width}x{height}",
        "width": width, "height": height, "offset_x": x, "offset_y": y,
    }  # fmt: skip


def _covers(layer, size):
    x, y = layer.get_offsets()[-2:]
    return (
        not layer.is_group_layer()
        and x <= 0
        and y <= 0
        and x + layer.get_width() >= size[0]
        and y + layer.get_height() >= size[1]
    )


def _layers_box(image, width, height):
    if width is not None or height is not None:
        raise OperationError("invalid_argument", '`to` is "layers" and a size is given too', "give one of them")
    layers = image.get_layers()
    if not layers:
        raise OperationError("no_image", f"image `{image.get_id()}` has no layer", "make one with create_layer")
    places = [(*layer.get_offsets()[-2:], layer.get_width(), layer.get_height()) for layer in layers]
    left, top = min(x for x, _, _, _ in places), min(y for _, y, _, _ in places)
    right, bottom = max(x + width for x, _, width, _ in places), max(y + height for _, y, _, height in places)
    return -left, -top, right - left, bottom - top


@operation("duplicate_image")
def duplicate_image(call, name=None):
    original = call.image
    image = original.duplicate()
    name = name or f"{lookup.image_name(original)} copy"
    lookup.remember(image, name=name)
    display.show(image)
    call.image = image
    call.client.image_id = image.get_id()
    layers = [layer.get_id() for layer in image.get_layers()]
    return {
        "message": f"Duplicated image {original.get_id()} as image {image.get_id()}",
        **brief(image),
        "layers": layers,
    }
