"""Models that are broken and pictures that are odd, on a live image: a clear error, and the image as it was."""

import asyncio
import hashlib
import os
import shutil

import numpy
import pytest
import support
from support import call, value

MOCKS = os.path.join(os.path.dirname(__file__), "..", "filters", "mocks")
MANIFEST = """schema = 1
id = "{id}"
name = "Broken"
task = "filter"
license = "project"
[[file]]
path = "{path}"
{pin}
[size]
policy = "dynamic"
[[input]]
source = "image"
{input}
[[output]]
as = "image"
"""
# What is wrong: (the model, what it is called in the manifest, more of the file's entry, of the input's; words of the error)
BROKEN = {
    "truncated": ("double.onnx", None, "", "", ("double.onnx", "cut off")),
    "wrong-name": ("double.onnx", None, "", 'name = "picture"', ("no input `picture`", "`x`")),
    "wrong-rank": ("rank3.onnx", None, "", "", ("[3, any, any]", "[1, 3, 8, 9]")),
    "nan": ("nan.onnx", None, "", "", ("NaN",)),
    "memory": ("huge.onnx", None, "", "", ("needs more memory than the", "filters.memory_mb")),
    "another-size": ("another-size.onnx", None, "", "", ("2000x2000", "9x8 was expected")),
    "checksum": ("double.onnx", None, 'sha256 = "' + "0" * 64 + '"', "", ("SHA-256", "0" * 64)),
    "climbs": ("double.onnx", "../truncated/double.onnx", "", "", ("../truncated/double.onnx", "leaves")),
    "missing": ("double.onnx", "other.onnx", "", "", ("other.onnx",)),
}


def install(folder):
    for name, (model, path, pin, more, _) in BROKEN.items():
        place = os.path.join(folder, name)
        os.makedirs(place)
        copy = shutil.copy(os.path.join(MOCKS, model), place)
        if name == "truncated":
            os.truncate(copy, os.path.getsize(copy) // 2)
        with open(os.path.join(place, "manifest.toml"), "w") as file:
            file.write(MANIFEST.format(id=name, path=path or model, pin=pin, input=more))


@pytest.fixture(scope="module")
def broken(version):
    """A GIMP, and a daemon whose installed filters are all broken."""
    made = support.Bridge(version)
    try:
        folder = made.env["GIMP_BRIDGE_FILTERS_FOLDER"] = os.path.join(made.folder.name, "filters")
        install(folder)
        made.start_gimp()
        made.start_daemon()
        yield made
    finally:
        made.close()


def peak(pid):
    """The most memory that a process ever held, in KiB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


async def facts(client, image):
    """Everything that a filter could have changed: pixels, layers, whether GIMP counts a change (3.0 always does here)."""
    picture = (await call(client, "get_image_bitmap", image=image))["picture"]
    shown = f"Gimp.Image.get_by_id({image})"
    rest = await value(client, f"[{shown}.is_dirty(), [l.get_id() for l in {shown}.get_layers()]]")
    return hashlib.sha256(picture.tobytes()).hexdigest(), rest


async def picture_of(client, width, height):
    made = await call(client, "create_new_image", width=width, height=height, color="#4080c0", alpha=False)
    await call(client, "add_noise", image=made["image"], amount=15)
    await value(client, f"Gimp.Image.get_by_id({made['image']}).clean_all()")
    return made["image"]


def test_a_broken_model_changes_nothing(broken):
    async def scenario():
        async with broken.client() as client:
            listed = await call(client, "list_ai_filters")
            assert "climbs" in str(listed["unusable"]) and "leaves" in str(listed["unusable"]), listed["unusable"]
            image = await picture_of(client, 9, 8)
            before = await facts(client, image)
            held = peak(broken.daemon.pid)
            for name, (*_, words) in BROKEN.items():
                problem = await call(client, "run_ai_filter", _error=True, image=image, filter=name, result="replace")
                text = f"{problem['message']} {problem.get('hint', '')}"
                assert all(word in text for word in words), (name, problem)
                assert problem["kind"] not in ("internal", "timeout", "connection_lost"), problem
                assert await facts(client, image) == before, name
            # What asked for 14 GB did so elsewhere.
            assert peak(broken.daemon.pid) - held < 256 * 1024
            await call(client, "close_image", image=image, discard_changes=True)

    asyncio.run(scenario())


def test_pictures_of_odd_shapes(broken):
    async def scenario():
        async with broken.client(read_timeout_seconds=120) as client:
            for width, height in ((1, 1), (20000, 10)):
                image = await picture_of(client, width, height)
                for name in ("denoise", "auto-enhance", "oil-painting"):
                    done = await call(client, "run_ai_filter", image=image, filter=name, result="new_layer")
                    assert (done["width"], done["height"]) == (width, height), done
                    if done["result"] != "unchanged":  # on a single pixel there is nothing to do
                        await call(client, "undo", image=image)
                done = await call(client, "run_ai_filter", image=image, filter="upscale", parameters={"source": "clean"})
                assert (done["width"], done["height"]) == (2 * width, 2 * height), done
                large = (await call(client, "get_image_metadata", image=done["new_image"]))["basic"]
                assert (large["width"], large["height"]) == (2 * width, 2 * height)
                await call(client, "close_image", image=done["new_image"], discard_changes=True)
                await call(client, "select_all", image=image)
                await value(client, f"Gimp.Image.get_by_id({image}).clean_all()")
                before = await facts(client, image)
                problem = await call(client, "run_ai_filter", _error=True, image=image, filter="remove-object")
                assert problem["kind"] == "invalid_argument" and "the selection covers everything" in problem["message"], problem
                assert await facts(client, image) == before
                await call(client, "close_image", image=image, discard_changes=True)

    asyncio.run(scenario())


def test_masks_that_hold_nothing(broken):
    async def scenario():
        async with broken.client() as client:
            image = await picture_of(client, 60, 40)
            black = await value(
                client,
                f"(lambda i, c: (i.insert_channel(c, None, 0), c.fill(Gimp.FillType.FOREGROUND), i.clean_all(), c.get_id())[-1])"
                f"(Gimp.Image.get_by_id({image}), Gimp.Channel.new(Gimp.Image.get_by_id({image}), 'm', 60, 40, 50, Gegl.Color.new('red')))",
            )
            before = await facts(client, image)
            for name in ("remove-object", "cut-out"):
                problem = await call(client, "run_ai_filter", _error=True, image=image, filter=name, mask=black)
                assert problem["kind"] == "invalid_argument" and "the mask is empty" in problem["message"], problem
                assert problem["hint"]
                assert await facts(client, image) == before, name
            assert numpy.ptp((await call(client, "get_image_bitmap", image=image))["picture"]) > 0
            await call(client, "close_image", image=image, discard_changes=True)

    asyncio.run(scenario())
