"""Test cases for cutting out: a picture, its subject's true mask, and a box around it.

Five photos have masks drawn by hand (coarse: a few dozen corners); twelve composites put one photo's texture, in the
shape of scikit-image's horse or of random blobs, before another photo, and are exact."""

import cv2
import numpy as np
from PIL import Image

from .photos import SKIMAGE
from .scenes import outline

ASTRONAUT = """152,90 160,50 185,25 225,15 265,22 290,45 300,80 298,120 275,130 262,190 300,215 305,240 300,275 330,300
355,320 358,345 400,343 440,355 475,390 495,430 508,470 508,511 20,511 25,470 20,430 25,370 35,330 45,280 75,240
110,215 115,185 130,160 180,150 185,125 165,120"""
ROCKET = "312,135 322,125 332,140 336,170 333,405 310,405 310,170"
CHINA = """205,28 215,55 250,95 322,120 305,132 298,160 330,175 318,190 300,195 305,235 300,245 350,252 340,265 328,275
325,310 350,320 370,335 345,365 320,395 230,390 200,365 130,345 75,340 78,320 85,318 85,275 65,270 75,255 105,248
110,235 100,190 85,185 90,170 115,160 120,130 98,122 100,112 150,100 180,70 195,55"""


def polygon(shape, corners):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
    return mask


def listed(shape, text):
    return polygon(shape, np.array([[int(v) for v in corner.split(",")] for corner in text.split()]))


def ellipse(mask, centre, axes):
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)


def drawn(photos):
    shape = {name: photo.shape[:2] for name, photo in photos.items()}
    flower, coffee = np.zeros(shape["flower"], np.uint8), np.zeros(shape["coffee"], np.uint8)
    ellipse(flower, (308, 222), (137, 136))
    ellipse(coffee, (278, 222), (202, 163))  # the saucer
    ellipse(coffee, (290, 112), (118, 95))  # the cup
    cv2.line(coffee, (400, 170), (412, 72), 1, 18)  # the spoon
    return {
        "flower": flower,
        "coffee": coffee,
        "astronaut": listed(shape["astronaut"], ASTRONAUT),
        "rocket": listed(shape["rocket"], ROCKET),
        "china": listed(shape["china"], CHINA),
    }


def composite(rng, photos, horse, number):
    names = list(photos)
    behind, before = (photos[name] for name in rng.choice(names, 2, replace=False))
    high, wide = min(300, behind.shape[0], before.shape[0]), min(440, behind.shape[1], before.shape[1])
    behind, before = behind[:high, :wide], before[-high:, -wide:]
    if number % 2:
        small = cv2.resize(horse, (int(wide * 0.7), int(high * 0.75)), interpolation=cv2.INTER_AREA)
        mask = np.zeros((high, wide), np.uint8)
        mask[high // 8 : high // 8 + small.shape[0], wide // 7 : wide // 7 + small.shape[1]] = small
    else:
        mask = np.zeros((high, wide), np.uint8)
        for _ in range(3):
            place = [wide / 2 + rng.normal(0, 35), high / 2 + rng.normal(0, 25)]
            mask |= polygon((high, wide), outline(rng, rng.uniform(30, 75)) + place)
    if rng.random() < 0.5:
        behind = cv2.GaussianBlur(behind, (0, 0), 2)
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
    return (behind * (1 - alpha) + before * alpha).astype(np.uint8), mask


def box_around(mask, slack=0.02):
    """Left, top, right, bottom of the mask's bounds, a little widened as a person would draw them."""
    ys, xs = np.where(mask)
    wide, high = np.ptp(xs), np.ptp(ys)
    left, top = max(0, int(xs.min() - slack * wide)), max(0, int(ys.min() - slack * high))
    return (
        left,
        top,
        min(mask.shape[1], int(xs.max() + 1 + slack * wide)),
        min(mask.shape[0], int(ys.max() + 1 + slack * high)),
    )


def cases(photos):
    """(kind, name, picture, mask, box) for the five photos and the twelve composites."""
    found = [("photo", name, photos[name], mask) for name, mask in drawn(photos).items()]
    horse = (np.asarray(Image.open(SKIMAGE / "horse.png").convert("L")) <= 128).astype(np.uint8)
    rng = np.random.default_rng(1)
    for number in range(12):
        found.append(("composite", f"composite {number}", *composite(rng, photos, horse, number)))
    return [(*case, box_around(case[3])) for case in found]
