"""The selection: shapes put into it, what it is afterwards, and keeping it while a shape is drawn by way of it.

A selection is coverage: each pixel of the image is selected by 0 to 255. None at all means that operations work on
everything, which is why an operation that leaves none says so.
"""

from gi.repository import Gegl, Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import painting, targets
from gimp_bridge.undo.snapshot import encoding

BAND = 256  # rows that are measured at once


def how(operation):
    """The Gimp.ChannelOps of "replace", "add", "subtract" or "intersect"."""
    return getattr(Gimp.ChannelOps, operation.upper())


def prepare(feather=0.0, antialias=True):
    """Sets what the context says of the selection's edges. `feather` is a radius in pixels."""
    Gimp.context_set_antialias(antialias)
    Gimp.context_set_feather(feather > 0)
    if feather > 0:
        Gimp.context_set_feather_radius(feather, feather)


def places(call):
    """The call's places; those of `units: "layer"` count from the selected layer, as no other is named."""
    plain = call.places()
    return call.places(targets.layer(call)) if plain.units == "layer" else plain


def need_inside(image, left, top, right, bottom, what):
    """Refuses a shape that lies outside the image: GIMP would select nothing, which means everything."""
    width, height = image.get_width(), image.get_height()
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise OperationError(
            "invalid_argument",
            f"{what} from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) lies outside the image of {width}x{height}",
            "give a place inside it; to have no selection, use select_none",
        )


def need_some(image, what):
    """Refuses to go on without a selection."""
    if Gimp.Selection.is_empty(image):
        raise OperationError(
            "invalid_argument",
            f"image `{image.get_id()}` has no selection to {what}",
            "make one first, with create_rectangle_selection, select_by_color or another selection operation",
        )


def bounds(image):
    """{x, y, width, height} of what is selected at all, or None."""
    _, some, left, top, right, bottom = Gimp.Selection.bounds(image)
    return {"x": left, "y": top, "width": right - left, "height": bottom - top} if some else None


def result(call, message, **more):
    """The answer of an operation that changed the selection."""
    box = bounds(call.image)
    if box is None:
        targets.add_note(call, "nothing is selected now, so operations work on the whole layer")
    return {"message": message, "selection": {"empty": box is None, "bounds": box}, **more}


def measure(image, check):
    """How much is selected: counted pixel by pixel within the bounds."""
    box = bounds(image)
    if box is None:
        return {"area": 0.0, "pixels": 0, "full_pixels": 0, "soft": False, "mean_coverage": 0.0}
    selection = image.get_selection()
    buffer = selection.get_buffer()
    # Coverage as it is stored: GIMP labels it linear or not, and a conversion would bend it
    kind = "Y' u8" if "'" in encoding(selection) else "Y u8"
    total = touched = full = 0
    for top in range(box["y"], box["y"] + box["height"], BAND):
        check()
        rows = min(BAND, box["y"] + box["height"] - top)
        data = bytes(
            buffer.get(Gegl.Rectangle.new(box["x"], top, box["width"], rows), 1.0, kind, Gegl.AbyssPolicy.NONE)
        )
        total += sum(data)
        touched += len(data) - data.count(0)
        full += data.count(255)
    count = box["width"] * box["height"]
    return {
        "area": round(total / 255, 2),
        "pixels": touched,
        "full_pixels": full,
        "soft": touched > full,
        "mean_coverage": round(total / 255 / count, 6),
    }


class Kept:
    """Keeps the user's selection while a shape of its own does the work: `with Kept(call) as kept: … kept.limit()`.

    GIMP fills only what is selected. So a drawn shape is selected, cut to the user's selection, filled, and the
    user's selection is put back, exactly (double precision apart, where GIMP rounds to float). A cancel waits
    meanwhile: it must not come between the two.
    """

    def __init__(self, call):
        self.image, self._masked = call.image, call.masked()

    def __enter__(self):
        self._masked.__enter__()
        self._layers = self.image.get_selected_layers()
        self._channels = self.image.get_selected_channels()
        self.saved = None if Gimp.Selection.is_empty(self.image) else Gimp.Selection.save(self.image)
        return self

    def limit(self):
        """Cuts the shape that is selected now to the user's selection; False if nothing is left."""
        if self.saved is not None:
            prepare()
            self.image.select_item(Gimp.ChannelOps.INTERSECT, self.saved)
        return not Gimp.Selection.is_empty(self.image)

    def __exit__(self, *error):
        try:
            self._restore()
        finally:
            self._masked.__exit__(*error)

    def _restore(self):
        prepare()
        if self.saved is None:
            Gimp.Selection.none(self.image)
        else:
            restored = self.image.select_item(Gimp.ChannelOps.REPLACE, self.saved)
            self.image.remove_channel(self.saved)
            painting.done(restored, "putting the selection back")
        choose(self.image, self._layers, self._channels)


def choose(image, layers, channels):
    """Makes these the selected layers or channels again, where something else came in between."""
    if layers and [item.get_id() for item in image.get_selected_layers()] != [item.get_id() for item in layers]:
        image.set_selected_layers(layers)
    elif channels and [item.get_id() for item in image.get_selected_channels()] != [item.get_id() for item in channels]:
        image.set_selected_channels(channels)


def fill(call, drawable, antialias, select):
    """Fills what `select()` selects, within the user's selection, with the context's colour and blend."""
    image = call.image
    with Kept(call) as kept:
        Gimp.Selection.none(image)
        prepare(0, antialias)
        select()
        if not Gimp.Selection.is_empty(image) and kept.limit():
            painting.done(drawable.edit_fill(Gimp.FillType.FOREGROUND), "filling")
