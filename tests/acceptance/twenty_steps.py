"""Twenty steps on a photo in three calls of `batch` over MCP. usage: twenty_steps.py PHOTO PAGE.md PICTURES_FOLDER

Writes the transcript and the preview that came with each answer."""

import asyncio
import base64
import io
import json
import os
import sys
import tempfile

from PIL import Image
from support import answer_of, bridge


def step(name, _id=None, /, **arguments):
    return {"name": name, **({"id": _id} if _id else {}), "arguments": arguments}


def calls(photo, result):
    """(what for, steps) of each call."""
    yield "Open it, and give it light, colour and a crop", [
        step("open_image", "photo", path=photo),
        step("duplicate_layer", "work", name="Work"),
        step("auto_levels", mode="contrast", layer={"$ref": "work.layer"}),
        step("adjust_color_temperature", warmth=-18),
        step("adjust_shadows_highlights", shadows=35, highlights=-20),
        step("apply_sharpen", amount=0.6, radius=1.5),
        step("crop_image", to="aspect", aspect="16:9"),
    ]
    yield "Draw the eye to the cup: darken and mute what is round it", [
        step("create_ellipse_selection", x=0.18, y=-0.1, width=0.6, height=1.0, units="relative", feather=40),
        step("invert_selection"),
        step("adjust_exposure", exposure=-0.9),
        step("adjust_saturation", scale=0.6),
        step("select_none"),
        step("adjust_hue_saturation", saturation=12, as_effect=True),
    ]
    yield "A caption with a shadow on a band, and a file for the web", [
        step("create_layer", "band", name="Band", fill="transparent"),
        step("draw_rectangle", x=0, y=0.8, width=1, height=0.2, units="relative", fill_color="#00000099", layer={"$ref": "band.layer"}),
        step("add_text_layer", "title", text="The first cup", size=30, color="ivory", x=24, y=0.9, anchor="left"),
        step("move_layer", layer={"$ref": "title.layer"}, x=24, y=284),
        step("apply_drop_shadow", layer={"$ref": "title.layer"}, radius=6, offset_x=3, offset_y=3),
        step("set_layer_properties", layer={"$ref": "band.layer"}, opacity=80),
        step("export_for_web", path=result),
    ]


async def work(made, photo, page, folder):
    lines = [PREFACE]
    with tempfile.TemporaryDirectory() as out:
        async with made.client(read_timeout_seconds=120) as client:
            count = 0
            for number, (purpose, steps) in enumerate(calls(photo, os.path.join(out, "cup.jpg")), 1):
                result = await client.call_tool("batch", {"operations": steps, "preview": 600})
                answer = answer_of(result)
                if result.is_error:
                    raise SystemExit(f"call {number}: {json.dumps(answer)[:2000]}")
                picture = f"twenty-steps-{number}.jpg"
                seen = Image.open(io.BytesIO(base64.b64decode(result.content[1].data)))
                seen.convert("RGB").save(os.path.join(folder, picture), quality=88)
                lines.append(f"## {number}. {purpose}\n\n```json\n" + ",\n".join(shown(each, photo, out) for each in steps) + "\n```\n")
                lines += [f"{count + place}. {row.get('message') or row['result'].get('message')}".replace(out, "…").replace(os.path.dirname(photo), "…")
                          for place, row in enumerate(answer["results"], 1)]
                count += len(steps)
                lines.append(f"\n![after call {number}](pictures/{picture})\n")
    assert count == 20, count
    with open(page, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def shown(each, photo, out):
    return json.dumps(each).replace(os.path.dirname(photo), "…").replace(out, "…")


PREFACE = """# Twenty steps in three calls

`tests/acceptance/twenty_steps.py` made this page in a real GIMP 3.2, over MCP: three calls of `batch`, each one undo step,
each answered with a preview. Photo by Rachel Michetti, public domain.

![before](pictures/coffee.jpg)
"""


def main():
    photo, page, folder = (os.path.abspath(path) for path in sys.argv[1:4])
    with bridge("3.2") as made:
        asyncio.run(work(made, photo, page, folder))


if __name__ == "__main__":
    main()
