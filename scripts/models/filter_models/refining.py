"""The engine's refinement of a cut (src/filters/pixels/grabcut.rs, morph.rs, guided.rs) once more in Python, so that
the figures are those of what users get. OpenCV's GrabCut is another one: it begins from other colour models, takes
opacities for certain, and works on the whole picture, however large."""

import cv2
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

SIDE, COMPONENTS, ROUNDS, GAMMA, TRUST, DOUBT = 480, 5, 3, 50.0, 0.6, 1e-4
LARGEST_HOLE = 0.05
UNITS = 64  # of cost: the flow is computed on whole numbers


def nearest(pixels, centres):
    return ((pixels[:, None] - centres[None]) ** 2).sum(2).argmin(1)


def clusters(pixels):
    """k-means from centres that lie far apart: the group of each pixel."""
    sample = pixels[:: max(1, len(pixels) // 8000)]
    centres = [sample[len(sample) // 2]]
    while len(centres) < COMPONENTS:
        far = np.min([((sample - centre) ** 2).sum(1) for centre in centres], 0)
        centres.append(sample[np.argsort(far, kind="stable")[len(sample) * 9 // 10]])
    centres = np.array(centres)
    for _ in range(10):
        groups = nearest(sample, centres)
        for group in set(groups):
            centres[group] = sample[groups == group].mean(0)
    return nearest(pixels, centres)


def mixture_cost(members, pixels):
    """Minus the logarithm of the pixels' likelihood under the mixture of Gaussians that fits the members."""
    groups, likelihood = clusters(members), 0
    for group in set(groups):
        own = members[groups == group]
        mean = own.mean(0)
        spread = np.cov(own.T, bias=True) + 0.01 * np.eye(3)
        product = np.einsum("ni,ij,nj->n", pixels - mean, np.linalg.inv(spread), pixels - mean)
        likelihood += len(own) / len(members) / np.sqrt(max(np.linalg.det(spread), 1e-9)) * np.exp(-0.5 * product)
    return -np.log(np.maximum(likelihood, 1e-30))


def edges(pixels):
    """(from, to, cost) of neighbours, eight each; it costs little to separate them across an edge of the picture."""
    high, wide = pixels.shape[:2]
    index = np.arange(high * wide).reshape(high, wide)
    ends, apart, weights = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, high - down), slice(max(0, -right), wide - max(0, right)))
        there = (slice(down, high), slice(max(0, right), wide - max(0, -right)))
        ends.append((index[here].ravel(), index[there].ravel()))
        apart.append(((pixels[here] - pixels[there]) ** 2).sum(2).ravel())
        weights.append(np.full(apart[-1].shape, 1 / np.hypot(down, right)))
    apart, weights = np.concatenate(apart), np.concatenate(weights)
    beta = len(apart) / max(2 * apart.sum(), 1e-9)
    one, other = (np.concatenate(side) for side in zip(*ends, strict=True))
    return one, other, GAMMA * weights * np.exp(-beta * apart)


def minimum_cut(gain, joined):
    """For each pixel, whether it is inside, where that gains `gain` and separating neighbours costs."""
    count, (one, other, cost) = len(gain), joined
    gain, cost = np.round(gain * UNITS).astype(np.int32), np.round(cost * UNITS).astype(np.int32)
    pixels, start, end = np.arange(count), count, count + 1
    more, less = pixels[gain > 0], pixels[gain < 0]
    rows = np.concatenate([one, other, np.full(len(more), start), less])
    columns = np.concatenate([other, one, more, np.full(len(less), end)])
    room = csr_matrix((np.concatenate([cost, cost, gain[more], -gain[less]]), (rows, columns)), (count + 2,) * 2)
    left = room - maximum_flow(room, start, end).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    side = np.zeros(count + 2, bool)
    side[breadth_first_order(left, start, return_predecessors=False)] = True
    return side[:count]


def grabcut(crop, alpha, hint):
    """The alpha of the model refined on the crop, nothing outside of the hint; 0 or 1, at most SIDE large."""
    longest = max(crop.shape[:2])
    size = tuple(side if longest <= SIDE else max(1, side * SIDE // longest) for side in crop.shape[1::-1])
    image = cv2.resize(crop, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR).ravel()
    outside = cv2.resize(hint, size, interpolation=cv2.INTER_AREA).ravel() < 0.5
    inside, sane = ~outside & (alpha > 0.5), np.clip(alpha, DOUBT, 1 - DOUBT)
    odds = TRUST * np.log(sane / (1 - sane))
    pixels, joined = image.reshape(-1, 3), edges(image)
    for _ in range(ROUNDS):
        if min(inside.sum(), (~inside).sum()) < COMPONENTS:
            break
        gain = mixture_cost(pixels[~inside], pixels) - mixture_cost(pixels[inside], pixels) + odds
        inside = ~outside & minimum_cut(np.where(outside, -9 * GAMMA, gain), joined)
    return inside.reshape(size[::-1]).astype(np.float32)


def fill_holes(mask):
    """Fills what the mask encloses, where it is small beside the mask."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask < 0.5).astype(np.uint8), connectivity=4)
    high, wide = mask.shape
    for label in range(1, count):
        x, y, w, h, area = stats[label]
        if area <= int(LARGEST_HOLE * mask.sum()) and x > 0 and y > 0 and x + w < wide and y + h < high:
            mask = np.where(labels == label, np.float32(1), mask)
    return mask


def guided(guide, mask, radius, eps=1e-4):
    """The guided filter: `mask` takes over the edges of `guide`."""
    grey = cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    mean = lambda plane: cv2.boxFilter(plane, -1, (2 * radius + 1,) * 2)  # noqa: E731
    slope = (mean(grey * mask) - mean(grey) * mean(mask)) / (mean(grey * grey) - mean(grey) ** 2 + eps)
    offset = mean(mask) - slope * mean(grey)
    return np.clip(mean(slope) * grey + mean(offset), 0, 1)


def refined(crop, alpha, hint):
    """All of it: the subject's alpha at the crop's size."""
    high, wide = crop.shape[:2]
    mask = cv2.resize(fill_holes(grabcut(crop, alpha, hint)), (wide, high), interpolation=cv2.INTER_LINEAR)
    return guided(crop, mask, min(max(max(high, wide) // 170, 3), 24))
