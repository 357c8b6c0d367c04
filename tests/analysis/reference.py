"""The figures of docs/analysis.md, in numpy: what the daemon's analysis is held against.

    python tests/analysis/reference.py                  # prints expected.json for the committed pictures
    python tests/analysis/reference.py PROGRAM FILE...  # compares PROGRAM's answer for each picture file
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

BINS = 16
ANY = (0.0, 9.0)
NAMES = [
    ("Black", (0, 360), (0, 0.22), (0, 0.05)),
    ("Dark Gray", (0, 360), (0.22, 0.45), (0, 0.03)),
    ("Gray", (0, 360), (0.45, 0.72), (0, 0.03)),
    ("Light Gray", (0, 360), (0.72, 0.9), (0, 0.03)),
    ("White", (0, 360), (0.9, 9), (0, 0.03)),
    ("Maroon", (0, 40), (0, 0.4), ANY),
    ("Pink", (0, 40), (0.72, 9), ANY),
    ("Brown", (12, 40), ANY, (0, 0.1)),
    ("Red", (0, 40), ANY, ANY),
    ("Brown", (40, 80), (0, 0.58), ANY),
    ("Beige", (40, 80), (0.82, 9), (0, 0.08)),
    ("Tan", (40, 80), ANY, (0, 0.1)),
    ("Orange", (40, 80), ANY, ANY),
    ("Olive", (80, 118), (0, 0.6), ANY),
    ("Beige", (80, 118), (0.82, 9), (0, 0.08)),
    ("Tan", (80, 118), ANY, (0, 0.08)),
    ("Yellow", (80, 118), ANY, ANY),
    ("Dark Green", (118, 165), (0, 0.46), ANY),
    ("Light Green", (118, 165), (0.8, 9), (0, 0.16)),
    ("Green", (118, 165), ANY, ANY),
    ("Teal", (165, 215), (0, 0.65), ANY),
    ("Cyan", (165, 215), ANY, ANY),
    ("Navy", (215, 280), (0, 0.33), ANY),
    ("Light Blue", (215, 280), (0.72, 9), ANY),
    ("Blue", (215, 280), ANY, ANY),
    ("Lavender", (280, 318), (0.75, 9), ANY),
    ("Purple", (280, 318), ANY, ANY),
    ("Purple", (318, 350), (0, 0.45), ANY),
    ("Pink", (318, 350), (0.75, 9), ANY),
    ("Magenta", (318, 350), ANY, ANY),
    ("Pink", (350, 360), (0.6, 9), ANY),
    ("Red", (350, 360), ANY, ANY),
]


def half_up(value, places):
    scale = 10.0**places
    return math.floor(float(value) * scale + 0.5) / scale


def linear(rgb):
    rgb = np.asarray(rgb, float) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])
    t = linear(rgb) @ to_xyz.T / [0.95047, 1.0, 1.08883]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def name(rgb):
    lms = np.cbrt(np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                            [0.0883024619, 0.2817188376, 0.6299787005]]) @ linear(rgb))
    light, a, b = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                            [0.0259040371, 0.7827717662, -0.8086757660]]) @ lms
    values = math.degrees(math.atan2(b, a)) % 360, light, math.hypot(a, b)
    return next(row[0] for row in NAMES if all(low <= v < high for v, (low, high) in zip(values, row[1:])))


def hexed(rgb):
    return {"rgb": rgb, "hex": "#%02x%02x%02x" % tuple(rgb)}


def analyse(picture, mask=None):
    """`picture`: height x width x channels of uint8 or uint16; `mask`: height x width of uint8."""
    if picture.dtype == np.uint16:
        picture = ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)
    height, width, channels = picture.shape
    values = picture.astype(np.int64)
    rgb = values[..., :3] if channels >= 3 else np.repeat(values[..., :1], 3, 2)
    chosen = np.full((height, width), 255) if mask is None else mask.astype(np.int64)
    alpha = values[..., -1] if channels % 2 == 0 else np.full((height, width), 255)
    weight = chosen * alpha
    total = weight.sum()
    luma = (rgb @ np.array([19595, 38470, 7471]) + 0x8000) >> 16

    def histogram(channel):
        return np.bincount(channel.ravel(), weight.ravel(), 256)

    def moments(channel):
        mean = (weight * channel).sum() / total
        return mean, math.sqrt((weight * (channel - mean) ** 2).sum() / total)

    def percentile(percent):
        return int(np.searchsorted(np.cumsum(histogram(luma)), total * percent / 100))

    def mean_colour(weights):
        return hexed([int((rgb[..., c] * weights).sum() / weights.sum() + 0.5) for c in range(3)])

    cell = (rgb[..., 0] >> 3) << 10 | (rgb[..., 1] >> 3) << 5 | rgb[..., 2] >> 3
    by_cell = np.bincount(cell.ravel(), weight.ravel(), 1 << 15)
    used = np.flatnonzero(by_cell)
    means = np.stack([np.bincount(cell.ravel(), (weight * rgb[..., c]).ravel(), 1 << 15) for c in range(3)], 1)
    means = means[used] / by_cell[used, None]
    names = dict(zip(used, map(name, means)))
    named = np.array([names.get(c, "") for c in range(1 << 15)])[cell]
    groups = [(label, weight * (named == label)) for label in sorted(set(names.values()))]
    groups.sort(key=lambda group: -group[1].sum())
    swatches = [{"name": label, **mean_colour(w), "share": half_up(w.sum() / total, 4)} for label, w in groups]
    brightness, contrast = moments(luma)
    biggest, smallest = rgb.max(2), rgb.min(2)
    spread = biggest - smallest

    tint, tint_weight = lab(means), by_cell[used]
    near = (np.hypot(tint[:, 1], tint[:, 2]) < 20) & (15 <= tint[:, 0]) & (tint[:, 0] < 97)
    neutral = tint_weight[near].sum() * 20 >= total
    pick = near if neutral else np.ones(len(used), bool)
    a, b = (tint_weight[pick] @ tint[pick, 1:]) / tint_weight[pick].sum()

    rg = moments(rgb[..., 0] - rgb[..., 1])
    yb = moments((rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2])
    ends = {c: {"shadows": half_up(histogram(rgb[..., i])[0] / total, 4), "highlights": half_up(histogram(rgb[..., i])[255] / total, 4)}
            for i, c in enumerate(("red", "green", "blue"))}
    reduced = {c: [half_up(v / total, 4) for v in histogram(channel).reshape(BINS, -1).sum(1)]
               for c, channel in (("luma", luma), ("red", rgb[..., 0]), ("green", rgb[..., 1]), ("blue", rgb[..., 2]))}
    dominant = [s["name"] for s in swatches if s["share"] >= 0.05][:5] or [swatches[0]["name"]]
    chosen_total = chosen.sum()
    answer = {
        "dimensions": {"width": width, "height": height, "aspect_ratio": half_up(width / height, 2)},
        "color_analysis": {
            "average_color": mean_colour(weight), "brightness": half_up(brightness, 2), "contrast": half_up(contrast, 2),
            "is_grayscale": bool(spread[weight > 0].max() <= 2), "dominant_colors": dominant,
            "palette": [s for s in swatches if s["share"] >= 0.01][:8],
        },
        "histogram": {"bins": BINS, **reduced},
        "clipping": {"shadows": half_up(histogram(luma)[:2].sum() / total, 4),
                     "highlights": half_up(histogram(luma)[254:].sum() / total, 4), **ends},
        "exposure": {"percentiles": {f"p{p}": percentile(p) for p in (1, 5, 50, 95, 99)}},
        "saturation": {"mean": half_up((weight * spread).sum() / max((weight * biggest).sum(), 1), 4),
                       "colorfulness": half_up(math.hypot(rg[1], yb[1]) + 0.3 * math.hypot(rg[0], yb[0]), 2)},
        "color_cast": {"a": half_up(a, 2), "b": half_up(b, 2), "strength": half_up(math.hypot(a, b), 2),
                       "basis": "neutral_pixels" if neutral else "all_pixels"},
        "sharpness": None, "noise": None,
        "transparency": {"has_alpha": channels % 2 == 0,
                         "transparent": half_up(chosen[alpha == 0].sum() / chosen_total, 4),
                         "translucent": half_up(chosen[(alpha > 0) & (alpha < 255)].sum() / chosen_total, 4)},
    }
    answer.update(neighbours(luma, weight > 0))
    return answer


def neighbours(luma, counted):
    """Sharpness and noise, from the 3 x 3 windows whose nine pixels count."""
    height, width = luma.shape
    if height < 3 or width < 3:
        return {}

    def window(of, dy, dx):
        return of[1 + dy:height - 1 + dy, 1 + dx:width - 1 + dx]

    around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    inside = np.logical_and.reduce([window(counted, *at) for at in around])
    if not inside.any():
        return {}
    cross = sum(window(luma, *at) for at in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    corners = sum(window(luma, *at) for at in ((-1, -1), (-1, 1), (1, -1), (1, 1)))
    centre = window(luma, 0, 0)
    noise = np.abs(corners - 2 * cross + 4 * centre)
    blocks = []
    for top in range(0, height - 2 - 15, 16):
        for left in range(0, width - 2 - 15, 16):
            at = np.s_[top:top + 16, left:left + 16]
            if inside[at].all() and 4 <= centre[at].mean() <= 251:
                blocks.append(noise[at].mean())
    response = sorted(blocks)[(len(blocks) - 1) // 4] if len(blocks) >= 4 else noise[inside].mean()
    return {"sharpness": {"laplacian_variance": half_up((cross - 4 * centre)[inside].var(), 2)},
            "noise": {"sigma": half_up(math.sqrt(math.pi / 2) / 6 * response, 2)}}


def sample(x, y, c, seed):
    """A number of 32 bits that looks random, the same in Rust."""
    mask = 0xFFFFFFFF
    h = ((x * 73856093) ^ (y * 19349663) ^ (c * 83492791) ^ seed) & mask
    h ^= h >> 13
    h = h * 1274126177 & mask
    return h ^ h >> 16


def picture(width, height, channels, depth, seed):
    """A tilted ramp with noise; its alpha, where it has one, is cut off at both ends."""
    top, kind = (255, np.uint8) if depth == 8 else (65535, np.uint16)
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.int64)
    ramp = (x * (7 + 3 * c) + y * (11 - 2 * c)) * top // (width * 16 + height * 11)
    noisy = ramp + sample(x, y, c, seed) % (top // 12 + 1) - top // 24
    if channels % 2 == 0:
        noisy[..., -1] = ((x + y) * 3 * top // (width + height) - top)[..., -1]
    return np.clip(noisy, 0, top).astype(kind)


def mask_of(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    return np.clip(x * 400 // width + y * 200 // height - 150, 0, 255).astype(np.uint8)


CASES = [(211, 157, 3, 8, 1, False), (64, 64, 1, 8, 2, False), (190, 143, 4, 8, 3, True), (97, 120, 3, 16, 4, False),
         (1, 1, 3, 8, 5, False), (5, 2, 3, 8, 6, False), (80, 61, 2, 8, 7, False), (700, 401, 3, 8, 8, True),
         (640, 480, 3, 8, 9, False), (60, 50, 4, 16, 10, True), (2100, 40, 4, 8, 11, False)]


def pruned(found, expected):
    """`found` with only the fields that are in `expected`: words for figures are not compared."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {key: pruned(found.get(key), value) for key, value in expected.items()}
    return found


def main():
    if len(sys.argv) == 1:
        rows = [{"case": case, "expected": analyse(picture(*case[:5]), mask_of(*case[:2]) if case[5] else None)}
                for case in CASES]
        print("[" + ",\n".join(json.dumps(row) for row in rows) + "]")
        return
    from PIL import Image

    for file in sys.argv[2:]:
        image = np.asarray(Image.open(file))
        expected = analyse(image if image.ndim == 3 else image[..., None])
        answer = subprocess.run([sys.argv[1], file, str(BINS)], check=True, capture_output=True, timeout=60).stdout
        found = pruned(json.loads(answer), expected)
        for field, value in expected.items():
            if found[field] != value:
                sys.exit(f"{file}: {field} is {found[field]}, numpy says {value}")
        print(f"{Path(file).name}: all figures agree")


if __name__ == "__main__":
    main()
