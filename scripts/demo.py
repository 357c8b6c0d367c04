"""The demo of scripts/run: opens a photo, edits it, and looks at it, all through MCP like any client.

usage: demo.py URL PHOTO OUT_DIR
Writes before.png, after.png and transcript.md. Fails if the picture did not change.
"""

import asyncio
import base64
import io
import json
import sys
import time
from pathlib import Path

from mcp import Client
from PIL import Image, ImageChops, ImageStat

# Lines as a model would send them: a warm, richer picture with darkened corners, on a layer of its own.
EDIT = """\
photo = image.get_layers()[0]
graded = photo.copy(); graded.set_name('warm and rich')
image.insert_layer(graded, None, 0)
def apply(layer, operation, **settings):
    filter = Gimp.DrawableFilter.new(layer, operation, operation)
    for name, value in settings.items():
        filter.get_config().set_property(name, value)
    layer.merge_filter(filter)

apply(graded, 'gegl:color-temperature', **{'original-temperature': 5500.0, 'intended-temperature': 7000.0})
apply(graded, 'gegl:saturation', scale=1.2)
apply(graded, 'gegl:vignette', radius=1.9, softness=1.0, gamma=1.3)
Gimp.displays_flush()
print(f'{len(image.get_layers())} layers, topmost: {image.get_layers()[0].get_name()}')
""".splitlines()


class Transcript:
    """Calls tools and keeps what was said."""

    def __init__(self, client):
        self.client = client
        self.lines = ["# What the demo did", ""]

    async def call(self, why, tool, arguments, shown=None, may_fail=False):
        """Calls a tool: its structured answer and pictures. An error of the tool ends the demo, or gives None."""
        begun = time.perf_counter()
        result = await self.client.call_tool(tool, arguments)
        took = (time.perf_counter() - begun) * 1000
        data = result.model_dump(by_alias=True)
        answer = data.get("structuredContent") or {}
        texts = [part["text"] for part in data["content"] if part["type"] == "text"]
        pictures = [part for part in data["content"] if part["type"] == "image"]
        self.lines += [f"## {why}", "", f"`{tool}` ({took:.0f} ms)", "", *asked(shown or arguments), "answered", ""]
        self.lines += ["```json", shorten(answer) if answer else "\n".join(texts)[:1500], "```", ""]
        if data.get("isError"):
            if may_fail:
                return None
            raise SystemExit(f"error: {tool}: " + " ".join(texts))
        return answer, [Image.open(io.BytesIO(base64.b64decode(part["data"]))) for part in pictures]


def asked(arguments):
    """The arguments; Python code as code."""
    if arguments.get("api_path") == "exec":
        return ["```python", *arguments["args"][1], "```", ""]
    return ["```json", json.dumps(arguments, indent=1, ensure_ascii=False), "```", ""]


def shorten(value):
    """JSON with long texts and lists cut, for reading."""

    def cut(item):
        if isinstance(item, str) and len(item) > 200:
            return f"{item[:60]}… ({len(item)} characters)"
        if isinstance(item, list):
            return [cut(part) for part in item[:8]] + ([f"… {len(item) - 8} more"] if len(item) > 8 else [])
        if isinstance(item, dict):
            return {key: cut(part) for key, part in item.items()}
        return item

    return json.dumps(cut(value), indent=1, ensure_ascii=False)


async def open_photo(transcript, photo):
    """By path; as bytes where GIMP, in a sandbox or a private root folder, does not see that path."""
    opened = await transcript.call(f"Open {photo.name}", "open_image", {"path": str(photo)}, may_fail=True)
    if opened:
        return opened[0]
    data = base64.b64encode(photo.read_bytes()).decode()
    shown = {"image_data": f"… {photo.stat().st_size} bytes of {photo.name} in base64", "name": photo.name}
    arguments = {"image_data": data, "name": photo.name}
    return (await transcript.call("Open it from bytes", "open_image", arguments, shown))[0]


async def main(url, photo, out):
    photo, out = Path(photo), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    async with Client(f"{url}?tools=all", read_timeout_seconds=180) as client:
        transcript = Transcript(client)
        opened = await open_photo(transcript, photo)
        image = opened["image"]
        await transcript.call("What is it?", "get_image_metadata", {"image": image})
        look = {"image": image, "max_width": 1600, "max_height": 1600}
        _, before = await transcript.call("See it", "get_image_bitmap", look)
        before[0].save(out / "before.png")
        lines = [f"image = Gimp.Image.get_by_id({image})", *EDIT]
        arguments = {"api_path": "exec", "args": ["pyGObject-console", ["\n".join(lines)]], "image": image}
        edited, _ = await transcript.call("Edit it", "call_api", arguments)
        _, after = await transcript.call("See the result", "get_image_bitmap", look)
        after[0].save(out / "after.png")
        moved = ImageStat.Stat(ImageChops.difference(before[0].convert("RGB"), after[0].convert("RGB")))
        change = sum(moved.mean) / 3
        transcript.lines += [f"Mean change of the picture: {change:.1f} of 255.", ""]
        (out / "transcript.md").write_text("\n".join(transcript.lines), encoding="utf-8")
        await transcript.call("Close it", "close_image", {"image": image, "discard_changes": True})
        if change < 1:
            raise SystemExit(f"error: the edit changed the picture by {change:.2f} of 255 only; it said {edited}")
    print(f"wrote before.png, after.png and transcript.md to {out} (mean change {change:.1f} of 255)")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
