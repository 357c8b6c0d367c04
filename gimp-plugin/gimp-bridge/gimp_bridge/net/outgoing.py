"""Requests of ours to a daemon, on its connection. Answers come in the reader thread. Never imports Gimp."""

import itertools
import threading

from gimp_bridge.core.errors import CODES, OperationError

MAX_ASKED = 16


class Ask:
    """One request: poll `done`, then `result()`. `changed()` is called in the reader's thread when there is news."""

    def __init__(self, asking, request_id, changed):
        self._asking, self.id, self._changed = asking, request_id, changed
        self.done = False
        self.progress = (0.0, None)  # fraction, message
        self._result = self._error = None

    def result(self):
        """The result once it is done; raises what the daemon answered."""
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self):
        """Asks the daemon to end it; an answer comes all the same."""
        self._asking.send({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": self.id}})

    def _finish(self, result, error):
        self._result, self._error, self.done = result, error, True
        self._changed()

    def _report(self, fraction, message):
        self.progress = (fraction, message if message is not None else self.progress[1])
        self._changed()


class Asking:
    """All requests of ours on one connection; `send(message)` queues a message."""

    def __init__(self, send):
        self.send = send
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._open = {}
        self._closed = False

    def ask(self, method, params, changed):
        """Sends a request; the answer or the connection's end finishes it."""
        with self._lock:
            if self._closed:
                raise _lost()
            if len(self._open) >= MAX_ASKED:
                raise OperationError("busy", f"{MAX_ASKED} requests run already", "wait until one of them is done")
            ask = Ask(self, next(self._ids), changed)
            self._open[ask.id] = ask
        self.send({"jsonrpc": "2.0", "id": ask.id, "method": method, "params": params})
        return ask

    def answered(self, message):
        """A response came; one that nobody waits for is dropped."""
        with self._lock:
            ask = self._open.pop(message.get("id"), None) if isinstance(message.get("id"), int) else None
        if ask is None:
            return
        error = message.get("error")
        ask._finish(message.get("result"), None if error is None else _read_error(error))

    def progressed(self, params):
        ask = self._open.get(params.get("id")) if isinstance(params.get("id"), int) else None
        done, total = params.get("progress"), params.get("total") or 1
        if ask is not None and isinstance(done, (int, float)) and isinstance(total, (int, float)) and total > 0:
            message = params.get("message")
            ask._report(min(max(done / total, 0.0), 1.0), message if isinstance(message, str) else None)

    @property
    def idle(self):
        """Whether nothing waits for an answer."""
        return not self._open

    def close(self):
        with self._lock:
            self._closed = True
            lost, self._open = list(self._open.values()), {}
        for ask in lost:
            ask._finish(None, _lost())


def _lost():
    message, hint = "gimp-bridge ended while it worked", "the image is as it was: try again"
    return OperationError("connection_lost", message, hint, reason="program_ended")


def _read_error(error):
    data = error.get("data") if isinstance(error, dict) and isinstance(error.get("data"), dict) else {}
    kind = data.get("kind") if data.get("kind") in CODES else "internal"
    message = error.get("message") if isinstance(error, dict) else None
    details = data["details"] if isinstance(data.get("details"), dict) else {}
    error = OperationError(kind, str(message or "the daemon answered with an error"), data.get("hint"))
    error.details = details
    return error
