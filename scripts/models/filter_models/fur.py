"""Fur, hair, grass, skin, stone: texture too fine for what is left of it when a picture is made smaller.

From a sixteenth of the pixels nobody can tell where such strands ran. A network that has seen little of this draws
them all the same, as worms; what it learns here is to keep quiet."""

import math

import cv2
import numpy as np


def strands(rng, size):
    """Noise drawn out along directions that turn slowly over the picture; deviation 1, float32 [size, size]."""
    side = size * 3 // 2
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    angle, stretch = rng.uniform(0, math.pi), math.exp(rng.uniform(0, math.log(14)))
    along = (math.cos(angle) * fx + math.sin(angle) * fy) * stretch
    across = math.cos(angle) * fy - math.sin(angle) * fx
    radius = np.hypot(along, across)
    radius[0, 0] = 1
    # Between single grains and tufts; what is finer than the lens shows is gone.
    power = radius ** -rng.uniform(0.2, 1.3) * np.exp(-((radius / rng.uniform(0.2, 0.6)) ** 2))
    power *= 1 - np.exp(-((radius / rng.uniform(0.01, 0.08)) ** 2))
    spectrum = power * (rng.standard_normal(radius.shape) + 1j * rng.standard_normal(radius.shape))
    sheet = np.fft.irfft2(spectrum, s=(side, side)).astype(np.float32)
    bend = rng.uniform(0, 0.12) * size
    down, right = (wave(rng, size, 4) * bend for _ in range(2))
    y, x = np.mgrid[:size, :size].astype(np.float32) + side / 6
    sheet = cv2.remap(sheet, x + right, y + down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return sheet / (sheet.std() + 1e-9)


def wave(rng, size, knots):
    """Values about -1 to 1 that change slowly."""
    few = rng.uniform(-1, 1, (knots, knots)).astype(np.float32)
    return cv2.resize(few, (size, size), interpolation=cv2.INTER_CUBIC)


def grown(rng, piece):
    """The patch [size, size, 3], 0 to 1, softened, with fur on it in places, as deep as chance will."""
    size = piece.shape[0]
    ground = cv2.GaussianBlur(piece, (0, 0), rng.uniform(2, 12)) if rng.random() < 0.7 else piece
    depth = math.exp(rng.uniform(math.log(0.015), math.log(0.12)))
    where = np.clip(0.6 + 0.7 * wave(rng, size, 5), 0, 1)
    sheet = (strands(rng, size) * where)[..., None]
    if rng.random() < 0.3:  # sun on it: bright strands, or dark gaps
        sheet = np.sign(sheet) * np.abs(sheet) ** 1.4 + rng.choice([-0.3, 0.3]) * sheet**2
    light = ground.mean(2, keepdims=True)
    return np.clip(ground * (1 + depth * sheet / (light + 0.2)), 0, 1).astype(np.float32)
