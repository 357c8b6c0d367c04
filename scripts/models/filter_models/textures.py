"""Sheets of procedural texture, values -1 to 1, that the scenes cut their fills from."""

import math

import cv2
import numpy as np

SIDE = 512


def cloud(rng, slope, stretch=1.0):
    """Noise with a 1/f**slope power spectrum; `stretch` above 1 draws it out along one random direction."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    angle = rng.uniform(0, math.pi)
    along = (math.cos(angle) * fx + math.sin(angle) * fy) * stretch
    across = math.cos(angle) * fy - math.sin(angle) * fx
    radius = np.hypot(along, across)
    radius[0, 0] = 1
    spectrum = (rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)) / radius ** (slope / 2)
    spectrum[0, 0] = 0
    sheet = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return np.clip(sheet / (2.5 * sheet.std() + 1e-9), -1, 1)


def stripes(rng):
    y, x = np.mgrid[:SIDE, :SIDE]
    angle, period = rng.uniform(0, math.pi), rng.uniform(5, 42)
    phase = (x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period)
    wave = np.sin(phase + cloud(rng, 3.0) * rng.uniform(0, 3))
    return np.sign(wave) * np.abs(wave) ** rng.choice([0.25, 1.0, 1.0])


def lattice(rng):
    """Joints of bricks, tiles or cloth: two crossing waves, cut so that the joints are narrow, turned by any angle."""
    y, x = np.mgrid[:SIDE, :SIDE]
    period = rng.uniform(6, 42, 2)
    joints = np.maximum(np.sin(2 * math.pi * x / period[0]), np.sin(2 * math.pi * y / period[1]))
    joints = np.clip((joints - rng.uniform(0.6, 0.9)) * 8, -1, 1)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.uniform(0, 180), 1.5)
    return cv2.warpAffine(joints, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)


def cells(rng):
    """Pebbles, scales, foliage from afar: distance to the nearest of many scattered points."""
    points = np.ones((SIDE, SIDE), np.uint8)
    count = int(math.exp(rng.uniform(math.log(200), math.log(6000))))
    points[rng.integers(0, SIDE, count), rng.integers(0, SIDE, count)] = 0
    distance = cv2.distanceTransform(points, cv2.DIST_L2, 5)
    return 1 - 2 * np.clip(distance / (distance.mean() * 2.4), 0, 1) ** rng.uniform(0.7, 2)


def specks(rng):
    return np.clip((cloud(rng, rng.uniform(1.2, 2.4)) - rng.uniform(0.1, 0.6)) * rng.uniform(3, 9), -1, 1)


KINDS = (
    lambda rng: cloud(rng, rng.uniform(0.6, 1.8)),
    lambda rng: cloud(rng, rng.uniform(1.8, 3.2)),
    lambda rng: cloud(rng, rng.uniform(1.0, 2.5), rng.uniform(4, 16)),  # fur, wood, brushed metal
    stripes,
    lattice,
    cells,
    specks,
)


def sheets(rng, count=28):
    """`count` sheets, every kind in turn, float32 of SIDE x SIDE."""
    return [np.clip(KINDS[i % len(KINDS)](rng), -1, 1).astype(np.float32) for i in range(count)]
