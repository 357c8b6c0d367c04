"""JSON-RPC 2.0 itself: ids, notifications, batches, error codes; and the ways in which an answer can come."""

import http.client
import json
import threading
import urllib.parse

import pytest
from api import Failed


def raw(server, text):
    status, _, body = server.api.http("POST", "/jsonrpc", text.encode(), Content_Type="application/json")
    return status, json.loads(body) if body else None


PING = {"jsonrpc": "2.0", "method": "mcp_list_sessions"}


@pytest.mark.parametrize(
    "text, code, identifier",
    [
        ("{", -32700, None),
        ("", -32700, None),
        ('{"jsonrpc": "2.0", "method": "x", "id": 1} x', -32700, None),
        ("[]", -32600, None),
        ("1", -32600, None),
        ("null", -32600, None),
        ('{"method": "mcp_list_sessions", "id": 4}', -32600, 4),
        ('{"jsonrpc": "1.0", "method": "mcp_list_sessions", "id": "a"}', -32600, "a"),
        ('{"jsonrpc": "2.0", "method": 7, "id": 5}', -32600, 5),
        ('{"jsonrpc": "2.0", "method": "mcp_list_sessions", "id": {}}', -32600, None),
        ('{"jsonrpc": "2.0", "method": "mcp_list_sessions", "params": 3, "id": 6}', -32600, 6),
        ('{"jsonrpc": "2.0", "method": "mcp_list_sessions", "params": [1], "id": 6}', -32602, 6),
        ('{"jsonrpc": "2.0", "method": "no_such_method", "id": 7}', -32601, 7),
        ('{"jsonrpc": "2.0", "method": "mcp_close_session", "id": 8}', -32602, 8),
        ('{"jsonrpc": "2.0", "method": "mcp_list_sessions", "params": {"x": 1}, "id": 9}', -32602, 9),
        ("[" * 500 + "]" * 500, -32700, None),
    ],
)
def test_errors(server, text, code, identifier):
    status, body = raw(server, text)
    assert status == 200 and body["jsonrpc"] == "2.0" and "result" not in body
    assert (body["error"]["code"], body["id"]) == (code, identifier)
    assert body["error"]["message"] and body["error"]["data"]["kind"]


@pytest.mark.parametrize("identifier", [0, -1, 1.5, "", "text", None])
def test_ids_come_back_as_they_were(server, identifier):
    status, body = server.api.post({**PING, "id": identifier})
    assert status == 200 and body["id"] == identifier and body["result"]["success"] is True


def test_notifications_get_no_answer(server):
    assert server.api.post(PING) == (204, None)
    assert server.api.post({"jsonrpc": "2.0", "method": "no_such_method"}) == (204, None)
    assert server.api.post([PING, PING]) == (204, None)


def test_batches_answer_in_order_what_wants_an_answer(server):
    status, body = server.api.post([{**PING, "id": 1}, PING, 7, {**PING, "method": "nope", "id": 2}, {**PING, "id": "z"}])
    assert status == 200 and [row["id"] for row in body] == [1, None, 2, "z"]
    assert [row.get("error", {}).get("code") for row in body] == [None, -32600, -32601, None]
    status, body = server.api.post([{**PING, "id": number} for number in range(101)])
    assert body["error"]["code"] == -32600 and "most is 100" in body["error"]["message"]


def test_unknown_methods_and_operations_are_told_the_nearest(server):
    with pytest.raises(Failed) as raised:
        server.api.call("mcp_operatoin")
    assert "`mcp_operation`" in raised.value.error["message"]
    result = server.api.call("mcp_operation", operation="create_new_imag")
    assert "`create_new_image`" in result["message"]


def test_operations_are_methods_of_their_own(server):
    made = server.api.call("create_new_image", width=312, height=210)
    assert made["image_dimensions"] == {"width": 312, "height": 210}
    about = server.api.call("get_image_metadata", session_id=made["session_id"])
    assert about["result"]["basic"]["width"] == 312
    server.api.call("mcp_close_session", session_id=made["session_id"])


def test_a_form_and_a_get_are_refused(server):
    status, body = server.api.post(PING, Content_Type="application/x-www-form-urlencoded")
    assert status == 400 and "Content-Type" in body["error"]["message"]
    assert server.api.http("GET", "/jsonrpc")[0] == 405


def events(stream):
    """(event, data) of an event stream until it ends."""
    name = None
    for line in stream:
        line = line.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def long_call(seconds=1.0, first="pass"):
    """A call that reports on its way, after the line `first`; needs an image."""
    code = [first, "import time", f"end = time.monotonic() + {seconds}", "while time.monotonic() < end: pass"]
    return {"operation": "call_api", "api_path": "exec", "args": ["pyGObject-console", code]}


def test_an_event_stream_ends_with_the_result(server):
    session = server.api.create()
    body = {"jsonrpc": "2.0", "method": "mcp_operation", "params": {"operation": "get_image_metadata", "session_id": session}, "id": 3}
    status, headers, text = server.api.http("POST", "/jsonrpc", body, Accept="text/event-stream")
    assert status == 200 and headers["Content-Type"] == "text/event-stream"
    got = list(events(text.splitlines(keepends=True)))
    assert got[-1][0] == "result" and got[-1][1]["id"] == 3 and got[-1][1]["result"]["success"] is True
    server.api.call("mcp_close_session", session_id=session)


def test_a_job_goes_on_by_itself_and_keeps_its_answer(server):
    session = server.api.create()
    body = {"jsonrpc": "2.0", "method": "mcp_operation", "params": {**long_call(0.5), "session_id": session}, "id": 9}
    status, headers, text = server.api.http("POST", "/jsonrpc", body, Prefer="respond-async")
    job = json.loads(text)
    assert status == 202 and headers["Location"] == f"/jobs/{job['job']}" and job["status"] == "running"
    assert any(row["job"] == job["job"] for row in json.loads(server.api.http("GET", "/jobs")[2])["jobs"])
    last = list(events(server.api.http("GET", f"{headers['Location']}/events")[2].splitlines(keepends=True)))[-1]
    assert last[0] == "result" and last[1]["status"] == "done" and last[1]["response"]["result"]["success"] is True
    shown = json.loads(server.api.http("GET", headers["Location"])[2])
    assert shown["response"]["id"] == 9 and shown["seconds"] >= 0.5
    assert server.api.http("DELETE", headers["Location"])[0] == 200
    assert server.api.http("GET", headers["Location"])[0] == 404
    server.api.call("mcp_close_session", session_id=session)


def test_a_job_can_be_cancelled(server):
    session = server.api.create()
    body = {"jsonrpc": "2.0", "method": "mcp_operation", "params": {**long_call(60), "session_id": session}, "id": 1}
    _, headers, _ = server.api.http("POST", "/jsonrpc", body, Prefer="respond-async")
    assert json.loads(server.api.http("DELETE", headers["Location"])[2])["status"] in ("cancelling", "cancelled")
    last = list(events(server.api.http("GET", f"{headers['Location']}/events")[2].splitlines(keepends=True)))[-1][1]
    assert last["status"] == "cancelled" and last["response"]["result"]["error"]["kind"] == "cancelled", last
    server.api.call("mcp_close_session", session_id=session)


def test_a_client_that_hangs_up_cancels_its_call(server):
    session = server.api.create()
    place = urllib.parse.urlsplit(server.root)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    params = {**long_call(60), "session_id": session}
    connection.request("POST", "/jsonrpc", json.dumps({"jsonrpc": "2.0", "method": "mcp_operation", "params": params, "id": 1}))
    timer = threading.Timer(0.7, connection.sock.close)
    timer.start()
    timer.join()
    connection.close()
    # The session's turn comes although the call was to take a minute
    assert server.api.operation("get_image_metadata", session_id=session)["success"]
    server.api.call("mcp_close_session", session_id=session)
