"""Cutting out as the engine does it: crop to the box with context, network, guided filter, and GrabCut in between."""

import cv2
import numpy as np

from .cutout import evidence

LONG_SIDE, CONTEXT, MULTIPLE = 192, 0.35, 16
EDGE = 4  # GrabCut needs background: it gets at least this rim


def guided(guide, mask, radius=6, eps=1e-4):
    """The guided filter: `mask` takes over the edges of `guide`."""
    grey = cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    mean = lambda plane: cv2.boxFilter(plane, -1, (2 * radius + 1,) * 2)  # noqa: E731
    slope = (mean(grey * mask) - mean(grey) * mean(mask)) / (mean(grey * grey) - mean(grey) ** 2 + eps)
    offset = mean(mask) - slope * mean(grey)
    return np.clip(mean(slope) * grey + mean(offset), 0, 1)


def surroundings(shape, box):
    """The square that the model sees: around the box's middle, with context on each side, inside the picture."""
    high, wide = shape
    left, top, right, bottom = box
    side = min(int(max((1 + 2 * CONTEXT) * max(right - left, bottom - top), 128)), max(high, wide))
    w, h = min(side, wide), min(side, high)
    x = int(np.clip((left + right - w) / 2, 0, wide - w))
    y = int(np.clip((top + bottom - h) / 2, 0, high - h))
    return x, y, w, h


def network_alpha(session, picture, box):
    """The model's alpha along the picture's edges, [h, w] 0 to 1, zero outside the square that it saw."""
    shape = picture.shape[:2]
    x, y, w, h = surroundings(shape, box)
    crop, prompt = picture[y : y + h, x : x + w], np.zeros(shape, np.float32)
    prompt[box[1] : box[3], box[0] : box[2]] = 1
    size = tuple(max(1, round(side * LONG_SIDE / max(w, h))) for side in (w, h))
    image = cv2.resize(crop, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    prompt = cv2.resize(prompt[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    pads = ((0, -size[1] % MULTIPLE), (0, -size[0] % MULTIPLE))
    image, prompt = np.pad(image, (*pads, (0, 0)), "reflect"), np.pad(prompt, pads)
    planes = {"prompt": prompt[None, None], "evidence": evidence(image, prompt)[None, None]}
    coarse = session.run(None, {"image": image.transpose(2, 0, 1)[None], **planes})[0][0, 0, : size[1], : size[0]]
    alpha = np.zeros(shape, np.float32)
    alpha[y : y + h, x : x + w] = guided(crop, cv2.resize(coarse, (w, h), interpolation=cv2.INTER_LINEAR))
    return alpha


def grabcut(picture, box, alpha=None):
    """OpenCV's GrabCut from the box alone (5 rounds), or seeded with an alpha (3 rounds); a mask of 0 and 1."""
    high, wide = picture.shape[:2]
    left, top = max(box[0], EDGE), max(box[1], EDGE)
    right, bottom = min(box[2], wide - EDGE), min(box[3], high - EDGE)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    image = np.ascontiguousarray(picture[..., ::-1])
    cv2.setRNGSeed(1)
    if alpha is None:
        marks = np.zeros((high, wide), np.uint8)
        cv2.grabCut(image, marks, (left, top, right - left, bottom - top), *models, 5, cv2.GC_INIT_WITH_RECT)
    else:
        marks = np.where(alpha > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        marks[alpha > 0.97] = cv2.GC_FGD
        outside = np.ones((high, wide), bool)
        outside[top:bottom, left:right] = False
        marks[outside] = cv2.GC_BGD
        if not ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).any():
            return np.zeros((high, wide), np.uint8)
        cv2.grabCut(image, marks, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    return ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
