"""For the operations on selections and channels: something selected, a channel, a path."""


def selected(client, image):
    """A soft ellipse with a hole, so that sharpen and remove_holes have something to do."""
    client.python(
        f"im = Gimp.Image.get_by_id({image}); Gimp.context_push()",
        "Gimp.context_set_antialias(True); Gimp.context_set_feather(False)",
        "im.select_ellipse(Gimp.ChannelOps.REPLACE, 15.5, 10.5, 50, 40)",
        "im.select_ellipse(Gimp.ChannelOps.SUBTRACT, 30, 22, 16, 14); Gimp.context_pop()",
        image=image,
    )
    return {}


def channel(client, image):
    client.python(
        f"im = Gimp.Image.get_by_id({image}); layers = im.get_selected_layers(); Gimp.context_push()",
        "Gimp.context_set_feather(False); im.select_rectangle(Gimp.ChannelOps.REPLACE, 5, 6, 20, 30)",
        "Gimp.Selection.save(im); Gimp.Selection.none(im); im.set_selected_layers(layers); Gimp.context_pop()",
        image=image,
    )
    return {}


def sources(client, image):
    """A channel and a path."""
    channel(client, image)
    client.python(
        f"im = Gimp.Image.get_by_id({image}); p = Gimp.Path.new(im, 'oval')",
        "p.bezier_stroke_new_ellipse(40, 30, 20, 12, 0); im.insert_path(p, None, 0)",
        image=image,
    )
    return {}


SETUP = {
    "select_none": selected,
    "invert_selection": selected,
    "modify_selection": selected,
    "move_selection": selected,
    "get_selection": selected,
    "save_selection_to_channel": selected,
    "select_from": sources,
    "set_channel_properties": channel,
    "delete_channel": channel,
}
