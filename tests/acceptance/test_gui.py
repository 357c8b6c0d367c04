"""A GIMP with windows under Xvfb: it opens with the plug-in, an edit over MCP shows on the canvas at once, the status
menu works. With GIMP_BRIDGE_TEST_SHOTS=FOLDER the pictures are kept."""

import asyncio
import json
import os

import numpy
import pytest
from screen import Screen
from support import Bridge, answer_of, call, python, wait_for

COLOUR = (200, 40, 120)
OTHER = (20, 160, 90)


@pytest.fixture
def desk(version):
    screen = Screen(version)
    made = Bridge(version)
    made.env["DISPLAY"] = screen.display
    try:
        made.start_gimp("--gui")
        made.start_daemon()
        yield made, screen
    finally:
        made.close()
        screen.close()


def keep(screen, version, name):
    folder = os.environ.get("GIMP_BRIDGE_TEST_SHOTS")
    return screen.shot(os.path.join(folder, f"gimp-{version}-{name}.png") if folder else None)


def pixels_of(picture, colour):
    return int((numpy.abs(picture.astype(int) - colour).max(axis=2) <= 2).sum())


def test_an_edit_shows_on_the_canvas_and_the_status_menu_works(desk, version):
    made, screen = desk

    async def scenario():
        async with made.client() as client:
            image = (await call(client, "create_new_image", width=500, height=400, color=list(COLOUR)))["image"]
            screen.focus("500x400", fill=True)
            wait_for("the new image on the canvas", lambda: pixels_of(screen.shot(), COLOUR) > 30_000, 60)
            keep(screen, version, "new-image")
            drawn = await python(
                client,
                f"image = Gimp.Image.get_by_id({image})",
                "image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 80, 300, 240)",
                f"Gimp.context_set_foreground(Gegl.Color.new('#{bytes(OTHER).hex()}'))",
                "image.get_layers()[0].edit_fill(Gimp.FillType.FOREGROUND)",
                "Gimp.Selection.none(image)",
                image=image,
            )
            assert drawn["effect"]["region"] == {"x": 100, "y": 80, "width": 300, "height": 240}
            wait_for("the edit on the canvas", lambda: pixels_of(screen.shot(), OTHER) > 10_000, 60)
            keep(screen, version, "edit")
            # One step of the user's own undo takes the whole call back.
            screen.focus("500x400")
            screen.key("ctrl+z")
            wait_for("the user's undo", lambda: pixels_of(screen.shot(), OTHER) < 2_000, 60)
            back = await call(client, "get_image_bitmap", image=image)
            assert (back["picture"][..., :3] == COLOUR).all()
            # Tools, its last entry, the first of its submenu.
            screen.key("alt+t", "Up", "Right")
            keep(screen, version, "menu")
            screen.key("Return")
            screen.wait_window("GIMP Bridge", 60)
            keep(screen, version, "status")
            # The dialog does not block the bridge.
            assert (await call(client, "list_images"))["images"][0]["id"] == image
            screen.key("Escape")
            await call(client, "close_image", image=image, discard_changes=True)

    asyncio.run(scenario())


async def begin_oil_paint(client, image, size):
    """The call, once it has told of progress."""
    told = []

    async def progress(done, total, message):
        told.append(done)

    arguments = {"image": image, "style": "oil_paint", "size": size}
    long = asyncio.create_task(client.call_tool("apply_artistic", arguments, progress_callback=progress))
    while not any(told):
        await asyncio.sleep(0.1)
        assert not long.done(), long.result()
    return long


def test_what_the_user_paints_while_a_filter_runs_is_not_painted_over_without_a_word(desk, version):
    made, screen = desk

    async def scenario():
        async with made.client() as client:
            image = (await call(client, "create_new_image", width=1800, height=1200, color=list(COLOUR)))["image"]
            screen.focus("1800x1200", fill=True)
            wait_for("the new image on the canvas", lambda: pixels_of(screen.shot(), COLOUR) > 30_000, 60)
            long = await begin_oil_paint(client, image, 25)
            await asyncio.to_thread(screen.key, "ctrl+comma")  # fills the layer with the foreground colour
            told = answer_of(await long)
            assert "painted on while the filter ran" in json.dumps(told), told
            back = await call(client, "get_image_bitmap", image=image)
            assert (back["picture"][..., :3] == 0).all(), "what was painted stays"
            await call(client, "close_image", image=image, discard_changes=True)

    asyncio.run(scenario())


def test_the_windows_answer_while_a_long_filter_runs(desk, version):
    made, screen = desk

    async def scenario():
        async with made.client() as client:
            image = (await call(client, "create_new_image", width=3000, height=2000, color=list(COLOUR)))["image"]
            screen.focus("3000x2000", fill=True)
            wait_for("the new image on the canvas", lambda: pixels_of(screen.shot(), COLOUR) > 30_000, 60)
            long = await begin_oil_paint(client, image, 60)
            before = await asyncio.to_thread(screen.shot)
            await asyncio.to_thread(screen.key, "alt+t")  # its menu opens over the canvas
            await asyncio.to_thread(
                wait_for, "a menu", lambda: (screen.shot() != before).any(axis=2).sum() > 10_000, 10)
            await asyncio.to_thread(keep, screen, version, "menu-during-a-filter")
            assert not long.done()
            long.cancel()
            await asyncio.to_thread(screen.key, "Escape", "Escape")
            await call(client, "close_image", image=image, discard_changes=True)

    asyncio.run(scenario())
