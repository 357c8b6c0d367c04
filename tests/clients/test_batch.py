"""batch through a real MCP client in a real GIMP: references, one undo step, failures, cancel, and its price."""

import time

import anyio
import mcp_types as types
import pytest
from mcp import Client
from test_with_gimp import answer as told, done, picture

INVERT = {"name": "call_api", "arguments": {"api_path": "exec", "args": [
    "pyGObject-console", ["Gimp.get_images()[0].get_layers()[0].invert(False)"]]}}
FAIL = {"name": "call_api", "arguments": {"api_path": "exec", "args": ["pyGObject-console", ["1 / 0"]]}}


@pytest.fixture
def connect(gimp_daemon, request):
    def make(mode="auto", name="one"):
        info = types.Implementation(name=f"{request.node.name}-{time.monotonic_ns()}-{name}", version="1")
        return Client(gimp_daemon.url, mode=mode, client_info=info, read_timeout_seconds=60)

    return make


async def batch(client, *steps, **arguments):
    return await client.call_tool("batch", {"operations": list(steps), **arguments})


async def shown(client, image):
    seen = await done(client, "get_image_bitmap", image=image)
    ((_, only),) = picture(seen.content[1]).convert("RGB").getcolors()
    return only


async def close(client, image):
    await done(client, "close_image", image=image, discard_changes=True)


def test_steps_use_what_earlier_ones_answered(connect):
    async def run():
        async with connect() as client:
            result = await batch(
                client,
                {"name": "create_new_image", "id": "new", "arguments": {"width": 320, "height": 240, "color": "#2850a0"}},
                {"name": "get_image_metadata", "arguments": {"image": {"$ref": "new.image"}}},
                INVERT,
                {"name": "get_image_bitmap", "arguments": {
                    "layer": {"$ref": "1.structure.layers.0.id"}, "max_width": {"$ref": "0.width"}}},
                preview=160,
            )
            assert not result.is_error, result.content[0].text
            answer = told(result)
            assert (answer["completed"], answer["failed"]) == (4, 0)
            assert [row["name"] for row in answer["results"]] == [
                "create_new_image", "get_image_metadata", "call_api", "get_image_bitmap"]
            assert answer["results"][0]["id"] == "new" and answer["image"] == answer["results"][0]["image"]
            assert answer["effect"]["changed"] is True and answer["effect"]["images_added"] == [answer["image"]]
            pictures = [picture(content) for content in result.content if content.type == "image"]
            assert [one.size for one in pictures] == [(320, 240), (160, 120)]  # the step's, then the preview
            assert pictures[0].convert("RGB").getpixel((3, 3)) == (0xD7, 0xAF, 0x5F)
            await close(client, answer["image"])

    anyio.run(run)


def test_a_failure_takes_everything_back(connect):
    async def run():
        async with connect() as client:
            image = (await done(client, "create_new_image", width=310, height=205, color="#2850a0")).structured_content["image"]
            new = {"name": "create_new_image", "arguments": {"width": 309, "height": 209}}
            failed = await batch(client, INVERT, new, FAIL, INVERT)
            assert failed.is_error and failed.structured_content["kind"] == "python_error"
            assert failed.structured_content["message"].startswith("step 2 (`call_api`): ")
            assert "everything was taken back" in failed.structured_content["message"]
            details = failed.structured_content["details"]
            assert (details["step"], details["restored"], len(details["results"])) == (2, True, 3)
            assert await shown(client, image) == (0x28, 0x50, 0xA0)
            listed = (await done(client, "list_images")).structured_content
            assert [row["id"] for row in listed["images"]] == [image] and listed["selected"] == image

            stopped = await batch(client, INVERT, FAIL, INVERT, on_error="stop")
            assert stopped.is_error and "the steps before it stay" in stopped.structured_content["message"]
            assert stopped.structured_content["details"]["effect"]["changed"] is True
            assert await shown(client, image) == (0xD7, 0xAF, 0x5F)
            await done(client, "undo", image=image)

            went_on = await batch(client, INVERT, FAIL, INVERT, INVERT, on_error="continue")
            answer = went_on.structured_content
            assert not went_on.is_error and (answer["completed"], answer["failed"]) == (3, 1)
            assert [row["status"] for row in answer["results"]] == ["success", "error", "success", "success"]
            assert answer["results"][1]["kind"] == "python_error" and "1 of which failed" in answer["message"]
            assert await shown(client, image) == (0xD7, 0xAF, 0x5F)
            await done(client, "undo", image=image)
            assert await shown(client, image) == (0x28, 0x50, 0xA0)
            await close(client, image)

    anyio.run(run)


def test_what_is_wrong_is_said_before_anything_runs(connect):
    async def run():
        async with connect() as client:
            image = (await done(client, "create_new_image", width=310, height=205, color="#2850a0")).structured_content["image"]
            for steps, part in [
                ([INVERT, {"name": "undoo"}], "step 1: no operation `undoo`; did you mean `undo`?"),
                ([INVERT, {"name": "undo", "arguments": {"steps": 99}}], "step 1: undo: `steps` must be from 1 to 20, got 99"),
                ([INVERT, {"name": "batch"}], "step 1: `batch` cannot be one of several steps"),
                ([INVERT, {"name": "undo", "arguments": {"image": {"$ref": "1.image"}}}], "names no earlier step"),
                ([{**INVERT, "id": "a"}, {**INVERT, "id": "a"}], "the id `a` is taken"),
                ([{"nme": "undo"}], "unknown parameter `operations[0].nme`; did you mean `name`?"),
                # With references too: names and types of parameters, and what the reference stands for
                ([INVERT, {"name": "undo", "arguments": {"image": {"$ref": "0.image"}, "stps": 1}}], "unknown parameter `stps`"),
                ([INVERT, {"name": "undo", "arguments": {"image": {"$ref": "0.image"}, "steps": 99}}], "from 1 to 20, got 99"),
                ([INVERT, {"name": "draw_line", "arguments": {"points": [[{"$ref": "0.image"}, "far"]], "width": 3}}],
                 "`points[0][1]` must be a number"),
                ([INVERT, {"name": "undo", "arguments": {"steps": {"$ref": "0.message"}}}], "`steps` must be of type integer"),
                ([], "`operations` has 0 items, the least is 1"),
            ]:
                failed = await batch(client, *steps)
                assert failed.is_error and part in failed.structured_content["message"], failed.structured_content
            assert await shown(client, image) == (0x28, 0x50, 0xA0)
            late = await batch(client, INVERT, {"name": "undo", "arguments": {"steps": {"$ref": "0.setps"}}})
            assert "answered no `setps`" in late.structured_content["message"]
            assert await shown(client, image) == (0x28, 0x50, 0xA0)
            await close(client, image)

    anyio.run(run)


def test_a_cancel_and_a_time_limit_take_it_back(connect):
    endless = {"name": "call_api", "arguments": {"api_path": "exec", "args": ["pyGObject-console", ["while True: pass"]]}}

    async def run():
        async with connect("legacy") as client, connect("legacy", "other") as other:
            image = (await done(client, "create_new_image", width=310, height=205, color="#2850a0")).structured_content["image"]
            with anyio.move_on_after(1):
                await batch(client, INVERT, endless)
            started = time.monotonic()
            assert await shown(other, image) == (0x28, 0x50, 0xA0)
            assert time.monotonic() - started < 40  # the endless step has a minute
            late = await batch(client, INVERT, endless, timeout=1)
            assert late.is_error and late.structured_content["kind"] == "timeout", late.structured_content
            assert await shown(other, image) == (0x28, 0x50, 0xA0)
            await close(client, image)

    anyio.run(run)


def test_progress_is_told_by_step(connect):
    async def run():
        reports = []

        async def report(progress, total, message):
            reports.append((progress, total, message))

        async with connect("legacy") as client:
            image = (await done(client, "create_new_image", width=310, height=205)).structured_content["image"]
            operations = {"operations": [INVERT] * 5}
            await client.call_tool("batch", operations, progress_callback=report)
            assert [one[0] for one in reports] == sorted(one[0] for one in reports)
            assert {"step 1 of 5: call_api", "step 5 of 5: call_api"} <= {one[2] for one in reports}
            assert all(one[1] == 5 for one in reports)
            await close(client, image)

    anyio.run(run)


def test_twenty_steps_cost_less_than_twenty_calls(connect):
    async def run():
        async with connect() as client:
            size = {"width": 64, "height": 48}  # small: so that it is the calls that cost and not GIMP's composing
            image = (await done(client, "create_new_image", **size, color="#2850a0")).structured_content["image"]
            await batch(client, INVERT)  # warm

            async def singly():
                for _ in range(20):
                    await done(client, INVERT["name"], **INVERT["arguments"])

            async def together():
                result = await batch(client, *[INVERT] * 20)
                assert not result.is_error, result.content[0].text

            async def seconds(work):
                started = time.perf_counter()
                await work()
                return time.perf_counter() - started

            # In turn, and the best of each, since the machine may be shared.
            rounds = [(await seconds(singly), await seconds(together)) for _ in range(5)]
            one_by_one, at_once = (min(times) for times in zip(*rounds))
            print(f"20 calls {one_by_one * 1e3:.0f} ms, one batch of 20 {at_once * 1e3:.0f} ms")
            assert at_once < one_by_one
            await close(client, image)

    anyio.run(run)
