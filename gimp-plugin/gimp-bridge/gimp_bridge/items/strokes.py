"""Lines drawn along paths: GIMP strokes an item of the image, so a path is put in for the time of the stroke."""

from contextlib import contextmanager

from gi.repository import Gimp

from gimp_bridge.items import painting


def use_line(width, cap="butt", join="miter", miter_limit=10, dashes=None, antialias=True):
    """A line of `width` pixels. `dashes`: lengths in pixels, dash and gap in turn; None: solid."""
    Gimp.context_set_stroke_method(Gimp.StrokeMethod.LINE)
    Gimp.context_set_line_width_unit(Gimp.Unit.pixel())
    painting.done(Gimp.context_set_line_width(width), "setting the line width")
    Gimp.context_set_line_cap_style(getattr(Gimp.CapStyle, cap.upper()))
    Gimp.context_set_line_join_style(getattr(Gimp.JoinStyle, join.upper()))
    Gimp.context_set_line_miter_limit(miter_limit)
    Gimp.context_set_line_dash_offset(0)
    # GIMP counts dashes in widths of the line
    Gimp.context_set_line_dash_pattern([length / width for length in dashes or ()])
    Gimp.context_set_antialias(antialias)


def use_tool(tool):
    """Strokes with a paint tool, such as `paintbrush`, and what painting.use_brush chose."""
    Gimp.context_set_stroke_method(Gimp.StrokeMethod.PAINT_METHOD)
    painting.done(Gimp.context_set_paint_method(f"gimp-{tool}"), "choosing the paint tool")


def corners(points):
    """Control points of straight lines through `points`: a handle on each side of an anchor, all on it."""
    return [value for x, y in points for value in (x, y) * 3]


def smooth(points, closed):
    """Control points of a smooth curve through `points` (Catmull-Rom)."""
    values, count = [], len(points)
    for index, (x, y) in enumerate(points):
        before = points[index - 1] if index or closed else points[0]
        after = points[(index + 1) % count] if index + 1 < count or closed else points[-1]
        right, down = (after[0] - before[0]) / 6, (after[1] - before[1]) / 6
        values += [x - right, y - down, x, y, x + right, y + down]
    return values


def add_stroke(path, control_points, closed):
    stroke = path.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, control_points, closed)
    painting.done(stroke >= 0, "adding a stroke to the path")
    return stroke


@contextmanager
def passing_path(call, strokes):
    """A path of `strokes` [(control points, closed)] that is in the image within the block only."""
    image = call.image
    with call.masked():  # a cancel must not come before the path is out again
        chosen = image.get_selected_paths()
        path = Gimp.Path.new(image, "gimp-bridge line")
        painting.done(image.insert_path(path, None, 0), "inserting a path")
        try:
            for control_points, closed in strokes:
                add_stroke(path, control_points, closed)
            yield path
        finally:
            image.remove_path(path)
            if chosen:
                image.set_selected_paths(chosen)


def draw(call, drawable, strokes):
    """Strokes lines with what the context says."""
    with passing_path(call, strokes) as path:
        painting.done(drawable.edit_stroke_item(path), "drawing the line")
