"""Two requests in flight with one id: the first is answered, the second refused, over HTTP sessions and stdio."""

import contextlib
import json
import subprocess
import threading
import urllib.request

import pytest


class Session:
    """An MCP session over HTTP; `ask` waits for the answer."""

    def __init__(self, url):
        self.url, self.headers = url, {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

    def ask(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, body, self.headers), timeout=120) as reply:
            if session := reply.headers.get("Mcp-Session-Id"):
                self.headers["Mcp-Session-Id"] = session
            return json.loads(reply.read()) if "id" in message else None

    def close(self):
        urllib.request.urlopen(urllib.request.Request(self.url, headers=self.headers, method="DELETE"), timeout=60).close()


class Process:
    """The same over stdio. An answer goes to the thread that waits next."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._writing, self._reading = threading.Lock(), threading.Lock()

    def ask(self, message):
        with self._writing:
            self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            self.process.stdin.flush()
        if "id" not in message:
            return None
        with self._reading:
            return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()


@pytest.fixture(params=["http", "stdio"])
def client(request, binary, gimp_environment):
    if request.param == "http":
        made = Session(request.getfixturevalue("gimp_daemon").url)
    else:
        made = Process([binary, "stdio"], gimp_environment)
    with contextlib.closing(made):
        made.ask({"id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "twice", "version": "1"}}})
        made.ask({"method": "notifications/initialized"})
        yield made


def call(number, *lines):
    return {"id": number, "method": "tools/call", "params": {
        "name": "call_api", "arguments": {"api_path": "exec", "args": ["pyGObject-console", list(lines)]}}}


def output(answer):
    return answer["result"]["structuredContent"]["output"].strip()


def test_the_second_of_two_requests_with_one_id_is_refused(client, tmp_path):
    began, go = tmp_path / "began", tmp_path / "go"
    waits = ("import os, time", f"open({str(began)!r}, 'w').close()",
             f"while not os.path.exists({str(go)!r}): time.sleep(0.02)", "print('waited')")
    answers = []
    first = threading.Thread(target=lambda: answers.append(client.ask(call(7, *waits))))
    first.start()
    seen = threading.Event()
    while not began.exists():
        assert not seen.wait(0.02) and first.is_alive()
    second = threading.Thread(target=lambda: answers.append(client.ask(call(7, "print('quick')"))))
    second.start()
    # Over stdio the first thread reads the refusal, since that is the first answer.
    refused_first = first if isinstance(client, Process) else second
    refused_first.join(60)
    assert not refused_first.is_alive(), "nobody was answered"
    go.touch()
    for thread in (first, second):
        thread.join(60)
        assert not thread.is_alive(), "a request was never answered"
    refused, answered = answers
    assert refused["id"] == answered["id"] == 7 and output(answered) == "waited"
    assert refused["error"]["code"] == -32600 and "`7`" in refused["error"]["message"]
    assert output(client.ask(call(7, "print('free again')"))) == "free again"
