"""Bends outlines along a line: where each point of a text goes when its baseline becomes a path. Never imports Gimp."""

import math
from bisect import bisect_right


class Rail:
    """A polyline that is measured by its length; beyond its ends it goes on straight, or round if `closed`."""

    def __init__(self, points, closed=False):
        kept = [points[0]] + [b for a, b in zip(points, points[1:]) if math.dist(a, b) > 1e-9]
        if closed and math.dist(kept[0], kept[-1]) > 1e-9:
            kept.append(kept[0])
        self.points, self.closed, self.starts = kept, closed, [0.0]
        for before, after in zip(kept, kept[1:]):
            self.starts.append(self.starts[-1] + math.dist(before, after))
        self.length = self.starts[-1]

    def at(self, distance):
        """((x, y), (dx, dy)): the place so far along, and the direction there."""
        if self.closed:
            distance %= self.length
        index = min(max(bisect_right(self.starts, distance) - 1, 0), len(self.points) - 2)
        (x, y), (next_x, next_y) = self.points[index], self.points[index + 1]
        step = self.starts[index + 1] - self.starts[index]
        right, down = (next_x - x) / step, (next_y - y) / step
        rest = distance - self.starts[index]
        return (x + right * rest, y + down * rest), (right, down)

    def bend(self, x, y):
        """Where (x along, y below the baseline) lies: to the right of the direction is below."""
        (at_x, at_y), (right, down) = self.at(x)
        return at_x - down * y, at_y + right * y


def bend_stroke(controls, closed, rail, start, baseline, step):
    """GIMP's flat control points of one stroke, bent: `start` along the rail is where x = 0 goes.

    Segments longer than `step` are cut, so that straight edges of letters follow the curve.
    """
    anchors = [tuple(zip(controls[i : i + 6 : 2], controls[i + 1 : i + 6 : 2])) for i in range(0, len(controls), 6)]
    pieces = []
    last = len(anchors) if closed else len(anchors) - 1
    for index in range(last):
        (_, first, out), (into, second, _) = anchors[index], anchors[(index + 1) % len(anchors)]
        pieces += _cut(first, out, into, second, step)
    if not pieces:
        return [value for point in anchors[0] for value in rail.bend(point[0] + start, point[1] - baseline)]
    bent = [[rail.bend(x + start, y - baseline) for x, y in piece] for piece in pieces]
    values = []
    for index, piece in enumerate(bent):
        before = bent[index - 1][2] if index or closed else piece[0]
        values += [*before, *piece[0], *piece[1]]
    if not closed:
        values += [*bent[-1][2], *bent[-1][3], *bent[-1][3]]
    return values


def _cut(first, out, into, second, step):
    """A Bezier segment as several, each about `step` long at most."""
    if math.dist(first, out) < 1e-9 and math.dist(into, second) < 1e-9:  # straight: handles a third of the way in
        out, into = _between(first, second, 1 / 3), _between(first, second, 2 / 3)
    length = math.dist(first, out) + math.dist(out, into) + math.dist(into, second)
    count = min(max(math.ceil(length / step), 1), 64)
    rest, pieces = (first, out, into, second), []
    for left in range(count, 1, -1):
        head, rest = _split(rest, 1 / left)
        pieces.append(head)
    return [*pieces, rest]


def _split(curve, part):
    """de Casteljau: the curve before and after `part` of it."""
    a, b, c, d = curve
    ab, bc, cd = _between(a, b, part), _between(b, c, part), _between(c, d, part)
    abc, bcd = _between(ab, bc, part), _between(bc, cd, part)
    middle = _between(abc, bcd, part)
    return (a, ab, abc, middle), (middle, bcd, cd, d)


def _between(a, b, part):
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part
