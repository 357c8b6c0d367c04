"""For the operations on paths and text: a path, a selection, a text layer."""

from example_setups.selections import selected


def path(client, image):
    client.call(
        "create_path", image=image, strokes=[{"points": [[8, 50], [48, 12], [88, 50]], "smooth": True}], name="Bow"
    )
    return {}


def text(client, image):
    made = client.call("add_text_layer", image=image, text="Words", x=4, y=4, size=16)
    return {"layer": made["layer"]}


SETUP = {
    name: path
    for name in (
        "path_to_svg",
        "get_path",
        "set_path_properties",
        "transform_path",
        "delete_path",
        "stroke_path",
        "fill_path",
        "text_along_path",
    )
}
SETUP.update({name: text for name in ("edit_text_layer", "get_text_layer", "path_from_text")})
SETUP.update({name: selected for name in ("path_from_selection", "stroke_selection")})
