"""Ends a running operation at its time limit or on cancel, from a thread beside it. Never imports Gimp.

`PyThreadState_SetAsyncExc` raises in the main thread between two bytecodes; a signal whose handler does nothing gets
it out of blocking calls (time.sleep, recv, waitpid). Three rules keep that safe:
- it is raised only while `guard` runs a function, and `guard` does not return before none can be on its way;
- not while the function is inside `masked`, which is for what must not be torn (a lock, a swap of sys.stdout);
- it is an `Interrupted`, a BaseException: `except Exception` does not swallow it. In code that swallows everything it
  is raised again and again, and at last at every line.

What sits in one long C call cannot be ended; `unresponsive` says so.
"""

import ctypes
import signal
import sys
import threading
import time

from gimp_bridge.core import folders, pulse
from gimp_bridge.core.own_thread import OwnThread

REPEAT_SECONDS = 0.25  # between attempts at code that swallows the exception or blocks
EACH_LINE_AFTER = 4  # attempts; then every line of the code raises
GRACE_SECONDS = 5  # after the first attempt: then the operation counts as unresponsive
_POLL_SECONDS = 0.02
_IDLE_SECONDS = 1.0
_POLL_LINGER = 5.0  # keeps polling so long after an operation: a busy session then needs no thread wake-ups

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_async_exc.restype = ctypes.c_int
_CLEAR = ctypes.py_object()  # NULL: takes back one that is set and has not landed
_NUDGE = getattr(signal, "SIGURG", None)  # ignored by default: harmless if it comes late
_pthread_kill = getattr(signal, "pthread_kill", None)  # scripting/guards.py takes it away from client code


class Interrupted(BaseException):
    """Raised in an operation by the watchdog; `reason` is "timeout" or "cancelled"."""

    reason = "cancelled"


class _Run:
    """One guarded operation."""

    def __init__(self, token, seconds):
        self.token, self.deadline = token, time.monotonic() + seconds
        self.reason = None
        self.attempts = 0
        self.first_attempt = self.last_attempt = 0.0
        self.masked = self.committed = False


class Watchdog:
    """Watches the thread that made it. `guard`, `masked`, `unmasked`, `check` are called there, the rest anywhere."""

    def __init__(self):
        self._thread_id = threading.get_ident()
        self._each_line = _EachLine(self._thread_id)
        self._run = None
        self._sending = False
        self._ended = 0.0
        self._wake = threading.Event()
        self._asleep = self._stop = False
        self._chores = []
        self.on_attempt = lambda: None  # called in the watchdog's thread with each attempt
        self._nudges = _NUDGE is not None and threading.current_thread() is threading.main_thread()
        if (
            self._nudges
        ):  # Python runs signal handlers in its main thread only; without, blocking calls are not cut short
            signal.signal(_NUDGE, lambda number, frame: None)
        self._thread = OwnThread(self._watch, "watchdog")

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop = True
        self._wake.set()

    def every_second(self, chore):
        """`chore(now)` runs in the watchdog's thread."""
        self._chores = [*self._chores, chore]

    def forget_chore(self, chore):
        self._chores = [c for c in self._chores if c != chore]

    # --- in the watched thread ---

    def guard(self, token, seconds, function):
        """Runs `function`; raises Interrupted if it was ended. Nothing is raised after this has returned."""
        value = failure = None
        run = _Run(token, seconds)
        # One may be on its way when the function returns or raises by itself, and land in the lines below. Each
        # landing is caught one level further out, and the next cannot come within REPEAT_SECONDS.
        try:
            try:
                try:
                    self._run = run
                    if self._asleep:
                        self._wake.set()
                    value = function()
                    self._settle()
                except BaseException as error:
                    failure = error
                    self._settle()
            except Interrupted as error:
                failure = failure or error
                self._settle()
        except Interrupted as error:
            failure = failure or error
            self._settle()
        self._ended = time.monotonic()
        if failure is None and run.attempts:
            # It landed in a callback that a C library called, which swallowed it, and `on_attempt` ended the loop
            # that the function waited in: what came back is cut off.
            failure = Interrupted()
        if failure is not None:
            if isinstance(failure, Interrupted):
                failure.reason = run.reason or "cancelled"
            raise failure
        return value

    def _settle(self):
        """After this none is on its way. Attribute stores are atomic, and the two flags make the sides meet."""
        self._run = None
        while self._sending:
            time.sleep(0)
        _set_async_exc(self._thread_id, _CLEAR)
        self._each_line.stop()

    def masked(self):
        """A context manager: within it nothing is raised; what is due comes right after."""
        return _Masking(self, True)

    def unmasked(self):
        """Within `masked`: allows it again, for the foreign code in the middle."""
        return _Masking(self, False)

    def commit(self):
        """Raises if the running operation is to end; from then on nothing ends it."""
        run = self._run
        if run is not None:
            with self.masked():
                self.check()
                run.committed = True

    def check(self):
        """Raises Interrupted if the running operation is to end; for loops that wait inside `masked`."""
        pulse.beat()
        run = self._run
        if run is not None and not run.committed:
            if run.reason is None and time.monotonic() >= run.deadline:
                run.reason = "timeout"
            if run.reason is not None:
                # As an attempt: what cleans up now is not hit by the next one at once
                run.last_attempt = time.monotonic()
                run.first_attempt = run.first_attempt or run.last_attempt
                run.attempts += 1
                raise Interrupted

    # --- anywhere ---

    def cancel(self, token):
        """Whether `token`'s operation runs; it ends soon then."""
        run = self._run
        if run is None or run.token is not token:
            return False
        run.reason = run.reason or "cancelled"
        self._wake.set()
        return True

    def unresponsive(self):
        """The token of an operation that was to end and does not, or None."""
        run = self._run
        if run is not None and run.first_attempt and time.monotonic() - run.first_attempt > GRACE_SECONDS:
            return run.token
        return None

    def overdue(self):
        """Seconds since the running operation was to end; 0.0 if none was."""
        run = self._run
        return time.monotonic() - run.first_attempt if run is not None and run.first_attempt else 0.0

    # --- the watchdog's own thread ---

    def _watch(self):
        last_chores = 0.0
        while not self._stop:
            self._asleep = self._run is None and time.monotonic() - self._ended > _POLL_LINGER
            # One that began just now is not slept over: `guard` sets _run first and looks at _asleep then.
            polling = not self._asleep or self._run is not None
            if self._wake.wait(_POLL_SECONDS if polling else _IDLE_SECONDS):
                self._wake.clear()
            self._asleep = False
            now, run = time.monotonic(), self._run
            if run is not None:
                if run.reason is None and now >= run.deadline:
                    run.reason = "timeout"
                if run.reason is not None and now - run.last_attempt >= REPEAT_SECONDS:
                    self._attempt(run, now)
            if now - last_chores >= 1:
                last_chores = now
                for chore in self._chores:
                    chore(now)

    def _attempt(self, run, now):
        self._sending = True  # before the look at _run and masked: see _settle and _Masking
        try:
            if self._run is not run or run.masked or run.committed:
                return
            run.first_attempt = run.first_attempt or now
            run.last_attempt = now
            run.attempts += 1
            _set_async_exc(self._thread_id, Interrupted)
            if run.attempts > EACH_LINE_AFTER:
                self._each_line.start()
        finally:
            self._sending = False
        self.on_attempt()
        if self._nudges and self._run is run:
            _pthread_kill(self._thread_id, _NUDGE)


class _EachLine:
    """Makes every line that the watched thread runs raise, so that no `except:` holds: it raises at its own first line
    too. Spares the plug-in's own code, which has things to put back. From Python 3.12; before that it does nothing."""

    TOOL = 4  # of sys.monitoring; debuggers and profilers use others

    def __init__(self, thread_id):
        self._thread_id, self._on = thread_id, False

    def start(self):
        if self._on or not hasattr(sys, "monitoring"):
            return
        monitoring, events = sys.monitoring, sys.monitoring.events
        monitoring.use_tool_id(self.TOOL, "gimp-bridge watchdog")
        self._on = True
        for event in (events.LINE, events.PY_START):
            monitoring.register_callback(self.TOOL, event, self._raise)
        monitoring.set_events(self.TOOL, events.LINE | events.PY_START)

    def stop(self):
        if self._on:
            sys.monitoring.set_events(self.TOOL, 0)
            sys.monitoring.free_tool_id(self.TOOL)
            self._on = False

    def _raise(self, code, *_):
        if threading.get_ident() == self._thread_id and not folders.is_own(code.co_filename):
            raise Interrupted


class _Masking:
    def __init__(self, watchdog, masked):
        self._watchdog, self._masked = watchdog, masked
        self._run, self._before = watchdog._run, False

    def __enter__(self):
        if self._run is not None:
            self._before, self._run.masked = self._run.masked, self._masked
            self._wait(self._before)
        return self

    def __exit__(self, *_):
        if self._run is not None:
            self._run.masked = self._before
            self._wait(self._before)

    def _wait(self, before):
        """Until the watchdog has seen the flag; one that it set before lands here, with the flag put back."""
        try:
            while self._watchdog._sending:
                time.sleep(0)
            _breathe()
        except Interrupted:
            self._run.masked = before
            raise


def _breathe():
    """A call is a point where an exception lands that was set before."""
