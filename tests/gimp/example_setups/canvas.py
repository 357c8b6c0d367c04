"""For the operations on whole images."""


def run(client, image, *lines):
    client.python(f"im = Gimp.Image.get_by_id({image})", *lines, image=image)


def prepared(client, image):
    """A selection, and an even border that cropping to the content can cut."""
    run(
        client,
        image,
        "im.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 10, 30, 25)",
        "im.get_layers()[0].resize(60, 40, -18, -12)",
        "im.clean_all()",
    )
    return {}


def with_profile(client, image):
    run(client, image, "im.set_color_profile(Gimp.ColorProfile.new_rgb_srgb_linear())", "im.clean_all()")
    return {}


SETUP = {"crop_image": prepared, "set_color_profile": with_profile}
