"""Outlines of subjects to cut out, as lists of closed outlines whose union is the subject: heaps of shapes, things that
are the same left and right, things built storey upon storey, animals on legs. Their size is about 1 around the origin;
`place` brings them into a picture as a person would frame them, at times over its edge."""

import numpy as np

from .scenes import outline

AROUND = np.linspace(0, 2 * np.pi, 32, endpoint=False)


def limb(rng, start, reach, angle=None, wide=(0.06, 0.22), thin=(0.02, 0.12)):
    """Corners of a bent, tapering limb: legs, necks, handles, stems. Without them nothing thin is ever kept."""
    angle = rng.uniform(0, 2 * np.pi) if angle is None else angle
    angle = angle + np.cumsum(rng.normal(0, 0.35, 7)) * rng.uniform(0.3, 1)
    spine = start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), 0) * (reach / 7)
    across = np.stack([-np.sin(angle), np.cos(angle)], 1)
    width = np.linspace(rng.uniform(*wide), rng.uniform(*thin), 7)[:, None] * reach
    return np.concatenate([spine + across * width, (spine - across * width)[::-1]])


def oval(centre, wide, high, lean=0.0):
    shape = np.stack([np.cos(AROUND) * wide, np.sin(AROUND) * high], 1)
    turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
    return shape @ turn + centre


def heap(rng):
    parts = [outline(rng, 1.0)]
    for _ in range(rng.integers(0, 6)):
        parts.append(outline(rng, rng.uniform(0.2, 0.8)) + rng.normal(0, 0.7, 2))
    return parts


def mirrored(rng):
    """The same left and right: figures seen from the front, vehicles, insects, vessels with handles."""
    parts = [oval((0, 0), rng.uniform(0.3, 1), rng.uniform(0.5, 1)) if rng.random() < 0.6 else outline(rng, 1.0)]
    parts.append(oval((0, -rng.uniform(0.6, 1.5)), *rng.uniform(0.2, 0.6, 2)))
    for _ in range(rng.integers(0, 4)):
        place = np.array([rng.uniform(0, 0.9), rng.uniform(-0.8, 1.2)])
        if rng.random() < 0.5:
            parts.append(limb(rng, place, rng.uniform(0.5, 1.5), rng.uniform(-1.2, 1.8)))
        else:
            parts.append(outline(rng, rng.uniform(0.2, 0.7)) + place)
    return [part for half in parts for part in (half, half * (-1, 1))]


def tower(rng):
    """Storeys of one axis, boxes, trapezoids and ovals: buildings, bottles, lamps, rockets, cups on saucers."""
    parts, y, wide = [], 0.0, rng.uniform(0.1, 1.0)
    for _ in range(rng.integers(1, 6)):
        high = rng.uniform(0.1, 1.0) * rng.choice([0.3, 1, 2])
        wide = float(np.clip(wide * np.exp(rng.normal(0, 0.5)), 0.06, 1.5))
        top = wide * rng.choice([1, 1, 1, rng.uniform(0, 1), rng.uniform(1, 1.4)])
        if rng.random() < 0.25:
            parts.append(oval((0, y - high / 2), wide, high / 2 + 0.05))
        else:
            parts.append(np.array([[-wide, y], [wide, y], [top, y - high], [-top, y - high]]))
        y -= high * rng.uniform(0.85, 1)
    return parts


def animal(rng):
    """A body with a neck and a head, two to four legs that go down, and at times a tail."""
    long, high = rng.uniform(0.7, 1.2), rng.uniform(0.25, 0.6)
    parts = [oval((0, 0), long, high, rng.normal(0, 0.15))]
    neck, reach = rng.uniform(-1.4, 0.2), rng.uniform(0.3, 1.0)
    start = np.array([0.8 * long, -0.3 * high])
    parts.append(limb(rng, start - 0.1, reach, neck, (0.2, 0.4), (0.1, 0.25)))
    head = start + reach * np.array([np.cos(neck), np.sin(neck)])
    parts.append(oval(head, rng.uniform(0.2, 0.45), rng.uniform(0.12, 0.3), rng.uniform(-0.3, 1.0)))
    for _ in range(rng.integers(2, 5)):
        hip = np.array([rng.choice([-1, 1]) * rng.uniform(0.3, 0.9) * long, 0.4 * high])
        parts.append(limb(rng, hip, rng.uniform(0.6, 1.5), np.pi / 2 + rng.normal(0, 0.2), (0.06, 0.2), (0.03, 0.1)))
    if rng.random() < 0.5:
        parts.append(limb(rng, np.array([-0.9 * long, -0.2 * high]), rng.uniform(0.4, 1), np.pi + rng.normal(0, 0.8)))
    return parts


def heap_with_limbs(rng):
    parts = heap(rng)
    for _ in range(rng.integers(1, 7)):
        parts.append(limb(rng, rng.normal(0, 0.35, 2), rng.uniform(0.8, 2)))
    return parts


KINDS, CHANCES = (heap, heap_with_limbs, mirrored, tower, animal), (0.25, 0.2, 0.2, 0.17, 0.18)


def body(rng):
    """One subject's outlines, at times stretched, always either way round."""
    parts = rng.choice(KINDS, p=CHANCES)(rng)
    stretch = np.exp(rng.normal(0, 0.2, 2)) * (rng.choice([-1, 1]), 1)
    return [part * stretch for part in parts]


def place(rng, parts, size):
    """The outlines in a picture of `size` pixels: as the crop around a selection shows a subject, or larger, or
    smaller; a fifth, and more of the large ones, reach over the picture's edge."""
    corners = np.concatenate(parts)
    low, high = corners.min(0), corners.max(0)
    share = rng.normal(0.57, 0.05) if rng.random() < 0.6 else rng.uniform(0.25, 1.0)
    scale = share * size / (high - low).max()
    extent = (high - low) * scale
    middle = size / 2 + rng.normal(0, 0.04, 2) * size
    for axis in range(2):
        if rng.random() < (0.5 if extent[axis] > 0.8 * size else 0.1):
            over = rng.uniform(-0.05, 0.3) * extent[axis]  # how much of it lies outside
            middle[axis] = size + over - extent[axis] / 2
            if axis == 0 and rng.random() < 0.5:  # a subject is seldom cut off at its top
                middle[axis] = size - middle[axis]
    return [(part - (low + high) / 2) * scale + middle for part in parts]
