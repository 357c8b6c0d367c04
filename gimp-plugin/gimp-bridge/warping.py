"""Moves parts of a drawable by points: a field of displacements for GEGL's displacement by a buffer.

Each point pulls its neighbourhood along, with a smooth fall-off that ends at the radius; where several reach, their
pulls are weighted. The field is worked out on a coarse grid, because this is Python, and enlarged smoothly by GEGL.
"""

import array
import math

from gi.repository import Gegl

import graph

GRID = 96  # cells along the longer side
SAMPLERS = {"none": "NEAREST", "linear": "LINEAR", "cubic": "CUBIC", "nohalo": "NOHALO", "lohalo": "LOHALO"}


def warp(call, drawable, moves, radius, interpolation):
    """`moves` is [(from x, from y, to x, to y), …] in the drawable's pixels."""
    width, height = drawable.get_width(), drawable.get_height()
    cell = max(1.0, max(width, height) / GRID)
    across, down = math.ceil(width / cell) + 1, math.ceil(height / cell) + 1
    values = array.array("f")
    for row in range(down):
        call.check()
        for column in range(across):
            values.extend(_pull(moves, (column + 0.5) * cell, (row + 0.5) * cell, radius))
    field = Gegl.Buffer.new("YA float", 0, 0, across, down)
    field.set(Gegl.Rectangle.new(0, 0, across, down), "YA float", values.tobytes())
    field.flush()
    graph.displace(drawable, field, cell, getattr(Gegl.SamplerType, SAMPLERS[interpolation]))


def _pull(moves, x, y, radius):
    """Where the pixel at (x, y) comes from, relative to it."""
    total = pull_x = pull_y = 0.0
    for from_x, from_y, to_x, to_y in moves:
        # Seen from where the point ends: what is there now came from where it began
        distance = math.hypot(x - to_x, y - to_y) / radius
        if distance < 1:
            weight = (1 - distance * distance) ** 2
            total += weight
            pull_x += weight * weight * (from_x - to_x)
            pull_y += weight * weight * (from_y - to_y)
    return (pull_x / total, pull_y / total) if total else (0.0, 0.0)
