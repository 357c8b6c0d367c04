"""Moves parts of a drawable by points: a field of displacements for GEGL's displacement by a buffer.

Each point pulls its neighbourhood along, with a smooth fall-off that ends at the radius; where several reach, their
pulls are weighted. The field is worked out on a grid over what the points reach, because this is Python, and enlarged
smoothly by GEGL: each direction by itself, since GEGL would take the second number of a pair for an alpha, which it
multiplies and divides by.
"""

import array
import math

from gi.repository import Gegl

from gimp_bridge.gegl import graph

FINE = 24  # cells along a radius
CELLS = 1 << 20  # of the grid, about
SAMPLERS = {"none": "NEAREST", "linear": "LINEAR", "cubic": "CUBIC", "nohalo": "NOHALO", "lohalo": "LOHALO"}


def warp(call, drawable, moves, radius, interpolation):
    """`moves` is [(from x, from y, to x, to y), …] in the drawable's pixels. Returns whether they reach it."""
    box = _reach(moves, radius, drawable.get_width(), drawable.get_height())
    if box is None:
        return False
    field = _Field(box, radius)
    for move in moves:
        call.check()
        field.pull(*move)
    across, down = field.pulls()
    graph.displace(
        drawable, box, field.cell, (field.width, field.height), across, down,
        getattr(Gegl.SamplerType, SAMPLERS[interpolation]), call.check,
    )  # fmt: skip
    return True


def _reach(moves, radius, width, height):
    """(left, top, right, bottom) of what the points pull on, inside the drawable; None if they reach nothing."""
    left = max(math.floor(min(to_x for _, _, to_x, _ in moves) - radius), 0)
    top = max(math.floor(min(to_y for _, _, _, to_y in moves) - radius), 0)
    right = min(math.ceil(max(to_x for _, _, to_x, _ in moves) + radius), width)
    bottom = min(math.ceil(max(to_y for _, _, _, to_y in moves) + radius), height)
    return (left, top, right, bottom) if left < right and top < bottom else None


class _Field:
    """Where the pixels of `box` come from, relative to themselves, one value for `cell` pixels."""

    def __init__(self, box, radius):
        self.left, self.top, right, bottom = box
        self.radius = radius
        self.cell = max(1.0, radius / FINE, math.sqrt((right - self.left) * (bottom - self.top) / CELLS))
        self.width = math.ceil((right - self.left) / self.cell) + 1
        self.height = math.ceil((bottom - self.top) / self.cell) + 1
        self.total, self.x, self.y = (array.array("f", bytes(4 * self.width * self.height)) for _ in range(3))

    def pull(self, from_x, from_y, to_x, to_y):
        """Seen from where the point ends: what is there now came from where it began."""
        radius, cell = self.radius, self.cell
        for row in self._cells(to_y, self.top, self.height):
            down = self.top + (row + 0.5) * cell - to_y
            for column in self._cells(to_x, self.left, self.width):
                across = self.left + (column + 0.5) * cell - to_x
                distance = (across * across + down * down) / (radius * radius)
                if distance < 1:
                    weight, at = (1 - distance) ** 2, row * self.width + column
                    self.total[at] += weight
                    self.x[at] += weight * weight * (from_x - to_x)
                    self.y[at] += weight * weight * (from_y - to_y)

    def _cells(self, middle, start, count):
        """The rows or columns that a point reaches."""
        first = math.floor((middle - self.radius - start) / self.cell)
        last = math.ceil((middle + self.radius - start) / self.cell)
        return range(max(first, 0), min(last + 1, count))

    def pulls(self):
        """(across, down), weighted."""
        total = array.array("f", (value or 1.0 for value in self.total))
        return (array.array("f", (pull / whole for pull, whole in zip(pulls, total))) for pulls in (self.x, self.y))
