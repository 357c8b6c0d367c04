"""Keeps client code from ending the plug-in's process by the usual calls. Never imports Gimp itself.

A guard-rail, not a wall: a fault in C code still ends the process, and guard.py then starts it again. Calls that only
look (signal 0) or that mean other processes go through.
"""

import faulthandler
import functools
import os
import signal
import sys

_WHY = "it would end the plug-in inside GIMP, and all its clients' work with it"
_RETURN = "return, or raise an exception"
_SUBPROCESS = "use subprocess.run"


class ForbiddenCall(RuntimeError):
    """Client code called something that ends the process."""


def _refuse(name, instead):
    def refused(*_, **__):
        raise ForbiddenCall(f"{name} is not allowed: {_WHY}; {instead}")

    refused.__name__ = refused.__qualname__ = name.rpartition(".")[2]
    return refused


def _guard_kill(name, real, protected):
    @functools.wraps(real)
    def guarded(pid, number):
        if number != 0 and pid in protected():
            raise ForbiddenCall(f"{name} of GIMP or its plug-in is not allowed: {_WHY}")
        return real(pid, number)

    return guarded


def _processes():
    return {os.getpid(), os.getppid(), 0, -1, -os.getpgrp()}


def _groups():
    return {os.getpgrp(), 0}


def install(gimp=None):
    """Once, at the start. Puts refusals in place of the calls that end, replace or split the process."""
    system = sys.modules[os.name] if os.name in sys.modules else os  # `posix` or `nt`, where os takes them from
    for module in (os, system):
        for name in ("_exit", "abort"):
            _replace(module, name, _refuse(f"os.{name}", _RETURN))
        for name in ("execv", "execve", "fork", "forkpty", "vfork"):
            _replace(module, name, _refuse(f"os.{name}", _SUBPROCESS))
        if os.name == "posix":
            _replace(module, "kill", _guard_kill("os.kill", module.kill, _processes))
            _replace(module, "killpg", _guard_kill("os.killpg", module.killpg, _groups))
    for name in ("raise_signal", "alarm", "setitimer", "pthread_kill"):
        # The watchdog took its own pthread_kill before
        _replace(signal, name, _refuse(f"signal.{name}", _RETURN))
    for name in ("_sigsegv", "_sigabrt", "_sigfpe", "_fatal_error_c_thread", "_stack_overflow", "_read_null"):
        _replace(faulthandler, name, _refuse(f"faulthandler.{name}", _RETURN))
    if gimp is not None:
        _replace(gimp, "quit", _refuse("Gimp.quit", _RETURN))
        _replace(gimp, "main", _refuse("Gimp.main", _RETURN))


def keep_handles(handles):
    """Refuses client code to close or replace the file handles that `handles()` gives: GIMP's and the clients' lines."""
    close, dup2, closerange = os.close, os.dup2, os.closerange

    def refuse_own(name, numbers):
        if not handles().isdisjoint(numbers):
            raise ForbiddenCall(f"{name} of a file handle of the plug-in's is not allowed: {_WHY}; close your own")

    @functools.wraps(close)
    def guarded_close(fd):
        refuse_own("os.close", (fd,))
        return close(fd)

    @functools.wraps(dup2)
    def guarded_dup2(fd, fd2, inheritable=True):
        refuse_own("os.dup2", (fd2,))
        return dup2(fd, fd2, inheritable)

    @functools.wraps(closerange)
    def guarded_closerange(fd_low, fd_high):
        refuse_own("os.closerange", range(fd_low, fd_high))
        return closerange(fd_low, fd_high)

    for module in {os, sys.modules.get(os.name, os)}:
        for function in (guarded_close, guarded_dup2, guarded_closerange):
            _replace(module, function.__name__, function)


def open_handles():
    """The file handles that are open now; only the standard ones where the system does not tell."""
    try:
        numbers = {int(name) for name in os.listdir("/dev/fd")}
    except OSError:
        return {0, 1, 2}
    return {number for number in numbers if _is_open(number)}  # the one of the list itself is not any more


def _is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _replace(module, name, function):
    if hasattr(module, name):
        setattr(module, name, function)
