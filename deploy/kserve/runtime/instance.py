"""What one instance of a request may hold, and what it becomes.

Knows neither torch nor KServe, so that it is tested without them. A value that cannot be used is refused with its name, its
limit and what to give instead; nothing is passed on that was not checked here.
"""

import base64
import binascii
import io
from dataclasses import dataclass

from PIL import Image

SIDES = (64, 2048)
MOST_PIXELS = 4_194_304
STEPS = (1, 200)
GUIDANCE = (1.0, 20.0)
SEEDS = (0, 2**32 - 1)
PROMPT = 1000
# Bytes of one picture that is sent along.
MOST_BYTES = 32 << 20
KEYS = ("prompt", "negative_prompt", "width", "height", "num_inference_steps", "guidance_scale", "seed",
        "image", "mask_image", "strength")
TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINT = "text to image", "image to image", "inpaint"


class Refused(ValueError):
    """An instance that cannot be served, in words for who sent it."""


@dataclass
class Instance:
    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    steps: int
    guidance_scale: float | None
    seed: int | None
    image: Image.Image | None
    mask: Image.Image | None
    strength: float

    @property
    def task(self):
        if self.image is None:
            return TEXT_TO_IMAGE
        return IMAGE_TO_IMAGE if self.mask is None else INPAINT


def read(given, default_steps=50):
    """The instance that `given`, out of JSON, is. Raises Refused."""
    if not isinstance(given, dict):
        raise Refused(f"an instance is an object with `prompt`, got {type(given).__name__}")
    for name in given:
        if name not in KEYS:
            # In Python's own words: clients that know them leave the key out and ask again.
            raise Refused(f"got an unexpected keyword argument '{str(name)[:60]}'; there are {', '.join(KEYS)}")
    image = picture(given, "image", "RGB")
    mask = picture(given, "mask_image", "L")
    if mask is not None and image is None:
        raise Refused("`mask_image` needs `image`, the picture that it is of")
    if mask is not None and mask.size != image.size:
        raise Refused(f"`mask_image` is {size_of(mask)}, `image` is {size_of(image)}; give a mask of the picture's size")
    if image is None and given.get("strength") is not None:
        raise Refused("`strength` needs `image`, the picture to begin from")
    own = image.size if image is not None else (512, 512)
    width, height = (whole(given, name, *SIDES, default) for name, default in zip(("width", "height"), own))
    if width * height > MOST_PIXELS:
        raise Refused(f"`width` times `height` is at most {MOST_PIXELS}, got {width} x {height}")
    if image is not None and (width, height) != own:
        raise Refused(f"`width` and `height` are those of `image`, {size_of(image)}, or left out; got {width} x {height}")
    steps = whole(given, "num_inference_steps", *STEPS, default_steps)
    strength = number(given, "strength", 0.0, 1.0, 1.0 if mask is not None else 0.8)
    if image is not None and int(steps * strength) < 1:
        raise Refused(f"`strength` {strength:g} of {steps} steps leaves none; give at least {1 / steps:.3g}, or more steps")
    return Instance(
        prompt=text(given, "prompt") or missing("prompt"),
        negative_prompt=text(given, "negative_prompt"),
        width=width,
        height=height,
        steps=steps,
        guidance_scale=number(given, "guidance_scale", *GUIDANCE, None),
        seed=whole(given, "seed", *SEEDS, None),
        image=image,
        mask=mask,
        strength=strength,
    )


def missing(name):
    raise Refused(f"`{name}` is needed: a text of 1 to {PROMPT} characters, not only blanks")


def size_of(image):
    return f"{image.width} x {image.height}"


def text(given, name):
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(f"`{name}` is a text, got {type(value).__name__}")
    if len(value) > PROMPT:
        raise Refused(f"`{name}` has at most {PROMPT} characters, got {len(value)}")
    return value if value.strip() else None


def number(given, name, least, most, default):
    value = given.get(name)
    if value is None:
        return default
    # In Python True is 1; and NaN is not between anything.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise Refused(f"`{name}` is a number from {least:g} to {most:g}, got {str(value)[:40]}")
    return float(value)


def whole(given, name, least, most, default):
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Refused(f"`{name}` is a whole number from {least} to {most}, got {str(value)[:40]}")
    return value


def picture(given, name, mode):
    """The PNG under `name`, in base64, as 8-bit `mode`."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(f"`{name}` is a PNG in base64, got {type(value).__name__}")
    if len(value) > MOST_BYTES * 4 // 3 + 4:
        raise Refused(f"`{name}` has at most {MOST_BYTES} bytes, got more")
    try:
        file = io.BytesIO(base64.b64decode(value.removeprefix("data:image/png;base64,"), validate=True))
    except (binascii.Error, ValueError):
        raise Refused(f"`{name}` is no base64; give a PNG in base64, without line breaks") from None
    try:
        # No other decoder is open to callers.
        image = Image.open(file, formats=["PNG"])
        if not all(SIDES[0] <= side <= SIDES[1] for side in image.size) or image.width * image.height > MOST_PIXELS:
            raise Refused(f"`{name}` has sides of {SIDES[0]} to {SIDES[1]} and at most {MOST_PIXELS} pixels, got {size_of(image)}")
        image.load()
    except Refused:
        raise
    # Pillow raises whatever a damaged file runs into.
    except Exception:
        raise Refused(f"`{name}` is no whole PNG") from None
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise Refused(f"`{name}` is a PNG of 8 bits for each channel, got the mode {image.mode}")
    return image.convert(mode)
