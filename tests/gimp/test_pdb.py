"""call_api with PDB procedures: conversion of arguments and results, errors that say the mend, proof."""

import base64

import pytest
from client import CallError


@pytest.fixture
def image(client):
    """(image id, layer id) of a 640 x 480 white image with one layer."""
    made = client.call("create_new_image", width=640, height=480)
    return made["image"], made["layer"]


def pdb(client, procedure, *args, **kwargs):
    return client.call("call_api", api_path=procedure, args=list(args), kwargs=kwargs)


def fails(client, kind, procedure, *args, **kwargs):
    with pytest.raises(CallError) as raised:
        pdb(client, procedure, *args, **kwargs)
    assert raised.value.kind == kind, raised.value
    return raised.value


def test_version_by_name(client, gimp_version):
    answer = pdb(client, "gimp-version")
    assert answer["values"]["version"].startswith(gimp_version)
    assert answer["effect"] == {"changed": False}


def test_underscores_and_keywords(client, image):
    answer = pdb(client, "gimp_image_scale", image=image[0], new_width=320, new_height=240)
    assert answer["procedure"] == "gimp-image-scale"
    assert answer["image"] == image[0] and answer["effect"]["changed"] is True
    assert pdb(client, "gimp-image-get-width", image[0])["values"] == {"width": 320}
    assert client.call("undo", image=image[0])["undone"]
    assert pdb(client, "gimp-image-get-width", image[0])["values"] == {"width": 640}


def test_colours_and_pixels(client, image):
    pdb(client, "gimp-context-set-foreground", "#ff8000")
    assert pdb(client, "gimp-context-get-foreground")["values"]["foreground"] == "rgba(255,128,0,1)"
    for form in ("rgb(255, 128, 0)", [255, 128, 0], [255, 128, 0, 255]):
        pdb(client, "gimp-context-set-foreground", form)
        assert pdb(client, "gimp-context-get-foreground")["values"]["foreground"] == "rgba(255,128,0,1)"
    answer = pdb(client, "gimp-drawable-edit-fill", image[1], "foreground")
    assert answer["effect"]["region"] == {"x": 0, "y": 0, "width": 640, "height": 480}
    assert pdb(client, "gimp-drawable-get-pixel", image[1], 5, 5)["values"]["color"] == "rgba(255,128,0,1)"


def test_arrays(client, image):
    pdb(client, "gimp-context-set-foreground", "black")
    pdb(client, "gimp-context-set-brush-size", 3)
    answer = pdb(client, "gimp-pencil", image[1], [10, 10, 30, 10.5])
    region = answer["effect"]["region"]
    assert 5 <= region["x"] <= 12 and 18 <= region["width"] <= 30
    layers = pdb(client, "gimp-image-get-layers", image[0])["values"]["layers"]
    assert layers == [image[1]]
    pdb(client, "gimp-image-set-selected-layers", image[0], layers)
    assert pdb(client, "gimp-image-get-selected-layers", image[0])["values"]["layers"] == layers


def test_enums_by_nick_name_and_number(client, image):
    for value in ("multiply", "MULTIPLY", "Gimp.LayerMode.MULTIPLY", 30):
        pdb(client, "gimp-layer-set-mode", image[1], "normal")
        pdb(client, "gimp-layer-set-mode", image[1], value)
        assert pdb(client, "gimp-layer-get-mode", image[1])["values"]["mode"] == "multiply"
    error = fails(client, "invalid_argument", "gimp-layer-set-mode", image[1], "multply")
    assert "`multply`" in error.message and "`multiply`" in error.hint


def test_resources_files_and_units(client, image, tmp_path):
    name = client.eval("Gimp.brushes_get_list('')[0].get_name()")
    pdb(client, "gimp-context-set-brush", name)
    assert pdb(client, "gimp-context-get-brush")["values"]["brush"] == name
    assert "nonsense brush" in fails(client, "not_found", "gimp-context-set-brush", "nonsense brush").message
    path = tmp_path / "out.png"
    saved = pdb(client, "file-png-export", image=image[0], file=str(path), compression=1)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert saved["effect"]["changed"] is False
    loaded = pdb(client, "gimp-file-load", str(path))
    assert loaded["effect"]["images_added"] == [loaded["values"]["image"]]
    pdb(client, "gimp-context-set-line-width-unit", "inch")
    assert pdb(client, "gimp-context-get-line-width-unit")["values"]["line-width-unit"] == "inch"


def test_parasites_and_bytes(client, image):
    data = base64.b64encode(b"hello").decode()
    pdb(client, "gimp-image-attach-parasite", image[0], {"name": "note", "flags": 1, "data": data})
    assert pdb(client, "gimp-image-get-parasite", image[0], "note")["values"]["parasite"] == {
        "name": "note",
        "flags": 1,
        "data": data,
    }


def test_a_plug_in_without_run_mode(client, image):
    pdb(client, "gimp-context-set-foreground", "red")
    pdb(client, "gimp-drawable-edit-fill", image[1], "foreground")
    answer = pdb(client, "plug-in-blinds", image=image[0], drawables=[image[1]], angle_displacement=60, num_segments=4)
    assert answer["effect"]["changed"] is True and answer["effect"]["region"]
    by_position = pdb(client, "plug-in-blinds", image[0], [image[1]], 60, 4, "vertical", False)
    assert by_position["effect"]["changed"] is True


def test_unknown_procedure(client):
    error = fails(client, "not_found", "gimp-image-scael", 1)
    assert "`gimp-image-scale`" in error.hint


def test_wrong_arguments(client, image):
    error = fails(client, "invalid_argument", "gimp-image-scale", image=image[0], new_widht=3)
    assert "`new-width`" in error.hint and "new-widht" in error.message
    error = fails(client, "invalid_argument", "gimp-image-scale", image=image[0])
    assert "`new-width`" in error.message and "`new-height`" in error.message
    error = fails(client, "invalid_argument", "gimp-image-scale", image[0], 0, 10)
    assert "1 to 524288" in error.message
    error = fails(client, "invalid_argument", "gimp-image-scale", image[0], 10**12, 10)
    assert "524288" in error.message
    error = fails(client, "invalid_argument", "gimp-image-scale", image[0], "wide", 10)
    assert "`wide`" in error.message
    error = fails(client, "invalid_argument", "gimp-image-scale", image[0], 10, 10, 10)
    assert "not 4" in error.message
    error = fails(client, "not_found", "gimp-layer-get-mode", image[1] + 1000)
    assert str(image[1] + 1000) in error.message
    fails(client, "image_gone", "gimp-image-get-width", 99999)
    assert pdb(client, "gimp-image-get-width", image[0])["values"] == {"width": 640}


def test_gimp_says_no(client, image):
    error = fails(client, "gimp_error", "gimp-image-merge-down", image[0], image[1], "expand-as-necessary")
    assert error.message


def test_the_bridge_and_quitting_are_refused(client):
    fails(client, "forbidden", "gimp-quit", True)
    fails(client, "forbidden", "plug-in-gimp-bridge")
