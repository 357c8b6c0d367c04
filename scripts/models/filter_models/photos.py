"""The eight photographs that the models are measured on and that no training ever sees. They come with two Python
packages (scikit-image: astronaut, coffee, chelsea, camera, rocket, motorcycle; scikit-learn: china, flower)."""

import pathlib

import numpy as np
import skimage
import sklearn
from PIL import Image

SKIMAGE = pathlib.Path(skimage.__file__).parent / "data"
SKLEARN = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
FILES = {
    "astronaut": SKIMAGE / "astronaut.png",
    "coffee": SKIMAGE / "coffee.png",
    "chelsea": SKIMAGE / "chelsea.png",
    "camera": SKIMAGE / "camera.png",
    "rocket": SKIMAGE / "rocket.jpg",
    "motorcycle": SKIMAGE / "motorcycle_left.png",
    "china": SKLEARN / "china.jpg",
    "flower": SKLEARN / "flower.jpg",
}


def load(multiple=1):
    """name to uint8 RGB, cut at the right and bottom to a multiple of `multiple`."""
    photos = {}
    for name, path in FILES.items():
        photo = np.asarray(Image.open(path).convert("RGB"))
        high, wide = (side // multiple * multiple for side in photo.shape[:2])
        photos[name] = photo[:high, :wide].copy()
    return photos
