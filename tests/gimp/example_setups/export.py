"""For the exports."""

from example_setups.layers import two_layers


def folder_of_pictures(client, image):
    """~/pictures with one PNG in it."""
    client.python("import os; os.makedirs(os.path.expanduser('~/pictures'), exist_ok=True)")
    client.call("write_file", image=image, path="~/pictures/one.png")
    return {}


SETUP = {
    "export_layers": two_layers,
    "export_sprite_sheet": two_layers,
    "export_animation": two_layers,
    "export_batch": folder_of_pictures,
}
