"""For the operations on resources."""


def passing(client, image):
    return {"name": client.call("create_gradient", name="Passing", colors=["red", "blue"])["name"]}


SETUP = {"delete_resource": passing}
