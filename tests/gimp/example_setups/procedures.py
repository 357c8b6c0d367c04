"""For the operations on layer effects."""


def with_effect(client, image):
    client.call("apply_blur", image=image, radius=3.0, as_effect=True)
    return {}


def own_drawable(client, image):
    layer = client.call("get_image_metadata", image=image)["structure"]["layers"][0]["id"]
    return {"arguments": {"drawable": layer, "linear": False}}


SETUP = {name: with_effect for name in (
    "list_layer_effects", "edit_layer_effect", "remove_layer_effect", "merge_layer_effects")}
SETUP["call_procedure"] = own_drawable
