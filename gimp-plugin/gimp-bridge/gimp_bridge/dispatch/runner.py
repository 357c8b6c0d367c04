"""The main thread's side: takes requests from the queue one by one, runs them, answers. Never imports Gimp."""

import sys
import time
import traceback

from gimp_bridge.core import pulse
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.batches import BATCHES
from gimp_bridge.net.requests import FairQueue
from gimp_bridge.safety.watchdog import GRACE_SECONDS, Interrupted


class Runner:
    """`execute(request)` runs one operation and returns its result; `wake()` makes the main loop call `drain` soon.

    `give_up(why)` ends this process, in which nothing runs any more; it is called `restart_after` seconds (if not
    False) after that began. `hold(name, serve)` calls `serve()` such that the undo steps which begin meanwhile have that
    name; `iterate(wait)` gives the main loop a turn.
    """

    def __init__(self, execute, watchdog, wake, forget=lambda client_id: None, give_up=None, hold=None, iterate=None):
        self.queue = FairQueue(wake)
        self._execute, self._watchdog, self._forget = execute, watchdog, forget
        self._wake = wake
        self._hold, self._iterate, self._held = hold, iterate, None
        self._give_up, self.restart_after = give_up, False
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
        self._last_turn = time.monotonic()
        request.finish(result, error)
        request.clean_up()  # also when the connection is gone and nothing was answered
        if self._hold is not None and BATCHES.open not in (None, self._held):
            self._serve(BATCHES.open)
        return True

    def _serve(self, batch):
        """Serves an open batch to its end from here, within what names its undo steps: they begin in several requests."""

        def serve():
            while BATCHES.open is batch:
                self._iterate(not self.drain())

        before, self._held = self._held, batch
        try:
            self._hold(batch.name, serve)
        except Exception:
            print("gimp-bridge: an open batch is served without a name", file=sys.stderr)
            traceback.print_exc()
        finally:
            self._held = before

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

    @property
    def runs(self):
        return self._running is not None

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
                "unresponsive": self._overdue(now) > GRACE_SECONDS,
                "restart_in": self._restart_in(self._overdue(now)),
            }
        elif batch is not None:
            busy = {"operation": "batch", "seconds": round(now - batch.started, 3), "unresponsive": False}
        elif (seconds := self._unheard(now)) > GRACE_SECONDS:
            # Not ours: a dialog of GIMP's, or a callback that some code left behind, keeps the main loop.
            busy = {
                "operation": "GIMP",
                "seconds": round(seconds, 3),
                "unresponsive": True,
                "restart_in": self._restart_in(seconds),
            }
        return {"busy": busy, "queued": len(self.queue)}

    def _overdue(self, now):
        """Seconds since what runs was to end: at its time limit, or earlier by a cancel; 0.0 if it was not."""
        running = self._running
        if running is None or running.started is None:
            return 0.0
        # Beside the watchdog's own clock: the checkpoint before an operation and the proof after it are not guarded. While
        # they go on from layer to layer or strip to strip, nothing hangs
        return max(self._watchdog.overdue(), now - max(running.started + running.timeout, pulse.last), 0.0)

    def _unheard(self, now):
        """Seconds since the main loop was asked for a turn and gave none."""
        if self._running is not None or self.queue.asleep or not len(self.queue):
            return 0.0
        return now - max(self._last_turn, self.queue.woken)

    def _restart_in(self, overdue):
        """Seconds until this process is given up, if nothing changes; None if it never is."""
        if self.restart_after is False or not overdue:
            return None
        return round(max(self.restart_after - overdue, 0.0), 1)

    def _every_second(self, now):
        self._end_what_hangs(now)
        stuck = self._watchdog.unresponsive()
        if stuck is not None:
            stuck.finish(error=_cannot_be_ended(stuck, self._outlook()))
        self.queue.expire(now)
        if BATCHES.over(now):
            self._wake()

    def _outlook(self):
        """What becomes of what cannot be ended, for a hint."""
        seconds = self._restart_in(self._overdue(time.monotonic()))
        if seconds is None:
            return "GIMP answers again when that call is over; `list_instances` shows it"
        return f"GIMP answers again when that call is over; if it is not within {seconds:.0f} s, it is started again"

    def _end_what_hangs(self, now):
        """Gives this process up when nothing has run in it for too long: it is started again, and images are kept."""
        if self.restart_after is False:
            return
        running, overdue = self._running, self._overdue(now)
        if running is not None and overdue > self.restart_after:
            why = f"`{running.operation}` could not be ended within {overdue:.0f} s after its time limit or cancel"
        elif running is None and (overdue := self._unheard(now)) > self.restart_after:
            why = f"its main loop had taken no request for {overdue:.0f} s"
        else:
            return
        if running is not None:
            running.finish(error=_cannot_be_ended(running, "GIMP's plug-in is started again now; open images are kept"))
        for request in self.queue.all():
            request.finish(
                error=OperationError(
                    "connection_lost",
                    f"GIMP's plug-in is started again, because {why}",
                    hint="it had not begun: send it again in some seconds",
                )
            )
        self._give_up(why)


def _cannot_be_ended(request, hint):
    return OperationError(
        "timeout",
        f"`{request.operation}` passed its time limit of {request.timeout:g} s and cannot be ended: "
        "it is inside one long call of GIMP's or of a library",
        hint=hint,
    )
