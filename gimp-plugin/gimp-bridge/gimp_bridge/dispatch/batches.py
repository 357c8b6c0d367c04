"""One batch at a time: calls of one client that are one change. Never imports Gimp.

Owns which batch is open, whose requests run meanwhile, and when it ends by itself: with its connection, at its time
limit, or when its client sends nothing for IDLE_SECONDS. What a batch does to images is its transaction's
(undo/history.py); taking it back is ops/batch.py's.

A request belongs to a batch if its arguments carry the batch's token; the same client's other requests wait like
everybody else's.
"""

import itertools
import time

from gimp_bridge.core.errors import OperationError

IDLE_SECONDS = 60
_numbers = itertools.count(1)


class Batch:
    """An open batch; `close(batch, restore)` ends it. To the watchdog it is like a request while it is being ended."""

    operation = "batch"
    timeout = 180  # to end it

    def __init__(self, request, client, transaction, seconds, restore_if_abandoned, close, name):
        self.token = f"b{next(_numbers)}"
        self.connection, self.client = request.connection, client
        self.name = name  # of its undo steps
        self.transaction, self.close = transaction, close
        self.restore_if_abandoned = restore_if_abandoned
        self.chosen = client.image_id  # before it
        self.ways_back = []  # of its steps, see registry.Call
        self.started = self.last_used = time.monotonic()
        self._deadline = self.started + seconds

    def over(self, now):
        """Why it has to end by itself, or None."""
        if not self.connection.is_open:
            return "its connection ended"
        if now > self._deadline:
            return "it was open for longer than its time limit"
        if now - self.last_used > IDLE_SECONDS:
            return f"no call came for {IDLE_SECONDS} seconds"
        return None

    def finish(self, result=None, error=None):
        """What the watchdog calls on what cannot be ended: here nobody waits for an answer."""


class Batches:
    """The open batch, if any. Main thread, but for `over`."""

    def __init__(self):
        self.open = None
        self._ended = {}  # token -> why it ended by itself; the last few

    @property
    def token(self):
        """Whose requests may run; None: everybody's."""
        return self.open.token if self.open is not None else None

    def begin(self, batch):
        self.open = batch

    def of(self, request):
        """The batch that a request belongs to, or None; an error if that batch is over."""
        if request.batch is None:
            return None
        if self.open is not None and self.open.token == request.batch:
            self.used()
            return self.open
        why = self._ended.get(request.batch, "GIMP or its plug-in was restarted since")
        raise OperationError(
            "cancelled", f"the batch is over: {why}", hint="run it again, in smaller parts if it takes long"
        )

    def used(self):
        """A call ran: the idle time begins anew."""
        if self.open is not None:
            self.open.last_used = time.monotonic()

    def over(self, now):
        """Whether the open batch has to end by itself. Any thread."""
        batch = self.open
        return batch is not None and batch.over(now) is not None

    def abandon(self, why):
        """Ends the open batch for its client, who is gone or silent."""
        batch = self.open
        while len(self._ended) >= 16:
            del self._ended[next(iter(self._ended))]
        self._ended[batch.token] = f"it was ended because {why}"
        self.end(batch, batch.restore_if_abandoned)

    def end(self, batch, restore):
        """What `close` gives. The batch is over in any case."""
        try:
            return batch.close(batch, restore)
        finally:
            self.open = None


BATCHES = Batches()
