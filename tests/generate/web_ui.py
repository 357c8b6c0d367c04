"""A stand-in for Automatic1111's web UI with image to image and masks: the same answer for the same request.

Its model repeats what it gets, with colours that drift as those of real ones do (a cast, and a gradient from left to
right), and paints a disc of the prompt's colour into the middle of what it is to paint. It refuses what it does not know.
"""

import base64
import io
import json
import threading

import numpy as np
from painter import Answering, StandIn
from PIL import Image

TEXT = {"prompt", "negative_prompt", "width", "height", "steps", "cfg_scale", "seed", "override_settings"}
IMAGE = TEXT | {"init_images", "denoising_strength", "mask", "inpainting_fill", "inpaint_full_res", "inpainting_mask_invert",
                "mask_blur", "resize_mode"}
CAST = np.array([24.0, -16.0, 10.0])
SLOPE = np.array([0.0, 12.0, -14.0])  # from the left edge to the right


def colour(prompt, seed):
    return np.array([(sum(prompt.encode()) * 7 + seed * 41) % 256, (len(prompt) * 53 + seed * 17) % 256, 40], np.float64)


def drift(width):
    return CAST + SLOPE * (np.arange(width) / max(width - 1, 1))[None, :, None]


def painted(prompt, seed, source, mask, strength):
    """RGB: the source as the model repeats it, and a disc where the mask is white (of radius: a fifth of its size)."""
    height, width = source.shape[:2]
    made = source + drift(width)
    rows, columns = np.nonzero(mask > 127)
    middle = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    radius = max(min(np.ptp(columns), np.ptp(rows)) / 5, 2)
    y, x = np.mgrid[:height, :width]
    disc = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2
    made[disc] += (colour(prompt, seed) - made[disc]) * strength
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def picture(text, mode):
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    assert image.mode == mode, image.mode
    return np.asarray(image)


class Handler(Answering):
    def do_GET(self):
        answers = {
            "/sdapi/v1/progress": {"progress": self.owner.progress, "state": {}},
            "/sdapi/v1/sd-models": [{"model_name": "dreamer", "title": "dreamer.safetensors"}],
        }
        path = self.path.split("?")[0]
        if self.closed():
            return
        self.answer(200 if path in answers else 404, answers.get(path, {"detail": "Not Found"}))

    def do_POST(self):
        body, ui = self.body(), self.owner
        if self.closed():
            return None
        if self.path == "/sdapi/v1/interrupt":
            ui.stops.append(True)
            return self.answer(200, {})
        known = {"/sdapi/v1/txt2img": TEXT, "/sdapi/v1/img2img": IMAGE}.get(self.path)
        wrong = known is None or [name for name, value in body.items() if name not in known or value is None]
        if wrong:
            return self.answer(422, {"detail": f"not understood: {self.path} {wrong}"})
        ui.requests.append(body)
        ui.asked.set()
        if not ui.gate.wait(60):
            return self.answer(500, {"detail": "nobody opened the gate"})
        if ui.faults:
            return self.answer(200, ui.faults.pop(0))
        seed = body.get("seed", 5)
        try:
            made = self.paint(body, seed)
        except (AssertionError, KeyError, OSError, ValueError) as error:
            return self.answer(422, {"detail": repr(error)})
        file = io.BytesIO()
        Image.fromarray(made, "RGB").save(file, "png")
        info = json.dumps({"seed": seed, "sd_model_name": "dreamer"})
        return self.answer(200, {"images": [base64.b64encode(file.getvalue()).decode()], "info": info})

    def closed(self):
        """Whether a key is wanted that was not sent; says so."""
        if self.owner.key in (None, (self.headers["Authorization"] or "").removeprefix("Bearer ")):
            return False
        self.answer(401, {"detail": "Invalid authentication credentials"})
        return True

    def paint(self, body, seed):
        size = body["height"], body["width"]
        if self.path.endswith("txt2img"):
            return painted(body["prompt"], seed, np.full((*size, 3), 128.0), np.full(size, 255), 1.0)
        source = picture(body["init_images"][0], "RGB").astype(float)
        mask = picture(body["mask"], "L") if "mask" in body else np.full(size, 255)
        assert source.shape == (*size, 3) and mask.shape == size, (source.shape, mask.shape, size)
        return painted(body["prompt"], seed, source, mask, body["denoising_strength"])


class WebUi(StandIn):
    """`ui.gate` holds answers back, `ui.asked` says that one waits; `ui.stops` has an entry for each time it was interrupted,
    `ui.progress` is how far it says it is; `ui.key` is what lets one in, if not None."""

    handler = Handler

    def __init__(self):
        super().__init__()
        self.faults, self.stops, self.progress, self.asked, self.key = [], [], 0.5, threading.Event(), None
