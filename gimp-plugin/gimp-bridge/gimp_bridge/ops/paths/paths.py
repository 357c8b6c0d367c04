"""Operations on paths: make them of points, SVG or the selection, look at them, change them."""

import math
import re

from gi.repository import Gimp, Gio

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.items import lookup, painting, selection as selecting, strokes, targets
from gimp_bridge.policy import file_paths, rules

MAX_SVG = 1_000_000  # characters that path_to_svg answers with
MAX_POINTS = 4000  # anchors that get_path answers with
PRECISION = 0.5  # pixels that lengths are measured with
_PATH_DATA = re.compile(r"[Mm][\s\d.,+\-eEMmZzLlHhVvCcSsQqTtAa]*")


@operation("create_path")
def create_path(call, strokes, name="Path"):
    places = selecting.places(call)
    lines = [_controls(places, stroke) for stroke in strokes]
    path = _insert(call.image, name)
    for controls, closed in lines:
        _add(path, controls, closed)
    return {
        "message": f"Created path `{path.get_name()}` with {_count(len(lines), 'stroke')}",
        "path": path.get_id(),
        "name": path.get_name(),
        "length": round(sum(_lengths(path)), 2),
    }


def _add(path, controls, closed):
    strokes.add_stroke(path, controls, closed)


def _insert(image, name):
    path = Gimp.Path.new(image, name)
    painting.done(image.insert_path(path, None, 0), "inserting the path")
    return path


def _controls(places, stroke):
    """(GIMP's control points, closed) of one stroke as clients write it."""
    points, closed, smooth = stroke["points"], stroke.get("closed", False), stroke.get("smooth", False)
    sizes = {len(point) for point in points}
    if not sizes <= {2, 6}:
        raise OperationError(
            "invalid_argument",
            f"a point has {max(sizes - {2, 6})} numbers",
            "give [x, y], or [in_x, in_y, x, y, out_x, out_y] for a curve",
        )
    if smooth and 6 in sizes:
        raise OperationError(
            "invalid_argument", "`smooth` works out the handles, and some points have their own", "leave one out"
        )
    if smooth:
        return strokes.smooth(places.points(points), closed), closed
    controls = []
    for point in points:
        pairs = [point] * 3 if len(point) == 2 else [point[0:2], point[2:4], point[4:6]]
        controls += [value for pair in pairs for value in places.point(*pair)]
    return controls, closed


@operation("path_from_svg")
def path_from_svg(call, svg=None, file=None, name=None, merge=False, scale=False):
    image = call.image
    if (svg is None) == (file is None):
        raise OperationError(
            "invalid_argument",
            f"give either `svg` or `file`{', not both' if svg is not None else ''}",
            "`svg` is the text",
        )
    if file is not None:
        source = Gio.File.new_for_path(file_paths.check_path(file, False, call.settings))
        worked, made = image.import_paths_from_file(source, merge, scale)
    else:
        text = svg.strip()
        if _PATH_DATA.fullmatch(text):
            width, height = image.get_width(), image.get_height()
            text = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><path d="{text}"/></svg>'
        worked, made = image.import_paths_from_string(text, -1, merge, scale)
    if not worked or not made:
        raise OperationError(
            "invalid_argument",
            f"no path could be read: {Gimp.get_pdb().get_last_error() or 'no reason given'}",
            "give an SVG document with path, rect, circle, ellipse, line, polyline or polygon, or path data (M …)",
        )
    if name is not None:
        made[0].set_name(name)
    return {
        "message": f"Read {_count(len(made), 'path')} from SVG",
        "path": made[0].get_id(),
        "paths": [
            {"path": path.get_id(), "name": path.get_name(), "strokes": len(path.get_strokes())} for path in made
        ],
    }


def _plan_svg(call, file=None, **arguments):
    """A change only where a file is written; the image stays as it is."""
    call.image = call.image or lookup.resolve_image(call, None, lookup.Need("read"))
    return Plan(changes=file is not None, images=[])


@operation("path_to_svg", plan=_plan_svg)
def path_to_svg(call, path=None, all_paths=False, file=None):
    image = call.image
    if all_paths and not image.get_paths():
        raise OperationError("not_found", f"image `{image.get_id()}` has no path", "make one with create_path")
    found = None if all_paths else targets.path(call, path)
    what = "all paths" if found is None else f"path `{found.get_name()}`"
    if file is not None:
        target = file_paths.check_path(file, True, call.settings, rules.endings("svg"))
        call.commit()
        painting.done(image.export_path_to_file(Gio.File.new_for_path(target), found), "writing the SVG")
        with open(target, encoding="utf-8") as written:
            return {"message": f"Wrote {what} to `{target}`", "file": target, "bytes": len(written.read().encode())}
    svg = image.export_path_to_string(found)
    painting.done(svg, "making the SVG")
    if len(svg) > MAX_SVG:
        raise OperationError(
            "too_large",
            f"the SVG has {len(svg):,} characters, more than {MAX_SVG:,}",
            "write it to a `file`",
            limit=MAX_SVG,
        )
    return {"message": f"Wrote {what} as SVG", "svg": svg, "bytes": len(svg.encode())}


@operation("path_from_selection")
def path_from_selection(call, name="Selection"):
    image = call.image
    selecting.need_some(image, "make a path of")
    there = {path.get_id() for path in image.get_paths()}
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-sel2path")
    if procedure is None:
        raise OperationError(
            "unsupported", "this GIMP lacks the plug-in `sel2path`", "install GIMP's standard plug-ins"
        )
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    answer = procedure.run(config)
    made = [path for path in image.get_paths() if path.get_id() not in there]
    painting.done(int(answer.index(0)) == int(Gimp.PDBStatusType.SUCCESS) and made, "making the path")
    made[0].set_name(name)
    count = _count(len(made[0].get_strokes()), "stroke")
    return {
        "message": f"Made path `{made[0].get_name()}` with {count} from the selection",
        "path": made[0].get_id(),
        "name": made[0].get_name(),
    }


@operation("get_path")
def get_path(call, path=None):
    found = targets.path(call, path)
    rows, anchors, left = [], 0, MAX_POINTS
    for stroke, length in zip(found.get_strokes(), _lengths(found)):
        _, points, closed = list(found.stroke_get_points(stroke))[-3:]
        anchors += len(points) // 6
        shown = [[round(value, 3) for value in points[i : i + 6]] for i in range(0, len(points), 6)][:left]
        left -= len(shown)
        rows.append({"points": shown, "closed": bool(closed), "length": round(length, 2)})
    if anchors > MAX_POINTS:
        targets.add_note(call, f"only the first {MAX_POINTS} of {anchors} points are given; path_to_svg has all")
    return {
        "path": found.get_id(),
        "name": found.get_name(),
        "visible": found.get_visible(),
        "strokes": rows,
        "length": round(sum(row["length"] for row in rows), 2),
        "bounds": _bounds(found),
    }


def _bounds(path):
    """Of the curves themselves, which need not reach their handles nor stay between their anchors."""
    xs, ys = [], []
    for stroke in path.get_strokes():
        points = list(path.stroke_interpolate(stroke, PRECISION))[-2]
        xs += points[::2]
        ys += points[1::2]
    if not xs:
        return None
    box = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return dict(zip(("x", "y", "width", "height"), (round(value, 2) for value in box)))


def _lengths(path):
    return [path.stroke_get_length(stroke, PRECISION) for stroke in path.get_strokes()]


@operation("set_path_properties")
def set_path_properties(call, path=None, name=None, visible=None, position=None, select=None):
    image, found = call.image, targets.path(call, path)
    given = {"name": name, "visible": visible, "position": position, "select": select}
    changes = [key for key, value in given.items() if value is not None]
    if not changes:
        raise OperationError("invalid_argument", "nothing to set is given", f"give one of {', '.join(given)}")
    if position is not None and position >= len(image.get_paths()):
        raise OperationError(
            "invalid_argument",
            f"`position` {position} is beyond the {len(image.get_paths())} paths",
            f"give 0 (topmost) to {len(image.get_paths()) - 1}",
        )
    if name is not None:
        found.set_name(name)
    if visible is not None:
        found.set_visible(visible)
    if position is not None:
        painting.done(image.reorder_item(found, None, position), "moving the path")
    if select is not None:
        image.set_selected_paths([found] if select else [])
    return {
        "message": f"Set {', '.join(changes)} of path `{found.get_name()}`",
        "path": found.get_id(),
        "name": found.get_name(),
        "visible": found.get_visible(),
        "position": image.get_item_position(found),
    }


@operation("transform_path")
def transform_path(call, path=None, dx=0, dy=0, scale_x=1, scale_y=1, angle=0):
    found = targets.path(call, path)
    places = call.places()
    right, down = dx * places.scale_x, dy * places.scale_y
    before = _bounds(found)
    if before is None:
        raise OperationError("invalid_argument", f"path `{found.get_name()}` is empty", "give a path that has points")
    middle_x, middle_y = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)

    def move(x, y):
        x, y = (x - middle_x) * scale_x, (y - middle_y) * scale_y
        return middle_x + x * cos - y * sin + right, middle_y + x * sin + y * cos + down

    lines = [list(found.stroke_get_points(stroke))[-2:] for stroke in found.get_strokes()]
    for stroke in found.get_strokes():
        found.remove_stroke(stroke)
    for points, closed in lines:
        moved = [value for x, y in zip(points[::2], points[1::2]) for value in move(x, y)]
        _add(found, moved, closed)
    return {
        "message": f"Transformed path `{found.get_name()}`",
        "path": found.get_id(),
        "bounds": _bounds(found),
    }


@operation("delete_path")
def delete_path(call, path=None):
    found = targets.path(call, path)
    name, deleted = found.get_name(), found.get_id()
    painting.done(call.image.remove_path(found), "deleting the path")
    return {"message": f"Deleted path `{name}`", "deleted": deleted}


def _count(number, word):
    return f"{number} {word}{'' if number == 1 else 's'}"
