"""The plug-in's threads and those of client code, while many begin and end."""

import sys
import threading
import time

import pytest
from gimp_bridge.core.own_thread import OwnThread, end_strangers, strangers


@pytest.fixture
def hurried():
    """Threads change places all the time, so that each instant of a thread's life is met."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_threads_of_ours_that_begin_and_end_meanwhile_run_whole(hurried):
    whole, ended, over = [], [], threading.Event()

    def short():
        time.sleep(0)
        whole.append(1)

    def begin_many():
        for _ in range(8000):
            OwnThread(short, "short").start()

    def end_all_the_time():
        while not over.is_set():
            ended.append(end_strangers())

    beginner = OwnThread(begin_many, "beginner")
    OwnThread(end_all_the_time, "ender").start()
    beginner.start()
    beginner.join(120)
    over.set()
    assert not beginner.is_alive(), f"it waits for a thread that was ended before it ran: {len(whole)} ran"
    deadline = time.monotonic() + 10
    while len(whole) < 8000 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(whole) == 8000 and sum(ended) == 0


def test_a_thread_of_client_code_is_ended():
    begun, stop, ended = threading.Event(), threading.Event(), []

    def forever():
        begun.set()
        try:
            while not stop.wait(0.01):
                pass
        except SystemExit:
            ended.append(True)

    stranger = threading.Thread(target=forever, daemon=True)
    stranger.start()
    assert begun.wait(10)
    try:
        assert strangers() == {stranger.ident}
        assert end_strangers() == 1
        stranger.join(10)
        assert not stranger.is_alive() and ended and strangers() == set()
    finally:
        stop.set()
