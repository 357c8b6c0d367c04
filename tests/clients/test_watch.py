"""A client learns that an image changed: wait_for_change, and subscriptions in both kinds of revision."""

import time

import anyio
import mcp_types as types
import pytest
from test_with_gimp import done, python


async def new_image(client):
    return (await done(client, "create_new_image", width=310, height=205, color="#2850a0")).structured_content["image"]


async def invert(client, image):
    await python(client, f"Gimp.Image.get_by_id({image}).get_layers()[0].invert(False)")


async def close(client, image):
    await done(client, "close_image", image=image, discard_changes=True)


async def wait(client, **arguments):
    return (await done(client, "wait_for_change", **arguments)).structured_content


def test_wait_for_change(connect):
    async def run():
        async with connect() as client, connect("two") as other:
            image = await new_image(client)
            nothing = await wait(client, image=image, timeout=0.5)
            assert (nothing["changed"], nothing["what"]) == (False, [])
            revision = nothing["revision"]

            # It answers soon after the change, and does not hold anybody up until then.
            answers = []

            async def waits():
                answers.append((await wait(client, image=image, timeout=50), time.monotonic()))

            async def begun():
                """Some calls later, by the machine's own speed, since nothing tells that a wait has begun."""
                for _ in range(5):
                    await done(other, "get_image_metadata", image=image)
                    await anyio.sleep(0.2)

            async with anyio.create_task_group() as group:
                group.start_soon(waits)
                await begun()
                started = time.monotonic()
                await done(other, "get_image_metadata", image=image)
                # Limits far below the wait's 50 s, and far above what a busy test machine takes.
                assert time.monotonic() - started < 30 and not answers
                await invert(other, image)
                changed = time.monotonic()
            answer, at = answers[0]
            assert answer["changed"] and {"pixels", "edits"} <= set(answer["what"]) and answer["image"] == image
            assert at - changed < 30

            # With `since`, what came in between is not missed.
            late = await wait(client, image=image, since=revision, timeout=20)
            assert late["changed"] and late["revision"] == answer["revision"]
            wrong = await client.call_tool("wait_for_change", {"image": image, "since": "yesterday"})
            assert wrong.is_error and "`since` is no revision" in wrong.structured_content["message"]

            async with anyio.create_task_group() as group:
                group.start_soon(waits)
                await begun()
                await close(other, image)
            assert answers[1][0]["what"] == ["closed"] and answers[1][0]["revision"] is None

    anyio.run(run)


def test_subscriptions(connect):
    updated = []

    async def take(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            updated.append(str(message.params.uri))

    async def until(*uris):
        with anyio.fail_after(60):
            while not set(uris) <= set(updated):
                await anyio.sleep(0.05)

    async def run():
        async with connect("two") as other:
            image = await new_image(other)
            uris = [f"gimp://images/{image}", f"gimp://images/{image}/bitmap?max_width=64"]
            if connect.mode == "legacy":
                async with connect(message_handler=take) as client:
                    for uri in uris:
                        await client.subscribe_resource(uri)
                    await anyio.sleep(1)  # nothing changed, so nothing is told
                    assert not updated
                    await invert(other, image)
                    await until(*uris)
                    await client.unsubscribe_resource(uris[1])
                    with pytest.raises(Exception, match="no resource that changes"):
                        await client.subscribe_resource("gimp://docs/python")
                    updated.clear()
                    await invert(other, image)
                    await until(uris[0])
                    assert set(updated) == {uris[0]}
            else:
                async with connect() as client, client.listen(resource_subscriptions=uris) as stream:
                    assert stream.honored.resource_subscriptions == uris
                    told = set()

                    async def keep_changing():  # what comes before the subscription is in force is not told
                        while True:
                            await anyio.sleep(1)
                            await invert(other, image)

                    with anyio.fail_after(60):
                        async with anyio.create_task_group() as group:
                            group.start_soon(keep_changing)
                            async for event in stream:
                                told.add(str(event.uri))
                                if told == set(uris):
                                    break
                            group.cancel_scope.cancel()
            await close(other, image)

    anyio.run(run)
