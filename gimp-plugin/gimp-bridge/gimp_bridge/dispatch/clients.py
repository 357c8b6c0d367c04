"""What the plug-in remembers of each AI client: its Python namespace and its chosen image."""

import collections

LIMIT = 64


class Client:
    """One AI client behind a daemon; the same for all its connections."""

    def __init__(self, client_id, name):
        self.id, self.name = client_id, name
        self.namespace = {}
        self.image_id = None
        self.may_patch = False  # see safety/scope.py


class Clients:
    """The LIMIT clients that called last. Main thread only: a namespace may hold GIMP objects."""

    def __init__(self, limit=LIMIT):
        self._limit = limit
        self._by_id = collections.OrderedDict()

    def get(self, client_id, name):
        client = self._by_id.get(client_id)
        if client is None:
            client = self._by_id[client_id] = Client(client_id, name)
            while len(self._by_id) > self._limit:
                self._by_id.popitem(last=False)
        self._by_id.move_to_end(client_id)
        client.name = name
        return client

    def forget(self, client_id):
        self._by_id.pop(client_id, None)
