"""Called by measure-upscale. usage: measure_upscale.py SCALES BEFORE CROPS   (BEFORE: a folder of models, or empty)

Per source and method, the mean of eight photos: Y-PSNR, RGB PSNR, strokes that were made up (percent of the photo's
gradient energy, see filter_models.strokes), how much of the photo's gradient energy is there (percent), and how much
stronger the gradients on the grid of a JPEG's blocks are than beside it (percent; the photo itself is the yardstick).
"""

import pathlib
import sys
import time

import numpy as np
import torch
from filter_models import degrade, figures, photos
from filter_models.measure import luma, psnr
from filter_models.strokes import directions, false_strokes
from PIL import Image

OURS = pathlib.Path(__file__).parent.parent / "filters" / "upscale"
SOURCES = {  # name: (what `auto` takes for it, how the small photo is worn)
    "clean": ("clean", lambda small: small),
    "noise 3": ("clean", lambda small: degrade.gaussian_noise(np.random.default_rng(3), small, 3)),
    "JPEG 85": ("compressed", lambda small: degrade.jpeg(small, 85)),
    "JPEG 50": ("compressed", lambda small: degrade.jpeg(small, 50)),
    "JPEG 40": ("compressed", lambda small: degrade.jpeg(small, 40)),
}
HEAD = "Y-PSNR   RGB  made up  kept  blocks"
CROP = 160
PLACES = {  # photo: left, top of what the sheets show
    "astronaut": (120, 10),  # hair, face
    "chelsea": (30, 80),  # fur, eye
    "coffee": (200, 100),  # smooth things
    "china": (150, 250),  # leaves, tiles
    "flower": (250, 150),
    "camera": (200, 60),  # coat, tripod
}


def tensor(picture):
    unit = (luma(picture) - 16) / 219
    return torch.from_numpy(unit.astype(np.float32))[None, None]


def blocks(picture, side):
    """Gradients across the grid of `side` over those elsewhere, minus one, in percent."""
    grey, found = luma(picture), []
    for lines in (grey, grey.T):
        slope = np.abs(np.diff(lines, axis=1)).mean(0)
        # An enlarged block's edge is as wide as the kernel: two source pixels to each side.
        at = np.arange(len(slope)) % side
        edge = np.minimum(at, side - at) < side / 8
        found.append(slope[edge].mean() / slope[~edge].mean() - 1)
    return 100 * np.mean(found)


def seen(answer, photo, scale):
    one, truth = tensor(answer), tensor(photo)
    inner = (..., slice(1, -1), slice(1, -1))
    made_up = 100 * false_strokes(one, truth)[inner].mean().item()
    kept = 100 * (directions(one)[2][inner].sum() / directions(truth)[2][inner].sum()).item()
    near = psnr(luma(answer), luma(photo), scale), psnr(answer, photo, scale)
    return *near, made_up, kept, blocks(answer, 8 * scale) - blocks(photo, 8 * scale)


def sheet(rows, path):
    picture = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    Image.fromarray(picture).save(path)


def main(scales, before, crops):
    torch.set_num_threads(1)
    if crops:
        pathlib.Path(crops).mkdir(parents=True, exist_ok=True)
    for scale in map(int, scales.split()):
        folders = ({"before": pathlib.Path(before)} if before else {}) | {"now": OURS}
        models = {name: figures.upscalers(folder, scale) for name, folder in folders.items()}
        for source, (kind, wear) in SOURCES.items():
            methods = {"Lanczos": lambda small: figures.enlarge(small, scale, figures.LANCZOS)}
            methods |= {name: ways[kind] for name, ways in models.items()}
            found, rows, seconds = {name: [] for name in methods}, [], dict.fromkeys(methods, 0.0)
            for name, photo in photos.load(12).items():
                small, row = wear(degrade.shrink(photo, scale)), []
                for method, enlarge in methods.items():
                    began = time.process_time()
                    answer = enlarge(small)
                    seconds[method] += time.process_time() - began
                    found[method].append(seen(answer, photo, scale))
                    row.append(answer)
                if name in PLACES:
                    left, top = PLACES[name]
                    rows.append([picture[top : top + CROP, left : left + CROP] for picture in (*row, photo)])
            print(f"\nx{scale}, {source} ({kind})\n{'':10}{HEAD}  CPU s")
            for method, values in found.items():
                y, rgb, made_up, kept, grid = np.mean(values, 0)
                figures_ = f"{y:6.2f} {rgb:5.2f} {made_up:8.2f} {kept:5.0f} {grid:7.1f} {seconds[method]:6.2f}"
                print(f"{method:10}{figures_}", flush=True)
            if crops:
                sheet(rows, pathlib.Path(crops) / f"x{scale}-{source.replace(' ', '')}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
