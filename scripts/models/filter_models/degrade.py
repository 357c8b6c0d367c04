"""What happens to pictures before a filter gets them: made smaller, compressed, noisy. Bytes in, bytes out."""

import cv2
import numpy as np
from PIL import Image


def shrink(picture, scale, how=Image.Resampling.BICUBIC):
    high, wide = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((wide // scale, high // scale), how))


def shrink_somehow(rng, picture, scale):
    """Mostly bicubic; sometimes the box of a preview, or blurred first, as lenses and other programs do."""
    kind = rng.random()
    if kind < 0.2:
        return shrink(picture, scale, Image.Resampling.BOX)
    if kind < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    return shrink(picture, scale)


def jpeg(picture, quality, full_chroma=False):
    """Through JPEG and back; chroma at half resolution (4:2:0) unless `full_chroma`."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if full_chroma else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), options)
    assert done
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def gaussian_noise(rng, picture, sigma):
    """White noise of `sigma` levels, rounded and clipped as a file would be."""
    return np.clip(np.round(picture + rng.normal(0, sigma, picture.shape)), 0, 255).astype(np.uint8)


def unit_noise(rng, shape):
    return rng.standard_normal(shape, dtype=np.float32)


def camera_noise(rng, picture, sigma):
    """Noise as cameras leave it: smeared by demosaicing, more in luma, growing with the light; each by chance."""
    high, wide = picture.shape[:2]
    noise = unit_noise(rng, picture.shape)
    if rng.random() < 0.4:
        coarse = cv2.resize(unit_noise(rng, (high // 2, wide // 2, 3)), (wide, high), interpolation=cv2.INTER_CUBIC)
        noise = 0.7 * noise + 0.71 * coarse / (coarse.std() + 1e-6)
    if rng.random() < 0.3:
        noise = 0.6 * noise + 0.8 * noise.mean(2, keepdims=True) * 3**0.5
    if rng.random() < 0.5:
        noise = noise * (0.25 + 1.5 * picture.mean(2, keepdims=True) / 255)
    return np.clip(np.round(picture + noise * sigma), 0, 255).astype(np.uint8)
