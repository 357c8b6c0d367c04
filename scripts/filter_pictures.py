"""Before and after, side by side, for each filter that comes with gimp-bridge. usage: filter_pictures.py FOLDER"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from PIL import Image, ImageDraw

BIN = os.environ["GIMP_BRIDGE_BIN"]


def run(name, picture, folder, *options, suffix="png", **save):
    """The filter's result on a picture."""
    given, made = folder / f"{name}-in.{suffix}", folder / f"{name}-out.png"
    picture.save(given, **save)
    subprocess.run([BIN, "filters", "run", name, *options, str(given), str(made)], check=True)
    return Image.open(given).convert("RGB"), Image.open(made)


def side_by_side(pictures, path):
    """All of one height, with a gap of white."""
    height = max(picture.height for picture in pictures)
    pictures = [picture.resize((picture.width * height // picture.height, height), Image.NEAREST) for picture in pictures]
    sheet = Image.new("RGB", (sum(picture.width for picture in pictures) + 6 * (len(pictures) - 1), height), "white")
    left = 0
    for picture in pictures:
        sheet.paste(over_checks(picture), (left, 0))
        left += picture.width + 6
    sheet.save(path, quality=88)


def over_checks(picture):
    """Transparency as editors show it."""
    if picture.mode not in ("RGBA", "LA"):
        return picture.convert("RGB")
    squares = numpy.indices((picture.height, picture.width)).sum(axis=0) // 8 % 2
    ground = Image.fromarray(numpy.where(squares, 200, 150).astype("uint8")).convert("RGB")
    ground.paste(picture.convert("RGB"), (0, 0), picture.getchannel("A"))
    return ground


def mask(size, box):
    made = Image.new("L", size, 0)
    ImageDraw.Draw(made).ellipse(box, fill=255)
    return made


def main():
    out = Path(sys.argv[1])
    photo = Image.open(out / "coffee.jpg").convert("RGB")
    small = photo.resize((photo.width // 2, photo.height // 2), Image.LANCZOS)
    grain = numpy.random.default_rng(1).normal(0, 25, (photo.height, photo.width, 3))
    noisy = Image.fromarray(numpy.clip(numpy.asarray(photo) + grain, 0, 255).astype("uint8"))
    dim = photo.point(lambda value: int(30 + value * 0.5))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hole, style = folder / "hole.png", folder / "style.png"
        mask(photo.size, (0, 60, 58, 130)).save(hole)
        waves = numpy.indices((200, 200)).sum(axis=0)
        Image.fromarray(numpy.stack([(numpy.sin(waves / 9 + c) * 90 + 130).astype("uint8") for c in (0, 1, 3)], axis=2)).save(style)
        side_by_side(run("upscale", small, folder, "--scale", "2"), out / "upscale.jpg")
        side_by_side(run("denoise", noisy, folder), out / "denoise.jpg")
        side_by_side(run("jpeg-cleanup", photo, folder, suffix="jpg", quality=15), out / "jpeg-cleanup.jpg")
        side_by_side(run("cut-out", photo, folder, "--box", "50,0,250,210"), out / "cut-out.jpg")
        side_by_side(run("remove-object", photo, folder, "--mask", str(hole)), out / "remove-object.jpg")
        side_by_side(run("oil-painting", photo, folder), out / "oil-painting.jpg")
        side_by_side(run("style-from-image", photo, folder, "--style", str(style)), out / "style-from-image.jpg")
        side_by_side(run("auto-enhance", dim, folder), out / "auto-enhance.jpg")


if __name__ == "__main__":
    main()
