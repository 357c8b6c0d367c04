"""A peer that speaks no frames: telnet, raw JSON, HTTP, TLS. It gets one line that says where to go. Never imports Gimp.

The line is the same for everyone and says nothing of what runs behind the port. A peer gets it once, for at least one byte
of its own over an open connection, so that it is no amplifier; a peer that speaks frames never gets it, so that it tells
nothing about a wrong proof.
"""

import json
import socket

LINE = (
    json.dumps(
        {
            "status": "error",
            "error": "gimp-bridge: this port takes length-prefixed frames, not text (protocol/README.md); "
            "AI clients use /mcp and scripts POST /jsonrpc of `gimp-bridge serve`",
        }
    ).encode()
    + b"\n"
)


class Unframed(Exception):
    """The peer's first byte begins no frame."""


def check(first):
    """Raises Unframed if a peer's first bytes cannot begin a frame: before the handshake its length is below 65,536."""
    if first[0] != 0:
        raise Unframed


def answer(sock):
    """Sends the line; the caller closes."""
    sock.settimeout(1)
    try:
        sock.sendall(LINE)
    except OSError:
        return
    let_read(sock, 1 << 16)


def let_read(sock, most):
    """Ends our side and takes what the peer still sends: unread input turns the close into a reset, which overtakes what we
    said."""
    try:
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(1)
        while most > 0:
            data = sock.recv(most)
            if not data:
                return
            most -= len(data)
    except OSError:
        pass  # it is closed next in any case
