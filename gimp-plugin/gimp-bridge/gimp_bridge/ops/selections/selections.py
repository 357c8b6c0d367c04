"""Operations that make and reshape the selection. What a selection is taken from lies in selection_sources.py."""

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import selection as selecting

# What a step of modify_selection is, for its message
STEPS = {
    "grow": "Grew the selection by {amount:g} pixels",
    "shrink": "Shrank the selection by {amount:g} pixels",
    "feather": "Feathered the selection with radius {amount:g}",
    "border": "Made the selection a border of {amount:g} pixels",
    "sharpen": "Sharpened the selection",
    "remove_holes": "Removed the holes of the selection",
}
VERBS = {"replace": "Selected", "add": "Added", "subtract": "Subtracted", "intersect": "Intersected with"}


@operation("create_rectangle_selection")
def create_rectangle_selection(
    call, x, y, width, height, operation="replace", feather=0, corner_radius=0, antialias=True
):
    places = selecting.places(call)
    box = places.pixel_box(x, y, width, height)
    _need_inside(call, box, "a rectangle")
    selecting.prepare(places.length(feather), antialias)
    how = selecting.how(operation)
    if corner_radius > 0:
        radius = min(places.length(corner_radius), box[2] / 2, box[3] / 2)
        call.image.select_round_rectangle(how, *box, radius, radius)
    else:
        call.image.select_rectangle(how, *box)
    return selecting.result(
        call, f"{VERBS[operation]} a rectangle of {box[2]}x{box[3]} at ({box[0]}, {box[1]}){_soft(feather)}"
    )


@operation("create_ellipse_selection")
def create_ellipse_selection(call, x, y, width, height, operation="replace", feather=0, antialias=True):
    places = selecting.places(call)
    box = places.box(x, y, width, height)
    _need_inside(call, box, "an ellipse")
    selecting.prepare(places.length(feather), antialias)
    call.image.select_ellipse(selecting.how(operation), *box)
    return selecting.result(
        call, f"{VERBS[operation]} an ellipse of {box[2]:g}x{box[3]:g} at ({box[0]:g}, {box[1]:g}){_soft(feather)}"
    )


@operation("create_polygon_selection")
def create_polygon_selection(call, points, operation="replace", feather=0, antialias=True):
    places = selecting.places(call)
    corners = places.points(points)
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    if not _encloses(corners):
        raise OperationError(
            "invalid_argument",
            f"the {len(points)} points lie on one line, which encloses nothing",
            "give a real polygon",
        )
    selecting.need_inside(call.image, min(xs), min(ys), max(xs), max(ys), "a polygon")
    selecting.prepare(places.length(feather), antialias)
    call.image.select_polygon(selecting.how(operation), [value for corner in corners for value in corner])
    return selecting.result(call, f"{VERBS[operation]} a polygon of {len(points)} points{_soft(feather)}")


@operation("select_none")
def select_none(call):
    Gimp.Selection.none(call.image)
    return {"message": "Cleared the selection", "selection": {"empty": True, "bounds": None}}


@operation("select_all")
def select_all(call):
    Gimp.Selection.all(call.image)
    return selecting.result(call, "Selected the whole image")


@operation("invert_selection")
def invert_selection(call):
    Gimp.Selection.invert(call.image)
    return selecting.result(call, "Inverted the selection")


@operation("modify_selection")
def modify_selection(call, action, amount=None):
    image = call.image
    selecting.need_some(image, action.replace("_", " "))
    if action in ("grow", "shrink", "feather", "border"):
        if amount is None or amount <= 0:
            raise OperationError(
                "invalid_argument",
                f"`amount` is {amount}, and `{action}` needs one",
                "give a number of pixels above 0",
            )
        amount = call.places().length(amount)
        if action != "feather":
            amount = max(round(amount), 1)
        step = {
            "grow": Gimp.Selection.grow,
            "shrink": Gimp.Selection.shrink,
            "feather": Gimp.Selection.feather,
            "border": Gimp.Selection.border,
        }[action]
        step(image, amount)
    elif amount is not None:
        raise OperationError("invalid_argument", f"`{action}` takes no `amount`, and it is {amount:g}", "leave it out")
    else:
        (Gimp.Selection.sharpen if action == "sharpen" else Gimp.Selection.flood)(image)
    return selecting.result(call, STEPS[action].format(amount=amount))


@operation("move_selection")
def move_selection(call, dx=0, dy=0):
    selecting.need_some(call.image, "move")
    places = call.places()
    right, down = round(dx * places.scale_x), round(dy * places.scale_y)
    Gimp.Selection.translate(call.image, right, down)
    return selecting.result(call, f"Moved the selection by ({right}, {down})")


@operation("get_selection")
def get_selection(call):
    image = call.image
    box = selecting.bounds(image)
    measured = selecting.measure(image, call.check)
    whole = image.get_width() * image.get_height()
    return {"empty": box is None, "bounds": box, **measured, "share_of_image": round(measured["area"] / whole, 6)}


def _encloses(corners):
    """Whether the points do not all lie on one line."""
    (x, y), far = corners[0], max(corners, key=lambda p: abs(p[0] - corners[0][0]) + abs(p[1] - corners[0][1]))
    right, down = far[0] - x, far[1] - y
    return any(abs((px - x) * down - (py - y) * right) > 1e-6 for px, py in corners)


def _need_inside(call, box, what):
    x, y, width, height = box
    selecting.need_inside(call.image, x, y, x + width, y + height, what)


def _soft(feather):
    return f", feathered by {feather:g}" if feather else ""
