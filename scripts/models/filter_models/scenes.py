"""Procedural pictures that stand in for photographs: occluding shapes at all sizes (dead leaves), texture, strands,
glyphs, lines, depth of field, uneven light. No photograph is read, so nobody's licence reaches the weights.

What made the difference in earlier trials: shapes alone teach edges but not fine texture, and strong colour everywhere
teaches a chroma that photographs do not have. So: few colours per scene, near grey; large smooth shapes beside small
ones; a quarter of the scenes is strands, pages or drawings."""

import math

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .textures import SIDE, sheets

HERSHEY = (0, 1, 2, 3, 4, 6, 7)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;!?&%()-+/"
SHIFT = 4  # fractional bits of polygon corners: edges fall between pixels, as in a photograph


class Palette:
    """A few related colours; calling it gives one of them, slightly varied."""

    def __init__(self, rng):
        count = rng.integers(3, 9)
        grey = rng.beta(1.1, 1.3, count)
        warm, green = rng.laplace(0, rng.choice([0.02, 0.05, 0.1, 0.2]), (2, count))
        self.rng = rng
        self.colours = np.stack(
            [grey + 1.2 * warm, grey - 0.35 * warm + 0.5 * green, grey - 1.3 * warm - 0.3 * green], 1
        )
        self.spread = rng.uniform(0.01, 0.12)

    def __call__(self):
        colour = self.colours[self.rng.integers(len(self.colours))]
        varied = colour + self.rng.normal(0, self.spread) + self.rng.normal(0, self.spread / 3, 3)
        return np.clip(varied, 0, 1).astype(np.float32)


def outline(rng, radius):
    """Corners of one closed shape around the origin, about `radius` large: ellipse, box, shard, pebble, or stem."""
    around = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    kind = rng.random()
    if kind < 0.33:
        shape = np.stack([np.cos(around), np.sin(around) * rng.uniform(0.3, 1)], 1) * radius
    elif kind < 0.58:
        high = rng.uniform(0.12, 1)
        shape = np.array([[-1, -high], [1, -high], [1, high], [-1, high]]) * radius
    elif kind < 0.73:
        corners = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(3, 8)))
        shape = np.stack([np.cos(corners), np.sin(corners)], 1) * radius * rng.uniform(0.6, 1, (len(corners), 1))
    elif kind < 0.92:
        wobble = sum(rng.normal(0, 0.35 / f) * np.cos(f * around + rng.uniform(0, 6.3)) for f in range(2, 7))
        shape = np.stack([np.cos(around), np.sin(around)], 1) * radius * np.clip(1 + wobble, 0.2, 2)[:, None]
    else:
        x = np.linspace(-3 * radius, 3 * radius, 24)
        y = np.cumsum(np.cumsum(rng.normal(0, 0.03, 24))) * radius / 2
        width = np.linspace(rng.uniform(0.7, 4), rng.uniform(0.5, 3), 24)
        shape = np.concatenate([np.stack([x, y - width], 1), np.stack([x, y + width], 1)[::-1]])
    angle = rng.uniform(0, 2 * math.pi)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return shape @ turn


def fixed_point(corners):
    return np.round(corners * (1 << SHIFT)).astype(np.int32)


class Canvas:
    """A picture under construction at twice its final size, with the palette and texture sheets of its scene."""

    def __init__(self, rng, side, textures):
        self.rng, self.side, self.textures, self.palette = rng, side, textures, Palette(rng)
        corners = np.array([[self.palette(), self.palette()], [self.palette(), self.palette()]], np.float32)
        ground = cv2.resize(corners, (side, side), interpolation=cv2.INTER_LINEAR)
        sheet = self.textures[rng.integers(len(textures))]
        times = -(-side // SIDE)
        sheet = np.tile(sheet, (times, times))[:side, :side]
        self.pixels = np.ascontiguousarray(ground * (1 + sheet[..., None] * rng.choice([0, 0.03, 0.1, 0.3])))

    def shading(self, high, wide):
        """A fill's relative brightness: texture, a gradient, both, or nothing (None)."""
        rng, field = self.rng, None
        if rng.random() < 0.62 and high <= SIDE and wide <= SIDE:
            sheet = self.textures[rng.integers(len(self.textures))]
            top, left = rng.integers(0, SIDE - high + 1), rng.integers(0, SIDE - wide + 1)
            field = sheet[top : top + high, left : left + wide] * rng.choice([0.03, 0.08, 0.16, 0.3])
        if rng.random() < 0.45:
            down, right = rng.normal(0, 0.17, 2).astype(np.float32)
            slope = np.linspace(-down, down, high, dtype=np.float32)[:, None]
            slope = slope + np.linspace(-right, right, wide, dtype=np.float32)[None]
            field = slope if field is None else field + slope
        return field

    def shape(self, corners):
        """Paints one filled outline; what lies outside the canvas is cut off."""
        low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
        end = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, self.side)
        wide, high = end - low
        if wide <= 0 or high <= 0:
            return
        mask = np.zeros((high, wide), np.uint8)
        cv2.fillPoly(mask, [fixed_point(corners - low)], 1, shift=SHIFT)
        inside, colour = mask.astype(bool), self.palette()
        field = self.shading(high, wide) if wide * high > 60 else None
        region = self.pixels[low[1] : end[1], low[0] : end[0]]
        if field is None:
            region[inside] = colour
        else:
            shade = field[inside][:, None]
            region[inside] = colour * (1 + 1.2 * shade) + 0.25 * shade

    def leaves(self, count, smallest, largest, power):
        """`count` shapes whose radii follow radius**-power: the size law that makes dead leaves look like the world."""
        a = 1 - power
        radii = (smallest**a + self.rng.random(count) * (largest**a - smallest**a)) ** (1 / a)
        for radius in radii:
            self.shape(outline(self.rng, radius) + self.rng.uniform(-0.1 * self.side, 1.1 * self.side, 2))

    def strands(self, count):
        """Hair, grass, twigs: many thin curves of about one direction and few colours."""
        rng, lean = self.rng, self.rng.uniform(0, 2 * math.pi)
        spread, length = rng.uniform(0.05, 0.6), self.side * rng.uniform(0.03, 0.2)
        for _ in range(count):
            angle = lean + rng.normal(0, spread) + np.cumsum(rng.normal(0, 0.12, 6))
            steps = np.stack([np.cos(angle), np.sin(angle)], 1) * (length / 6)
            curve = np.cumsum(steps, 0) + rng.uniform(-0.05 * self.side, 1.05 * self.side, 2)
            colour = self.palette() * rng.uniform(0.6, 1.25)
            cv2.polylines(
                self.pixels, [fixed_point(curve)], False, colour.tolist(), int(rng.integers(1, 4)), cv2.LINE_AA, SHIFT
            )

    def lines(self, count):
        for _ in range(count):
            steps = self.rng.normal(0, self.side * 0.08, (self.rng.integers(2, 12), 2))
            path = np.cumsum(steps, 0) + self.rng.uniform(0, self.side, 2)
            width = int(self.rng.integers(1, 6))
            cv2.polylines(self.pixels, [fixed_point(path)], False, self.palette().tolist(), width, cv2.LINE_AA, SHIFT)

    def glyphs(self, count):
        """Random words in OpenCV's stroke fonts and Pillow's built-in face: the same on every machine."""
        rng = self.rng
        for _ in range(count):
            word = "".join(LETTERS[i] for i in rng.integers(0, len(LETTERS), rng.integers(2, 22)))
            place = rng.uniform([-0.2, 0], [0.9, 1]) * self.side
            if rng.random() < 0.5:
                scale = math.exp(rng.uniform(math.log(0.5), math.log(3.5)))
                width = max(1, int(scale * rng.uniform(0.8, 3)))
                at = tuple(int(v) for v in place)
                cv2.putText(
                    self.pixels,
                    word,
                    at,
                    HERSHEY[rng.integers(len(HERSHEY))],
                    scale,
                    self.palette().tolist(),
                    width,
                    cv2.LINE_AA,
                )
            else:
                size = math.exp(rng.uniform(math.log(12), math.log(90)))
                sheet = Image.new("L", (self.side, self.side))
                ImageDraw.Draw(sheet).text(tuple(place), word, font=ImageFont.load_default(size), fill=255)
                cover = np.asarray(sheet, np.float32)[..., None] / 255
                self.pixels += (self.palette() - self.pixels) * cover

    def defocus(self, sigma):
        self.pixels = cv2.GaussianBlur(self.pixels, (0, 0), sigma)


def world(canvas, rng):
    side = canvas.side
    count = math.exp(rng.uniform(math.log(300), math.log(2400))) * (side / 640) ** 2
    canvas.leaves(int(count), rng.uniform(2, 8), side * rng.uniform(0.15, 0.6), rng.uniform(2.2, 3.2))
    if rng.random() < 0.45:  # depth of field: what is there so far lies behind the plane of focus
        canvas.defocus(rng.uniform(1, 12))
        canvas.leaves(int(rng.uniform(10, 400)), rng.uniform(2, 6), side * 0.35, 2.5)
    if rng.random() < 0.2:
        canvas.strands(int(rng.integers(20, 300)))
    if rng.random() < 0.2:
        canvas.lines(int(rng.integers(1, 30)))
    if rng.random() < 0.2:
        canvas.glyphs(int(rng.integers(1, 10)))


def meadow(canvas, rng):
    canvas.leaves(int(rng.uniform(20, 200)), 6, canvas.side * 0.4, 2.3)
    if rng.random() < 0.5:
        canvas.defocus(rng.uniform(0.5, 5))
    for _ in range(rng.integers(1, 4)):
        canvas.strands(int(rng.integers(150, 900)))


def page(canvas, rng):
    canvas.glyphs(int(rng.integers(5, 50)))


def drawing(canvas, rng):
    canvas.lines(int(rng.integers(10, 150)))
    if rng.random() < 0.5:
        canvas.leaves(60, 4, canvas.side * 0.2, 2)


def scene(rng, side, textures):
    """One picture, float32 RGB 0 to 1, `side` pixels square; drawn at twice the size and averaged down."""
    canvas = Canvas(rng, 2 * side, textures)
    draw = rng.choice([world, meadow, page, drawing], p=[0.72, 0.1, 0.09, 0.09])
    draw(canvas, rng)
    pixels = canvas.pixels
    if rng.random() < 0.3:
        light = cv2.resize(
            rng.uniform(0.4, 1.3, (3, 3)).astype(np.float32), pixels.shape[:2], interpolation=cv2.INTER_CUBIC
        )
        pixels = pixels * light[..., None]
    pixels = np.clip(pixels, 0, 1)
    lens = rng.choice([0, 0, 0.5, 0.9, 1.4])
    if lens:
        pixels = cv2.GaussianBlur(pixels, (0, 0), lens)
    pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return np.clip(pixels, 0, 1)


def batch(seed, count, side):
    """`count` pictures as uint8 [count, side, side, 3]; the same for the same seed."""
    rng, made = np.random.default_rng(seed), []
    for i in range(count):
        if i % 30 == 0:
            textures = sheets(rng)
        made.append((scene(rng, side, textures) * 255 + 0.5).astype(np.uint8))
    return np.stack(made)
