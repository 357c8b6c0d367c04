"""Cuts training patches from the bank and moves their statistics towards photographs.

The lesson behind the numbers: patches at the bank's own scale hold too little fine detail, so many are shrunk; and
too much contrast and chroma, so most are toned down. `Mix` says how much of each a task wants."""

import dataclasses

import cv2
import numpy as np


@dataclasses.dataclass(frozen=True)
class Mix:
    zooms: tuple = (0.5, 1, 1, 1.5, 2, 2.6)  # side of the cut over side of the patch: above 1 shrinks, so finer detail
    busy: float = 0.5  # chance that the busier of two cuts is taken
    soft: float = 0.08  # chance of blur
    flat: float = 0.5  # chance of lowered contrast
    sharp: float = 0.25  # chance of a camera's sharpening


def activity(cut):
    return np.abs(np.diff(cut[::2, ::2, 1].astype(np.int16), axis=0)).mean()


def cut(rng, bank, side):
    picture = bank[rng.integers(len(bank))]
    top, left = rng.integers(0, picture.shape[0] - side + 1, 2)
    return picture[top : top + side, left : left + side]


def patch(rng, bank, size, mix):
    """One patch, float32 RGB 0 to 1, [size, size, 3]."""
    side = min(round(size * rng.choice(mix.zooms)), bank.shape[1])
    piece = cut(rng, bank, side)
    if rng.random() < mix.busy:
        piece = max(piece, cut(rng, bank, side), key=activity)
    piece = np.rot90(piece, rng.integers(4))
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    piece = piece[..., rng.permutation(3)].astype(np.float32) / 255
    if side != size:
        how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
        piece = cv2.resize(piece, (size, size), interpolation=how)
    if rng.random() < mix.soft:
        piece = cv2.GaussianBlur(piece, (0, 0), rng.uniform(0.6, 4))
    keep = rng.random() ** 1.3
    piece = piece * keep + piece.mean(2, keepdims=True) * (1 - keep)
    if rng.random() < 0.1:
        piece = 1 - piece
    if rng.random() < mix.flat:
        mean = piece.mean((0, 1))
        piece = mean + (piece - mean) * rng.uniform(0.25, 1)
    if rng.random() < mix.sharp:
        piece = piece + (piece - cv2.GaussianBlur(piece, (0, 0), 1.0)) * rng.uniform(0, 1)
    if rng.random() < 0.4:
        piece = piece * (1 + rng.normal(0, 0.12, 3))
    return np.clip(piece, 0, 1).astype(np.float32)


def eight_bit(piece):
    return (piece * 255 + 0.5).astype(np.uint8)


def planar(pieces):
    """A list of [h, w, c] arrays, uint8 or float, as float32 [n, c, h, w] with bytes scaled to 0 to 1."""
    stack = np.stack(pieces)
    if stack.dtype == np.uint8:
        stack = stack.astype(np.float32) / 255
    return np.ascontiguousarray(stack.transpose(0, 3, 1, 2), np.float32)
