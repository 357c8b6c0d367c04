"""Uploads of requests, as files while they come in. Never imports Gimp."""

import glob
import os
import shutil
import tempfile
import threading

from gimp_bridge.core import instance
from gimp_bridge.core.errors import OperationError

MAX_UPLOAD = 1024**3
MAX_SPOOLED = 4 * 1024**3  # of all requests together


class Spool:
    """A request's upload as a file, while its chunks come in. Used by the connection's reader."""

    _total = 0  # bytes promised by all spools
    _total_lock = threading.Lock()

    def __init__(self, folder, size):
        with Spool._total_lock:
            if Spool._total + size > MAX_SPOOLED:
                raise OperationError(
                    "busy",
                    f"uploads of {Spool._total} bytes are under way, {size} more are over the limit of {MAX_SPOOLED}",
                    hint="try again when they are done",
                )
            Spool._total += size
        self.size, self.received = size, 0
        try:
            handle, self.path = tempfile.mkstemp(prefix="upload-", dir=folder.path())
        except OSError as error:
            self._give_back()
            raise OperationError("io_error", f"cannot make a file for the upload: {error.strerror}") from error
        self._file = os.fdopen(handle, "wb", buffering=0)

    @property
    def complete(self):
        return self.received == self.size

    def write(self, data):
        try:
            while data:
                data = memoryview(data)[self._file.write(data) :]
        except OSError as error:
            raise OperationError("io_error", f"cannot write the upload to `{self.path}`: {error.strerror}") from error

    def add(self, data):
        """Appends a chunk; raises OperationError if it is too much or the disk is full."""
        if self.received + len(data) > self.size:
            raise OperationError(
                "protocol_error", f"the upload has more than the {self.size} bytes that it was said to have"
            )
        self.write(data)
        self.received += len(data)
        if self.complete:
            self._file.close()

    def remove(self):
        """Twice is fine."""
        self._file.close()
        if self.path is not None:
            try:
                os.unlink(self.path)
            except FileNotFoundError:
                pass  # an operation may have moved it
            self.path = None
            self._give_back()

    def _give_back(self):
        with Spool._total_lock:
            Spool._total -= self.size


class SpoolFolder:
    """A private temporary folder, made at the first upload; those that dead plug-ins left are removed then."""

    def __init__(self):
        self._path = None
        self._lock = threading.Lock()

    def path(self):
        with self._lock:
            if self._path is None:
                self._path = tempfile.mkdtemp(prefix=f"gimp-bridge-{os.getpid()}-")
                _remove_leftovers()
            return self._path

    def remove(self):
        with self._lock:
            if self._path is not None:
                shutil.rmtree(self._path, ignore_errors=True)
                self._path = None


def _remove_leftovers():
    for folder in glob.glob(os.path.join(tempfile.gettempdir(), "gimp-bridge-*-*")):
        pid = os.path.basename(folder).split("-")[2]
        if pid.isdecimal() and not instance.is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's is left alone: we may not remove it
