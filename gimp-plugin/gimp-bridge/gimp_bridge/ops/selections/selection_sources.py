"""Selections taken from what is there: colours, a layer's alpha or mask, a channel, a path."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import colors, lookup, painting, selection as selecting, targets
from gimp_bridge.ops.selections.selections import VERBS

CRITERIA = {
    "composite": "COMPOSITE",
    "red": "RGB_RED",
    "green": "RGB_GREEN",
    "blue": "RGB_BLUE",
    "hue": "HSV_HUE",
    "saturation": "HSV_SATURATION",
    "value": "HSV_VALUE",
    "lightness": "LCH_LIGHTNESS",
    "chroma": "LCH_CHROMA",
    "lch_hue": "LCH_HUE",
    "alpha": "ALPHA",
}


def use_sampling(threshold, criterion, sample_merged, diagonal=False):
    """What counts as the same colour, for select_by_color, select_contiguous and bucket_fill."""
    Gimp.context_set_sample_threshold_int(threshold)
    Gimp.context_set_sample_criterion(getattr(Gimp.SelectCriterion, CRITERIA[criterion]))
    Gimp.context_set_sample_merged(sample_merged)
    Gimp.context_set_sample_transparent(True)
    Gimp.context_set_diagonal_neighbors(diagonal)


@operation("select_by_color")
def select_by_color(
    call,
    color=None,
    point=None,
    threshold=15,
    criterion="composite",
    operation="replace",
    feather=0,
    antialias=False,
    sample_merged=False,
    layer=None,
):
    if (color is None) == (point is None):
        raise OperationError(
            "invalid_argument",
            "give either `color` or `point`" + (", not both" if color is not None else ""),
            "`point` takes the colour of the picture there",
        )
    found = targets.drawable(call, layer)
    places = call.places(found)
    if color is not None:
        wanted = colors.to_gegl(color)
    else:
        x, y = places.point(*point)
        need_on(call.image, found, x, y, sample_merged)
        worked, wanted = call.image.pick_color([found], x, y, sample_merged, False, 1)
        painting.done(worked, "reading the colour")
    use_sampling(threshold, criterion, sample_merged)
    selecting.prepare(places.length(feather), antialias)
    painting.done(call.image.select_color(selecting.how(operation), found, wanted), "select_by_color")
    return selecting.result(
        call,
        f"{VERBS[operation]} the pixels within {threshold} of {colors.describe(wanted)}",
        color=colors.describe(wanted),
    )


@operation("select_contiguous")
def select_contiguous(
    call,
    point,
    threshold=15,
    criterion="composite",
    operation="replace",
    feather=0,
    antialias=False,
    sample_merged=False,
    diagonal=False,
    layer=None,
):
    found = targets.drawable(call, layer)
    places = call.places(found)
    x, y = places.point(*point)
    need_on(call.image, found, x, y, sample_merged)
    use_sampling(threshold, criterion, sample_merged, diagonal)
    selecting.prepare(places.length(feather), antialias)
    # GIMP counts from the image's corner only where it samples the merged image
    at = (x, y) if sample_merged else painting.local(found, x, y)
    worked = call.image.select_contiguous_color(selecting.how(operation), found, *at)
    painting.done(worked, "select_contiguous")
    return selecting.result(call, f"{VERBS[operation]} the connected area of similar colour at ({x:g}, {y:g})")


@operation("select_from")
def select_from(call, source, item=None, operation="replace", feather=0):
    found, words = _source(call, source, item)
    selecting.prepare(selecting.places(call).length(feather))
    how = selecting.how(operation)
    if source == "bounds":
        x, y = found.get_offsets()[-2:]
        box = x, y, found.get_width(), found.get_height()
        selecting.need_inside(call.image, x, y, x + box[2], y + box[3], words)
        call.image.select_rectangle(how, *box)
    else:
        painting.done(call.image.select_item(how, found), "select_from")
    return selecting.result(call, f"{VERBS[operation]} {words}", item=found.get_id())


def _source(call, source, item):
    """The item to select and words for it."""
    if source == "channel":
        found = targets.channel(call, item)
        return found, f"the channel `{found.get_name()}`"
    if source == "path":
        found = targets.path(call, item)
        return found, f"the inside of the path `{found.get_name()}`"
    if source == "mask":
        found = targets.drawable(call, item)
        mask = found if found.is_layer_mask() else found.get_mask() if found.is_layer() else None
        if mask is None:
            raise OperationError(
                "invalid_argument",
                f"layer `{found.get_id()}` (`{found.get_name()}`) has no mask",
                "add one with add_layer_mask, or select from its alpha",
            )
        return mask, f"the mask of `{found.get_name()}`"
    found = targets.layer(call, item) if item is None else lookup.resolve_layer(call, item)
    words = "the opaque part of" if source == "alpha" else "the extent of"
    return found, f"{words} layer `{found.get_name()}`"


def need_on(image, drawable, x, y, sample_merged):
    """Refuses a place that is not on what is sampled."""
    if sample_merged:
        left, top, width, height, what = 0, 0, image.get_width(), image.get_height(), "the image"
    else:
        left, top = drawable.get_offsets()[-2:] if drawable.is_layer() or drawable.is_layer_mask() else (0, 0)
        width, height, what = drawable.get_width(), drawable.get_height(), f"`{drawable.get_name()}`"
    if not (left <= x < left + width and top <= y < top + height):
        raise OperationError(
            "invalid_argument",
            f"the point ({x:g}, {y:g}) is not on {what}: ({left}, {top}) to ({left + width}, {top + height})",
            "give a point on it, or set `sample_merged` to look at the whole picture",
        )
