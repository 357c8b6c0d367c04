"""A small WebSocket client: enough of RFC 6455 to talk to /ws. Standard library only."""

import base64
import json
import os
import socket
import struct
import urllib.parse


class WebSocket:
    """`send` and `receive` JSON messages; `status` is the HTTP status of the upgrade."""

    def __init__(self, root, **headers):
        place = urllib.parse.urlsplit(root)
        self.socket = socket.create_connection((place.hostname, place.port), timeout=60)
        lines = [
            "GET /ws HTTP/1.1", f"Host: {place.netloc}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.stream = self.socket.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        while self.stream.readline().strip():
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, message):
        self.send_text(json.dumps(message))

    def send_text(self, text):
        data, mask = text.encode(), os.urandom(4)
        if len(data) < 126:
            head = struct.pack("!BB", 0x81, 0x80 | len(data))
        elif len(data) < 65536:
            head = struct.pack("!BBH", 0x81, 0x80 | 126, len(data))
        else:
            head = struct.pack("!BBQ", 0x81, 0x80 | 127, len(data))
        self.socket.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))

    def receive(self):
        """The next JSON message; None when the other end closes."""
        text = b""
        while True:
            first, length = self.stream.read(2)
            if length == 126:
                length = struct.unpack("!H", self.stream.read(2))[0]
            elif length == 127:
                length = struct.unpack("!Q", self.stream.read(8))[0]
            data = self.stream.read(length)
            kind = first & 0x0F
            if kind == 8:
                return None
            if kind in (0, 1):
                text += data
                if first & 0x80:
                    return json.loads(text)
