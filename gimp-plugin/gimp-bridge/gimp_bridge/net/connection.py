"""One daemon's connection: handshake, messages, uploads, cancel. Runs in its own reader thread. Never imports Gimp."""

import itertools
import socket
import sys
import threading
import time

from gimp_bridge.core.errors import OperationError
from gimp_bridge.net import auth, unframed, wire
from gimp_bridge.net.outbox import Outbox
from gimp_bridge.net.outgoing import Asking
from gimp_bridge.net.requests import Request
from gimp_bridge.net.spool import MAX_UPLOAD, Spool

MAX_IN_FLIGHT = 256
HANDSHAKE_SECONDS = 5
MAX_TIMEOUT = 86400
_RECEIVE = 256 * 1024
_numbers = itertools.count(1)


class Goodbye(Exception):
    """Close without a word."""


class Connection:
    """`server` offers port, secret, software, describe(), queue, runner, spools, auto_disconnect, gone(connection)."""

    def __init__(self, server, sock):
        self.server, self._sock = server, sock
        self.number = next(_numbers)
        self.label = ""
        self.software = {}
        self.clients = {}  # id → name, of those that called
        self.authenticated = False
        self.opened = self.last_heard = time.monotonic()
        self.keep = False  # disable_auto_disconnect
        self._outbox = None
        self.asking = Asking(self.send)  # requests of ours
        self._in_flight = {}
        self._lock = threading.Lock()
        self._closed = False

    # --- life ---

    def run(self):
        """The reader thread's body; returns when the connection is over."""
        decoder = wire.Decoder()
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            frames = self._frames(decoder)
            self._handshake(frames)
            decoder.limit = wire.MAX_FRAME
            self._sock.settimeout(None)
            self._outbox = Outbox(self._sock, self.close, self.server.queue.poke)
            self._send_proof()
            self.authenticated = True
            for kind, value in frames:
                self.last_heard = time.monotonic()
                if kind == wire.MESSAGE:
                    self._message(value)
                elif kind == wire.REQUEST_CHUNK:
                    self._upload_chunk(*value)
                # A reply chunk would answer a request of ours; we have none that streams: dropped.
        except wire.WireError as error:
            if self.authenticated:
                self._refuse(error)
        except unframed.Unframed:
            unframed.answer(self._sock)
        except (Goodbye, OSError):
            pass  # a peer that is gone, or never proved itself, gets no word
        finally:
            self.close()
            self.server.gone(self)

    def _frames(self, decoder):
        first = True
        while True:
            data = self._sock.recv(_RECEIVE)
            if not data:
                return
            if first:
                unframed.check(data)
                first = False
            yield from decoder.feed(data)

    def _refuse(self, error):
        """Tells why the framing ends the connection, and gives the peer a moment to read it."""
        self._outbox.send(
            wire.encode_message(_error(None, OperationError("protocol_error", str(error), reason=error.reason)))
        )
        self._outbox.drain(1)
        unframed.let_read(self._sock, 64 * _RECEIVE)

    def close(self):
        """Ends the connection and its requests. Any thread; twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            requests = list(self._in_flight.values())
            self._in_flight.clear()
        self.asking.close()
        if self._outbox is not None:
            self._outbox.close()
        try:
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes the reader
        except OSError:
            pass  # the peer was first
        self._sock.close()
        for request in requests:
            if self.server.queue.remove(request) or not self.server.runner.cancel(request):
                request.clean_up()

    def housekeeping(self, now):
        """Called about once a second by the watchdog's thread."""
        if not self.authenticated:
            if now - self.opened > HANDSHAKE_SECONDS:
                self.close()
            return
        with self._lock:
            late = [
                r
                for r in self._in_flight.values()
                if r.upload is not None and not r.upload.complete and now - r.arrived > r.timeout
            ]
            idle = not self._in_flight
        for request in late:
            request.finish(
                error=OperationError(
                    "timeout", f"the upload was not complete within the time limit of {request.timeout:g} s"
                )
            )
        limit = self.server.auto_disconnect
        if limit and not self.keep and idle and not self._outbox.pending:
            if now - max(self.last_heard, self._outbox.last_sent) > limit:
                self.close()

    # --- sending ---

    @property
    def congested(self):
        """The peer does not read: its requests have to wait."""
        return self._outbox.full

    @property
    def handle(self):
        return self._sock.fileno()

    @property
    def is_open(self):
        return not self._closed

    def send(self, message):
        """Queues a message."""
        self._outbox.send(wire.encode_message(message))

    def drain(self, seconds):
        """Waits until all is sent, at most `seconds`."""
        if self._outbox is not None:
            self._outbox.drain(seconds)

    def send_chunk(self, request_id, data, patience):
        """See Outbox.send_chunk."""
        return self._outbox.send_chunk(wire.chunk_header(wire.REPLY_CHUNK, request_id, len(data)), data, patience)

    def finish(self, request, result, error):
        """Answers a request unless it was answered before."""
        with self._lock:
            if self._in_flight.get(request.id) is not request:
                return
            del self._in_flight[request.id]
        request.clean_up()
        self._outbox.send(_encode_answer(request, result, error))

    # --- handshake ---

    def _handshake(self, frames):
        """Returns when the daemon has proved itself; raises Goodbye otherwise."""
        deadline = self.opened + HANDSHAKE_SECONDS

        def next_request(method):
            left = deadline - time.monotonic()
            if left <= 0:
                raise Goodbye
            self._sock.settimeout(left)  # per packet: a peer that drips bytes is ended by the server's clock
            kind, value = next(frames, (None, None))
            if kind != wire.MESSAGE or value.get("jsonrpc") != "2.0" or value.get("method") != method:
                raise Goodbye
            if not _is_id(value.get("id")) or not isinstance(value.get("params"), dict):
                raise Goodbye
            return value["id"], value["params"]

        request_id, hello = next_request("hello")
        version, daemon_nonce = hello.get("protocol"), hello.get("nonce")
        if isinstance(version, bool) or not isinstance(version, int):
            raise Goodbye
        if version != auth.PROTOCOL:
            side = "the gimp-bridge plug-in" if version > auth.PROTOCOL else "gimp-bridge"
            error = OperationError(
                "version_mismatch",
                f"the plug-in speaks protocol {auth.PROTOCOL}, the daemon {version}",
                hint=f"update {side}",
                ours=auth.PROTOCOL,
                theirs=version,
            )
            self._sock.sendall(wire.encode_message(_error(request_id, error)))
            raise Goodbye
        if not auth.is_hex32(daemon_nonce):
            raise Goodbye
        nonce = self.server.new_nonce()
        self._sock.sendall(wire.encode_message(_result(request_id, {"protocol": auth.PROTOCOL, "nonce": nonce})))
        request_id, given = next_request("prove")
        secret, port = self.server.secret, self.server.port
        if not auth.is_proof(given.get("proof"), secret, "daemon", port, daemon_nonce, nonce):
            raise Goodbye
        software, label = given.get("software"), given.get("label")
        self.software = {k: str(v)[:100] for k, v in software.items()} if isinstance(software, dict) else {}
        self.label = label[:100] if isinstance(label, str) else ""
        self._proof = request_id, auth.proof(secret, "plugin", port, daemon_nonce, nonce)

    def _send_proof(self):
        request_id, proof = self._proof
        self.send(_result(request_id, {"proof": proof, "software": self.server.software, **self.server.describe()}))

    # --- messages ---

    def _message(self, message):
        method, request_id = message.get("method"), message.get("id")
        if method is None and ("result" in message or "error" in message):
            self.asking.answered(message)
            return
        if "id" in message and not _is_id(request_id):
            self._fail(
                None, OperationError("protocol_error", f"a request id must be an integer from 1 to {wire.MAX_ID}")
            )
        elif message.get("jsonrpc") != "2.0" or not isinstance(method, str):
            self._fail(
                request_id, OperationError("protocol_error", "the message is no JSON-RPC 2.0 request or response")
            )
        elif "id" not in message:
            self._notification(method, message.get("params"))
        elif request_id in self._in_flight:
            self._fail(
                request_id, OperationError("protocol_error", f"a request with id {request_id} is in flight already")
            )
        else:
            self._request(request_id, method, message.get("params", {}))

    def _request(self, request_id, method, params):
        try:
            if not isinstance(params, dict):
                raise OperationError("invalid_argument", f"params of `{method}` must be an object")
            if method == "call":
                self._call(request_id, params)
            elif method == "$/ping":
                self.send(_result(request_id, self.server.runner.state()))
            elif method == "disable_auto_disconnect":
                self.keep = True
                self.send(_result(request_id, {"auto_disconnect": False}))
            else:
                raise OperationError(
                    "unknown_operation",
                    f"unknown method `{method[:100]}`",
                    hint="methods are call, disable_auto_disconnect, $/ping",
                )
        except OperationError as error:
            self._fail(request_id, error)
        while self._outbox.full and not self._outbox.closed:
            self._outbox.drain(1)  # a peer that asks and does not read is not read from; the writer ends a stall

    def _notification(self, method, params):
        if not isinstance(params, dict):
            return
        if method == "$/cancel":
            with self._lock:
                request = self._in_flight.get(params.get("id")) if _is_id(params.get("id")) else None
            if request is not None and (self.server.queue.remove(request) or self._uploading(request)):
                request.finish(error=OperationError("cancelled", "the caller cancelled the request before it ran"))
            elif request is not None:
                self.server.runner.cancel(request)
        elif method == "$/progress":
            self.asking.progressed(params)
        elif method == "client_closed" and isinstance(params.get("client"), str):
            self.clients.pop(params["client"], None)
            self.server.runner.forget_client(params["client"])

    def _call(self, request_id, params):
        request = _checked_call(self, request_id, params)
        size = _upload_size(params)
        if size is not None:
            request.upload = Spool(self.server.spools, size)
        with self._lock:
            if len(self._in_flight) >= MAX_IN_FLIGHT or self._closed:
                request.clean_up()
                raise OperationError(
                    "busy",
                    f"{MAX_IN_FLIGHT} requests of this connection are in flight already",
                    hint="wait for answers before sending more",
                )
            self._in_flight[request_id] = request
            if len(self.clients) < 1000:
                self.clients[request.client_id] = request.client_name
        if request.upload is not None and size == 0:
            request.upload.add(b"")
        if request.upload is None or request.upload.complete:
            self.server.queue.put(request)

    @staticmethod
    def _uploading(request):
        return request.upload is not None and not request.upload.complete

    def _upload_chunk(self, request_id, data):
        with self._lock:
            request = self._in_flight.get(request_id)
        if request is None or request.upload is None or request.started is not None:
            return  # it may have crossed a cancel or an answer
        try:
            if request.upload.complete and not self.server.queue.remove(request):
                return
            request.upload.add(data)
        except OperationError as error:
            request.finish(error=error)
        else:
            if request.upload.complete:
                self.server.queue.put(request)

    def _fail(self, request_id, error):
        self.send(_error(request_id, error))


def _is_id(value):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= wire.MAX_ID


def _checked_call(connection, request_id, params):
    """A Request from the envelope's parameters; the operation's own arguments are the dispatcher's to check."""

    def wrong(what):
        return OperationError("invalid_argument", f"`call`: {what}")

    operation, arguments, client = params.get("operation"), params.get("arguments"), params.get("client")
    timeout = params.get("timeout")
    if not isinstance(operation, str):
        raise wrong("`operation` must be a string")
    if not isinstance(arguments, dict):
        raise wrong("`arguments` must be an object")
    if not isinstance(client, dict) or not isinstance(client.get("id"), str) or not 1 <= len(client["id"]) <= 200:
        raise wrong("`client.id` must be a string of 1 to 200 characters")
    if not isinstance(client.get("name"), str):
        raise wrong("`client.name` must be a string")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= MAX_TIMEOUT:
        raise wrong(f"`timeout` must be above 0 and at most {MAX_TIMEOUT} seconds, not `{str(timeout)[:50]}`")
    return Request(connection, request_id, operation, arguments, client["id"], client["name"][:200], timeout)


def _upload_size(params):
    upload = params.get("upload")
    if upload is None:
        return None
    size = upload.get("bytes") if isinstance(upload, dict) else None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise OperationError("invalid_argument", "`call`: `upload.bytes` must be a whole number of bytes")
    if size > MAX_UPLOAD:
        raise OperationError("too_large", f"an upload of {size} bytes is over the limit of {MAX_UPLOAD}")
    return size


def _result(request_id, result):
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def _error(request_id, error):
    return {"jsonrpc": "2.0", "id": request_id, "error": error.to_json_rpc()}


def _encode_answer(request, result, error):
    """The answer's frame; a result that cannot travel becomes an error that says so."""
    if error is None:
        try:
            return wire.encode_message(_result(request.id, result))
        except OverflowError as problem:
            error = OperationError("too_large", f"the result of `{request.operation}`: {problem}", hint="ask for less")
        except (ValueError, TypeError, RecursionError) as problem:
            error = OperationError("internal", f"the result of `{request.operation}` is not JSON: {problem}")
    try:
        return wire.encode_message(_error(request.id, error))
    except (OverflowError, ValueError, TypeError, RecursionError) as problem:
        bare = OperationError(error.kind, error.message[:10000], hint="the details were too much to send")
        print(f"gimp-bridge: details of an error could not be sent: {problem}", file=sys.stderr)
        return wire.encode_message(_error(request.id, bare))
