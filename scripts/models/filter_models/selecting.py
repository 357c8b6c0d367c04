"""Cutting out as the engine does it: crop to the box with context, network, refinement. And GrabCut alone beside it."""

import cv2
import numpy as np

from . import refining
from .cutout import evidence

LONG_SIDE, CONTEXT, MULTIPLE = 192, 0.35, 16
EDGE = 4  # GrabCut needs background: it gets at least this rim


def surroundings(shape, box):
    """The square that the model sees: around the box's middle, with context on each side, inside the picture."""
    high, wide = shape
    left, top, right, bottom = box
    side = min(int(max((1 + 2 * CONTEXT) * max(right - left, bottom - top), 128)), max(high, wide))
    w, h = min(side, wide), min(side, high)
    x = int(np.clip((left + right - w) / 2, 0, wide - w))
    y = int(np.clip((top + bottom - h) / 2, 0, high - h))
    return x, y, w, h


def network_alpha(session, crop, hint):
    """The model's alpha for the crop, at the size that the model works at."""
    high, wide = crop.shape[:2]
    size = tuple(max(1, round(side * LONG_SIDE / max(wide, high))) for side in (wide, high))
    image = cv2.resize(crop, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    prompt = cv2.resize(hint, size, interpolation=cv2.INTER_NEAREST)
    pads = ((0, -size[1] % MULTIPLE), (0, -size[0] % MULTIPLE))
    image, prompt = np.pad(image, (*pads, (0, 0)), "reflect"), np.pad(prompt, pads)
    planes = {"prompt": prompt[None, None], "evidence": evidence(image, prompt)[None, None]}
    return session.run(None, {"image": image.transpose(2, 0, 1)[None], **planes})[0][0, 0, : size[1], : size[0]]


def cut_out(session, picture, box):
    """(alpha of the model alone, alpha as the engine answers it), [h, w] of the picture, 0 to 1."""
    x, y, w, h = surroundings(picture.shape[:2], box)
    hint = np.zeros(picture.shape[:2], np.float32)
    hint[box[1] : box[3], box[0] : box[2]] = 1
    crop, hint = np.ascontiguousarray(picture[y : y + h, x : x + w]), hint[y : y + h, x : x + w]
    coarse = network_alpha(session, crop, hint)
    answers = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_LINEAR), refining.refined(crop, coarse, hint)
    whole = np.zeros((2, *picture.shape[:2]), np.float32)
    whole[:, y : y + h, x : x + w] = answers
    return whole


def grabcut(picture, box):
    """OpenCV's GrabCut from the box alone, five rounds; a mask of 0 and 1."""
    high, wide = picture.shape[:2]
    left, top = max(box[0], EDGE), max(box[1], EDGE)
    right, bottom = min(box[2], wide - EDGE), min(box[3], high - EDGE)
    models, marks = (np.zeros((1, 65)), np.zeros((1, 65))), np.zeros((high, wide), np.uint8)
    cv2.setRNGSeed(1)
    image = np.ascontiguousarray(picture[..., ::-1])
    cv2.grabCut(image, marks, (left, top, right - left, bottom - top), *models, 5, cv2.GC_INIT_WITH_RECT)
    return ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
