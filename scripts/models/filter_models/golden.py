"""Writes tests/filters/golden/bundled: a small photo, what wear made of it, what the shipped models answer, figures.

The engine's tests run the same filters and must come out near: the answers differ only by tiling and resizing. The
photo is scikit-image's coffee (Rachel Michetti, CC0)."""

import json

import cv2
import numpy as np
from PIL import Image

from . import degrade, figures, photos, selecting, subjects
from .measure import iou, psnr
from .train import FILTERS

PLACE = FILTERS.parent / "tests" / "filters" / "golden" / "bundled"
LEFT, TOP, WIDE, HIGH = 190, 40, 192, 144  # rim of the cup, spoon, wood
SIGMA, QUALITY = 25, 30


def keep(name, picture):
    Image.fromarray(picture).save(PLACE / name, optimize=True)


def restored(photo):
    """(filter, parameters, input file, input, answer, tolerance in dB) of everything that is measured in decibels."""
    for scale in (2, 3, 4):
        for source, model in figures.upscalers(FILTERS / "upscale", 2 if scale == 2 else 4).items():
            small = degrade.shrink(photo, scale)
            small = small if source == "clean" else degrade.jpeg(small, 50)
            answer = model(small)
            if scale == 3:
                answer = np.asarray(Image.fromarray(answer).resize((WIDE, HIGH), Image.Resampling.BICUBIC))
            parameters = {"scale": scale, "source": source}
            # Scale 3 depends on how its reduction is computed.
            yield "upscale", parameters, f"{source}-{scale}.png", small, answer, 0.5 if scale == 3 else 0.1
    noisy = degrade.gaussian_noise(np.random.default_rng(11), photo, SIGMA)
    model = figures.session(FILTERS / "denoise" / "denoise.onnx")
    yield "denoise", {"strength": 2 * SIGMA}, "noisy.png", noisy, figures.run(model, noisy, SIGMA / 255, 8), 0.1
    packed = degrade.jpeg(photo, QUALITY)
    model = figures.session(FILTERS / "jpeg-cleanup" / "jpeg-cleanup.onnx")
    strength = 100 - QUALITY
    yield "jpeg-cleanup", {"strength": strength}, "jpeg.png", packed, figures.run(model, packed, strength / 200, 8), 0.1


def cut_out():
    """The cup on its saucer, at half size, from a box."""
    coffee = photos.load(4)
    mask = subjects.drawn(coffee)["coffee"]
    half = (mask.shape[1] // 2, mask.shape[0] // 2)
    picture = cv2.resize(coffee["coffee"], half, interpolation=cv2.INTER_AREA)
    mask = (cv2.resize(mask * 255, half, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    box = subjects.box_around(mask)
    alpha, refined = selecting.cut_out(figures.session(FILTERS / "cut-out" / "cut-out.onnx"), picture, box)
    keep("cup.png", picture)
    keep("cup-mask.png", mask * 255)
    keep("cup-alpha.png", np.round(alpha * 255).astype(np.uint8))
    found = {
        "filter": "cut-out",
        "parameters": {},
        "input": "cup.png",
        "truth": "cup-mask.png",
        "answer": "cup-alpha.png",
    }
    x0, y0, x1, y1 = (int(side) for side in box)
    found |= {"box": [x0, y0, x1 - x0, y1 - y0], "measure": "iou", "figure": round(float(iou(refined, mask)), 3)}
    return found | {"unrefined": round(float(iou(alpha, mask)), 3), "tolerance": 0.03}


def write(say=print):
    PLACE.mkdir(parents=True, exist_ok=True)
    photo = np.ascontiguousarray(photos.load(4)["coffee"][TOP : TOP + HIGH, LEFT : LEFT + WIDE])
    keep("photo.png", photo)
    cases = []
    for name, parameters, file, worn, answer, tolerance in restored(photo):
        keep(file, worn)
        result = "-".join([name, *(str(value) for value in parameters.values())]) + ".png"
        keep(result, answer)
        case = {"filter": name, "parameters": parameters, "input": file, "truth": "photo.png", "answer": result}
        if worn.shape == photo.shape:
            case["before"] = round(psnr(worn, photo), 2)
        cases.append(case | {"measure": "psnr", "figure": round(psnr(answer, photo), 2), "tolerance": tolerance})
    cases.append(cut_out())
    (PLACE / "figures.json").write_text(json.dumps(cases, indent=2) + "\n")
    say(f"golden: {len(cases)} cases in {PLACE}")
