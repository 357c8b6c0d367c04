"""PSNR, SSIM and IoU as the literature computes them."""

import math

import numpy as np
from skimage.metrics import structural_similarity


def luma(picture):
    """ITU-R BT.601 studio-range luma, 16 to 235: what Y-PSNR is measured on."""
    return picture.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr(one, other, border=0):
    """Decibels for 8-bit values; `border` pixels are left out on each side."""
    inner = (slice(border, -border or None),) * 2
    error = np.mean((one.astype(np.float64)[inner] - other.astype(np.float64)[inner]) ** 2)
    return 10 * math.log10(255**2 / max(error, 1e-9))


def ssim(one, other, border=0):
    """Structural similarity with the 11x11 Gaussian window of its authors; colour channels averaged."""
    inner = (slice(border, -border or None),) * 2
    colour = {"channel_axis": 2} if one.ndim == 3 else {}
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(one[inner], other[inner], data_range=255, **window, **colour)


def iou(one, other):
    """Intersection over union of two masks."""
    one, other = np.asarray(one) > 0.5, np.asarray(other) > 0.5
    return (one & other).sum() / max((one | other).sum(), 1)
