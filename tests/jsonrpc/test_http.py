"""What is around JSON-RPC: WebSocket, uploads, downloads, keys, limits, TLS, metrics, logs."""

import base64
import http.client
import json
import re
import ssl
import subprocess
import urllib.parse
import urllib.request

import numpy
import pytest
from api import Api, Failed, Server, decode, png
from support import wait_for
from test_envelope import long_call
from websocket import WebSocket

PICTURE = numpy.random.default_rng(5).integers(0, 256, (40, 50, 3), numpy.uint8)


def encoded():
    return base64.b64decode(png(PICTURE))


# --- WebSocket ---


def test_the_websocket_speaks_the_same(server):
    with WebSocket(server.root) as ws:
        assert ws.status == 101
        ws.send({"jsonrpc": "2.0", "method": "create_new_image", "params": {"width": 309, "height": 207}, "id": "a"})
        made = ws.receive()
        assert made["id"] == "a" and made["result"]["image_dimensions"] == {"width": 309, "height": 207}
        ws.send_text("{")
        assert ws.receive()["error"]["code"] == -32700
        session = made["result"]["session_id"]
        ws.send([{"jsonrpc": "2.0", "method": "mcp_close_session", "params": {"session_id": session}, "id": 1}])
        assert ws.receive()[0]["result"]["success"] is True


def test_a_websocket_call_is_cancelled_and_others_go_on_beside_it(server):
    one, two = server.api.create(), server.api.create()
    with WebSocket(server.root) as ws:
        ws.send({"jsonrpc": "2.0", "method": "mcp_operation", "params": {**long_call(60), "session_id": one}, "id": 1})
        ws.send({"jsonrpc": "2.0", "method": "mcp_list_sessions", "id": 2})
        assert ws.receive()["id"] == 2
        ws.send({"jsonrpc": "2.0", "method": "cancel", "params": {"id": 1}})
        ended = ws.receive()
        assert ended["id"] == 1 and ended["result"]["error"]["kind"] == "cancelled"
    # The end of a connection ends what runs on it
    with WebSocket(server.root) as ws:
        ws.send({"jsonrpc": "2.0", "method": "mcp_operation", "params": {**long_call(60), "session_id": one}, "id": 1})
        ws.send({"jsonrpc": "2.0", "method": "mcp_list_sessions", "id": 2})
        assert ws.receive()["id"] == 2
    for session in (one, two):
        server.api.call("mcp_close_session", session_id=session)


def test_progress_comes_before_the_answer(server):
    """Opening many layers of a large image is reported on by nobody, but a large picture's reading is."""
    session = server.api.create(6000, 4000)
    with WebSocket(server.root) as ws:
        params = {"operation": "get_image_bitmap", "session_id": session, "format": "jpeg"}
        ws.send({"jsonrpc": "2.0", "method": "mcp_operation", "params": params, "id": 5})
        messages = [ws.receive()]
        while messages[-1].get("id") != 5:
            messages.append(ws.receive())
    reports = messages[:-1]
    assert reports and all(report["method"] == "progress" and report["params"]["id"] == 5 for report in reports)
    assert messages[-1]["result"]["success"] is True
    server.api.call("mcp_close_session", session_id=session)


# --- uploads and downloads ---


def test_an_upload_in_pieces_becomes_an_image(server):
    data = encoded()
    half = len(data) // 2
    status, headers, body = server.api.http(
        "PUT", "/uploads", data[:half], Content_Range=f"bytes 0-{half - 1}/{len(data)}", Content_Type="image/png")
    assert status == 201 and json.loads(body) == {
        "upload": headers["Location"].rsplit("/", 1)[1], "received": half, "total": len(data), "complete": False}
    upload = json.loads(body)["upload"]
    early = server.api.call("mcp_operation", operation="get_image_metadata", upload=upload)
    assert early["success"] is False and f"{half} bytes are there" in early["message"]
    status, _, body = server.api.http(
        "PUT", f"/uploads/{upload}", data[half + 1:], Content_Range=f"bytes {half + 1}-{len(data) - 1}/{len(data)}")
    assert status == 400 and json.loads(body)["details"]["received"] == half
    status, _, body = server.api.http(
        "PUT", f"/uploads/{upload}", data[half:], Content_Range=f"bytes {half}-{len(data) - 1}/{len(data)}")
    assert status == 200 and json.loads(body)["complete"] is True
    opened = server.api.operation("open_image", upload=upload)
    assert opened["image_dimensions"] == {"width": 50, "height": 40}
    assert (server.api.pixels(opened["session_id"])[..., :3] == PICTURE).all()
    assert server.api.call("image_analysis", upload=upload)["analysis"]["dimensions"]["width"] == 50
    layered = server.api.operation("open_image", upload=upload, session_id=opened["session_id"], **{"as": "layer"})
    assert len(layered["result"]["layers"]) == 1
    assert server.api.http("DELETE", f"/uploads/{upload}")[0] == 204
    assert server.api.http("GET", f"/uploads/{upload}")[0] == 404
    server.api.call("mcp_close_session", session_id=opened["session_id"])


def test_downloads_have_ranges_and_follow_the_state(server):
    session = server.api.operation("get_image_metadata", image_data=png(PICTURE))["session_id"]
    path = f"/sessions/{session}/image"
    status, headers, whole = server.api.http("GET", path)
    assert status == 200 and headers["Content-Type"] == "image/png" and int(headers["Content-Length"]) == len(whole)
    assert (decode(base64.b64encode(whole))[..., :3] == PICTURE).all()
    status, part_headers, part = server.api.http("GET", path, Range="bytes=100-199", If_Range=headers["ETag"])
    assert status == 206 and part == whole[100:200]
    assert part_headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert server.api.http("GET", path, Range="bytes=-10")[2] == whole[-10:]
    status, headers416, _ = server.api.http("GET", path, Range=f"bytes={len(whole)}-")
    assert status == 416 and headers416["Content-Range"] == f"bytes */{len(whole)}"
    assert server.api.http("GET", path, If_None_Match=headers["ETag"])[0] == 304
    status, head, nothing = server.api.http("HEAD", path)
    assert status == 200 and nothing == b"" and int(head["Content-Length"]) == len(whole)
    for wanted, magic in (("jpeg&quality=70", b"\xff\xd8\xff"), ("xcf", b"gimp xcf"), ("webp", b"RIFF")):
        assert server.api.http("GET", f"{path}?format={wanted}")[2].startswith(magic)
    server.api.python(session, "Gimp.get_images()[0].flip(Gimp.OrientationType.HORIZONTAL)")
    status, changed, _ = server.api.http("GET", path, Range="bytes=0-9", If_Range=headers["ETag"])
    assert status == 200 and changed["ETag"] != headers["ETag"], "a range of a state that is gone"
    assert server.api.http("GET", f"{path}?format=nope")[0] == 422
    assert server.api.http("GET", f"{path}?format=../x")[0] == 400
    assert server.api.http("GET", "/sessions/none/image")[0] == 404
    server.api.call("mcp_close_session", session_id=session)


# --- keys, limits, TLS ---

ART, CI, GUEST = "art-0123456789abcdef", "ci-0123456789abcdef", "guest-0123456789abcdef"


def test_keys_have_rights_and_their_own_sessions(version):
    keys = f"art:read+edit+exec+generate:{ART},ci:read+edit:{CI},guest:read:{GUEST}"
    with Server(version, GIMP_BRIDGE_SERVER_API_KEYS=keys) as server:
        art, ci, guest, nobody = (Api(server.root, key) for key in (ART, CI, GUEST, None))
        status, headers, _ = nobody.http("POST", "/jsonrpc", {"jsonrpc": "2.0", "method": "rpc.discover", "id": 1})
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer"
        assert Api(server.root, ART + "x").http("GET", "/health")[0] == 401
        session = art.create()
        python = {"operation": "call_api", "session_id": session, "api_path": "exec", "args": ["pyGObject-eval", ["1"]]}
        assert art.call("mcp_operation", **python)["success"] is True
        hidden = ci.call("mcp_operation", operation="get_image_metadata", session_id=session)
        assert hidden["error"]["kind"] == "not_found" and ci.sessions() == []
        mine = ci.create()
        refused = ci.call("mcp_operation", **{**python, "session_id": mine})
        assert refused["error"]["kind"] == "forbidden" and "`exec`" in refused["message"]
        refused = guest.call("create_new_image", width=310, height=205)
        assert refused["error"]["kind"] == "forbidden" and "`edit`" in refused["message"]
        refused = guest.call("mcp_operation", operation="get_image_metadata", image_data=png(PICTURE))
        assert refused["error"]["kind"] == "forbidden"
        assert guest.http("PUT", "/uploads", b"x")[0] == 403
        with pytest.raises(Failed) as raised:
            guest.call("mcp_close_session", session_id=session)
        assert raised.value.error["data"]["kind"] == "forbidden"
        with pytest.raises(Failed) as raised:
            ci.call("ai_upscaling")
        assert raised.value.error["data"]["kind"] == "forbidden"
        # MCP's tools have the same rights
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "call_api", "arguments": {"api_path": "gimp-version"},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {
                "name": "t", "version": "1"}, "io.modelcontextprotocol/clientCapabilities": {}}}}
        status, _, text = guest.http(
            "POST", "/mcp", call, Accept="application/json, text/event-stream", MCP_Protocol_Version="2026-07-28",
            Mcp_Method="tools/call", Mcp_Name="call_api")
        assert status == 200 and b"forbidden" in text, text
        with WebSocket(server.root) as ws:
            assert ws.status == 401
        with WebSocket(server.root, Authorization=f"Bearer {GUEST}") as ws:
            assert ws.status == 101


def test_other_origins_and_hosts_are_refused_everywhere(server):
    for method, path in [("POST", "/jsonrpc"), ("GET", "/ws"), ("GET", "/metrics"), ("GET", "/jobs"), ("PUT", "/uploads"),
                         ("GET", "/images/x"), ("GET", "/sessions/x/image"), ("GET", "/openrpc.json"), ("GET", "/nowhere")]:
        assert server.api.http(method, path, b"{}", Origin="https://evil.example")[0] == 403, path
        assert server.api.http(method, path, b"{}", Host="evil.example")[0] == 403, path
    status, headers, _ = server.api.http("OPTIONS", "/jsonrpc", Origin="http://localhost:3000")
    assert status == 204 and headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


def test_limits_are_said_with_the_time_to_wait(version):
    with Server(version, gimp=False, GIMP_BRIDGE_SERVER_RATE_LIMIT="5", GIMP_BRIDGE_SERVER_MAX_BODY="2000",
                GIMP_BRIDGE_SESSIONS_UPLOAD_MB="1") as server:
        api = server.api
        large = api.http("POST", "/jsonrpc", b" " * 3000, Content_Type="application/json")
        assert large[0] == 413 and json.loads(large[2])["error"]["data"]["kind"] == "too_large"
        status, _, body = api.http("PUT", "/uploads", b"x" * 1_100_000)
        assert status == 413 and "1048576" in json.loads(body)["message"]
        answers = [api.http("GET", "/jobs") for _ in range(30)]
        refused = [answer for answer in answers if answer[0] == 429]
        assert refused and int(refused[0][1]["Retry-After"]) >= 1 and json.loads(refused[0][2])["kind"] == "busy"


def test_requests_at_once_are_bounded(version, tmp_path):
    with Server(version, GIMP_BRIDGE_SERVER_MAX_REQUESTS="1") as server:
        session = server.api.create()
        begun = tmp_path / "begun"  # asking before the call is in would take its place
        slow_call = long_call(60, f"open({str(begun)!r}, 'w').close()")
        body = {"jsonrpc": "2.0", "method": "mcp_operation", "params": {**slow_call, "session_id": session}, "id": 1}
        place = urllib.parse.urlsplit(server.root)
        slow = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        slow.request("POST", "/jsonrpc", json.dumps(body))
        wait_for("the call's begin", begun.exists, 60)
        assert server.api.http("GET", "/openrpc.json")[0] == 429
        slow.close()
        wait_for("its end", lambda: server.api.http("GET", "/openrpc.json")[0] == 200, 60)


def test_open_addresses_need_a_key_and_run_no_python(version):
    with Server(version, gimp=False) as server:
        ended = server.start("serve", "--port", "0", "--host", "0.0.0.0")
        assert ended.wait(60) == 2
        ended.log.seek(0)
        assert "api_key" in ended.log.read()
    with Server(version, GIMP_BRIDGE_SERVER_HOST="0.0.0.0", GIMP_BRIDGE_SERVER_API_KEY=ART) as server:
        api = Api(server.root.replace("0.0.0.0", "127.0.0.1"), ART)
        session = api.create()
        refused = api.call("call_api", session_id=session, api_path="gimp-version")
        assert refused["error"]["kind"] == "forbidden" and "exec_remote" in refused["error"]["hint"]
        refused = api.call("save_image", session_id=session, path="/tmp/never.png")
        assert refused["error"]["kind"] == "forbidden" and "plugin.folders" in refused["error"]["hint"]
        assert api.operation("save_image", session_id=session)["image_data"]
        if version != "3.0":  # where no property of a GEGL operation names a file
            layer = api.operation("get_image_metadata", session_id=session)["result"]["structure"]["layers"][0]["id"]
            refused = api.call("apply_gegl_operation", session_id=session, layer=layer, operation="gegl:styles",
                               properties={"image-src": "/etc/hostname"})
            assert refused["error"]["kind"] == "forbidden" and "/etc/hostname" in refused["message"], refused


def test_tls(version, tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    files = {"GIMP_BRIDGE_SERVER_TLS_CERTIFICATE": str(tmp_path / "cert.pem"),
             "GIMP_BRIDGE_SERVER_TLS_KEY": str(tmp_path / "key.pem")}
    with Server(version, gimp=False, **files) as server:
        assert server.root.startswith("https://")
        trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        with urllib.request.urlopen(f"{server.root}/health", context=trust, timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        with pytest.raises((OSError, http.client.HTTPException)):
            urllib.request.urlopen(server.root.replace("https", "http") + "/health", timeout=10)
    with Server(version, gimp=False) as server:
        server.env.update(files, GIMP_BRIDGE_SERVER_TLS_KEY=str(tmp_path / "cert.pem"))
        assert server.start("serve", "--port", "0").wait(60) == 2


# --- metrics and logs ---


def test_metrics_count_what_was_done(server):
    session = server.api.create()
    server.api.pixels(session)
    server.api.call("mcp_operation", operation="get_image_metadata", session_id="none")
    status, headers, text = server.api.http("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("application/openmetrics-text")
    figures = dict(re.findall(r"^(\S+) (\S+)$", text.decode(), re.MULTILINE))
    assert float(figures['gimp_bridge_operations_total{name="create_new_image",outcome="ok"}']) >= 1
    assert float(figures["gimp_bridge_pixels_moved_total"]) >= 310 * 205
    assert float(figures["gimp_bridge_sessions"]) == 1
    assert float(figures['gimp_bridge_http_requests_total{route="/jsonrpc",method="POST",status="200"}']) >= 3
    assert float(figures['gimp_bridge_gimp_round_trip_seconds_count{name="snapshot_image"}']) >= 1
    server.api.call("mcp_close_session", session_id=session)


def test_the_log_has_a_line_for_each_request_and_nothing_that_was_sent(version, tmp_path):
    log = tmp_path / "bridge.log"
    environment = {"GIMP_BRIDGE_LOG_FILE": str(log), "GIMP_BRIDGE_LOG_JSON": "true", "GIMP_BRIDGE_SERVER_API_KEY": ART,
                   "GIMP_BRIDGE_LOG_LEVEL": "debug"}
    with Server(version, gimp=False, **environment) as server:
        api = Api(server.root, ART)
        secret = "c2VjcmV0IHBpY3R1cmU" * 20
        api.call("mcp_operation", operation="get_image_metadata", image_data=secret)
        api.http("POST", "/jsonrpc", {"jsonrpc": "2.0", "method": "made-up-by-me", "id": 1})
        Api(server.root, "wrong-key-0123456789").http("GET", "/health")
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line["fields"] for line in lines if line["target"] == "gimp_bridge::request"]
    assert [(row["route"], row["calls"], row["status"], row["client"]) for row in requests] == [
        ("/jsonrpc", "mcp_operation", 200, "api-key"), ("/jsonrpc", "unknown", 200, "api-key"), ("/health", "", 401, "unknown")]
    assert requests[0]["outcome"] != "ok" and requests[0]["duration_ms"] > 0
    for hidden in (secret, ART, "wrong-key", "made-up-by-me"):
        assert hidden not in text
