"""A folder of diffusers' format, and the pictures that it makes.

One picture at a time: the pipelines share weights and a scheduler, which has a state.
"""

import inspect
import os
import secrets
import time
from pathlib import Path

# Before diffusers is imported: everything is in the folder, nothing is looked for elsewhere.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")

import torch  # noqa: E402
from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting, AutoPipelineForText2Image  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402

from instance import IMAGE_TO_IMAGE, INPAINT, TEXT_TO_IMAGE, Refused  # noqa: E402

PIPELINES = {
    TEXT_TO_IMAGE: AutoPipelineForText2Image,
    IMAGE_TO_IMAGE: AutoPipelineForImage2Image,
    INPAINT: AutoPipelineForInpainting,
}


class TooLong(RuntimeError):
    """A picture that was given up."""


class Pipelines:
    def __init__(self, folder, device="auto", dtype="auto", most_seconds=600):
        folder = Path(folder)
        if not (folder / "model_index.json").is_file():
            raise SystemExit(f"error: `{folder}` has no model_index.json\n"
                             "hint: name a folder of diffusers' format by --model_dir or MODEL_DIR")
        self.device = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        dtypes = {"auto": torch.float16 if self.device.startswith("cuda") else torch.float32,
                  "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
        self.most_seconds = most_seconds
        # Weights in Python's pickle format would run code of whoever made them.
        options = {"torch_dtype": dtypes[dtype], "use_safetensors": True, "local_files_only": True}
        self.pipelines, self.missing = {}, {}
        for task, kind in PIPELINES.items():
            try:
                loaded = next(iter(self.pipelines.values()), None)
                pipeline = kind.from_pretrained(folder, **options) if loaded is None else kind.from_pipe(loaded)
            # `ValueError` is how diffusers says that this sort of model has no such pipeline.
            except ValueError as error:
                self.missing[task] = str(error).splitlines()[0]
                continue
            pipeline.set_progress_bar_config(disable=True)
            self.pipelines[task] = pipeline.to(self.device)
        if not self.pipelines:
            raise SystemExit(f"error: `{folder}` makes no pictures: {self.missing[TEXT_TO_IMAGE]}")
        unet = getattr(self.any, "unet", None)
        # Models that were made for inpainting take picture and mask as channels, and cannot do without.
        if unet is not None and unet.config.in_channels == 9:
            for task in (TEXT_TO_IMAGE, IMAGE_TO_IMAGE):
                self.pipelines.pop(task, None)
                self.missing[task] = "the model is made for inpainting"
        scale = getattr(self.any, "vae_scale_factor", 8)
        # Sides that the pipelines take.
        self.unit = max(scale, 8) if unet is not None else max(2 * scale, 16)

    @property
    def any(self):
        return next(iter(self.pipelines.values()))

    def paint(self, wanted):
        """The picture, and the seed that it was made from. Raises Refused and TooLong."""
        pipeline = self.pipelines.get(wanted.task)
        if pipeline is None:
            raise Refused(f"this model does no {wanted.task}: {self.missing[wanted.task]}; it does {', '.join(self.pipelines)}")
        seed = wanted.seed if wanted.seed is not None else secrets.randbelow(2**32)
        sizes = [-(-side // self.unit) * self.unit for side in (wanted.width, wanted.height)]
        given = {
            "prompt": wanted.prompt,
            "num_inference_steps": wanted.steps,
            # On the processor, so that a seed means the same on every card.
            "generator": torch.Generator("cpu").manual_seed(seed),
            "callback_on_step_end": self.watch(),
        }
        if wanted.negative_prompt is not None:
            given["negative_prompt"] = wanted.negative_prompt
        if wanted.guidance_scale is not None:
            given["guidance_scale"] = wanted.guidance_scale
        if wanted.task != IMAGE_TO_IMAGE:
            given.update(width=sizes[0], height=sizes[1])
        if wanted.image is not None:
            given.update(image=padded(wanted.image, sizes), strength=wanted.strength)
        if wanted.mask is not None:
            given["mask_image"] = padded(wanted.mask, sizes)
        known = inspect.signature(pipeline.__call__).parameters
        for name in given:
            if name not in known:
                raise Refused(f"{type(pipeline).__name__} got an unexpected keyword argument '{name}'")
        done = pipeline(**given)
        if any(getattr(done, "nsfw_content_detected", None) or []):
            raise Refused("the model's safety checker withheld the picture; another prompt or seed may do")
        picture = done.images[0].convert("RGB").crop((0, 0, wanted.width, wanted.height))
        if wanted.mask is not None:
            # What lies outside of the mask went through the model's own encoding and came back a little different.
            picture = Image.composite(picture, wanted.image, wanted.mask)
        return picture, seed

    def watch(self):
        """Ends a picture that takes too long, at its next step."""
        until = time.monotonic() + self.most_seconds

        def step(_pipeline, _step, _timestep, tensors):
            if time.monotonic() > until:
                raise TooLong(f"the picture took longer than {self.most_seconds:g} s; ask for fewer steps or a smaller one")
            return tensors

        return step


def padded(image, size):
    """The picture with its last row and column repeated, up to a size that the model takes."""
    right, below = size[0] - image.width, size[1] - image.height
    if not right and not below:
        return image
    whole = ImageOps.expand(image, (0, 0, right, below))
    if right:
        whole.paste(image.crop((image.width - 1, 0, *image.size)).resize((right, image.height)), (image.width, 0))
    if below:
        last = whole.crop((0, image.height - 1, whole.width, image.height))
        whole.paste(last.resize((whole.width, below)), (0, image.height))
    return whole
