"""Requests in flight, and the fair queue to GIMP's main thread. Never imports Gimp."""

import collections
import threading
import time

from gimp_bridge.core.errors import OperationError

QUEUE_PATIENCE = 60  # seconds in the queue beyond the request's own time limit


class Request:
    """One `call` between its arrival and its answer."""

    def __init__(self, connection, request_id, operation, arguments, client_id, client_name, timeout):
        self.connection, self.id = connection, request_id
        self.operation, self.arguments = operation, arguments
        self.client_id, self.client_name = client_id, client_name
        batch = arguments.get("batch")
        self.batch = batch if isinstance(batch, str) else None  # the token of the batch that it belongs to
        self.timeout = timeout
        self.arrived = time.monotonic()
        self.upload = None  # a Spool
        self.started = None  # monotonic, when it began to run
        self.cancelled = False

    @property
    def key(self):
        """Whose turn it uses up."""
        return (id(self.connection), self.client_id, self.batch)

    def finish(self, result=None, error=None):
        """Answers, once; later answers are dropped. Any thread, outside of a guarded operation."""
        self.connection.finish(self, result, error)

    def clean_up(self):
        if self.upload is not None:
            self.upload.remove()


class FairQueue:
    """Takes from each client in turn, so that one that floods does not starve the others."""

    def __init__(self, wake):
        self._wake = wake  # called (without the lock) when there is something to take
        self._lock = threading.Lock()
        self._by_client = collections.OrderedDict()
        self._count = 0
        self.asleep = True  # whether the main loop has to be woken; set by `take` when it finds nothing
        self.woken = 0.0  # monotonic, when it last was

    def __len__(self):
        return self._count

    def put(self, request):
        with self._lock:
            self._by_client.setdefault(request.key, collections.deque()).append(request)
            self._count += 1
            wake = self._wakes()
        if wake:
            self._wake()

    def _wakes(self):
        """With the lock: whether the main loop has to be woken now."""
        if not self.asleep:
            return False
        self.woken, self.asleep = time.monotonic(), False
        return True

    def poke(self):
        """Something that held a client back is gone: look again."""
        with self._lock:
            wake = self._count > 0 and self._wakes()
        if wake:
            self._wake()

    def take(self, batch=None):
        """The next request, or None; then `put` wakes the loop again. Passes over clients that do not read.

        With the token of a `batch` only what belongs to it.
        """
        with self._lock:
            for key in list(self._by_client):
                waiting = self._by_client[key]
                if waiting[0].connection.congested or (batch is not None and waiting[0].batch != batch):
                    continue
                request = waiting.popleft()
                self._count -= 1
                if waiting:
                    self._by_client.move_to_end(key)
                else:
                    del self._by_client[key]
                return request
            self.asleep = True
            return None

    def remove(self, request):
        """Whether it still waited; then it is out."""
        with self._lock:
            waiting = self._by_client.get(request.key)
            if not waiting or request not in waiting:
                return False
            waiting.remove(request)
            self._count -= 1
            if not waiting:
                del self._by_client[request.key]
            return True

    def all(self):
        """What waits."""
        with self._lock:
            return [request for queue in self._by_client.values() for request in queue]

    def expire(self, now):
        """Answers `busy` to those that waited too long."""
        for request in self.all():
            limit = request.timeout + QUEUE_PATIENCE
            if now - request.arrived > limit and self.remove(request):
                request.finish(
                    error=OperationError(
                        "busy",
                        f"the request waited {limit:g} s and GIMP was busy all the time",
                        hint="try again later; `list_instances` says what keeps GIMP busy",
                    )
                )
