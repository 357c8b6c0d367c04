"""Pictures reach a model: the form of a result, its bound, and which image is shown and meant, in a real GIMP."""

import base64
import io

import anyio
import mcp_types as types
import numpy
import pytest
from mcp import Client
from PIL import Image
from test_with_gimp import answer, done, picture, python

BOUND = 600_000  # characters of base64
WHOLE = 1_000_000  # characters of a result: Claude Desktop takes 1,048,576 with the envelope


@pytest.fixture
def connect(gimp_daemon, request):
    def make(name="one"):
        info = types.Implementation(name=f"{request.node.name}-{name}", version="1")
        return Client(gimp_daemon.url, client_info=info, read_timeout_seconds=120)

    return make


def coded(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def noise(height, width, channels=3):
    return numpy.random.default_rng(5).integers(0, 256, (height, width, channels)).astype("uint8")


def stars():
    """A field of stars of all brightnesses, with an alpha of noise."""
    sky = numpy.zeros((900, 1200, 4), "uint8")
    chosen = numpy.random.default_rng(7).random((900, 1200)) < 0.4
    sky[chosen] = noise(900, 1200, 4)[chosen]
    return sky


def interface():
    """Flat areas with hard edges, as an application's window has."""
    window = numpy.full((1400, 2200, 3), 245, "uint8")
    window[:80], window[80:, :300] = (40, 60, 90), (225, 228, 232)
    for row in range(120, 1380, 40):
        window[row : row + 2, 320:2180] = (180, 180, 190)
    return window


def gradient(width, height):
    ramp = numpy.linspace(0, 255, width, dtype="uint8")[None, :, None]
    rows = numpy.linspace(0, 80, height, dtype="uint8")[:, None, None]
    return numpy.concatenate([numpy.broadcast_to(ramp, (height, width, 1)), numpy.broadcast_to(rows, (height, width, 1)),
                              numpy.full((height, width, 1), 90, "uint8")], axis=2)


def pictures(result):
    return [content for content in result.content if content.type == "image"]


def length(result):
    """What a client counts: all texts and base64."""
    return sum(len(getattr(content, "text", "") or "") + len(getattr(content, "data", "") or "") for content in result.content)


def bounded(result, most=BOUND):
    assert result.content[0].type == "text" and result.structured_content is None
    assert sum(len(content.data) for content in pictures(result)) <= most and length(result) < WHOLE
    return answer(result)


def mean_error(shown, wanted):
    """Against the source, both over black and small: what scalers and encoders do differently averages out."""
    small = []
    for image in (shown.convert("RGBA"), Image.fromarray(wanted).convert("RGBA")):
        over = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
        small.append(numpy.asarray(over.resize((48, 24), Image.BOX)).astype(int))
    return abs(small[0] - small[1]).mean()


@pytest.mark.parametrize(("source", "formats"), [
    (lambda: noise(900, 1300), ("JPEG",)),
    (stars, ("PNG", "WEBP")),
    (interface, ("PNG",)),
    (lambda: gradient(9000, 400), ("PNG", "JPEG")),
], ids=["noise", "stars", "interface", "panorama"])
def test_every_picture_keeps_its_bound(connect, source, formats):
    async def run():
        pixels = source()
        async with connect() as client:
            opened = await done(client, "open_image", image_data=coded(pixels), preview=768)
            told = bounded(opened)
            [shown] = [picture(content) for content in pictures(opened)]
            assert shown.format in formats and told["preview"]["format"].upper() == shown.format
            assert shown.size == (told["preview"]["width"], told["preview"]["height"])
            # Noise has no colour of its own: what it averages to depends on the light that is averaged
            assert formats == ("JPEG",) or mean_error(shown, pixels) < 6
            for arguments in ({}, {"max_width": 1024, "max_height": 1024}, {"max_bytes": 20_000}):
                seen = await done(client, "get_image_bitmap", **arguments)
                told = bounded(seen)
                [content] = pictures(seen)
                shown = picture(content)
                size = len(base64.b64decode(content.data))
                assert size == told["bytes"] <= arguments.get("max_bytes", BOUND) and shown.format in (*formats, "PNG")
                assert max(shown.size) <= 8000 and shown.size == (told["width"], told["height"])
                # The picture leads back to the image, and what was done to it is said.
                places = told["scale_map"]
                assert abs(places["scale_x"] * shown.width - pixels.shape[1]) < 1
                assert abs(places["scale_y"] * shown.height - pixels.shape[0]) < 1
                if told["processing_applied"]["fitted_to_max_bytes"]:
                    assert "scaled down" in told["note"]
                assert ("quality" in told) == (shown.format != "PNG")
            await done(client, "close_image", image=answer(opened)["image"], discard_changes=True)

    anyio.run(run)


def test_what_is_asked_for_exactly_is_exact_and_said_to_be_large(connect):
    async def run():
        pixels = noise(700, 900)
        async with connect() as client:
            opened = await done(client, "open_image", image_data=coded(pixels))
            assert opened.structured_content["image"] == answer(opened)["image"]
            whole = await done(client, "get_image_bitmap", format="png")
            assert (numpy.asarray(picture(pictures(whole)[0]).convert("RGB")) == pixels).all()
            assert "large" in answer(whole)["note"]
            free = await done(client, "get_image_bitmap", max_bytes=0)
            assert len(pictures(free)[0].data) > 300_000 and "fitted" not in answer(free).get("note", "")
            linked = await done(client, "get_image_bitmap", **{"as": "link"})
            [link] = [content for content in linked.content if content.type == "resource_link"]
            assert linked.structured_content["uri"] == str(link.uri)
            read = (await client.read_resource(str(link.uri))).contents[0]
            assert (numpy.asarray(Image.open(io.BytesIO(base64.b64decode(read.blob))).convert("RGB")) == pixels).all()
            listed = [str(resource.uri) for resource in (await client.list_resources()).resources]
            [bitmap] = [uri for uri in listed if f"/{answer(opened)['image']}/bitmap" in uri]
            read = (await client.read_resource(bitmap)).contents[0]
            assert len(read.blob) <= BOUND and read.mime_type == "image/jpeg"
            # A file's bytes and a picture in one answer: nothing of it is lost.
            saved = answer(await done(client, "save_image", format="jpeg", quality=40, preview=64))
            assert len(base64.b64decode(saved["image_data"])) == saved["bytes"]
            small = await client.call_tool("get_image_bitmap", {"max_bytes": 5})
            assert small.is_error and "at least 1024" in small.structured_content["message"]
            await done(client, "close_image", discard_changes=True)

    anyio.run(run)


def test_a_batch_s_pictures_are_bounded_together(connect):
    async def run():
        async with connect() as client:
            opened = answer(await done(client, "open_image", image_data=coded(noise(800, 1000))))
            look = {"name": "get_image_bitmap", "arguments": {}}
            exact = {"name": "get_image_bitmap", "arguments": {"format": "png"}}
            turn = {"name": "flip_image", "arguments": {"direction": "horizontal", "preview": 1000}}
            result = await done(client, "batch", operations=[look, turn, exact, look], preview=1000)
            told = bounded(result)
            assert len(pictures(result)) == 5 and told["completed"] == 4
            assert sum(len(content.data) for content in pictures(result)) > BOUND / 3
            small = await done(client, "batch", operations=[look, turn], preview=600, max_bytes=60_000)
            assert len(pictures(small)) == 3
            bounded(small, 80_000)
            await done(client, "close_image", image=opened["image"], discard_changes=True)

    anyio.run(run)


def test_the_image_with_the_result_is_shown_and_meant(connect):
    async def run():
        async with connect() as client:
            first = answer(await done(client, "create_new_image", width=300, height=200, color="#2850a0"))["image"]
            second = answer(await done(client, "create_new_image", width=320, height=210, color="#a05028"))["image"]
            better = await done(client, "run_ai_filter", filter="auto-enhance", result="new_image", preview=320)
            told = answer(better)
            made = told["new_image"]
            assert (told["image"], told["next_image"], told["preview"]["image"]) == (second, made, made)
            assert picture(pictures(better)[0]).size == (320, 210) and str(made) in told["message"]
            # Looking at another one chooses nothing, and says which it was.
            seen = answer(await done(client, "get_image_bitmap", image=first, max_width=64))
            assert seen["image"] == first and f"image {first} " in seen["message"] and str(made) in seen["note"]
            read = answer(await done(client, "get_image_metadata", image=first))
            assert read["basic"]["width"] == 300 and str(made) in read["note"]
            changed = answer(await done(client, "run_operation", name="invert_colors", arguments={}))
            assert changed["image"] == made and "next_image" not in changed
            await done(client, "get_image_bitmap", image=first, max_width=64)
            assert answer(await done(client, "undo"))["image"] == made
            # What is changed by name is meant from then on; a refused change is not.
            assert answer(await done(client, "rotate_image", image=first, angle=90))["image"] == first
            refused = await client.call_tool("crop_image", {"image": second, "to": "selection"})
            assert refused.is_error and answer(await done(client, "get_image_metadata"))["image"] == first
            # Code that makes an image, too.
            code = ["i = Gimp.Image.new(310, 205, Gimp.ImageBaseType.GRAY)",
                    "i.insert_layer(Gimp.Layer.new(i, 'l', 310, 205, Gimp.ImageType.GRAY_IMAGE, 100, Gimp.LayerMode.NORMAL), None, 0)"]
            run_it = await done(client, "call_api", api_path="exec", args=["pyGObject-console", code], preview=310)
            assert picture(pictures(run_it)[0]).size == (310, 205)
            new = answer(run_it)["preview"]["image"]
            assert new not in (first, second, made) and answer(await done(client, "get_image_metadata"))["image"] == new
            # In a batch as well.
            steps = [{"name": "duplicate_image", "arguments": {"image": second}},
                     {"name": "flip_image", "arguments": {"direction": "vertical"}}]
            copied = answer(await done(client, "batch", operations=steps, preview=320))
            assert copied["preview"]["image"] == copied["results"][0]["image"] not in (first, second, made, new)
            for image in (first, second, made, new, copied["preview"]["image"]):
                await done(client, "close_image", image=image, discard_changes=True)

    anyio.run(run)
