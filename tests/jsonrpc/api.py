"""A plain HTTP client of the JSON-RPC API, and a daemon with its GIMP to talk to."""

import base64
import io
import itertools
import json
import os
import signal
import urllib.error
import urllib.request

import numpy
from PIL import Image
from support import Bridge, wait_line


class Failed(Exception):
    """A JSON-RPC error: `.error` is its object."""

    def __init__(self, error):
        self.error = error
        super().__init__(f"{error['code']}: {error['message']}")


class Api:
    """One client of a daemon."""

    def __init__(self, root, key=None, timeout=120):
        self.root, self.key, self.timeout = root, key, timeout
        self.ids = itertools.count(1)

    def http(self, method, path, body=None, **headers):
        """(status, headers, bytes) of one request."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            headers["X-API-Key"] = self.key
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.root + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def post(self, body, **headers):
        """(status, what came as JSON)."""
        status, _, text = self.http("POST", "/jsonrpc", body, **headers)
        return status, json.loads(text) if text else None

    def call(self, method, /, **params):
        """The result of one call."""
        number = next(self.ids)
        status, answer = self.post({"jsonrpc": "2.0", "method": method, "params": params, "id": number})
        assert status == 200, (status, answer)
        assert answer["jsonrpc"] == "2.0" and answer["id"] == number
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def operation(self, operation, /, **params):
        """The result of mcp_operation, which must succeed."""
        result = self.call("mcp_operation", operation=operation, **params)
        assert result["success"] is True, result
        return result

    def create(self, width=310, height=205, **params):
        """A new session's id."""
        return self.operation("create_new_image", width=width, height=height, **params)["session_id"]

    def python(self, session, *lines):
        return self.operation("call_api", session_id=session, api_path="exec", args=["pyGObject-console", list(lines)])

    def value(self, session, expression):
        answer = self.operation("call_api", session_id=session, api_path="exec", args=["pyGObject-eval", [expression]])
        return answer["result"]["value"]

    def pixels(self, session):
        """The session's picture as an array."""
        return decode(self.operation("get_image_bitmap", session_id=session)["image_data"])

    def sessions(self):
        return self.call("mcp_list_sessions")["sessions"]


def decode(text):
    return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def png(array):
    """An array as base64 of a PNG."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


class Server(Bridge):
    """A daemon on a free port and a GIMP with a state folder of their own."""

    def __init__(self, version, gimp=True, **environment):
        super().__init__(version)
        self.env.update(environment)
        self.gimp_wanted = gimp
        self.instance = None

    def __enter__(self):
        try:
            if self.gimp_wanted:
                self.instance = self.start_gimp()
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def begin(self, *arguments):
        self.daemon = self.start("serve", "--port", "0", *arguments)
        self.root = wait_line(self.daemon, r"(https?://\S+)/mcp", 60).group(1)
        self.url = self.root + "/mcp"
        self.api = Api(self.root)
        return self.api

    def kill_daemon(self):
        """As a crash would: nothing can be said or written any more."""
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait(60)

    def kill_gimp(self):
        """Kills GIMP's process group the hard way, plug-in and all."""
        os.killpg(self.gimp.pid, signal.SIGKILL)
        self.gimp.wait(60)

    def restart_gimp(self):
        self.instance = self.start_gimp()
        return self.instance
