"""Every GEGL operation and PDB procedure by name, and layer effects."""

import numpy as np
import pytest
from client import CallError
from pixelwork import assert_near, error, make, noise, read, smooth, to_linear, to_srgb

DATA = noise(310, 205, 4, seed=6)
DATA[..., 3] = 255
SMALL = noise(48, 40, 4, seed=6)  # small: some 300 operations run on it, and the slow ones take seconds on more
# What GIMP 3.0.4 crashes on, even when it is only made
CRASHERS = ("gimp:brightness-contrast", "gimp:levels", "gimp:curves", "gimp:hue-saturation", "gimp:color-balance")


def all_operations(client):
    rows, offset = [], 0
    while True:
        page = client.call("list_gegl_operations", limit=100, offset=offset)
        rows += page["operations"]
        offset += 100
        if not page["more"]:
            assert page["total"] == len(rows)
            return rows


def test_all_operations_are_listed_and_described(client, gimp_version):
    rows = all_operations(client)
    names = {row["operation"] for row in rows}
    assert len(names) == len(rows) > 250
    assert set(client.eval("Gegl.list_operations()")) <= names
    kinds = {row["operation"]: row["runs_as"] for row in rows}
    assert sum(kind == "filter" for kind in kinds.values()) > 120 and sum(kind == "graph" for kind in kinds.values()) > 50
    assert kinds["gegl:gaussian-blur"] == "filter" and kinds["svg:overlay"] == "graph" and kinds["gegl:load"] == "refused"
    for name in names:
        told = client.call("describe_gegl_operation", **{"operation": name})
        assert told["runs_as"] == kinds[name] and ("refused" in told) == (kinds[name] == "refused"), told
        for each in told["properties"]:
            assert each["type"] != "enum" or each["choices"], (name, each)
    if gimp_version == "3.0":
        for name in CRASHERS:
            assert "3.0 crashes" in client.call("describe_gegl_operation", operation=name)["refused"]


def test_every_operation_runs_and_gimp_lives(client, gimp_version):
    """Each with its defaults, on an RGBA and on a grey 16-bit layer: done, or refused with a reason."""
    rows = all_operations(client)
    grey = np.random.default_rng(3).integers(0, 65535, (24, 32, 1), dtype=np.uint16)
    pictures = [make(client, SMALL), make(client, grey, "U16_NON_LINEAR")]
    others = [client.eval(
        f"(lambda i, l: (i.insert_layer(l, None, 1), l.set_visible(False), l.get_id())[-1])(Gimp.Image.get_by_id({image}), "
        f"Gimp.Layer.new_from_drawable(Gimp.Item.get_by_id({layer}), Gimp.Image.get_by_id({image})))")
        for image, layer in pictures]
    before = [read(client, image, depth=16) for image, _ in pictures]
    refused, did = [], 0
    for row in rows:
        for place, (image, layer) in enumerate(pictures):
            arguments = {"operation": row["operation"], "image": image, "layer": layer}
            told = client.call("describe_gegl_operation", operation=row["operation"])
            if told["has_aux"] and row["runs_as"] != "refused":
                arguments["aux_layer"] = others[place]
            try:
                answer = client.call("apply_gegl_operation", timeout=100, **arguments)
            except CallError as problem:
                assert row["runs_as"] == "refused" and problem.kind == "unsupported", f"{row['operation']}: {problem}"
                refused.append(row["operation"])
                continue
            assert row["runs_as"] != "refused"
            did += answer["effect"]["changed"]
            if answer["effect"]["changed"]:
                client.call("undo", image=image)
    assert did > 250, f"only {did} changed something"
    for (image, _), pixels in zip(pictures, before):
        assert np.array_equal(read(client, image, depth=16), pixels)
    assert client.eval("Gimp.version()").startswith(gimp_version)


def test_properties_are_checked(client, gimp_version):
    image, _ = make(client, DATA)

    def problem(name, **properties):
        with pytest.raises(CallError) as raised:
            client.call("apply_gegl_operation", image=image, **{"operation": name, "properties": properties})
        return raised.value

    assert "did you mean `gegl:gaussian-blur`" in problem("gegl:gausian-blur").hint
    assert "did you mean `std-dev-x`" in problem("gegl:gaussian-blur", stddev_x=3).hint
    wrong = problem("gegl:gaussian-blur", **{"std-dev-x": 9999})
    assert "std-dev-x" in wrong.message and "9999" in wrong.message and "1500" in wrong.message
    assert "`iir`" in problem("gegl:gaussian-blur", filter="iirr").hint
    assert "is not" in problem("gegl:gaussian-blur", **{"std-dev-x": "wide"}).message
    assert "color" in problem("gegl:color-to-alpha", color="nocolour").message
    assert "`linear`" in problem("gegl:rotate", sampler="linar").hint
    if gimp_version != "3.0":  # where GIMP does not show this property
        assert "no file" in problem("gegl:styles", **{"image-src": "/nowhere/at/all.png"}).message
    wrong = problem("gegl:variable-blur")
    assert "second picture" in wrong.message and "`aux_layer`" in wrong.hint
    wrong = problem("gegl:png-save", path="/tmp/x.png")
    assert wrong.kind == "unsupported" and "save_image" in wrong.hint
    with pytest.raises(CallError) as raised:
        client.call("apply_gegl_operation", image=image, **{"operation": "svg:overlay", "as_effect": True})
    wrong = raised.value
    assert wrong.kind == "unsupported" and "as_effect" in wrong.hint
    with pytest.raises(CallError) as raised:
        client.call("apply_gegl_operation", image=image, **{"operation": "gegl:box-blur", "blend_mode": "multiplied"})
    wrong = raised.value
    assert "multiplied" in wrong.message and "`multiply`" in wrong.hint
    assert np.array_equal(read(client, image), DATA)


def test_properties_opacity_mode_and_second_picture_do_what_they_say(client):
    image, layer = make(client, DATA)
    light = to_linear(DATA[..., :3])
    client.call("apply_gegl_operation", image=image, operation="gegl:exposure", properties={"exposure": 1.0}, opacity=50)
    got = read(client, image)[..., :3]
    options = (to_srgb((light + light * 2) / 2), (DATA[..., :3] + to_srgb(light * 2)) / 2,
               to_srgb((light + np.clip(light * 2, 0, 1)) / 2))
    assert min(np.abs(got - wanted).max() for wanted in options) <= 2
    client.call("undo", image=image)
    client.call("apply_gegl_operation", image=image, operation="invert_gamma", blend_mode="normal")
    assert_near(read(client, image)[..., :3], 255 - DATA[..., :3])
    client.call("undo", image=image)
    black = client.eval("(lambda b: (im.insert_layer(b, None, 1), b.fill(Gimp.FillType.WHITE), b.set_visible(False), b.get_id())[-1])"
                        "(Gimp.Layer.new(im, 'b', 310, 205, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL))")
    client.call("apply_gegl_operation", image=image, layer=layer, operation="gegl:mix", properties={"ratio": 0.25},
                aux_layer=black)
    assert_near(read(client, image, layer)[..., :3], to_srgb(light * 0.75 + 0.25), 2)
    client.call("undo", image=image)
    client.call("apply_gegl_operation", image=image, layer=layer, operation="gegl:color", properties={"value": "#2850a0"})
    assert (read(client, image, layer) == (0x28, 0x50, 0xA0, 255)).all()


def test_effects_are_listed_edited_moved_removed_and_merged(client):
    data = smooth()
    image, layer = make(client, data)
    blur = client.call("apply_blur", image=image, radius=4.0, as_effect=True)["layer_effects"][0]
    edges = client.call("apply_gegl_operation", image=image, operation="gegl:invert-gamma", as_effect=True,
                        name="Negative")["layer_effects"][0]
    listed = client.call("list_layer_effects", image=image)["layer_effects"]
    assert [each["layer_effect"] for each in listed] == [edges, blur] and listed[0]["name"] == "Negative"
    assert listed[1]["properties"]["std-dev-x"] == 4.0 and listed[1]["properties"]["abyss-policy"] == "clamp"
    look = read(client, image)
    answer = client.call("edit_layer_effect", image=image, layer_effect=blur, properties={"std-dev-x": 9, "std-dev-y": 0})
    assert answer["properties"]["std-dev-x"] == 9.0 and not np.array_equal(read(client, image), look)
    client.call("undo", image=image)
    assert np.array_equal(read(client, image), look)
    ids = [each["layer_effect"] for each in client.call("list_layer_effects", image=image)["layer_effects"]]
    client.call("edit_layer_effect", image=image, layer_effect=ids[0], opacity=30, blend_mode="multiply")
    top = client.call("list_layer_effects", image=image)["layer_effects"][0]
    assert (top["opacity"], top["blend_mode"]) == (30, "multiply")
    client.call("edit_layer_effect", image=image, layer_effect=ids[0], visible=False)
    moved = client.call("edit_layer_effect", image=image, layer_effect=ids[0], position=1)
    after = client.call("list_layer_effects", image=image)["layer_effects"]
    assert [each["operation"] for each in after] == ["gegl:gaussian-blur", "gegl:invert-gamma"]
    assert after[1]["layer_effect"] == moved["layer_effect"] and after[1]["visible"] is False
    assert (after[1]["opacity"], after[1]["blend_mode"], after[1]["name"]) == (30, "multiply", "Negative")
    assert after[0]["properties"]["std-dev-x"] == 4.0
    wrong = error(client, "edit_layer_effect", image=image, visible=True)
    assert "2 layer effects" in wrong.message and len(wrong.details["layer_effects"]) == 2
    assert error(client, "remove_layer_effect", image=image, layer_effect=999999).kind == "not_found"
    assert "position" in error(client, "edit_layer_effect", image=image).hint
    client.call("remove_layer_effect", image=image, layer_effect=after[1]["layer_effect"])
    shown = read(client, image)
    merged = client.call("merge_layer_effects", image=image)
    assert merged["left"] == 0 and np.array_equal(read(client, image, layer)[..., :3], shown[..., :3])
    problem = error(client, "merge_layer_effects", image=image)
    assert problem.kind == "not_found" and "as_effect" in problem.hint


def test_the_order_of_three_effects(client):
    image, _ = make(client, smooth())
    for name in ("one", "two", "three"):
        client.call("apply_gegl_operation", image=image, operation="gegl:sepia", as_effect=True, name=name)

    def names():
        return [each["name"] for each in client.call("list_layer_effects", image=image)["layer_effects"]]

    assert names() == ["three", "two", "one"]
    for start, position, wanted in ((0, 2, ["two", "one", "three"]), (2, 0, ["three", "two", "one"]),
                                    (1, 0, ["two", "three", "one"]), (0, 9, ["three", "one", "two"])):
        effect = client.call("list_layer_effects", image=image)["layer_effects"][start]["layer_effect"]
        client.call("edit_layer_effect", image=image, layer_effect=effect, position=position)
        assert names() == wanted


def test_a_selection_bounds_an_effect(client):
    data = smooth()
    image, _ = make(client, data)
    client.python("im.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 30, 30)")
    client.call("invert_colors", image=image, as_effect=True)
    got = read(client, image)[..., :3]
    assert np.array_equal(got[10:40, 10:40], 255 - data[10:40, 10:40])
    assert np.array_equal(got[:10], data[:10]) and np.array_equal(got[:, 40:], data[:, 40:])


@pytest.mark.parametrize("query, wanted", (
    ("image scale", "gimp-image-scale"), ("plug spyro", "plug-in-spyrogimp"), ("DESPECKLE", "plug-in-despeckle"),
    ("gimp_layer_set_opacity", "gimp-layer-set-opacity"), ("flip horizontally", None),
))
def test_procedures_are_found(client, query, wanted):
    answer = client.call("search_procedures", query=query, limit=40)
    names = [row["procedure"] for row in answer["procedures"]]
    assert len(names) == len(set(names)) <= 40
    if wanted:
        assert wanted in names, names
    assert client.call("search_procedures", query="nosuchwordatall")["total"] == 0


def test_the_list_of_procedures_pages(client):
    first = client.call("search_procedures", limit=200)
    second = client.call("search_procedures", limit=200, offset=200)
    assert first["total"] > 800 and first["more"] and len(first["procedures"]) == 200
    assert not {row["procedure"] for row in first["procedures"]} & {row["procedure"] for row in second["procedures"]}
    assert not any("gimp-bridge" in row["procedure"] for row in first["procedures"])


def test_a_procedure_is_described(client):
    told = client.call("describe_procedure", procedure="gimp_layer_set_mode")
    arguments = {each["name"]: each for each in told["arguments"]}
    assert arguments["mode"]["required"] and "multiply" in arguments["mode"]["choices"]
    told = client.call("describe_procedure", procedure="plug-in-despeckle")
    radius = next(each for each in told["arguments"] if each["name"] == "radius")
    assert (radius["minimum"], radius["maximum"]) == (1, 30) and radius["required"] is False and "default" in radius
    assert "forbidden" not in told and "refused" in client.call("describe_procedure", procedure="gimp-quit")
    assert "`gimp-image-scale`" in error(client, "describe_procedure", procedure="gimp-image-scle").hint


def test_a_procedure_is_called_by_named_arguments(client):
    image, layer = make(client, DATA)
    answer = client.call("call_procedure", procedure="gimp-layer-set-opacity", arguments={"layer": layer, "opacity": 40})
    assert answer["message"] == "Called gimp-layer-set-opacity" and answer["effect"]["changed"] is True
    assert client.call("call_procedure", procedure="gimp_layer_get_opacity", arguments={"layer": layer})["values"] == {"opacity": 40.0}
    answer = client.call("call_procedure", procedure="plug-in-despeckle",
                         arguments={"image": image, "drawables": [layer], "radius": 2})
    assert answer["effect"]["changed"] is True
    wrong = error(client, "call_procedure", procedure="gimp-layer-set-opacity", arguments={"layer": layer, "opacity": 400})
    assert "400" in wrong.message and "100" in wrong.message
    assert "`opacity`" in error(client, "call_procedure", procedure="gimp-layer-set-opacity", arguments={"layer": layer}).message
    assert error(client, "call_procedure", procedure="gimp-quit").kind == "forbidden"
    assert "did you mean" in error(client, "call_procedure", procedure="gimp-layer-set-opacit").hint
