"""Tests look at pictures of several tiles: what goes wrong past 128 pixels is not seen on 40x30.

A picture below 300x200 says why in a comment, `# small: …`, on its line.
"""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = "gimp", "clients", "acceptance", "jsonrpc"
WIDTH, HEIGHT = 300, 200
MADE = re.compile(
    r"""(?:(?<!Rectangle\.)\b(?:noise|smooth|grainy|new|create)\(|Image\.new(?:_with_precision)?\(|\bpicture\(client,\ )
    (\d+),\ (\d+)\b
    |(?:create_new_image\W|\bpicture\(client,\ ).*?\bwidth["']?\s*[=:]\s*(\d+),\s*["']?height["']?\s*[=:]\s*(\d+)""",
    re.VERBOSE,
)


def small_pictures(text):
    """How many lines make a picture that is small and do not say why."""
    count = 0
    for line in text.splitlines():
        sizes = [[int(side) for side in found if side] for found in MADE.findall(line)]
        if "# small: " not in line and any(width < WIDTH or height < HEIGHT for width, height in sizes):
            count += 1
    return count


def test_what_is_seen():
    assert small_pictures("image, _ = opened(client, noise(40, 30, 3))") == 1
    assert small_pictures('client.call("create_new_image", width=20, height=10)') == 1
    assert small_pictures('("create_new_image", {"width": 320, "height": 100})') == 1
    assert small_pictures('image, layer = picture(client, 60, 40, "black")') == 1
    assert small_pictures("def picture(client, alpha=True, width=60, height=40):") == 1
    assert small_pictures("im = Gimp.Image.new(64, 48, 0)  # small: what a single tile does") == 0
    assert small_pictures("noise(310, 205, 3), smooth(WIDTH, HEIGHT), Gimp.Image.new(300, 200, 0)") == 0
    assert small_pictures("picture(client), picture(client, 300, 200), picture(client, width=320, height=210)") == 0


def test_no_test_looks_at_a_picture_of_one_tile():
    found = {}
    for folder in FOLDERS:
        for path in sorted((TESTS / folder).glob("*.py")):
            if count := small_pictures(path.read_text(encoding="utf-8")):
                found[f"{folder}/{path.name}"] = count
    assert not found, f"make them {WIDTH}x{HEIGHT} or larger, or say why with `# small: …`: {found}"
