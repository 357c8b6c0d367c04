"""The binding to GIMP's processor: one processor inside, all of them afterwards, whatever happens."""

import os

import affinity
import pytest


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


def test_a_parent_that_cannot_be_looked_at_changes_nothing(monkeypatch):
    everywhere = os.sched_getaffinity(0)
    monkeypatch.setattr(os, "getppid", lambda: 2**30)
    with affinity.near_gimp():
        assert os.sched_getaffinity(0) == everywhere
