"""The networks: a luma (or colour) upscaler over exact bicubic, a restorer (denoise, JPEG) and a segmenter (cut out).

All are plain convolutions with additive skips and no normalisation, so that a tile's result does not depend on the
rest of the picture, and all run at any size that is a multiple of their `multiple`."""

import torch
import torch.nn.functional as F
from torch import nn

LUMA = (0.299, 0.587, 0.114)


def keys(x, a=-0.5):
    """Keys' cubic kernel; -0.5 is what Pillow and GIMP call bicubic."""
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def bicubic_phases(scale):
    """Bicubic enlarging as one 5x5 convolution with scale*scale outputs, to be pixel-shuffled."""
    rows = torch.tensor([[keys(tap - ((phase + 0.5) / scale - 0.5)) for tap in range(-2, 3)] for phase in range(scale)])
    rows = rows / rows.sum(1, keepdim=True)
    return torch.einsum("ai,bj->abij", rows, rows).reshape(scale * scale, 1, 5, 5)


class Residual(nn.Module):
    """x + conv(relu(conv(x))), starting close to the identity."""

    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.second.bias)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x):
        return x + self.second(F.relu(self.first(x)))


def residuals(width, count):
    return nn.Sequential(*(Residual(width) for _ in range(count)))


def quiet(conv):
    """Zeroes a last layer: an untrained network then answers its input, and training begins from there."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv


class Upscaler(nn.Module):
    """RGB 0 to 1 to RGB `scale` times as large: bicubic plus a learned residual.

    `colour` false: the network sees and mends luma only, which is where sharpness is seen, at a third of the tail's
    cost. `colour` true, for compressed sources: it mends all three, because JPEG breaks chroma most."""

    multiple = 1

    def __init__(self, scale, width=32, depth=6, colour=False):
        super().__init__()
        self.scale, self.colour, planes = scale, colour, 3 if colour else 1
        self.head = nn.Conv2d(planes, width, 5, padding=2)
        self.body = residuals(width, depth)
        self.tail = quiet(nn.Conv2d(width, planes * scale * scale, 3, padding=1))
        self.register_buffer("phases", bicubic_phases(scale), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)

    def bicubic(self, x):
        x = F.pad(x, (2, 2, 2, 2), mode="replicate")
        return F.pixel_shuffle(F.conv2d(x, self.phases.repeat(3, 1, 1, 1), groups=3), self.scale)

    def detail(self, x):
        features = self.head(x if self.colour else F.conv2d(x, self.luma))
        return F.pixel_shuffle(self.tail(self.body(features) + features), self.scale)

    def adapted(self, weights):
        """The weights of a luma upscaler made to fit one in colour: it then does the same, on all three channels."""
        weights = dict(weights)
        if self.colour and weights["head.weight"].shape[1] == 1:
            weights["head.weight"] = weights["head.weight"] * self.luma.reshape(1, 3, 1, 1).to(weights["head.weight"])
            weights["tail.weight"] = weights["tail.weight"].repeat(3, 1, 1, 1)
            weights["tail.bias"] = weights["tail.bias"].repeat(3)
        return weights

    def spread(self, weights):
        """The weights of an upscaler of a smaller scale made to fit: each of its phases serves for all within it."""
        weights, planes = dict(weights), 3 if self.colour else 1
        for name in ("tail.weight", "tail.bias"):
            phases = round((len(weights[name]) / planes) ** 0.5)
            grid = weights[name].reshape(planes, phases, phases, *weights[name].shape[1:])
            for axis in (1, 2):
                grid = grid.repeat_interleave(self.scale // phases, axis)
            weights[name] = grid.reshape(-1, *weights[name].shape[1:])
        return weights

    def forward(self, x):
        return (self.bicubic(x) + self.detail(x)).clamp(0, 1)


class Pyramid(nn.Module):
    """A U-Net of residual blocks from half resolution down; `widths[i]` channels and `blocks[i]` blocks per level.

    The first convolution (6x6, stride 2) equals pixel-unshuffle and a 3x3 convolution, the last is pixel-shuffled."""

    def __init__(self, inputs, outputs, widths, blocks):
        super().__init__()
        steps = list(zip(widths[:-1], widths[1:], strict=True))
        self.enter = nn.Conv2d(inputs, widths[0], 6, stride=2, padding=2)
        self.encode = nn.ModuleList(residuals(w, b) for w, b in zip(widths, blocks, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in steps)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in steps)
        self.decode = nn.ModuleList(residuals(w, b) for w, b in zip(widths[:-1], blocks[:-1], strict=True))
        self.leave = quiet(nn.Conv2d(widths[0], 4 * outputs, 3, padding=1))

    def forward(self, x):
        x, kept = self.encode[0](self.enter(x)), []
        for down, encode in zip(self.down, self.encode[1:], strict=True):
            kept.append(x)
            x = encode(down(x))
        for up, decode in reversed(list(zip(self.up, self.decode, strict=True))):
            x = decode(F.pixel_shuffle(up(x), 2) + kept.pop())
        return F.pixel_shuffle(self.leave(x), 2)


class Restorer(nn.Module):
    """RGB 0 to 1 and one strength per picture (for noise: sigma / 255; for JPEG: (100 - quality) / 200) to RGB."""

    multiple = 8

    def __init__(self, widths=(32, 64, 96), blocks=(2, 2, 2)):
        super().__init__()
        self.pyramid = Pyramid(4, 3, widths, blocks)

    def forward(self, x, strength):
        level = torch.zeros_like(x[:, :1]) + 4 * strength.reshape(-1, 1, 1, 1)
        return x - self.pyramid(torch.cat([x, level], 1))


class Segmenter(nn.Module):
    """Picture, rough selection and colour evidence to the subject's alpha.

    `logits` gets the picture 0 to 1, the selection 0 or 1, and the evidence -1 to 1 (see `cutout.evidence`). Outside
    the selection the answer starts from "no", and the evidence from "as the colour says"."""

    multiple = 16

    def __init__(self, widths=(24, 48, 64, 80), blocks=(1, 1, 1, 2)):
        super().__init__()
        self.pyramid = Pyramid(5, 1, widths, blocks)
        self.trust = nn.Parameter(torch.tensor([1.5, 0.0]))

    def logits(self, image, prompt, evidence):
        seen = self.pyramid(torch.cat([image - 0.5, 2 * prompt - 1, evidence], 1))
        return seen + self.trust[0] * evidence + self.trust[1] + 4 * (prompt - 1)

    def forward(self, image, prompt, evidence):
        return self.logits(image, prompt, evidence).sigmoid()
