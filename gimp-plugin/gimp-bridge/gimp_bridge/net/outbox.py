"""What one connection still has to send: ordered, bounded, and waited for by the main thread in streams only."""

import collections
import socket
import struct
import sys
import threading
import time

from gimp_bridge.core.own_thread import OwnThread

CHUNKS = 8  # stream chunks that may wait, see protocol/README.md
FULL = 8 * 1024 * 1024  # bytes that may wait before no more requests of this connection are taken
STALL_SECONDS = 20  # a peer that takes no byte for so long is gone

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", None)


class Outbox:
    """A queue of frames and the thread that sends them.

    A frame is sent from the calling thread if the queue is empty and the socket takes it at once: that saves a thread
    switch per small reply. `on_broken` is called once when the peer is gone.
    """

    def __init__(self, sock, on_broken, on_drained=lambda: None):
        self._sock, self._on_broken, self._on_drained = sock, on_broken, on_drained
        self._changed = threading.Condition(threading.Lock())
        self._items = collections.deque()  # (bytes-like, is a chunk)
        self._writing = False
        self._closed = False
        self._chunks = 0
        self.pending = 0  # bytes that wait or are being sent
        self.last_sent = time.monotonic()
        _set_send_timeout(sock, STALL_SECONDS)
        self._thread = OwnThread(self._write, "writer")
        self._thread.start()

    @property
    def full(self):
        return self.pending > FULL

    def send(self, frame):
        """Queues a message's frame; never waits. A closed outbox drops it."""
        with self._changed:
            if self._closed:
                return
            if _DONT_WAIT is not None and not self._items and not self._writing:
                try:
                    sent = self._sock.send(frame, _DONT_WAIT)
                except (BlockingIOError, InterruptedError):
                    sent = 0
                except OSError:
                    sent = 0  # the writer meets the same error and reports it
                if sent == len(frame):
                    self.last_sent = time.monotonic()
                    return
                frame = memoryview(frame)[sent:]
            self._put(frame, False)

    def send_chunk(self, header, data, patience):
        """Queues a chunk frame once fewer than CHUNKS wait. False: not within `patience` seconds, or closed."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._chunks < CHUNKS, patience):
                return False
            if self._closed:
                return False
            self._put((header, data), True)
            return True

    def _put(self, item, chunk):
        self._items.append((item, chunk))
        self._chunks += chunk
        self.pending += _size(item)
        self._changed.notify_all()

    @property
    def closed(self):
        return self._closed

    def close(self):
        """Drops what waits and ends the thread; the socket is the caller's."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self.pending = self._chunks = 0
            self._changed.notify_all()

    def drain(self, seconds):
        """Waits until all is sent, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (not self._items and not self._writing), seconds)

    def _write(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._items)
                if self._closed:
                    return
                item, chunk = self._items.popleft()
                self._writing = True
            try:
                if isinstance(item, tuple):
                    _send_parts(self._sock, *item)
                else:
                    self._sock.sendall(item)
            except OSError:
                self.close()
                self._on_broken()
                return
            size = _size(item)
            item = None  # a chunk of pixels is not kept while waiting for the next
            with self._changed:
                was_full = self.full
                self._writing = False
                if not self._closed:
                    self.pending -= size
                    self._chunks -= chunk
                self.last_sent = time.monotonic()
                self._changed.notify_all()
                drained = was_full and not self.full
            if drained:
                self._on_drained()


def _size(item):
    return len(item[0]) + len(item[1]) if isinstance(item, tuple) else len(item)


def _send_parts(sock, header, data):
    """Header and data in one packet where they fit, without copying the data."""
    sent = sock.sendmsg([header, data]) if hasattr(sock, "sendmsg") else 0
    if sent < len(header):
        sock.sendall(header[sent:])
        sent = len(header)
    if sent < len(header) + len(data):
        sock.sendall(memoryview(data)[sent - len(header) :])


def _set_send_timeout(sock, seconds):
    """On the kernel's side: Python's own timeout would hold for receiving too."""
    value = struct.pack("=I", seconds * 1000) if sys.platform == "win32" else struct.pack("@ll", seconds, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
