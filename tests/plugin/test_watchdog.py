"""safety/watchdog.py without GIMP: ends what runs, never lands outside."""

import threading
import time

import pytest
from gimp_bridge.safety import watchdog as module
from gimp_bridge.safety.watchdog import Interrupted, Watchdog


@pytest.fixture
def dog():
    dog = Watchdog()
    dog.start()
    yield dog
    dog.stop()


def spin():
    while True:
        pass


def test_a_result_and_an_error_pass_through(dog):
    assert dog.guard(1, 5, lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        dog.guard(1, 5, lambda: 1 / 0)


@pytest.mark.parametrize(
    "function", [spin, lambda: time.sleep(100), lambda: threading.Event().wait(100)], ids=["loop", "sleep", "wait"]
)
def test_the_time_limit(dog, function):
    start = time.monotonic()
    with pytest.raises(Interrupted) as raised:
        dog.guard(1, 0.1, function)
    assert raised.value.reason == "timeout" and time.monotonic() - start < 30


def test_cancel_is_for_its_token_only(dog):
    token = object()
    threading.Timer(0.05, lambda: dog.cancel(object())).start()
    assert dog.guard(token, 5, lambda: time.sleep(0.1) or 7) == 7
    assert dog.cancel(token) is False

    def cancel():
        while not dog.cancel(token):  # it may not have begun
            time.sleep(0.01)

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(Interrupted) as raised:
        dog.guard(token, 60, spin)
    assert raised.value.reason == "cancelled"


def test_what_was_ended_does_not_count_as_done(dog):
    """The exception is lost in a callback, as those of a main loop lose it; then `on_attempt` ends the loop."""
    told = threading.Event()
    dog.on_attempt = told.set

    def swallows():
        try:
            while not told.is_set():
                time.sleep(0.01)
        except Interrupted:
            told.wait(60)
        return "cut off"

    with pytest.raises(Interrupted) as raised:
        dog.guard(1, 0.05, swallows)
    assert raised.value.reason == "timeout"


def test_it_never_lands_outside(dog):
    """Operations that end by themselves at about their limit: the exception comes in them or not at all."""
    ended = 0
    for turn in range(400):
        try:
            dog.guard(turn, 0.004, lambda: time.sleep(0.0035 + turn % 10 * 0.0001))
        except Interrupted:
            ended += 1
        total = 0
        for i in range(200):  # would be hit by one that comes late
            total += i
        assert total == 19900
    assert 0 < ended  # the race did happen


def test_masked_code_is_not_torn(dog):
    log = []

    def work():
        with dog.masked():
            start = time.monotonic()
            while time.monotonic() - start < 0.3:
                pass
            log.append("whole")
        log.append("after")
        spin()

    with pytest.raises(Interrupted):
        dog.guard(1, 0.05, work)
    assert log in (["whole"], ["whole", "after"])


def test_foreign_code_inside_masked_is_ended_and_put_back(dog):
    log = []

    def work():
        with dog.masked():
            try:
                with dog.unmasked():
                    spin()
            finally:
                time.sleep(0.4)
                log.append("put back")

    with pytest.raises(Interrupted):
        dog.guard(1, 0.05, work)
    assert log == ["put back"]


def test_check_raises_inside_masked(dog):
    def work():
        with dog.masked():
            while True:
                dog.check()
                time.sleep(0.01)

    with pytest.raises(Interrupted):
        dog.guard(1, 0.05, work)
    dog.check()  # nothing runs: nothing is raised


def test_what_cannot_be_ended_is_told(dog, monkeypatch):
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.1)
    token, seen = object(), []

    def stuck():  # stands for one long call in C
        try:
            spin()
        except Interrupted:
            deadline = time.monotonic() + 60
            while token not in seen and time.monotonic() < deadline:
                try:
                    seen.append(dog.unresponsive())
                    time.sleep(0.005)
                except Interrupted:
                    pass

    with pytest.raises(Interrupted):
        dog.guard(token, 0.05, lambda: (stuck(), spin()))
    assert token in seen and dog.unresponsive() is None
