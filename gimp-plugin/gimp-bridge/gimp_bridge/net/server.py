"""The listener and its connections. Never imports Gimp."""

import errno
import socket
import sys
import threading

from gimp_bridge.core.own_thread import OwnThread
from gimp_bridge.net import auth
from gimp_bridge.net.connection import Connection
from gimp_bridge.net.spool import SpoolFolder

HOST = "127.0.0.1"
MAX_CONNECTIONS = 64
MAX_STRANGERS = 16  # connections that have not proved themselves; the oldest goes first
_TAKEN = (errno.EADDRINUSE, errno.EACCES)


class Server:
    """Listens from `start` to `stop`. `describe()` gives `instance` and `policy` for the handshake."""

    def __init__(self, runner, secret, software, describe, auto_disconnect, new_nonce=auth.new_nonce):
        self.runner, self.queue = runner, runner.queue
        self.secret, self.software, self.describe = secret, software, describe
        self.auto_disconnect, self.new_nonce = auto_disconnect, new_nonce
        self.spools = SpoolFolder()
        self.port = None
        self._listener = None
        self._connections = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self, port):
        """Listens on `port`, or on a free one if that is taken; the one that it got is `self.port`."""
        self._listener = _listen(port)
        self.port = self._listener.getsockname()[1]
        OwnThread(self._accept, "listener").start()

    def stop(self):
        """Closes the listener and all connections."""
        self._stopped.set()
        if self._listener is not None:
            try:
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept on Linux
            except OSError:
                pass  # other systems wake it by the close
            self._listener.close()
        for connection in self.connections():
            connection.close()
        self.spools.remove()

    def handles(self):
        """The file handles of the listener and the connections; -1 for closed ones."""
        return {self._listener.fileno(), *(connection.handle for connection in self.connections())}

    def connections(self):
        with self._lock:
            return list(self._connections)

    def gone(self, connection):
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)

    def housekeeping(self, now):
        for connection in self.connections():
            connection.housekeeping(now)

    def _accept(self):
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if self._stopped.is_set():
                    return
                print(f"gimp-bridge: cannot accept a connection: {error}", file=sys.stderr)
                self._stopped.wait(0.2)  # out of file handles, most likely
                continue
            connection = Connection(self, sock)
            if not self._admit(connection):
                sock.close()
                continue
            try:
                OwnThread(connection.run, f"connection {connection.number}").start()
            except RuntimeError as error:  # no thread to be had: the listener outlives that
                print(f"gimp-bridge: cannot serve a connection: {error}", file=sys.stderr)
                connection.close()
                self.gone(connection)
                self._stopped.wait(0.2)

    def _admit(self, connection):
        with self._lock:
            if self._stopped.is_set() or len(self._connections) >= MAX_CONNECTIONS:
                return False
            # One that was closed stays listed until its reader ends; it counts no more, and is not closed twice
            strangers = [c for c in self._connections if c.is_open and not c.authenticated]
            self._connections.append(connection)
        if len(strangers) >= MAX_STRANGERS:
            strangers[0].close()
        return True


def _listen(port):
    for candidate in dict.fromkeys((port, 0)):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno not in _TAKEN or candidate == 0:
                raise
    raise AssertionError("the loop returns or raises")
