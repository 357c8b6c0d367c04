"""Strokes that the truth does not have: what the eye calls worms in fur, and rags along a JPEG's blocks.

Both pictures' gradients are looked at in a window: how strong they are, and how much of one direction. What the answer
has more of in its direction than the truth has in the same one, it made up. A blur makes up nothing."""

import math

import torch
import torch.nn.functional as F

SMOOTH, WINDOW, STEP = 0.8, 4.0, 4  # pixels
LEAST = 4 / 219**2  # gradient energy of a place where nothing is to be seen; luma runs from 0 to 1


def gaussian(x, sigma):
    """Blurred [n, 1, h, w]; the rim is repeated."""
    reach = math.ceil(3 * sigma)
    taps = torch.exp(-(torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device) ** 2) / (2 * sigma**2))
    taps = taps / taps.sum()
    x = F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="replicate"), taps.view(1, 1, 1, -1))
    return F.conv2d(F.pad(x, (0, 0, reach, reach), mode="replicate"), taps.view(1, 1, -1, 1))


def directions(luma):
    """The structure tensor as (cosine part, sine part, energy), one place for every `STEP` pixels: the first two point
    along twice the angle."""
    slope = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=luma.dtype, device=luma.device) / 8
    luma = F.pad(gaussian(luma, SMOOTH), (1, 1, 1, 1), mode="replicate")
    across, down = F.conv2d(luma, slope.view(1, 1, 3, 3)), F.conv2d(luma, slope.T.reshape(1, 1, 3, 3))
    squares = torch.cat([across * across, down * down, across * down])
    squares = gaussian(F.avg_pool2d(squares, STEP), WINDOW / STEP).chunk(3)
    return squares[0] - squares[1], 2 * squares[2], squares[0] + squares[1]


def false_strokes(answer, truth):
    """Per place, in parts of the truth's gradient energy; luma [n, 1, h, w] from 0 to 1, answer [n, 1, h/4, w/4]."""
    (ax, ay, _), (tx, ty, energy) = directions(answer), directions(truth)
    strength = torch.sqrt(ax * ax + ay * ay + 1e-12)
    true = ((ax * tx + ay * ty) / strength).clamp(min=0)
    return (strength - true).clamp(min=0) / (energy + LEAST)
