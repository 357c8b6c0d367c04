"""For the painting operations: a part of the picture selected, something in the clipboard."""


def selected(client, image):
    client.call("create_ellipse_selection", image=image, x=15.5, y=10.5, width=50, height=40)
    return {}


def copied(client, image):
    client.call("create_rectangle_selection", image=image, x=10, y=10, width=20, height=15)
    client.call("copy_selection", image=image, to="clipboard")
    client.call("select_none", image=image)
    return {}


SETUP = {
    "fill_selection": selected,
    "clear_selection": selected,
    "copy_selection": selected,
    "paste_clipboard": copied,
    "draw_rectangle": selected,
    "draw_gradient": selected,
}
