"""Training samples for cutting out a subject, and the colour evidence that the network is given beside the picture.

A sample is one subject (a cluster of overlapping shapes of related material, soft-edged at times) before a background
with other things in it, and a selection as a person would draw it: a box, an ellipse, or a rough outline."""

import cv2
import numpy as np

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


def material(rng, bank, size, low, high):
    """A patch of texture with its own mean colour, contrast and blur, float32 [size, size, 3]."""
    side = int(rng.uniform(low, high))
    piece = cut(rng, bank, side)
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    piece = cv2.resize(piece, (size, size), interpolation=how).astype(np.float32) / 255
    piece = np.rot90(piece, rng.integers(4))[..., rng.permutation(3)]
    keep = rng.random()
    piece = piece * keep + piece.mean(2, keepdims=True) * (1 - keep)
    mean = piece.mean((0, 1))
    piece = (piece - mean) * rng.uniform(0.15, 1) + np.clip(mean + rng.normal(0, 0.15, 3), 0.05, 0.95)
    if rng.random() < 0.5:
        piece = cv2.GaussianBlur(piece, (0, 0), rng.uniform(0.5, 8))
    return np.clip(piece, 0, 1).astype(np.float32)


def cover(corners, size, blur=0.0):
    """An outline's antialiased coverage, float32 [size, size]."""
    mask = np.zeros((2 * size, 2 * size), np.uint8)
    cv2.fillPoly(mask, [fixed_point(2 * corners)], 255, shift=SHIFT)
    mask = cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return cv2.GaussianBlur(mask, (0, 0), blur) if blur else mask


def light(rng, size):
    return cv2.resize(rng.uniform(0.6, 1.3, (2, 2)).astype(np.float32), (size, size))[..., None]


def background(rng, bank, size):
    picture = material(rng, bank, size, 120, 320)
    for _ in range(rng.integers(0, 4)):
        mask = cover(outline(rng, rng.uniform(6, 60)) + rng.uniform(0, size, 2), size)[..., None]
        picture = picture * (1 - mask) + material(rng, bank, size, 40, 300) * mask
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 6))
    return picture * light(rng, size) if rng.random() < 0.5 else picture


def limb(rng, start, reach):
    """Corners of a bent, tapering limb: legs, necks, handles, stems. Without them nothing thin is ever kept."""
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 7))
    spine = start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), 0) * (reach / 7)
    across = np.stack([-np.sin(angle), np.cos(angle)], 1)
    width = np.linspace(rng.uniform(0.06, 0.22), rng.uniform(0.02, 0.12), 7)[:, None] * reach
    return np.concatenate([spine + across * width, (spine - across * width)[::-1]])


def add_subject(rng, bank, picture):
    """Paints the subject's parts over the picture; answers the picture and the subject's alpha."""
    size = picture.shape[0]
    alpha = np.zeros((size, size), np.float32)
    centre, radius = rng.uniform(0.36 * size, 0.64 * size, 2), rng.uniform(0.11, 0.34) * size
    blur = rng.uniform(0.5, 2.5) if rng.random() < 0.35 else 0.0
    skin = material(rng, bank, size, 60, 320)
    limbs = rng.integers(1, 7) if rng.random() < 0.45 else 0
    parts = rng.integers(1, 7)
    own = rng.choice([0.1, 0.5, 0.9])  # how often a part has a material of its own
    for part in range(parts + limbs):
        if part == 0:
            corners = outline(rng, radius) + centre
        elif part < parts:
            corners = outline(rng, radius * rng.uniform(0.2, 0.8)) + centre + rng.normal(0, 0.7 * radius, 2)
        else:
            corners = limb(rng, centre + rng.normal(0, 0.35 * radius, 2), radius * rng.uniform(0.8, 2))
        mask = cover(corners, size, blur)
        fill = material(rng, bank, size, 60, 320) if rng.random() < own else skin
        if rng.random() < 0.4:
            fill = fill * light(rng, size)
        picture = picture * (1 - mask[..., None]) + fill * mask[..., None]
        alpha = np.maximum(alpha, mask)
    return picture, alpha


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


def sample(rng, bank, size):
    """(image, alpha, prompt, evidence), each float32 [size, size, channels]."""
    while True:
        picture, alpha = add_subject(rng, bank, background(rng, bank, size))
        prompt = selection(rng, alpha) if (alpha > 0.5).sum() > 60 else None
        if prompt is not None and prompt.any():  # an eroded sliver may vanish: then another sample
            break
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2))
    picture = np.clip(picture + rng.normal(0, rng.uniform(0, 0.03), picture.shape), 0, 1).astype(np.float32)
    return picture, alpha[..., None], prompt[..., None], evidence(picture, prompt)[..., None]
