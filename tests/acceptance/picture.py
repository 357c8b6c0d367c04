"""The README's picture: a photo edited over MCP in a GIMP with windows, and the status dialog. usage: picture.py PHOTO OUT.png"""

import asyncio
import os
import sys

from screen import Screen
from support import Bridge, call, python, wait_for


async def work(made, screen, photo, out):
    async with made.client() as client:
        image = (await call(client, "open_image", path=photo))["image"]
        screen.focus("GIMP", fill=True)
        await python(
            client,
            f"image = Gimp.Image.get_by_id({image})",
            "photo = image.get_layers()[0]",
            "photo.add_alpha()",
            "warm = Gimp.DrawableFilter.new(photo, 'gegl:color-temperature', 'warmer')",
            "warm.get_config().set_property('intended-temperature', 5200.0)",
            "photo.append_filter(warm)",
            "photo.curves_spline(Gimp.HistogramChannel.VALUE, [0, 0, .25, .2, .75, .82, 1, 1])",
            image=image,
        )
        answer = await python(
            client,
            "text = Gimp.TextLayer.new(image, 'edited by Claude, in GIMP', Gimp.Font.get_by_name('DejaVu Sans Bold') or Gimp.context_get_font(), 24, Gimp.Unit.pixel())",
            "image.insert_layer(text, None, 0)",
            "text.set_color(Gegl.Color.new('white'))",
            "text.set_offsets(16, image.get_height() - 44)",
            image=image,
        )
        assert answer["effect"]["layers_added"]
        screen.key("alt+t", "Up", "Right", "Return")
        screen.run("xdotool", "windowmove", screen.wait_window("GIMP Bridge", 20), "690", "625")
        screen.run("xdotool", "mousemove", "700", "880")
        wait_for("a quiet screen", lambda: (screen.shot() == screen.shot()).all(), 90)
        screen.shot(out)


def main():
    photo, out = (os.path.abspath(path) for path in sys.argv[1:3])
    screen, made = Screen("3.2"), Bridge("3.2")
    made.env["DISPLAY"] = screen.display
    try:
        made.start_gimp("--gui")
        made.start_daemon()
        asyncio.run(work(made, screen, photo, out))
    finally:
        made.close()
        screen.close()


if __name__ == "__main__":
    main()
