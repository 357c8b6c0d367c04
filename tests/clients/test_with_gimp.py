"""Python MCP clients work in a real GIMP, over stdio and HTTP, in both kinds of revision."""

import base64
import io
import json
import time

import anyio
from PIL import Image


async def done(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result


def answer(result):
    """A result's JSON, which stands in one place: the structured content, or the text before the pictures."""
    pictures = [content for content in result.content if content.type == "image"]
    assert (result.structured_content is None) == bool(pictures)
    told = json.loads(result.content[0].text)
    assert pictures or told == result.structured_content
    return told


async def python(client, *lines, **arguments):
    result = await done(client, "call_api", api_path="exec", args=["pyGObject-console", list(lines)], **arguments)
    return answer(result)["output"].strip()


def picture(content):
    assert content.type == "image"
    return Image.open(io.BytesIO(base64.b64decode(content.data, validate=True)))


def test_open_edit_see_undo_close(connect):
    async def run():
        async with connect() as client:
            created = (await done(client, "create_new_image", width=640, height=480, color="#2850a0")).structured_content
            image = created["image"]
            seen = await done(client, "get_image_bitmap")
            assert answer(seen)["image"] == image and "image_data" not in answer(seen)
            assert f"image {image} " in answer(seen)["message"]
            shown = picture(seen.content[1])
            assert (shown.size, shown.convert("RGB").getpixel((5, 5))) == ((640, 480), (0x28, 0x50, 0xA0))
            changed = await done(
                client, "call_api", api_path="exec", preview=320,
                args=["pyGObject-console", ["i = Gimp.get_images()[0]", "i.get_layers()[0].invert(False)"]],
            )
            assert answer(changed)["effect"]["changed"] is True
            preview = picture(changed.content[1]).convert("RGB")
            assert preview.size == (320, 240) and preview.getpixel((3, 3)) != (0x28, 0x50, 0xA0)
            await done(client, "undo")
            again = picture((await done(client, "get_image_bitmap", format="webp", quality=100)).content[1])
            assert (again.format, again.convert("RGB").getpixel((5, 5))) == ("WEBP", (0x28, 0x50, 0xA0))
            linked = await done(client, "get_image_bitmap", **{"as": "link", "max_width": 160})
            [link] = [content for content in linked.content if content.type == "resource_link"]
            read = (await client.read_resource(str(link.uri))).contents[0]
            assert Image.open(io.BytesIO(base64.b64decode(read.blob))).size == (160, 120)
            metadata = json.loads((await client.read_resource(f"gimp://images/{image}")).contents[0].text)
            layer = metadata["structure"]["layers"][0]["id"]
            blob = (await client.read_resource(f"gimp://layers/{layer}/bitmap")).contents[0]
            alone = Image.open(io.BytesIO(base64.b64decode(blob.blob)))
            assert (blob.mime_type, alone.size) == ("image/png", (640, 480))
            listed = [str(resource.uri) for resource in (await client.list_resources()).resources]
            assert f"gimp://images/{image}" in listed
            await python(client, "i.get_layers()[0].invert(False)")
            refused = await client.call_tool("close_image", {"image": image})
            assert refused.is_error and refused.structured_content["kind"] == "unsaved_changes"
            await done(client, "close_image", image=image, discard_changes=True)

    anyio.run(run)


def test_a_large_picture_arrives_whole(connect):
    async def run():
        async with connect() as client:
            image = (await done(client, "create_new_image", width=2000, height=1500)).structured_content["image"]
            await python(
                client, "i = Gimp.get_images()[0]", "l = i.get_layers()[0]",
                "f = Gimp.DrawableFilter.new(l, 'gegl:noise-rgb', 'n')", "f.get_config().set_property('red', 1.0)",
                "f.update()", "l.merge_filter(f)",
            )
            seen = await done(client, "get_image_bitmap", format="png")
            assert answer(seen)["bytes"] == len(base64.b64decode(seen.content[1].data)) > 1_000_000
            picture(seen.content[1]).load()
            await done(client, "close_image", image=image, discard_changes=True)

    anyio.run(run)


def test_each_client_has_its_own_namespace_and_image(connect):
    async def run():
        async with connect("one") as one, connect("two") as two:
            first = (await done(one, "create_new_image", width=310, height=205)).structured_content["image"]
            second = (await done(two, "create_new_image", width=320, height=220)).structured_content["image"]
            await python(one, "x = 'one'")
            await python(two, "x = 'two'")
            assert (await python(one, "print(x)"), await python(two, "print(x)")) == ("one", "two")
            for client, image in [(one, first), (two, second)]:
                chosen = await done(client, "get_image_metadata")
                assert chosen.structured_content["image"] == image
                await done(client, "close_image", discard_changes=True)
        # A session's end is the namespace's end; a client without sessions finds it again.
        async with connect("one") as one:
            again = await client_has(one, "x")
            assert again == (not connect.sessions)

    async def client_has(client, name):
        return await python(client, f"print({name!r} in globals())") == "True"

    anyio.run(run)


def test_a_cancelled_call_ends_in_gimp(connect, tmp_path):
    begun = tmp_path / "begun"

    async def run():
        async with connect() as client:
            await python(client, "x = 1")
            async with anyio.create_task_group() as group:
                endless = ("x = 2", f"open({str(begun)!r}, 'w').close()", "while True: pass")
                group.start_soon(lambda: python(client, *endless, timeout=50))
                with anyio.fail_after(40):
                    while not begun.exists():
                        await anyio.sleep(0.05)
                group.cancel_scope.cancel()
            started = time.monotonic()
            assert await python(client, "print(x)") == "2"
            assert time.monotonic() - started < 45  # the endless call has 50 s

    anyio.run(run)


def test_python_errors_say_what_and_where(connect):
    async def run():
        async with connect() as client:
            code = ["print('before')", "1 / 0"]
            failed = await client.call_tool("call_api", {"api_path": "exec", "args": ["pyGObject-console", code]})
            assert failed.is_error and failed.structured_content["kind"] == "python_error"
            assert "ZeroDivisionError" in failed.content[0].text and "line 2" in failed.content[0].text
            details = json.loads(failed.content[1].text)
            assert details == failed.structured_content["details"] and "before" in details["output"]

    anyio.run(run)
