"""For the operations on layers and masks."""

from example_setups.canvas import run

NEW = "n = Gimp.Layer.new(im, 'second', 40, 30, Gimp.ImageType.RGBA_IMAGE, 60, Gimp.LayerMode.SCREEN)"
MASK = [
    "l = im.get_layers()[0]; im.select_ellipse(Gimp.ChannelOps.REPLACE, 10, 8, 50, 40)",
    "l.add_mask(l.create_mask(Gimp.AddMaskType.SELECTION)); Gimp.Selection.none(im); im.clean_all()",
]


def two_layers(client, image):
    """A half transparent, shifted layer on top, which is selected."""
    run(
        client, image, NEW, "im.insert_layer(n, None, 0); n.set_offsets(30, 20); n.fill(Gimp.FillType.WHITE)",
        "im.set_selected_layers([n]); im.clean_all()",
    )  # fmt: skip
    return {}


def both(client, image):
    two_layers(client, image)
    return {"layers": client.eval(f"[l.get_id() for l in Gimp.Image.get_by_id({image}).get_layers()]")}


def masked(client, image):
    run(client, image, *MASK)
    return {}


def selected(client, image):
    run(client, image, "im.select_ellipse(Gimp.ChannelOps.REPLACE, 10, 8, 50, 40); im.clean_all()")
    return {}


def text(client, image):
    run(
        client, image, "t = Gimp.TextLayer.new(im, 'Hi', Gimp.context_get_font(), 30.0, Gimp.Unit.pixel())",
        "im.insert_layer(t, None, 0); im.set_selected_layers([t]); im.clean_all()",
    )  # fmt: skip
    return {}


SETUP = {
    "merge_layers": two_layers,
    "move_layer": two_layers,
    "reorder_layer": two_layers,
    "delete_layer": two_layers,
    "create_layer_from_visible": two_layers,
    "create_layer_group": both,
    "select_layers": both,
    "set_layer_mask": masked,
    "remove_layer_mask": masked,
    "add_layer_mask": selected,
    "rasterize_layer": text,
}
