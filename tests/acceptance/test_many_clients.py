"""32 clients at once, 2,000 mixed calls: every answer right, none lost, GIMP alive, undo groups balanced."""

import asyncio
import random

import numpy
from support import call, python, value

CLIENTS = 32
ROUNDS = 8


async def work(bridge, number, answers):
    """One client with its own image and colour; checks each answer and counts it."""
    dice = random.Random(number)
    colour = [dice.randrange(256) for _ in range(3)]
    mode = "legacy" if number % 2 else "auto"
    async with bridge.client(mode=mode) as client:
        made = await call(client, "create_new_image", width=96 + number, height=64, color=colour)
        image = made["image"]
        answers.append(1)
        for turn in range(ROUNDS):
            number_sent = dice.randrange(10**9)
            assert (await python(client, f"print({number_sent})", image=image))["output"] == f"{number_sent}\n"
            x, y = dice.randrange(0, 60), dice.randrange(0, 40)
            shade = [dice.randrange(256) for _ in range(3)]
            drawn = await python(
                client,
                f"image = Gimp.Image.get_by_id({image})",
                f"image.select_rectangle(Gimp.ChannelOps.REPLACE, {x}, {y}, 10, 10)",
                f"Gimp.context_set_foreground(Gegl.Color.new('#{bytes(shade).hex()}'))",
                "image.get_layers()[0].edit_fill(Gimp.FillType.FOREGROUND)",
                "Gimp.Selection.none(image)",
                image=image,
            )
            assert drawn["effect"]["image"] == image and drawn["effect"]["changed"], drawn["effect"]
            whole = await call(client, "get_image_bitmap", image=image)
            assert whole["picture"].shape[:2] == (64, 96 + number)
            assert (whole["picture"][y : y + 10, x : x + 10, :3] == shade).all()
            region = await call(client, "get_image_bitmap", image=image, origin_x=x, origin_y=y, width=10, height=10)
            assert (region["picture"][..., :3] == shade).all()
            metadata = await call(client, "get_image_metadata", image=image)
            assert metadata["basic"]["width"] == 96 + number
            undone = await call(client, "undo", image=image)
            assert undone["effect"]["changed"]
            back = await call(client, "get_image_bitmap", image=image)
            assert (back["picture"][..., :3] == numpy.array(colour)).all(), f"client {number}, turn {turn}"
            assert await value(client, f"{number_sent} + 1") == number_sent + 1
            answers.extend([1] * 8)
        # The call's own group is open while it runs; below it there is none that an earlier call left.
        ends = f"[Gimp.Image.get_by_id({image}).undo_group_end() for _ in range(2)]"
        assert await value(client, ends, image=image) == [True, False]
        closed = await call(client, "close_image", image=image, discard_changes=True)
        assert closed["closed"] == image
        answers.extend([1] * 2)


def test_32_clients_get_their_own_right_answers(shared):
    answers = []

    async def everyone():
        await asyncio.gather(*(work(shared, number, answers) for number in range(CLIENTS)))

    asyncio.run(everyone())
    assert len(answers) == CLIENTS * (ROUNDS * 8 + 3) >= 2000

    async def after():
        async with shared.client() as client:
            assert (await call(client, "list_images"))["images"] == []

    asyncio.run(after())
