"""Ten clients run filters at once and give up at random: bounded memory, everybody's own pixels, GIMP alive."""

import asyncio
import contextlib
import os
import random

import numpy
from PIL import Image
from support import call, memory, reset_peak, value

CLIENTS = 10
ROUNDS = 2  # each with one run that is given up and one that is waited for
# Name, parameters, result; remove-object fills the client's selection.
WORK = (
    ("denoise", {"strength": 40}, "replace"),
    ("oil-painting", {"brush": 6}, "new_layer"),
    ("upscale", {"scale": 2, "source": "clean"}, "new_image"),
    ("remove-object", {"seed": 3}, "replace"),
    ("jpeg-cleanup", {"strength": 50}, "replace"),
    ("auto-enhance", {}, "new_layer"),
)
# Megabytes of the daemon beyond what it held when each filter had run once, its models loaded: two runs at a time, of
# which the greediest alone takes 60, with their pictures.
MOST_MEMORY = 150


def photo(number):
    """Each client's is another, in size too: a picture that got to the wrong one would show."""
    height, width = 120 + 3 * number, 160 + 7 * number
    y, x = numpy.indices((height, width))
    waves = [120 + 60 * numpy.sin(x / (7 + number)), 110 + 50 * numpy.cos(y / 9), 90 + 40 * numpy.sin((x + y) / 13)]
    grain = numpy.random.default_rng(number).normal(0, 9, (height, width, 3))
    return (numpy.stack(waves, axis=2) + grain).clip(0, 255).astype("uint8")


class Caller:
    """One client with an image of its own and what the filter makes of that alone."""

    def __init__(self, client, number):
        self.client, self.number, self.dice = client, number, random.Random(number)
        self.filter, self.parameters, self.result = WORK[number % len(WORK)]

    async def open(self, folder):
        path = os.path.join(folder, f"photo-{self.number}.png")
        Image.fromarray(photo(self.number)).save(path)
        self.image = (await call(self.client, "open_image", path=path))["image"]
        if self.filter == "remove-object":
            await call(self.client, "create_rectangle_selection", image=self.image, x=60, y=40, width=22, height=26)
        self.before = await self.seen(self.image)

    async def seen(self, image):
        return (await call(self.client, "get_image_bitmap", image=image))["picture"]

    async def run(self):
        asked = {"filter": self.filter, "parameters": self.parameters, "result": self.result}
        return await call(self.client, "run_ai_filter", image=self.image, **asked)

    async def made(self, done):
        """What the run made, its traces taken away again."""
        if self.result == "new_image":
            picture = await self.seen(done["new_image"])
            await call(self.client, "close_image", image=done["new_image"], discard_changes=True)
        else:
            assert done["effect"]["changed"] is True, done["effect"]
            picture = await self.seen(self.image)
            await call(self.client, "undo", image=self.image)
        assert (await self.seen(self.image) == self.before).all(), f"{self.filter}: undo does not bring it back"
        return picture

    async def state(self):
        """Whether GIMP counts changes since the image was last called clean, its layers, its open undo groups."""
        image = f"Gimp.Image.get_by_id({self.image})"
        shown = f"[{image}.is_dirty(), len({image}.get_layers()), {image}.undo_is_enabled()]"
        steps = (await call(self.client, "list_checkpoints", image=self.image))["checkpoints"]
        return await value(self.client, shown), [row["checkpoint"] for row in steps]

    async def give_up(self, seconds):
        """A run that is cancelled after so long; whether that came in time."""
        await value(self.client, f"Gimp.Image.get_by_id({self.image}).clean_all()")
        before = await self.state()
        running = asyncio.create_task(self.run())
        done, _ = await asyncio.wait([running], timeout=seconds)
        if done:
            await self.compare(await running)
            return False
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        # An answer of the daemon to this client comes after it has heard of the cancel, and a run that was being put
        # into place by then is there as a whole.
        after = await self.state()
        if self.result == "new_image" and await self.came_late():
            return False
        if after == before:
            assert (await self.seen(self.image) == self.before).all(), f"{self.filter}: a cancelled run left pixels"
            return True
        assert self.result != "new_image" and (await self.seen(self.image) == self.alone).all(), (before, after)
        await call(self.client, "undo", image=self.image)
        return False

    async def came_late(self):
        """Whether the cancel found the new image already made; no other image here has its size."""
        size = {"width": self.alone.shape[1], "height": self.alone.shape[0]}
        images = (await call(self.client, "list_images"))["images"]
        late = [row["id"] for row in images if {key: row[key] for key in size} == size]
        if late:
            assert len(late) == 1 and (await self.seen(late[0]) == self.alone).all(), "half an image"
            await call(self.client, "close_image", image=late[0], discard_changes=True)
        return bool(late)

    async def compare(self, done):
        picture = await self.made(done)
        assert picture.shape == self.alone.shape, f"client {self.number}, {self.filter}: {picture.shape}"
        assert (picture == self.alone).all(), f"client {self.number}, {self.filter}: not the pixels of a run alone"

    async def rounds(self, seconds):
        given_up = 0
        for _ in range(ROUNDS):
            given_up += await self.give_up(self.dice.uniform(0, seconds))
            await self.compare(await self.run())
        return given_up


async def paint(client, longest_wait):
    """Draws on an image of its own, over and over: GIMP answers at once while filters run."""
    image = (await call(client, "create_new_image", width=333, height=222, color="#204060"))["image"]
    clock = asyncio.get_running_loop().time
    try:
        while True:
            began = clock()
            await call(client, "draw_rectangle", image=image, x=5, y=5, width=20, height=20, fill_color="#ffcc00")
            longest_wait.append(clock() - began)
            await asyncio.sleep(0.2)
    finally:
        await call(client, "close_image", image=image, discard_changes=True)


def test_ten_clients_with_cancels_at_random(shared):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(shared.client(read_timeout_seconds=300)) for _ in range(CLIENTS)]
            callers = [Caller(client, number) for number, client in enumerate(clients)]
            clock = asyncio.get_running_loop().time
            longest = 0
            for caller in callers:
                await caller.open(shared.folder.name)
                began = clock()
                caller.alone = await caller.made(await caller.run())
                longest = max(longest, clock() - began)
            images = {row["id"] for row in (await call(clients[0], "list_images"))["images"]}
            pid = shared.daemon.pid
            settled = memory(pid)
            reset_peak(pid)
            waits = []
            painter = await stack.enter_async_context(shared.client())
            painting = asyncio.create_task(paint(painter, waits))
            given_up = await asyncio.gather(*(caller.rounds(longest) for caller in callers))
            painting.cancel()
            await asyncio.gather(painting, return_exceptions=True)
            assert len(waits) > 3 and max(waits) < 30, waits
            grown = memory(pid, "VmHWM") - settled
            print(f"{sum(given_up)} of {CLIENTS * ROUNDS} given up in time; the daemon grew by {grown:.0f} MB at most")
            assert grown < MOST_MEMORY, f"{grown:.0f} MB over {settled:.0f}"
            assert sum(given_up) >= CLIENTS * ROUNDS // 3, given_up
            for caller in callers:
                assert (await caller.seen(caller.image) == caller.before).all(), f"late pixels of {caller.filter}"
            assert await value(clients[0], "6 * 7") == 42
            assert {row["id"] for row in (await call(clients[0], "list_images"))["images"]} == images
            for caller in callers:
                await call(caller.client, "close_image", image=caller.image, discard_changes=True)

    asyncio.run(scenario())
