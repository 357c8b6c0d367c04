"""Training samples for cutting out a subject, and the colour evidence that the network is given beside the picture.

A sample is one subject (overlapping parts of related material, soft-edged at times, see bodies.py) before a background
with other things in it, and a selection as a person would draw it: a box, an ellipse, or a rough outline."""

import cv2
import numpy as np

from . import bodies
from .patches import cut
from .scenes import SHIFT, fixed_point, outline

BINS = 14
SMOOTH = 0.8
FLOOR = 2e-4


def blur_matrix():
    """The 7-tap Gaussian as a BINS x BINS matrix, zero beyond the ends."""
    distance = np.abs(np.subtract.outer(np.arange(BINS), np.arange(BINS)))
    taps = np.exp(-0.5 * (distance / SMOOTH) ** 2) * (distance <= 3)
    return (taps / np.exp(-0.5 * (np.arange(-3, 4) / SMOOTH) ** 2).sum()).astype(np.float32)


BLUR = blur_matrix()


def histogram(codes):
    cube = np.bincount(codes, minlength=BINS**3).astype(np.float32).reshape(BINS, BINS, BINS)
    for axis in range(3):
        cube = np.moveaxis(np.tensordot(BLUR, cube, (1, axis)), 0, axis)
    return cube.ravel()


def evidence(image, prompt):
    """How much each pixel's colour speaks for the inside of the selection: -1 (outside) to 1 (inside), float32 [h, w].

    `image` is [h, w, 3] in 0 to 1, `prompt` [h, w]. Colours are counted inside and outside in 14x14x14 bins, both
    histograms smoothed with a Gaussian of 0.8 bins (7 taps, zero beyond the cube), divided by their pixel counts; the
    evidence is tanh(0.5 * ln((inside + 2e-4) / (outside + 2e-4))). The engine computes the same in Rust."""
    bins = np.minimum((image * BINS).astype(np.int32), BINS - 1)
    codes = (bins[..., 0] * BINS + bins[..., 1]) * BINS + bins[..., 2]
    inside = prompt > 0.5
    share = [histogram(codes[where]) / max(where.sum(), 1) for where in (inside, ~inside)]
    ratio = np.log((share[0][codes] + FLOOR) / (share[1][codes] + FLOOR))
    return np.tanh(0.5 * ratio).astype(np.float32)


def texture(rng, bank, high, wide, low, most):
    """A cut of the bank between `low` and `most` pixels large brought to `high` x `wide`, float32 [high, wide, 3]."""
    side, longest = rng.uniform(low, most), max(high, wide)
    piece = cut(rng, bank, int(side))[: max(2, int(side * high / longest)), : max(2, int(side * wide / longest))]
    soft = np.exp(rng.uniform(0, 2.5)) if rng.random() < 0.5 else 1.0
    if soft > 1.5:  # out of focus, or smooth by nature
        small = max(2, int(wide / soft)), max(2, int(high / soft))
        piece = cv2.resize(piece, small, interpolation=cv2.INTER_AREA)
    shrinks = piece.shape[0] > high
    piece = cv2.resize(piece, (wide, high), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    return piece[..., rng.permutation(3)].astype(np.float32) / 255


def material(rng, bank, high, wide, low=40, most=320):
    """Texture with its own mean colour and contrast; one in six is left as it is, of many colours."""
    piece = texture(rng, bank, high, wide, low, most)
    if rng.random() < 0.17:
        return piece
    keep = rng.random()
    piece = piece * keep + piece.mean(2, keepdims=True) * (1 - keep)
    mean = piece.mean((0, 1))
    piece = (piece - mean) * rng.uniform(0.1, 1) + np.clip(mean + rng.normal(0, 0.15, 3), 0.05, 0.95)
    return np.clip(piece, 0, 1).astype(np.float32)


def covered(corners, size, blur=0.0):
    """(rows, columns, antialiased coverage [h, w, 1]) of an outline's bounds in the picture; None if it is outside."""
    margin = int(3 * blur) + 1
    low = np.clip(np.floor(corners.min(0)).astype(int) - margin, 0, size)
    end = np.clip(np.ceil(corners.max(0)).astype(int) + margin, 0, size)
    wide, high = end - low
    if wide < 2 or high < 2:
        return None
    mask = np.zeros((2 * high, 2 * wide), np.uint8)
    cv2.fillPoly(mask, [fixed_point(2 * (corners - low))], 255, shift=SHIFT)
    mask = cv2.resize(mask, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    mask = cv2.GaussianBlur(mask, (0, 0), blur) if blur else mask
    return slice(low[1], end[1]), slice(low[0], end[0]), mask[..., None]


def light(rng, high, wide):
    """Uneven light, as a factor; at times with deep shadow."""
    darkest = 0.3 if rng.random() < 0.25 else 0.6
    corners = rng.uniform(darkest, 1.3, (2, 2)).astype(np.float32)
    return cv2.resize(corners, (wide, high), interpolation=cv2.INTER_LINEAR)[..., None]


def paint(picture, spot, fill, alpha=1.0):
    rows, columns, mask = spot
    mask = mask * alpha
    picture[rows, columns] += (fill - picture[rows, columns]) * mask


def fresh(rng, bank, spot):
    """A material of its own for a spot, at times unevenly lit."""
    high, wide = spot[2].shape[:2]
    fill = material(rng, bank, high, wide)
    return fill * light(rng, high, wide) if rng.random() < 0.3 else fill


def background(rng, bank, size, skin, hard):
    """A place with other things in it; some are of the subject's own material, some run across the whole picture."""
    picture = material(rng, bank, size, size, 120, 320)
    if rng.random() < 0.35:  # sky and ground, wall and floor
        angle, middle = rng.normal(0, 0.25), rng.uniform(0.2, 0.8) * size
        across = size * np.array([np.cos(angle), np.sin(angle)])
        line = np.array([[size / 2, middle] - across, [size / 2, middle] + across])
        spot = covered(np.concatenate([line, [[2 * size, 2 * size], [-size, 2 * size]]]), size)
        if spot:
            paint(picture, spot, fresh(rng, bank, spot))
    for _ in range(rng.integers(2, 10) if hard else rng.integers(0, 6)):
        if rng.random() < 0.6:
            parts = [outline(rng, np.exp(rng.uniform(np.log(5), np.log(70))))]
        else:
            parts = [20 * rng.uniform(0.5, 3) * part for part in bodies.body(rng)]
        where, own = rng.uniform(0, size, 2), rng.random() < 0.15
        fill = None
        for part in parts:
            spot = covered(part + where, size)
            if spot:
                if fill is None or rng.random() < 0.2:
                    fill = skin if own else material(rng, bank, size, size)
                paint(picture, spot, fill[spot[0], spot[1]])
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), np.exp(rng.uniform(-0.4, 1.4)))
    return picture * light(rng, size, size) if rng.random() < 0.5 else picture


def add_subject(rng, bank, picture, skin, hard):
    """Paints the subject's parts over the picture; answers the subject's alpha."""
    size = picture.shape[0]
    behind = picture[::-1, ::-1].copy() if hard else None
    alpha = np.zeros((size, size, 1), np.float32)
    parts = bodies.place(rng, bodies.body(rng), size)
    blur = rng.uniform(0.5, 2.0) if rng.random() < 0.3 else 0.0
    own = rng.choice([0.0, 0.3, 0.8])  # how often a part has a material of its own
    spots = [spot for spot in (covered(part, size, blur) for part in parts) if spot]
    if rng.random() < 0.25:  # the shadow that it throws
        shadow = np.zeros((size, size), np.float32)
        for rows, columns, mask in spots:
            shadow[rows, columns] = np.maximum(shadow[rows, columns], mask[..., 0])
        move = np.float32([[1, 0, rng.normal(0, 0.07) * size], [0, 1, rng.uniform(0, 0.1) * size]])
        shadow = cv2.warpAffine(cv2.GaussianBlur(shadow, (0, 0), rng.uniform(1, 5)), move, (size, size))
        picture *= 1 - rng.uniform(0.2, 0.7) * shadow[..., None]
    for spot in spots:
        rows, columns, mask = spot
        fill = fresh(rng, bank, spot) if rng.random() < own else skin[rows, columns]
        paint(picture, spot, fill * light(rng, *mask.shape[:2]) if rng.random() < 0.3 else fill)
        alpha[rows, columns] = np.maximum(alpha[rows, columns], mask)
    if spots and rng.random() < 0.5:  # second colours inside it: windows, badges, what is in the cup
        for _ in range(rng.integers(1, 5)):
            rows, columns, mask = spots[rng.integers(len(spots))]
            extent = np.array(mask.shape[1::-1])
            where = np.array([columns.start, rows.start]) + rng.uniform(0.1, 0.9, 2) * extent
            spot = covered(outline(rng, rng.uniform(0.1, 0.5) * extent.mean()) + where, size)
            if not spot:
                continue
            within = alpha[spot[0], spot[1]]
            if hard and rng.random() < 0.5:  # in the background's colours, as coffee is on a table; then well inside
                within = cv2.erode(within, np.ones((7, 7)))[..., None]
                paint(picture, spot, behind[spot[0], spot[1]], within)
            else:
                paint(picture, spot, fresh(rng, bank, spot), within)
    return alpha


def selection(rng, alpha):
    """What a person might have selected around the subject, 0 or 1: 65 % box, 15 % ellipse, 20 % rough outline."""
    subject = (alpha > 0.5).astype(np.uint8)
    left, top, wide, high = cv2.boundingRect(subject)
    slack = lambda length: int(round(rng.normal(0.03, 0.05) * length))  # noqa: E731
    x0, x1, y0, y1 = left - slack(wide), left + wide + slack(wide), top - slack(high), top + high + slack(high)
    prompt, kind = np.zeros_like(subject), rng.random()
    if kind < 0.65:
        prompt[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
    elif kind < 0.8:
        axes = (max(1, int((x1 - x0) * 0.6)), max(1, int((y1 - y0) * 0.6)))
        cv2.ellipse(prompt, ((x0 + x1) // 2, (y0 + y1) // 2), axes, 0, 0, 360, 1, -1)
    else:
        side = 2 * int(rng.integers(1, 9)) + 1
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        prompt = cv2.dilate(subject, brush) if rng.random() < 0.7 else cv2.erode(subject, brush)
    return prompt.astype(np.float32)


def scene(rng, bank, size, hard):
    """(picture, alpha), float32 [size, size, channels], with enough of a subject in it."""
    while True:
        skin = material(rng, bank, size, size)
        picture = background(rng, bank, size, skin, hard)
        alpha = add_subject(rng, bank, picture, skin, hard)
        if 60 < (alpha > 0.5).sum() < 0.9 * size * size:
            return picture, alpha


def samples(rng, bank, size, count, hard=False):
    """`count` times (image, alpha, prompt, evidence), each float32 [size, size, channels]. Scenes take time: each is
    used twice, mirrored, in other colours, and with another selection. `hard`: in crowded places, and with parts
    inside the subject that have the background's colours."""
    made = []
    while len(made) < count:
        picture, alpha = scene(rng, bank, size, hard)
        for _ in range(2):
            picture, alpha = picture[:, ::-1, rng.permutation(3)], alpha[:, ::-1]
            prompt = selection(rng, alpha[..., 0])
            if not prompt.any():  # an eroded sliver may vanish
                continue
            image = picture * rng.uniform(0.7, 1.15) if rng.random() < 0.5 else picture
            if rng.random() < 0.3:
                image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
            noise = rng.standard_normal(picture.shape, np.float32) * rng.uniform(0, 0.03)
            image = np.clip(image + noise, 0, 1).astype(np.float32)
            made.append((image, alpha, prompt[..., None], evidence(image, prompt)[..., None]))
    return made[:count]
