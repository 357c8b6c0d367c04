"""What a transform acts on: a whole layer (or channel, mask, path), the pixels inside the selection, or its outline.

Owns the difference between the three in GIMP, which floats the selected pixels whenever there is a selection: a whole
layer is transformed with the selection set aside, selected pixels are put back on their layer. Restores the selection.
"""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.items import color_target, targets

RESIZE = {"grow": "ADJUST", "clip": "CLIP", "crop": "CROP", "crop_with_aspect": "CROP_WITH_ASPECT"}


class Target:
    """What one call transforms. `item` is what GIMP's transforms are called on; `box` its (x, y, width, height).

    With `only_place` the pixels stay as they are: locked ones do not matter.
    """

    def __init__(self, call, what, given, only_place=False):
        self.call, self.what, self.image, self.floats = call, what, call.image, what == "selected_pixels"
        if what != "layer":
            self._need_selection()
        if what == "selection":
            if given is not None:
                raise OperationError(
                    "invalid_argument", "`layer` is given, but `what` is \"selection\", which belongs to the image",
                    "leave `layer` out",
                )
            self.item = self.image.get_selection()
            self.box = selection_box(self.image)
            return
        self.item = self._floatable(given) if self.floats else self._whole(given, only_place)
        self.had_alpha = self.item.has_alpha()
        self.box = selection_box(self.image) if self.floats else item_box(self.item)
        if self.floats:
            self.box = cut(self.box, item_box(self.item))

    def _need_selection(self):
        if Gimp.Selection.is_empty(self.image):
            raise OperationError(
                "invalid_argument",
                f"`what` is \"{self.what}\", but nothing is selected",
                "make a selection first, or set `what` to \"layer\"",
            )

    def _floatable(self, given):
        found = color_target.target(self.call, given, False, ("RGB", "GRAY", "INDEXED"), "a transform")
        if not found.is_layer():
            raise OperationError("invalid_argument", f"`{found.get_id()}` is no layer", "give a layer")
        return found

    def _whole(self, given, only_place):
        found = targets.layer(self.call, given)
        if found.get_lock_position():
            raise OperationError(
                "forbidden",
                f"the position of layer `{found.get_id()}` (`{found.get_name()}`) is locked",
                "unlock it with set_layer_locks, or give another layer",
            )
        return found if only_place else targets.require(found, pixels=False)

    def run(self, transform, interpolation="cubic", resize="grow"):
        """Calls `transform(item)` with the context set. Returns the item that was made of it, at its place."""
        Gimp.context_set_interpolation(getattr(Gimp.InterpolationType, interpolation.upper()))
        Gimp.context_set_transform_resize(getattr(Gimp.TransformResize, RESIZE[resize]))
        Gimp.context_set_transform_direction(Gimp.TransformDirection.FORWARD)
        if self.what == "selection":
            return self._checked(transform(self.item))
        if self.floats:
            return self._float(transform)
        with SelectionAside(self.image):
            return self._checked(transform(self.item))

    def _float(self, transform):
        floating = self._checked(transform(self.item))
        if not floating.is_floating_sel():
            return floating
        x, y, width, height = item_box(floating)
        Gimp.floating_sel_anchor(floating)
        self.box = x, y, width, height
        return self.item

    @staticmethod
    def _checked(item):
        """libgimp hands back the item (some calls a boolean)."""
        if item is None or item is False:
            raise OperationError(
                "gimp_error", f"the transform failed: {Gimp.get_pdb().get_last_error() or 'no reason given'}"
            )
        return item

    def answer(self, message):
        """The operation's answer: where what was transformed is now."""
        if self.what == "selection":
            box = selection_box(self.image)
        elif self.floats:
            box = self.box
        else:
            box = item_box(self.item)
        result = {"message": message, "what": self.what}
        if self.what != "selection":
            result["layer"] = self.item.get_id()
            if self.item.has_alpha() and not self.had_alpha:
                targets.add_note(self.call, "an alpha channel was added, for what is empty now")
        if box is not None:
            result.update(zip(("x", "y", "width", "height"), box))
        return result


class SelectionAside:
    """Takes the selection away for a while, exactly as it is."""

    def __init__(self, image):
        self.image, self.kept = image, None

    def __enter__(self):
        if not Gimp.Selection.is_empty(self.image):
            self.kept = Gimp.Selection.save(self.image)
            Gimp.Selection.none(self.image)

    def __exit__(self, *_):
        if self.kept is not None:
            selected = self.image.get_selected_layers()
            self.image.select_item(Gimp.ChannelOps.REPLACE, self.kept)
            self.image.remove_channel(self.kept)
            if selected:
                self.image.set_selected_layers(selected)


def item_box(item):
    """(x, y, width, height) in the image."""
    if item.is_path():
        return None
    x, y = item.get_offsets()[-2:]
    return x, y, item.get_width(), item.get_height()


def selection_box(image):
    some, left, top, right, bottom = Gimp.Selection.bounds(image)[-5:]
    return (left, top, right - left, bottom - top) if some else None


def cut(box, other):
    """What two boxes share; the first if nothing."""
    left, top = max(box[0], other[0]), max(box[1], other[1])
    right, bottom = min(box[0] + box[2], other[0] + other[2]), min(box[1] + box[3], other[1] + other[3])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else box


def center(target):
    x, y, width, height = target.box
    return x + width / 2, y + height / 2


def find_center(call, target, given):
    """The point to turn or scale about: the given one in image pixels, else the middle."""
    if given is None:
        return center(target)
    layer = None if target.what == "selection" else target.item
    return call.places(layer).point(*given)


