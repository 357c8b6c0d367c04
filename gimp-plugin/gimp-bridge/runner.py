"""The main thread's side: takes requests from the queue one by one, runs them, answers. Never imports Gimp."""

import sys
import time
import traceback

from batches import BATCHES
from errors import OperationError
from inflight import FairQueue
from watchdog import GRACE_SECONDS, Interrupted


class Runner:
    """`execute(request)` runs one operation and returns its result; `wake()` makes the main loop call `drain` soon."""

    def __init__(self, execute, watchdog, wake, forget=lambda client_id: None):
        self.queue = FairQueue(wake)
        self._execute, self._watchdog, self._forget = execute, watchdog, forget
        self._wake = wake
        self._running = None
        self._forgotten = []
        self._last_turn = time.monotonic()
        watchdog.every_second(self._every_second)

    # --- the main thread ---

    def drain(self):
        """Runs one request. Returns whether to call again at once: GIMP's own messages get their turn in between."""
        if self._running is not None:
            return True  # a nested main loop, inside a running operation: libgimp is not reentrant
        self._last_turn = time.monotonic()
        while self._forgotten:
            self._forget(self._forgotten.pop())
        if BATCHES.over(self._last_turn):
            self._abandon(BATCHES.open)
        request = self.queue.take(BATCHES.token)
        if request is None:
            return False
        request.started = time.monotonic()
        self._running = request
        result = error = None
        try:
            if request.connection.is_open:
                result = self._execute(request)
        except OperationError as problem:
            error = problem
        except Exception:
            print(f"gimp-bridge: `{request.operation}` failed unexpectedly", file=sys.stderr)
            traceback.print_exc()
            error = OperationError(
                "internal",
                f"`{request.operation}` failed unexpectedly: {sys.exc_info()[1]!r}"[:1000],
                hint="GIMP's error output has the details; please report it",
            )
        finally:
            self._running = None
        BATCHES.used()
        request.finish(result, error)
        request.clean_up()  # also when the connection is gone and nothing was answered
        return True

    def _abandon(self, batch):
        """Ends a batch whose client is gone or silent: the others wait for it."""
        self._running = batch
        try:
            why = batch.over(time.monotonic())
            print(f"gimp-bridge: a batch was ended: {why}", file=sys.stderr)
            self._watchdog.guard(batch, batch.timeout, lambda: BATCHES.abandon(why))
        except Interrupted:
            print("gimp-bridge: the batch could not be ended in time", file=sys.stderr)
        except Exception:
            print("gimp-bridge: a batch could not be taken back", file=sys.stderr)
            traceback.print_exc()
        finally:
            self._running = None

    # --- any thread ---

    def cancel(self, request):
        """Whether the request runs; it ends soon then."""
        request.cancelled = True  # first: it may be on its way from the queue into the guard
        return self._running is request and self._watchdog.cancel(request)

    def forget_client(self, client_id):
        """Drops what is kept for a client, in the main thread: its namespace may hold GIMP objects."""
        self._forgotten.append(client_id)
        self._wake()

    def state(self):
        """The answer to `$/ping`."""
        request, batch, now = self._running, BATCHES.open, time.monotonic()
        busy = None
        if request is not None:
            seconds = now - (request.started or now)
            busy = {
                "operation": request.operation,
                "seconds": round(seconds, 3),
                "unresponsive": self._watchdog.unresponsive() is request,
            }
        elif batch is not None:
            busy = {"operation": "batch", "seconds": round(now - batch.started, 3), "unresponsive": False}
        elif len(self.queue) and now - self._last_turn > GRACE_SECONDS and not self.queue.asleep:
            # Not ours: a dialog of GIMP's, or a callback that some code left behind, keeps the main loop.
            busy = {"operation": "GIMP", "seconds": round(now - self._last_turn, 3), "unresponsive": True}
        return {"busy": busy, "queued": len(self.queue)}

    def _every_second(self, now):
        stuck = self._watchdog.unresponsive()
        if stuck is not None:
            stuck.finish(
                error=OperationError(
                    "timeout",
                    f"`{stuck.operation}` passed its time limit of {stuck.timeout:g} s and cannot be ended: "
                    "it is inside one long call of GIMP's or of a library",
                    hint="GIMP answers again when that call is over; `list_instances` shows it",
                )
            )
        self.queue.expire(now)
        if BATCHES.over(now):
            self._wake()
