"""One class per kind of training: its network, its batch for iteration i, its loss. The trainer knows nothing else.

A batch depends on the seed and the iteration alone, and on whether it is `late`, in the descent of the learning rate: a
training that was interrupted goes on with the same data."""

import dataclasses

import numpy as np
import torch

from . import cutout, degrade, fur, nets
from .patches import Mix, eight_bit, patch, planar
from .strokes import false_strokes


def charbonnier(error, eps):
    """Near zero a square, far away an absolute value: `eps` is where one becomes the other."""
    return torch.sqrt(error * error + eps * eps)


class Upscale:
    def __init__(self, plan):
        self.scale, self.size, self.count = plan["scale"], plan["patch"], plan["batch"]
        self.compressed, self.eps, self.last_eps = plan.get("compressed", False), 4e-3, plan.get("descent_eps", 4e-3)
        self.mix = dataclasses.replace(Mix(soft=0.03, flat=0.35, sharp=0.15), **plan["mix"])
        self.fur, self.lowest = plan.get("fur", 0), plan.get("lowest_quality", 40)
        self.eps, self.calm = plan.get("eps", self.eps), plan.get("calm", 0)

    def descend(self):
        """Larger for the descent where the plan says so: absolute errors learn faster, squared ones end at the mean."""
        self.eps = self.last_eps

    def network(self, plan):
        return nets.Upscaler(self.scale, plan.get("width", 32), plan.get("depth", 6), self.compressed)

    def batch(self, rng, bank, late=False):
        large = [eight_bit(self.patch(rng, bank)) for _ in range(self.count)]
        small = [degrade.shrink_somehow(rng, picture, self.scale) for picture in large]
        if self.compressed:
            small = [self.wear(rng, picture) for picture in small]
        return planar(small), planar(large)

    def patch(self, rng, bank):
        piece = patch(rng, bank, self.size * self.scale, self.mix)
        return fur.grown(rng, piece) if self.fur and rng.random() < self.fur else piece

    def wear(self, rng, picture):
        if rng.random() < 0.35:
            picture = degrade.gaussian_noise(rng, picture, rng.uniform(1, 10))
        if rng.random() < 0.85:
            picture = degrade.jpeg(picture, rng.integers(self.lowest, 96), full_chroma=rng.random() < 0.2)
        return picture

    def loss(self, network, small, large, autocast):
        base = network.bicubic(small)
        with autocast:
            detail = network.detail(small)
        # The rim counts too: a patch's rim is padded like a picture's, and the network has to learn not to glow there.
        error = base + detail.float() - large
        luma = charbonnier(torch.nn.functional.conv2d(error, network.luma), self.eps).mean()
        if self.calm:
            truth = torch.nn.functional.conv2d(large, network.luma)
            answer = truth + torch.nn.functional.conv2d(error, network.luma)
            luma = luma + self.calm * false_strokes(answer, truth).mean()
        return luma + 0.3 * charbonnier(error, self.eps).mean() if self.compressed else luma


class Denoise:
    """Sigma up to 60 levels; the loss weighs noise levels so that the strongest do not drown the others."""

    def __init__(self, plan):
        self.size, self.count, self.eps = plan["patch"], plan["batch"], plan.get("eps", 0.02)
        self.mix = Mix()

    def network(self, plan):
        return nets.Restorer(tuple(plan["widths"]), tuple(plan["blocks"]))

    def batch(self, rng, bank, late=False):
        clean = [eight_bit(patch(rng, bank, self.size, self.mix)) for _ in range(self.count)]
        sigma = 60 * rng.random(self.count) ** 1.2
        noise = [degrade.camera_noise if rng.random() < 0.2 else degrade.gaussian_noise for _ in clean]
        noisy = [add(rng, picture, s) for add, picture, s in zip(noise, clean, sigma, strict=True)]
        return planar(noisy), planar(clean), (sigma / 255).astype(np.float32)

    def loss(self, network, worn, clean, strength, autocast):
        with autocast:
            answer = network(worn, strength)
        error = charbonnier(answer.float() - clean, self.eps)
        return (error / (strength.view(-1, 1, 1, 1) + 0.02).sqrt()).mean()


class Jpeg(Denoise):
    """Quality 10 to 95. A quarter of the patches is cut off the 8x8 grid, as in a picture that was cropped later."""

    def batch(self, rng, bank, late=False):
        worn, clean, quality = [], [], rng.integers(10, 96, self.count)
        for q in quality:
            picture = eight_bit(patch(rng, bank, self.size + 8, self.mix))
            packed = degrade.jpeg(picture, q, full_chroma=rng.random() < 0.25)
            top, left = rng.integers(0, 8, 2) if rng.random() < 0.25 else (0, 0)
            worn.append(packed[top : top + self.size, left : left + self.size])
            clean.append(picture[top : top + self.size, left : left + self.size])
        return planar(worn), planar(clean), ((100 - quality) / 200).astype(np.float32)


class CutOut:
    def __init__(self, plan):
        self.size, self.count = plan["patch"], plan["batch"]

    def network(self, plan):
        return nets.Segmenter(tuple(plan["widths"]), tuple(plan["blocks"]))

    def batch(self, rng, bank, late=False):
        samples = cutout.samples(rng, bank, self.size, self.count, hard=late)
        return tuple(planar(list(part)) for part in zip(*samples, strict=True))

    def loss(self, network, image, alpha, prompt, evidence, autocast):
        with autocast:
            logits = network.logits(image, prompt, evidence)
        logits = logits.float()
        guess = logits.sigmoid()
        both, either = (guess * alpha).sum((1, 2, 3)), (guess + alpha - guess * alpha).sum((1, 2, 3))
        overlap = (both + 1) / (either + 1)
        cross = torch.nn.functional.binary_cross_entropy_with_logits(logits, alpha)
        return cross + 0.5 * (1 - overlap).mean() + (guess - alpha).abs().mean()


KINDS = {"upscale": Upscale, "denoise": Denoise, "jpeg": Jpeg, "cut-out": CutOut}
