"""Called by measure-auto. usage: measure_auto.py BINARY SCALE…

Each photo is made smaller, worn, and enlarged again by both of upscale's models; the dB by which `compressed` is the
better one stand beside what the engine measures on the worn picture: its JPEG quality and its noise.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from filter_models import degrade, photos
from PIL import Image

QUALITIES = (30, 50, 60, 70, 75, 80, 85, 90, 95)
NOISES = (2, 4, 6, 8, 10, 15)
CROP = 320  # at most, of the photo's middle, before it is made smaller


def worn(small):
    """(what was done, picture) of one small photo."""
    yield "clean", small
    for quality in QUALITIES:
        yield f"q {quality}", degrade.jpeg(small, quality)
    for sigma in NOISES:
        yield f"noise {sigma}", degrade.gaussian_noise(np.random.default_rng(7), small, sigma)


def lines(binary, name, given, made, *parameters):
    """One answer for each picture of the folder `given`, by the picture's name."""
    made.mkdir()
    command = [binary, "filters", "run", name, str(given), str(made), "--json", *parameters]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {pathlib.Path(line["in"]).name: line["parameters"] for line in map(json.loads, done.splitlines())}


def psnr(path, truth):
    made = np.asarray(Image.open(path).convert("RGB"), np.float32)
    return 10 * np.log10(255**2 / np.mean((made - truth) ** 2))


def measured(binary, scale, work):
    """Rows (photo, wear, quality, noise, choice, gain)."""
    given, truths = work / "in", {}
    given.mkdir()
    for name, photo in photos.load().items():
        high, wide = (min(CROP, side) // scale * scale for side in photo.shape[:2])
        top, left = (photo.shape[0] - high) // 2, (photo.shape[1] - wide) // 2
        truth = np.ascontiguousarray(photo[top : top + high, left : left + wide])
        for number, (wear, picture) in enumerate(worn(degrade.shrink(truth, scale))):
            file = f"{name}-{number:02}.png"
            Image.fromarray(picture).save(given / file)
            truths[file] = name, wear, truth.astype(np.float32)
    quality = lines(binary, "jpeg-cleanup", given, work / "quality")
    noise = lines(binary, "denoise", given, work / "noise")
    choice = lines(binary, "upscale", given, work / "auto", "--scale", str(scale))
    for source in ("clean", "compressed"):
        lines(binary, "upscale", given, work / source, "--scale", str(scale), "--source", source)
    for file, (name, wear, truth) in truths.items():
        gain = psnr(work / "compressed" / file, truth) - psnr(work / "clean" / file, truth)
        found = 100 - quality[file]["strength"], noise[file]["strength"] / 2
        yield name, wear, *found, choice[file]["source"], gain


def main(binary, *scales):
    for scale in map(int, scales):
        with tempfile.TemporaryDirectory() as folder:
            rows = list(measured(binary, scale, pathlib.Path(folder)))
        print(f"\nx{scale}: dB by which `compressed` beats `clean`; measured quality and noise\n")
        print("photo        " + "".join(f"{wear:>18}" for wear in dict.fromkeys(row[1] for row in rows)))
        for name in dict.fromkeys(row[0] for row in rows):
            mine = [row for row in rows if row[0] == name]
            cell = lambda row: f"{row[5]:+.2f} {row[2]:3.0f} {row[3]:4.1f}{'*' if row[4] == 'compressed' else ' '}"
            print(f"{name:13}" + "".join(f"{cell(row):>18}" for row in mine))
        lost = [-gain if choice == "compressed" else gain for *_, choice, gain in rows]
        lost = [max(0, loss) for loss in lost]
        print(f"\n* auto took `compressed`. What auto loses against the better model: mean {np.mean(lost):.3f} dB,"
              f" most {max(lost):.2f} dB; always clean: {np.mean([max(0, row[5]) for row in rows]):.3f} dB, always"
              f" compressed: {np.mean([max(0, -row[5]) for row in rows]):.3f} dB")


if __name__ == "__main__":
    main(*sys.argv[1:])
