"""One running request, as an operation sees it. Never imports Gimp."""

import contextlib
import time

from gimp_bridge.dispatch.coordinates import Places
from gimp_bridge.safety.watchdog import Interrupted


class Call:
    """One running request, as an operation sees it.

    request   the Request (net/requests.py)
    image     the resolved Gimp.Image, or None
    client    `.id`, `.name`, `.namespace` (dict for exec), `.image_id` (chosen image or None; operations may set it)
    upload    path of the spooled upload, or None
    timeout   seconds
    settings  the plug-in's Settings, for policies
    progress(fraction, message=None)   fraction 0..1
    places(layer=None)                 for entries with `places`: from the client's places to image pixels (coordinates.py)
    check()                            raises if the request was cancelled or is past its deadline
    stream(header, chunks)             sends a `$/stream` header and an iterable of bytes-like chunks (any length;
                                       cut to 1 MiB), waiting while the outgoing queue is full; returns the byte count.
                                       At most once per call; the dispatcher adds `stream: {bytes}` to the result.
                                       A chunk must not be changed after it was given
    masked()  unmasked()               context managers: code that a cancel or a deadline must not interrupt, and
                                       foreign code in the middle of it
    beside(image)                      a context manager for long work before the first change to `image`
    way_back(action)                   before a change outside of images: `action()` takes it back if the call fails or
                                       is ended, or if its batch is taken back; a string that it gives says what stays
    commit()                           right before what nothing takes back: from then on the call is not ended, and a
                                       cancel comes too late
    """

    PROGRESS_SECONDS = 0.1  # at most so often

    def __init__(self, request, client, settings, watchdog):
        self.request, self._watchdog = request, watchdog
        self.operation, self.client, self.settings = request.operation, client, settings
        self.timeout = request.timeout
        self.upload = request.upload.path if request.upload is not None else None
        self.image = None
        self.arguments = {}  # as the client gave them, with defaults; an item among them says which image is meant
        self._common = {}
        self.note = None  # what has to be said with the answer
        self.prepared = None
        self.partial = {}  # what an error's details get too: the output so far
        self.ways_back = []
        self.transaction = None  # round this call alone, if it is to change an image
        self.committed = False
        self.stream_bytes = None
        self._last_progress = 0.0
        self.check, self.masked, self.unmasked = watchdog.check, watchdog.masked, watchdog.unmasked

    def places(self, layer=None):
        """How this call's places map to the image; `layer` is what `units: "layer"` counts from."""
        return Places(
            (self.image.get_width(), self.image.get_height()),
            self._common.get("units", "pixels"),
            self._common.get("from_preview"),
            layer.get_offsets()[-2:] if layer is not None else (0, 0),
        )

    @contextlib.contextmanager
    def beside(self, image):
        """Round long work that is kept out of `image` until it ends: see undo/transaction.py."""
        if self.transaction is None:
            yield
            return
        with self.masked(), self.transaction.beside(image), self.unmasked():
            yield

    def way_back(self, action):
        self.ways_back.append(action)

    def take_back(self):
        """Takes back what was changed outside of images; returns what could not be, in words."""
        return take_all(self.ways_back)

    def commit(self):
        self._watchdog.commit()
        self.committed = True

    def progress(self, fraction, message=None):
        now = time.monotonic()
        if now - self._last_progress < self.PROGRESS_SECONDS and fraction < 1:
            return
        self._last_progress = now
        params = {"id": self.request.id, "progress": min(max(float(fraction), 0.0), 1.0), "total": 1}
        if message is not None:
            params["message"] = str(message)
        self._notify("$/progress", params)

    def stream(self, header, chunks):
        if self.stream_bytes is not None:
            raise RuntimeError("a call streams at most once")
        self.stream_bytes = 0
        self._notify("$/stream", {"id": self.request.id, "header": header})
        for chunk in chunks:
            view = memoryview(chunk).cast("B")
            for start in range(0, len(view), 1024 * 1024):
                self._send_chunk(view[start : start + 1024 * 1024])
        return self.stream_bytes

    def _notify(self, method, params):
        with self._watchdog.masked():  # the outbox has a lock
            self.request.connection.send({"jsonrpc": "2.0", "method": method, "params": params})

    def _send_chunk(self, piece):
        connection = self.request.connection
        with self._watchdog.masked():
            while not connection.send_chunk(self.request.id, piece, 0.05):
                self.check()
                if not connection.is_open:
                    raise Interrupted
        self.stream_bytes += len(piece)


def take_all(ways_back):
    """Goes all the ways back, the last change first, and empties the list."""
    said = []
    while ways_back:
        said.append(ways_back.pop()())
    return [words for words in said if isinstance(words, str)]
