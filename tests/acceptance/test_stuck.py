"""A headless GIMP in which nothing runs any more comes back by itself, and the answers say so."""

import asyncio
import os
import signal
import time

import pytest
import support
from support import call, python, value


@pytest.fixture(scope="module")
def quick(version):
    """A GIMP that is given up 2 s after a call was to end."""
    made = support.Bridge(version)
    made.env["GIMP_BRIDGE_RESTART_AFTER"] = "2"
    try:
        made.start_gimp()
        made.start_daemon()
        yield made
    finally:
        made.close()


async def told(client, seconds=300):
    """The next answer that is none of an interruption, and says what there was: whenever a busy machine comes to it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await client.call_tool("list_images", {})
        answer = answer.structured_content
        if answer.get("kind") not in ("no_gimp", "connection_lost", "busy", "timeout") and "note" in answer:
            return answer
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.2)


def test_a_procedure_that_never_answers(quick):
    async def scenario():
        async with quick.client() as client, quick.client() as other:
            made = await call(other, "create_new_image", width=300, height=200, color="#a04020")
            gimp = await value(other, "__import__('os').getppid()")
            stuck = asyncio.create_task(
                call(client, "call_api", api_path="extension-gimp-help", args=[], timeout=1, _error=True))
            answer = await told(other)
            assert (await stuck)["kind"] in ("timeout", "connection_lost")
            assert "plug-in was started again" in answer["note"] and "images are kept" in answer["note"], answer
            assert [row["id"] for row in answer["images"]] == [made["image"]]
            assert "note" not in await call(other, "list_images"), "it is said once"
            assert await value(other, "__import__('os').getppid()") == gimp

    asyncio.run(scenario())


def test_a_gimp_that_works_for_ever_is_ended_and_started_again(quick):
    runaway = [
        "image = Gimp.Image.new(5000, 5000, Gimp.ImageBaseType.RGB)",
        "layer = Gimp.Layer.new(image, 'x', 5000, 5000, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)",
        "image.insert_layer(layer, None, 0)",
        "slow = Gimp.DrawableFilter.new(layer, 'gegl:oilify', '')",
        "slow.get_config().set_property('mask-radius', 100)",
        "slow.update()",
        "layer.merge_filter(slow)",
    ]

    async def scenario():
        async with quick.client() as client, quick.client() as other:
            gimp = await value(other, "__import__('os').getppid()")
            answer = await python(client, *runaway, timeout=1, _error=True)
            assert answer["kind"] in ("timeout", "connection_lost")
            assert "lost" not in (answer.get("hint") or "")
            answer = await told(other)
            assert "GIMP was ended and started again" in answer["note"], answer
            assert "could not be ended" in answer["note"] and answer["images"] == []
            assert await value(other, "__import__('os').getppid()") != gimp
            assert not os.path.exists(f"/proc/{gimp}")

    asyncio.run(scenario())


def test_a_gimp_that_is_stopped_is_started_again(quick):
    async def scenario():
        async with quick.client() as client:
            gimp = await value(client, "__import__('os').getppid()")
            os.kill(gimp, signal.SIGSTOP)
            answer = await told(client)
            assert "GIMP was ended and started again" in answer["note"], answer

    asyncio.run(scenario())
