"""What the reference runtime takes and refuses, without torch."""

import base64
import io

import instance
import pytest
from PIL import Image


def encoded(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def picture(size=(300, 200), mode="RGB"):
    gradient = Image.linear_gradient("L").resize(size)
    return gradient.convert(mode)


def test_words_alone_have_defaults_and_nothing_that_was_not_given():
    read = instance.read({"prompt": "a lake"})
    assert (read.task, read.width, read.height, read.steps) == (instance.TEXT_TO_IMAGE, 512, 512, 50)
    assert read.seed is None and read.guidance_scale is None and read.negative_prompt is None
    assert instance.read({"prompt": "a lake", "seed": 2**32 - 1, "negative_prompt": None, "image": None}).seed == 2**32 - 1


def test_the_task_is_chosen_by_the_pictures():
    photo = picture()
    mask = Image.new("L", photo.size, 0)
    mask.paste(255, (40, 30, 90, 80))
    read = instance.read({"prompt": "x", "image": encoded(photo), "strength": 0.4})
    assert read.task == instance.IMAGE_TO_IMAGE and (read.width, read.height, read.strength) == (300, 200, 0.4)
    assert read.image.tobytes() == photo.tobytes()
    read = instance.read({"prompt": "x", "image": "data:image/png;base64," + encoded(photo), "mask_image": encoded(mask)})
    assert read.task == instance.INPAINT and read.mask.tobytes() == mask.tobytes() and read.strength == 1.0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_kinds_of_png_become_rgb(mode):
    read = instance.read({"prompt": "x", "image": encoded(picture(mode=mode))})
    assert read.image.mode == "RGB" and read.image.size == (300, 200)
    assert read.image.getpixel((0, 0)) == (0, 0, 0) and read.image.getpixel((0, 199)) == (255, 255, 255)


SMALL, DEEP = encoded(picture((32, 64))), encoded(Image.new("I;16", (300, 200), 40000))


@pytest.mark.parametrize("given, said", [
    ("a lake", "an instance is an object"),
    ({}, "`prompt` is needed"),
    ({"prompt": "  "}, "`prompt` is needed"),
    ({"prompt": 7}, "`prompt` is a text, got int"),
    ({"prompt": "x" * 1001}, "at most 1000 characters, got 1001"),
    ({"prompt": "x", "sampler": "euler"}, "unexpected keyword argument 'sampler'; there are prompt, "),
    ({"prompt": "x", "width": 63}, "`width` is a whole number from 64 to 2048, got 63"),
    ({"prompt": "x", "height": 512.0}, "`height` is a whole number"),
    ({"prompt": "x", "width": True}, "`width` is a whole number"),
    ({"prompt": "x", "seed": -1}, "`seed` is a whole number from 0 to 4294967295, got -1"),
    ({"prompt": "x", "num_inference_steps": 201}, "from 1 to 200, got 201"),
    ({"prompt": "x", "guidance_scale": float("nan")}, "`guidance_scale` is a number from 1 to 20, got nan"),
    ({"prompt": "x", "strength": 0.5}, "`strength` needs `image`"),
    ({"prompt": "x", "mask_image": encoded(picture())}, "`mask_image` needs `image`"),
    ({"prompt": "x", "image": encoded(picture()), "mask_image": encoded(picture((300, 201)))}, "is 300 x 201, `image` is 300 x 200"),
    ({"prompt": "x", "image": encoded(picture()), "width": 512}, "those of `image`, 300 x 200"),
    ({"prompt": "x", "image": encoded(picture()), "strength": 0.01}, "leaves none; give at least 0.02"),
    ({"prompt": "x", "image": encoded(picture()), "strength": 1.5}, "`strength` is a number from 0 to 1, got 1.5"),
    ({"prompt": "x", "image": 5}, "`image` is a PNG in base64, got int"),
    ({"prompt": "x", "image": "no base64!"}, "`image` is no base64"),
    ({"prompt": "x", "image": encoded(picture(), "JPEG")}, "`image` is no whole PNG"),
    ({"prompt": "x", "image": encoded(picture())[:400]}, "`image` is no whole PNG"),
    ({"prompt": "x", "image": SMALL}, "sides of 64 to 2048"),
    ({"prompt": "x", "image": DEEP}, "8 bits for each channel, got the mode I;16"),
    ({"prompt": "x", "image": "A" * (45 << 20)}, "at most 33554432 bytes"),
])
def test_what_cannot_be_is_refused_in_words(given, said):
    with pytest.raises(instance.Refused) as refused:
        instance.read(given)
    assert said in str(refused.value) and len(str(refused.value)) < 400
