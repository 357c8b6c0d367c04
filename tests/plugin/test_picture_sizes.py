"""Tests look at pictures of several tiles: what goes wrong past 128 pixels is not seen on 40x30.

A picture below 300x200 says why in a comment, `# small: …`, on its line. FILES has what is older than this rule: how many
such lines a file still has. A number only goes down.
"""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = "gimp", "clients", "acceptance", "jsonrpc"
WIDTH, HEIGHT = 300, 200
MADE = re.compile(
    r"""(?:(?<!Rectangle\.)\b(?:noise|smooth|grainy|new|create)|Image\.new(?:_with_precision)?)\((\d+),\ (\d+)\b
    |create_new_image\W.*?\bwidth["']?\s*[=:]\s*(\d+),\s*["']?height["']?\s*[=:]\s*(\d+)""",
    re.VERBOSE,
)
FILES = {
    "gimp/test_drawing_undo.py": 1,
    "gimp/test_files.py": 6,
    "gimp/test_filter_preview.py": 3,
    "gimp/test_image_modes.py": 1,
    "gimp/test_procedures.py": 1,
    "acceptance/test_ai_filters.py": 1,
    "acceptance/test_pixel_truth.py": 6,
}


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
    assert small_pictures("im = Gimp.Image.new(64, 48, 0)  # small: what a single tile does") == 0
    assert small_pictures("noise(310, 205, 3), smooth(WIDTH, HEIGHT), Gimp.Image.new(300, 200, 0)") == 0


def test_no_further_test_looks_at_a_picture_of_one_tile():
    found = {}
    for folder in FOLDERS:
        for path in sorted((TESTS / folder).glob("*.py")):
            if count := small_pictures(path.read_text(encoding="utf-8")):
                found[f"{folder}/{path.name}"] = count
    more = {name: count for name, count in found.items() if count > FILES.get(name, 0)}
    assert not more, f"make them {WIDTH}x{HEIGHT} or larger, or say why with `# small: …`: {more}"
    fewer = {name: found.get(name, 0) for name, count in FILES.items() if found.get(name, 0) < count}
    assert not fewer, f"lower the numbers in FILES: {fewer}"
