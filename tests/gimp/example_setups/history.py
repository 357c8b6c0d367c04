"""For the operations on checkpoints."""


def changed_once(client, image):
    client.python(f"Gimp.Image.get_by_id({image}).flip(Gimp.OrientationType.HORIZONTAL)", image=image)
    return {}


def with_checkpoint(client, image):
    taken = client.call("checkpoint", image=image, label="here")
    changed_once(client, image)
    return {"checkpoint": taken["checkpoint"]}


SETUP = {"undo": changed_once, "restore_checkpoint": with_checkpoint}
