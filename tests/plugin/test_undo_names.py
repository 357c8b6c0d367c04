"""What a change is called in GIMP's undo history, over the whole catalogue."""

import re

import pytest
from gimp_bridge.dispatch import catalogue, undo_names

ENTRIES = catalogue.load()
CHANGES = [entry for entry in ENTRIES.values() if entry.changes and entry.checkpoint]


def name(operation, given):
    own, _ = ENTRIES[operation].arguments(given)
    return undo_names.step_name(ENTRIES[operation], own)


@pytest.mark.parametrize(
    ("operation", "given", "wanted"),
    [
        ("apply_blur", {"radius": 3}, "AI: blur, radius 3"),
        ("apply_blur", {"radius": 5}, "AI: blur"),
        ("apply_blur", {"blur_type": "motion", "angle": 30.5, "layer": 7}, "AI: blur, motion, angle 30.5"),
        ("apply_sharpen", {"method": "unsharp_mask", "amount": 0.8}, "AI: sharpen, amount 0.8"),
        ("add_noise", {"amount": 30, "monochrome": True, "seed": 12}, "AI: add noise, amount 30, monochrome"),
        ("draw_rectangle", {"x": 1, "y": 2, "width": 30, "height": 40, "fill_color": "red"},
         "AI: draw a rectangle, fill color red, x 1, y 2"),
        ("add_text_layer", {"text": "Ein _sehr_ langer\nText, der nicht passt"}, "AI: add text, “Ein _sehr_ langer Text,…”"),
        ("delete_layer", {"layer": 41}, "AI: delete layers"),
        ("set_layer_properties", {"layer": 41, "opacity": 40, "name": "Sky"}, "AI: set a layer's properties, “Sky”, opacity 40"),
        ("invert_colors", {"as_effect": True}, "AI: invert colours"),
        ("undo", {"steps": 2}, "AI: undo the last changes, steps 2"),
        ("restore_checkpoint", {"checkpoint": "c12"}, "AI: go back to a checkpoint"),
        ("call_api", {"api_path": "exec", "args": ["pyGObject-console", ["x = 1"]]}, "AI: Python"),
        ("call_api", {"api_path": "gimp-drawable-invert", "args": [3, False]}, "AI: drawable invert"),
        ("call_procedure", {"procedure": "plug-in-autocrop", "arguments": {"image": 3}}, "AI: autocrop"),
        ("apply_gegl_operation", {"operation": "gegl:gaussian-blur", "properties": {"std-dev-x": 4.5}},
         "AI: gaussian blur, std dev x 4.5"),
        ("filter_place", {"token": "9", "kind": "replace", "name": "x", "step": "Denoise, strength 30"}, "AI: Denoise, strength 30"),
    ],
)
def test_the_name_says_what_was_done_in_a_person_s_words(operation, given, wanted):
    assert name(operation, given) == wanted


def test_every_change_has_a_short_name_of_one_line_without_ids():
    assert len(CHANGES) > 100
    for entry in CHANGES:
        everything = {known: 987654 for known in entry.order}
        everything.update(api_path="exec", procedure="gimp-image-flatten", operation="gegl:edge", properties={})
        made = undo_names.step_name(entry, {known: everything[known] for known in entry.order})
        assert made.startswith("AI: ") and len(made) <= undo_names.LONGEST, made
        for about in re.findall(r", ([a-z ]+) 987654", made):
            assert not re.search(r"\b(layer|layers|image|channel|item|mask|checkpoint|token|session|id)\b", about), made


def test_what_a_client_sends_cannot_break_the_name():
    assert undo_names.named("a\tb\x1b[31m\n  c\u202e") == "AI: a b [31m c"
    assert len(undo_names.named("é" * 500)) == undo_names.LONGEST
    assert undo_names.named("blur", ["x" * 80, "radius 3"]) == "AI: blur, radius 3"
