"""The binding to GIMP's processor: one processor inside, all of them afterwards, whatever happens."""

import os
import subprocess

import affinity
import pytest


@pytest.fixture(autouse=True)
def waiting_gimp(monkeypatch):
    """A process that waits, as GIMP does between calls, in the place of the plug-in's parent."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        while open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()[0] != "S":
            pass
        monkeypatch.setattr(os, "getppid", lambda: process.pid)
        yield


def test_bound_inside_and_free_afterwards():
    everywhere = os.sched_getaffinity(0)
    with affinity.near_gimp():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == everywhere


def test_an_exception_frees_it_too():
    everywhere = os.sched_getaffinity(0)
    with pytest.raises(ZeroDivisionError), affinity.near_gimp():
        1 / 0
    assert os.sched_getaffinity(0) == everywhere


def test_a_busy_gimp_is_left_alone(monkeypatch):
    everywhere = os.sched_getaffinity(0)
    monkeypatch.setattr(os, "getppid", os.getpid)  # this process runs
    with affinity.near_gimp():
        assert os.sched_getaffinity(0) == everywhere


def test_a_parent_that_cannot_be_looked_at_changes_nothing(monkeypatch):
    everywhere = os.sched_getaffinity(0)
    monkeypatch.setattr(os, "getppid", lambda: 2**30)
    with affinity.near_gimp():
        assert os.sched_getaffinity(0) == everywhere
